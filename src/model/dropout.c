/* dropout: in training each value becomes 0 with probability rate and is divided by 1 - rate otherwise, so
 * that evaluation, where nothing happens, sees the same mean. Source: Srivastava et al. 2014, in the
 * "inverted" form. */
#include "model_impl.h"

#include <math.h>
#include <string.h>

static comity_status plan(comity_step *step) {
  double rate = step->spec.rate;
  COMITY_REQUIRE(rate >= 0.0 && rate < 1.0, COMITY_ERR_CONFIG,
                 "'rate' is %g, but it is the probability of a zero: at least 0 and less than 1", rate);
  step->out = step->in;
  step->kept = comity_shape_width(&step->in) * sizeof(float);
  return COMITY_OK;
}

/* Each layer reads a stretch of its own of the step's stream: the layer's number is in the highest byte of
 * the position, which leaves it 2^56 blocks. 32 random bits decide on a value. */
static void draw(const comity_pass *pass, float *mask, size_t count) {
  comity_random random = *pass->dropout;
  random.counter[0] += (uint64_t)(pass->step->number + 1) << 56;
  random.left = 0;
  uint64_t threshold = (uint64_t)llrint(pass->step->spec.rate * 0x1p32);
  float scale = (float)(1.0 / (1.0 - pass->step->spec.rate));
  for (size_t i = 0; i < count; i += 2) {
    uint64_t bits = comity_random_bits(&random);
    mask[i] = (bits & UINT32_MAX) < threshold ? 0.0F : scale;
    if (i + 1 < count)
      mask[i + 1] = (bits >> 32) < threshold ? 0.0F : scale;
  }
}

static void forward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *x = pass->x;
  float *y = pass->y;
  if (pass->dropout == NULL) {
    if (x != y)
      memcpy(y, x, count * sizeof *y);
    return;
  }
  float *mask = pass->kept;
  draw(pass, mask, count);
  for (size_t i = 0; i < count; i++)
    y[i] = x[i] * mask[i];
}

static void backward(const comity_pass *pass) {
  size_t count = pass->count * comity_shape_width(&pass->step->in);
  const float *mask = pass->kept;
  float *dx = pass->dx;
  if (dx == NULL || pass->dropout == NULL)
    return;
  for (size_t i = 0; i < count; i++)
    dx[i] *= mask[i];
}

const comity_layer comity_layer_dropout = {
    .name = "dropout",
    .settings = "rate",
    .elementwise = true,
    .random = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
