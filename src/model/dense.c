/* dense: y = x W^T + b. Takes examples of any shape as flat ones. */
#include "model_impl.h"

static comity_status plan(comity_step *step) {
  size_t units = step->spec.units, width = comity_shape_width(&step->in);
  COMITY_REQUIRE(units >= 1, COMITY_ERR_CONFIG, "'units' is missing; give the number of outputs");
  step->out = (comity_shape){.rank = 1, .size = {units}};
  step->weight = (comity_shape){.rank = 2, .size = {units, width}};
  step->fan_in = width;
  return COMITY_OK;
}

/* Chosen for each call: the last batch of an epoch has another shape than the others. */
static const comity_dense_kernel *kernel_of(const comity_pass *pass, comity_dense_shape *shape) {
  const comity_shape *weight = &pass->step->weight;
  *shape = (comity_dense_shape){.rows = pass->count, .width = weight->size[1], .units = weight->size[0]};
  return comity_dense_choose(shape, pass->step->kernels);
}

static void forward(const comity_pass *pass) {
  comity_dense_shape shape;
  kernel_of(pass, &shape)->forward(&shape, pass->x, pass->weight, pass->bias, pass->y);
}

static void backward(const comity_pass *pass) {
  comity_dense_shape shape;
  const comity_dense_kernel *kernel = kernel_of(pass, &shape);
  if (pass->dx != NULL)
    kernel->data(&shape, pass->dy, pass->weight, pass->dx);
  kernel->update(&shape, pass->dy, pass->x, pass->keep, pass->scale, pass->weight_sink, pass->bias_sink);
}

const comity_layer comity_layer_dense = {
    .name = "dense",
    .settings = "units",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
