/* onednn: a dense layer by oneDNN's dnnl_sgemm, which may allocate. */
#include "kernel_impl.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* c = alpha op(a) op(b) + beta c, row-major, by one thread: a rank is one thread of arithmetic, and bits must
 * not depend on how many cores there are. The call fails for arguments that no shape gives. */
static void multiply(char op_a, char op_b, size_t m, size_t n, size_t k, float alpha, const float *a,
                     size_t a_row, const float *b, size_t b_row, float beta, float *c) {
  int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  dnnl_status_t status = dnnl_sgemm(op_a, op_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, alpha, a,
                                    (dnnl_dim_t)a_row, b, (dnnl_dim_t)b_row, beta, c, (dnnl_dim_t)n);
  omp_set_num_threads(threads);
  COMITY_ASSERT(status == dnnl_success);
  (void)status;
}

static void forward(const comity_dense_shape *shape, const float *x, const float *weight, const float *bias,
                    float *y) {
  for (size_t i = 0; i < shape->rows; i++)
    memcpy(y + i * shape->units, bias, shape->units * sizeof *y);
  multiply('N', 'T', shape->rows, shape->units, shape->width, 1.0F, x, shape->width, weight, shape->width,
           1.0F, y);
}

static void data(const comity_dense_shape *shape, const float *dy, const float *weight, float *dx) {
  multiply('N', 'N', shape->rows, shape->width, shape->units, 1.0F, dy, shape->units, weight, shape->width,
           0.0F, dx);
}

static void update(const comity_dense_shape *shape, const float *dy, const float *x, float keep, float scale,
                   float *weight_sink, float *bias_sink) {
  multiply('T', 'N', shape->units, shape->width, shape->rows, scale, dy, shape->units, x, shape->width, keep,
           weight_sink);
  comity_dense_bias(shape, dy, keep, scale, bias_sink);
}

const comity_dense_kernel comity_dense_onednn = {
    .name = "onednn",
    .isa = COMITY_ISA_BASE,
    .forward = forward,
    .data = data,
    .update = update,
};
