/* binary_cross_entropy: -y log p - (1-y) log(1-p) with p = 1 / (1 + exp(-z)), for labels 0 and 1 and one
 * logit. Computed from the logit, so that nothing overflows or cancels: max(z,0) - zy + log(1 + exp(-|z|)).
 */
#include "model_impl.h"

#include <math.h>

static size_t outputs(size_t classes, size_t targets) { return targets == 1 && classes == 2 ? 1 : 0; }

static double loss_of(double z, double y) {
  if (!(y == 0.0 || y == 1.0))
    return NAN;
  return (z > 0.0 ? z : 0.0) - z * y + log1p(exp(-fabs(z)));
}

static double gradient(const float *z, const float *y, size_t count, size_t width, float *dz) {
  (void)width;
  double loss = 0.0;
  for (size_t i = 0; i < count; i++) {
    double logit = (double)z[i], label = (double)y[i];
    loss += loss_of(logit, label);
    dz[i] = (float)((1.0 / (1.0 + exp(-logit)) - label) / (double)count);
  }
  return loss;
}

static comity_score score(const float *z, const float *y, size_t count, size_t width, float *scores) {
  (void)width;
  comity_score score = {.examples = count};
  for (size_t i = 0; i < count; i++) {
    score.loss += loss_of((double)z[i], (double)y[i]);
    score.correct += (z[i] > 0.0F) == (y[i] > 0.5F);
    if (scores != NULL)
      scores[i] = z[i];
  }
  return score;
}

const comity_loss comity_loss_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .classifies = true,
    .binary_when_two = true,
    .labels = "one label an example that is 0 or 1 (two classes)",
    .outputs = outputs,
    .gradient = gradient,
    .score = score,
};
