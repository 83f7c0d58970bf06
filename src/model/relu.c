/* relu: y = max(x, 0). NaN passes, so that a model that diverged does not look healthy. */
#include "model_impl.h"

static void forward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *x = pass->x;
  float *y = pass->y;
  for (size_t i = 0; i < count; i++)
    y[i] = x[i] < 0.0F ? 0.0F : x[i];
}

static void backward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *y = pass->y;
  float *dx = pass->dx;
  if (dx == NULL)
    return;
  for (size_t i = 0; i < count; i++)
    dx[i] = y[i] > 0.0F ? dx[i] : 0.0F;
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
