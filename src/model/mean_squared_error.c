/* mean_squared_error: the mean over an example's targets of (z - y)^2. Class labels count as numbers. */
#include "model_impl.h"

static size_t outputs(size_t classes, size_t targets) {
  (void)classes;
  return targets;
}

static double loss_of(const float *z, const float *y, size_t width) {
  double sum = 0.0;
  for (size_t j = 0; j < width; j++) {
    double error = (double)z[j] - (double)y[j];
    sum += error * error;
  }
  return sum / (double)width;
}

static double gradient(const float *z, const float *y, size_t count, size_t width, float *dz) {
  double loss = 0.0;
  float factor = 2.0F / (float)(count * width);
  for (size_t i = 0; i < count; i++)
    loss += loss_of(z + i * width, y + i * width, width);
  for (size_t i = 0; i < count * width; i++)
    dz[i] = factor * (z[i] - y[i]);
  return loss;
}

static comity_score score(const float *z, const float *y, size_t count, size_t width, float *scores) {
  (void)scores;
  comity_score score = {.examples = count};
  for (size_t i = 0; i < count; i++)
    score.loss += loss_of(z + i * width, y + i * width, width);
  return score;
}

const comity_loss comity_loss_mean_squared_error = {
    .name = "mean_squared_error",
    .labels = "numbers",
    .outputs = outputs,
    .gradient = gradient,
    .score = score,
};
