/* conv2d: cross-correlation of images with filters, as PyTorch's. */
#include "model_impl.h"

static comity_conv_shape shape_of(const comity_step *step) {
  const comity_window *window = &step->window;
  return (comity_conv_shape){.channels = window->channels,
                             .height = window->height,
                             .width = window->width,
                             .filters = step->weight.size[0],
                             .rows = window->rows,
                             .columns = window->columns,
                             .kernel = {window->kernel[0], window->kernel[1]},
                             .stride = {window->stride[0], window->stride[1]},
                             .padding = {window->padding[0], window->padding[1]}};
}

static comity_status plan(comity_step *step) {
  size_t filters = step->spec.units;
  COMITY_REQUIRE(filters >= 1, COMITY_ERR_CONFIG, "'filters' is missing; give the number of output channels");
  COMITY_TRY(comity_window_plan(step, filters));
  const comity_window *window = &step->window;
  step->weight =
      (comity_shape){.rank = 4, .size = {filters, window->channels, window->kernel[0], window->kernel[1]}};
  step->fan_in = window->channels * window->kernel[0] * window->kernel[1];
  comity_conv_shape shape = shape_of(step);
  step->scratch = comity_conv_choose(&shape, step->kernels)->scratch(&shape);
  return COMITY_OK;
}

static void forward(const comity_pass *pass) {
  comity_conv_shape shape = shape_of(pass->step);
  comity_conv_choose(&shape, pass->step->kernels)
      ->forward(&shape, pass->count, pass->x, pass->weight, pass->bias, pass->y, pass->scratch);
}

static void backward(const comity_pass *pass) {
  comity_conv_shape shape = shape_of(pass->step);
  comity_conv_choose(&shape, pass->step->kernels)
      ->backward(&shape, pass->count, pass->x, pass->dy, pass->weight, pass->dx, pass->keep, pass->scale,
                 pass->weight_sink, pass->bias_sink, pass->scratch);
}

const comity_layer comity_layer_conv2d = {
    .name = "conv2d",
    .settings = "filters|kernel|stride|padding",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
