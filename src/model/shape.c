/* Shapes of examples, and how windows slide over images. */
#include "model_impl.h"

#include <limits.h>

size_t comity_shape_width(const comity_shape *shape) {
  size_t width = 1;
  for (size_t i = 0; i < shape->rank; i++)
    if (__builtin_mul_overflow(width, shape->size[i], &width))
      return SIZE_MAX;
  return width;
}

const char *comity_shape_text(const comity_shape *shape, char text[96]) {
  int used = 0;
  text[0] = '\0';
  for (size_t i = 0; i < shape->rank && used < 90; i++)
    used += snprintf(text + used, 96 - (size_t)used, i == 0 ? "%zu" : "x%zu", shape->size[i]);
  return text;
}

/* One direction of the window, 0 = down, 1 = across: check it and count its places. */
static comity_status slide(comity_step *step, int direction, size_t extent, size_t *places) {
  static const char *const names[] = {"height", "width"};
  comity_layer_spec *spec = &step->spec;
  size_t kernel = spec->kernel[direction];
  COMITY_REQUIRE(kernel >= 1, COMITY_ERR_CONFIG,
                 "'kernel' is missing; give the window's size, e.g. 2 or \"2,3\"");
  if (spec->same) {
    COMITY_REQUIRE(kernel % 2 == 1, COMITY_ERR_CONFIG,
                   "padding 'same' needs an odd kernel, not %zu; give the padding as a number", kernel);
    spec->padding[direction] = kernel / 2;
  }
  if (spec->stride[direction] == 0)
    spec->stride[direction] = step->layer == &comity_layer_conv2d ? 1 : kernel;
  size_t padding = spec->padding[direction], stride = spec->stride[direction];
  COMITY_REQUIRE(kernel <= INT_MAX && stride <= INT_MAX, COMITY_ERR_CONFIG,
                 "kernel %zu and stride %zu must be below 2^31", kernel, stride);
  COMITY_REQUIRE(padding < kernel, COMITY_ERR_CONFIG,
                 "a padding of %zu is not less than the kernel of %zu, so some windows would see no input",
                 padding, kernel);
  COMITY_REQUIRE(
      kernel <= extent + 2 * padding, COMITY_ERR_CONFIG,
      "a kernel of %zu does not fit the input's %s of %zu with padding %zu; use a kernel of at most %zu",
      kernel, names[direction], extent, padding, extent + 2 * padding);
  *places = (extent + 2 * padding - kernel) / stride + 1;
  step->window.kernel[direction] = kernel;
  step->window.stride[direction] = stride;
  step->window.padding[direction] = padding;
  return COMITY_OK;
}

comity_status comity_window_plan(comity_step *step, size_t channels) {
  const comity_shape *in = &step->in;
  char text[96];
  COMITY_REQUIRE(in->rank == 3 || in->rank == 2, COMITY_ERR_CONFIG,
                 "wants images (channels, height, width), but its input is %s; it cannot follow a dense or "
                 "flatten layer or read data that is no image",
                 comity_shape_text(in, text));
  comity_window *window = &step->window;
  window->channels = in->rank == 3 ? in->size[0] : 1;
  window->height = in->size[in->rank - 2];
  window->width = in->size[in->rank - 1];
  COMITY_TRY(slide(step, 0, window->height, &window->rows));
  COMITY_TRY(slide(step, 1, window->width, &window->columns));
  if (channels == 0)
    channels = window->channels;
  step->out = (comity_shape){.rank = 3, .size = {channels, window->rows, window->columns}};
  return COMITY_OK;
}

comity_status comity_shape_keep(comity_step *step) {
  step->out = step->in;
  return COMITY_OK;
}
