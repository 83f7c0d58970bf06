/* dense: y = x W^T + b. Takes examples of any shape as flat ones. */
#include "model_impl.h"

#include <cblas.h>
#include <string.h>

static comity_status plan(comity_step *step) {
  size_t units = step->spec.units, width = comity_shape_width(&step->in);
  COMITY_REQUIRE(units >= 1, COMITY_ERR_CONFIG, "'units' is missing; give the number of outputs");
  step->out = (comity_shape){.rank = 1, .size = {units}};
  step->weight = (comity_shape){.rank = 2, .size = {units, width}};
  step->fan_in = width;
  return COMITY_OK;
}

static void forward(const comity_pass *pass) {
  size_t units = pass->step->weight.size[0], width = pass->step->weight.size[1];
  for (size_t i = 0; i < pass->count; i++)
    memcpy(pass->y + i * units, pass->bias, units * sizeof *pass->y);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)pass->count, (int)units, (int)width, 1.0F,
              pass->x, (int)width, pass->weight, (int)width, 1.0F, pass->y, (int)units);
}

static void backward(const comity_pass *pass) {
  size_t units = pass->step->weight.size[0], width = pass->step->weight.size[1];
  if (pass->dx != NULL)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)pass->count, (int)width, (int)units, 1.0F,
                pass->dy, (int)units, pass->weight, (int)width, 0.0F, pass->dx, (int)width);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)units, (int)width, (int)pass->count, pass->scale,
              pass->dy, (int)units, pass->x, (int)width, pass->keep, pass->weight_sink, (int)width);
  float *sink = pass->bias_sink;
  for (size_t j = 0; j < units; j++)
    sink[j] = pass->keep == 0.0F ? 0.0F : pass->keep * sink[j];
  for (size_t i = 0; i < pass->count; i++)
    for (size_t j = 0; j < units; j++)
      sink[j] += pass->scale * pass->dy[i * units + j];
}

const comity_layer comity_layer_dense = {
    .name = "dense",
    .settings = "units",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
