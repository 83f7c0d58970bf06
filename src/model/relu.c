/* relu: y = max(x, 0). NaN passes, so that a model that diverged does not look healthy; -0 becomes 0, so that
 * relu and maxpool may change places (plan.c) bit for bit. */
#include "model_impl.h"

static void forward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  comity_elementwise_best()->relu(pass->x, count, pass->y);
}

static void backward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  if (pass->dx != NULL)
    comity_elementwise_best()->relu_back(pass->y, count, pass->dx);
}

const comity_layer comity_layer_relu = {
    .name = "relu",
    .settings = "",
    .elementwise = true,
    .reads_output = true,
    .plan = comity_shape_keep,
    .forward = forward,
    .backward = backward,
};
