/* Initial parameters. */
#include "model_impl.h"

#include <math.h>
#include <string.h>

void comity_model_init(const comity_model *model, uint64_t seed, bool zero, float *parameters) {
  if (zero) {
    memset(parameters, 0, model->parameters * sizeof *parameters);
    return;
  }
  size_t tensor = 0;
  for (size_t i = 0; i < model->spec.count; i++) {
    if (model->step[i].weight.rank == 0)
      continue;
    double bound = 1.0 / sqrt((double)model->step[i].fan_in);
    for (int part = 0; part < 2; part++, tensor++) { /* weight, bias */
      float *values = parameters + model->tensor[tensor].offset;
      comity_random random;
      comity_random_open(&random, seed, COMITY_RANDOM_INIT, tensor, 0, 0);
      for (size_t k = 0; k < model->tensor[tensor].length; k++)
        values[k] = (float)(bound * (2.0 * comity_random_uniform(&random) - 1.0));
    }
  }
}
