/* From a gradient to a step: clip, weight decay, momentum, in the order in which PyTorch applies them. */
#include "train_impl.h"

#include <comity/kernel.h>

#include <math.h>

double comity_gradient_factor(const float *gradient, size_t n, double most) {
  if (most == 0.0)
    return 1.0;
  double norm = sqrt(comity_passes_best()->squares(gradient, n));
  return norm > most ? most / norm : 1.0;
}

void comity_sgd_step(const comity_train_settings *settings, double rate, size_t n, const float *gradient,
                     float *velocity, float *model) {
  comity_sgd sgd = {.rate = (float)rate,
                    .momentum = (float)settings->momentum,
                    .factor = (float)comity_gradient_factor(gradient, n, settings->clip),
                    .decay = (float)settings->weight_decay,
                    .nesterov = settings->nesterov};
  comity_passes_best()->sgd(&sgd, n, gradient, velocity, model);
}
