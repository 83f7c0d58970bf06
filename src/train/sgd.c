/* From a gradient to a step: clip, weight decay, momentum, in the order in which PyTorch applies them. */
#include "train_impl.h"

#include <math.h>

void comity_gradient_clip(float *gradient, size_t n, double most) {
  double squared = 0.0;
  for (size_t i = 0; i < n; i++)
    squared += (double)gradient[i] * gradient[i];
  double norm = sqrt(squared);
  if (!(norm > most))
    return;
  float factor = (float)(most / norm);
  for (size_t i = 0; i < n; i++)
    gradient[i] *= factor;
}

/* g <- g + weight_decay w;  v <- momentum v + g;  w <- w - rate v, or w - rate (g + momentum v) with
 * Nesterov's momentum. */
void comity_sgd_step(const comity_train_settings *settings, double rate, size_t n, float *gradient,
                     float *velocity, float *model) {
  float eta = (float)rate, m = (float)settings->momentum, decay = (float)settings->weight_decay;
  if (decay != 0.0F)
    for (size_t i = 0; i < n; i++)
      gradient[i] += decay * model[i];
  if (velocity == NULL) {
    for (size_t i = 0; i < n; i++)
      model[i] -= eta * gradient[i];
    return;
  }
  for (size_t i = 0; i < n; i++)
    velocity[i] = m * velocity[i] + gradient[i];
  if (settings->nesterov)
    for (size_t i = 0; i < n; i++)
      model[i] -= eta * (gradient[i] + m * velocity[i]);
  else
    for (size_t i = 0; i < n; i++)
      model[i] -= eta * velocity[i];
}
