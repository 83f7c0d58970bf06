/* avgpool: the mean of each window and channel. Padding counts as zeros: the divisor is always the kernel's
 * size, as is PyTorch's default (count_include_pad). */
#include "model_impl.h"

#include <string.h>

static comity_status plan(comity_step *step) { return comity_window_plan(step, 0); }

static void forward(const comity_pass *pass) {
  const comity_window *window = &pass->step->window;
  size_t in = window->height * window->width;
  float share = 1.0F / (float)(window->kernel[0] * window->kernel[1]), *y = pass->y;
  for (size_t p = 0; p < pass->count * window->channels; p++) {
    const float *plane = pass->x + p * in;
    for (size_t row = 0; row < window->rows; row++)
      for (size_t column = 0; column < window->columns; column++) {
        comity_view view = comity_window_view(window, row, column);
        float sum = 0.0F;
        for (size_t i = view.top; i < view.bottom; i++)
          for (size_t j = view.left; j < view.right; j++)
            sum += plane[i * window->width + j];
        *y++ = sum * share;
      }
  }
}

static void backward(const comity_pass *pass) {
  if (pass->dx == NULL)
    return;
  const comity_window *window = &pass->step->window;
  size_t in = window->height * window->width;
  float share = 1.0F / (float)(window->kernel[0] * window->kernel[1]);
  const float *dy = pass->dy;
  memset(pass->dx, 0, pass->count * window->channels * in * sizeof *pass->dx);
  for (size_t p = 0; p < pass->count * window->channels; p++) {
    float *plane = pass->dx + p * in;
    for (size_t row = 0; row < window->rows; row++)
      for (size_t column = 0; column < window->columns; column++) {
        comity_view view = comity_window_view(window, row, column);
        float part = *dy++ * share;
        for (size_t i = view.top; i < view.bottom; i++)
          for (size_t j = view.left; j < view.right; j++)
            plane[i * window->width + j] += part;
      }
  }
}

const comity_layer comity_layer_avgpool = {
    .name = "avgpool",
    .settings = "kernel|stride|padding",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
