/* tanh: y = tanh(x). */
#include "model_impl.h"

#include <math.h>

static void forward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *x = pass->x;
  float *y = pass->y;
  for (size_t i = 0; i < count; i++)
    y[i] = tanhf(x[i]);
}

static void backward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *y = pass->y;
  float *dx = pass->dx;
  if (dx == NULL)
    return;
  for (size_t i = 0; i < count; i++)
    dx[i] *= 1.0F - y[i] * y[i];
}

const comity_layer comity_layer_tanh = {
    .name = "tanh",
    .settings = "",
    .elementwise = true,
    .reads_output = true,
    .plan = comity_shape_keep,
    .forward = forward,
    .backward = backward,
};
