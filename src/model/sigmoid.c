/* sigmoid: y = 1 / (1 + exp(-x)). Exact at both ends: exp may overflow to infinity, which gives 0. */
#include "model_impl.h"

#include <math.h>

static void forward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *x = pass->x;
  float *y = pass->y;
  for (size_t i = 0; i < count; i++)
    y[i] = 1.0F / (1.0F + expf(-x[i]));
}

static void backward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *y = pass->y;
  float *dx = pass->dx;
  if (dx == NULL)
    return;
  for (size_t i = 0; i < count; i++)
    dx[i] *= y[i] * (1.0F - y[i]);
}

const comity_layer comity_layer_sigmoid = {
    .name = "sigmoid",
    .settings = "",
    .elementwise = true,
    .reads_output = true,
    .plan = comity_shape_keep,
    .forward = forward,
    .backward = backward,
};
