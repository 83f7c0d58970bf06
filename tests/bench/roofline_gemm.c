/* The fastest matrix product that the libraries manage here, own code included: what a training step made of products can be
 * compared with. */
#include "roofline.h"

#include "kernel/kernel_impl.h"

#include <string.h>

typedef struct product {
  const comity_dense_kernel *kernel;
  comity_dense_shape shape;
  float *x, *weight, *bias, *y;
} product;

static void multiply(void *context) {
  product *p = context;
  p->kernel->forward(&p->shape, p->x, p->weight, p->bias, p->y);
}

static void measure_kernel(machine *m, product *p, double seconds, FILE *csv) {
  static const size_t sides[] = {256, 512, 768, 1024, 1536};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    size_t side = sides[i];
    p->shape = (comity_dense_shape){side, side, side};
    if (p->kernel->fits != NULL && !p->kernel->fits(&p->shape))
      continue;
    double rate = 2.0 * (double)(side * side * side) / fastest_call(multiply, p, seconds);
    fprintf(csv, "gemm,%s %zu^3,%.4g,GFLOP/s\n", p->kernel->name, side, rate * 1e-9);
    if (rate > m->gemm) {
      m->gemm = rate;
      snprintf(m->gemm_of, sizeof m->gemm_of, "%s %zu^3", p->kernel->name, side);
    }
  }
}

/* Of one name only the first that runs here: the list begins with the best instruction set. */
static bool wanted(size_t number) {
  const comity_dense_kernel *kernel = comity_dense_kernels[number];
  for (size_t i = 0; i < number; i++)
    if (comity_dense_kernels[i]->isa <= comity_isa_best() &&
        strcmp(comity_dense_kernels[i]->name, kernel->name) == 0)
      return false;
  return kernel->isa <= comity_isa_best();
}

comity_status gemm_measure(machine *m, double seconds, FILE *csv) {
  const size_t most = (size_t)1536 * 1536;
  product p = {0};
  comity_status status;
  COMITY_TRY_OR(done, COMITY_NEW(p.x, most));
  COMITY_TRY_OR(done, COMITY_NEW(p.weight, most));
  COMITY_TRY_OR(done, COMITY_NEW(p.bias, most));
  COMITY_TRY_OR(done, COMITY_NEW(p.y, most));
  for (size_t i = 0; i < most; i++) {
    p.x[i] = (float)(i % 7) - 3.0F;
    p.weight[i] = (float)(i % 11) - 5.0F;
  }
  for (size_t i = 0; i < comity_dense_kernel_count; i++) {
    p.kernel = comity_dense_kernels[i];
    if (wanted(i))
      measure_kernel(m, &p, seconds, csv);
  }
done:
  comity_free(p.x);
  comity_free(p.weight);
  comity_free(p.bias);
  comity_free(p.y);
  return status;
}
