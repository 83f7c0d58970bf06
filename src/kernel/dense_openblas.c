/* openblas: a dense layer by OpenBLAS's sgemm. */
#include "kernel_impl.h"

#include <cblas.h>
#include <string.h>

static void forward(const comity_dense_shape *shape, const float *x, const float *weight, const float *bias,
                    float *y) {
  int rows = (int)shape->rows, width = (int)shape->width, units = (int)shape->units;
  for (size_t i = 0; i < shape->rows; i++)
    memcpy(y + i * shape->units, bias, shape->units * sizeof *y);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, units, width, 1.0F, x, width, weight, width,
              1.0F, y, units);
}

static void data(const comity_dense_shape *shape, const float *dy, const float *weight, float *dx) {
  int rows = (int)shape->rows, width = (int)shape->width, units = (int)shape->units;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, width, units, 1.0F, dy, units, weight, width,
              0.0F, dx, width);
}

static void update(const comity_dense_shape *shape, const float *dy, const float *x, float keep, float scale,
                   float *weight_sink, float *bias_sink) {
  int rows = (int)shape->rows, width = (int)shape->width, units = (int)shape->units;
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, units, width, rows, scale, dy, units, x, width, keep,
              weight_sink, width);
  comity_dense_bias(shape, dy, keep, scale, bias_sink);
}

const comity_dense_kernel comity_dense_openblas = {
    .name = "openblas",
    .isa = COMITY_ISA_BASE,
    .forward = forward,
    .data = data,
    .update = update,
};
