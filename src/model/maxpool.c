/* maxpool: the largest value of each window and channel. Padding never wins: it counts as minus infinity. */
#include "model_impl.h"

#include <string.h>

/* The first largest pixel of the window. */
static uint32_t largest(const comity_window *window, const float *plane, size_t row, size_t column) {
  comity_view view = comity_window_view(window, row, column);
  size_t best = view.top * window->width + view.left;
  for (size_t i = view.top; i < view.bottom; i++)
    for (size_t j = view.left; j < view.right; j++) {
      size_t at = i * window->width + j;
      if (plane[at] > plane[best])
        best = at;
    }
  return (uint32_t)best;
}

static void pool_any(const comity_window *window, const float *plane, float *y, uint32_t *place) {
  for (size_t row = 0; row < window->rows; row++)
    for (size_t column = 0; column < window->columns; column++, y++) {
      uint32_t best = largest(window, plane, row, column);
      *y = plane[best];
      if (place != NULL)
        *place++ = best;
    }
}

/* The common case, for which there is vector code. */
static bool common(const comity_window *window) {
  return window->kernel[0] == 2 && window->kernel[1] == 2 && window->stride[0] == 2 &&
         window->stride[1] == 2 && window->padding[0] == 0 && window->padding[1] == 0;
}

static comity_status plan(comity_step *step) {
  COMITY_TRY(comity_window_plan(step, 0));
  COMITY_REQUIRE(step->window.height * step->window.width <= UINT32_MAX, COMITY_ERR_CONFIG,
                 "images of more than 2^32 pixels cannot be pooled");
  size_t place = common(&step->window) ? sizeof(uint8_t) : sizeof(uint32_t);
  step->kept = comity_shape_width(&step->out) * place;
  return COMITY_OK;
}

static void forward(const comity_pass *pass) {
  const comity_window *window = &pass->step->window;
  size_t in = window->height * window->width, out = window->rows * window->columns;
  size_t planes = pass->count * window->channels;
  if (common(window)) {
    comity_pool_choose()->forward(planes, window->height, window->width, pass->x, pass->y, pass->kept);
    return;
  }
  for (size_t p = 0; p < planes; p++) {
    uint32_t *place = pass->kept == NULL ? NULL : (uint32_t *)pass->kept + p * out;
    pool_any(window, pass->x + p * in, pass->y + p * out, place);
  }
}

static void backward(const comity_pass *pass) {
  if (pass->dx == NULL)
    return;
  const comity_window *window = &pass->step->window;
  size_t in = window->height * window->width, out = window->rows * window->columns;
  size_t planes = pass->count * window->channels;
  if (common(window)) {
    comity_pool_choose()->backward(planes, window->height, window->width, pass->dy, pass->kept, pass->dx);
    return;
  }
  for (size_t p = 0; p < planes; p++) {
    const uint32_t *place = (const uint32_t *)pass->kept + p * out;
    float *dx = pass->dx + p * in;
    memset(dx, 0, in * sizeof *dx);
    for (size_t i = 0; i < out; i++)
      dx[place[i]] += pass->dy[p * out + i];
  }
}

const comity_layer comity_layer_maxpool = {
    .name = "maxpool",
    .settings = "kernel|stride|padding",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
