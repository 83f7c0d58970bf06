/* cross_entropy: -log softmax(z)[label], for labels 0 ... classes-1. */
#include "model_impl.h"

#include <math.h>

static size_t outputs(size_t classes, size_t targets) { return targets == 1 && classes >= 2 ? classes : 0; }

static size_t largest(const float *z, size_t width) {
  size_t best = 0;
  for (size_t j = 1; j < width; j++)
    if (z[j] > z[best])
      best = j;
  return best;
}

/* Loss of one example, from the sum of exp(z - largest). */
static double loss_of(const float *z, float label, size_t width, float top, float sum) {
  if (!(label >= 0.0F && label < (float)width))
    return NAN;
  return log((double)sum) - ((double)z[(size_t)label] - (double)top);
}

static double gradient(const float *z, const float *y, size_t count, size_t width, float *dz) {
  return comity_elementwise_best()->cross_entropy(z, y, count, width, dz);
}

static comity_score score(const float *z, const float *y, size_t count, size_t width, float *scores) {
  comity_score score = {.examples = count};
  for (size_t i = 0; i < count; i++, z += width) {
    size_t best = largest(z, width);
    float sum = 0.0F;
    for (size_t j = 0; j < width; j++)
      sum += expf(z[j] - z[best]);
    score.loss += loss_of(z, y[i], width, z[best], sum);
    score.correct += y[i] == (float)best;
    if (scores != NULL && width == 2)
      scores[i] = z[1] - z[0];
  }
  return score;
}

const comity_loss comity_loss_cross_entropy = {
    .name = "cross_entropy",
    .classifies = true,
    .binary_when_two = true,
    .labels = "one class label an example (two or more classes)",
    .outputs = outputs,
    .gradient = gradient,
    .score = score,
};
