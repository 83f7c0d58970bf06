/* The fastest matrix product that the libraries manage here: what a training step made of products can be compared with. */
#include "roofline.h"

#include <cblas.h>

typedef struct product {
  int rows, columns, depth;
  float *a, *b, *c;
} product;

static void by_openblas(void *context) {
  product *p = context;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, p->rows, p->columns, p->depth, 1.0F, p->a, p->depth,
              p->b, p->columns, 0.0F, p->c, p->columns);
}

static const struct library {
  const char *name;
  void (*multiply)(void *context);
} libraries[] = {
    {"OpenBLAS", by_openblas},
};

static void measure_library(machine *m, const struct library *library, product *p, double seconds,
                            FILE *csv) {
  static const int sides[] = {256, 512, 768, 1024, 1536};
  for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
    p->rows = p->columns = p->depth = sides[i];
    double rate = 2.0 * sides[i] * sides[i] * sides[i] / time_call(library->multiply, p, seconds);
    fprintf(csv, "gemm,%s %d^3,%.4g,GFLOP/s\n", library->name, sides[i], rate * 1e-9);
    if (rate > m->gemm) {
      m->gemm = rate;
      snprintf(m->gemm_of, sizeof m->gemm_of, "%s %d^3", library->name, sides[i]);
    }
  }
}

comity_status gemm_measure(machine *m, double seconds, FILE *csv) {
  enum { MOST = 1536 };
  product p = {0};
  comity_status status;
  COMITY_TRY_OR(done, COMITY_NEW(p.a, (size_t)MOST * MOST));
  COMITY_TRY_OR(done, COMITY_NEW(p.b, (size_t)MOST * MOST));
  COMITY_TRY_OR(done, COMITY_NEW(p.c, (size_t)MOST * MOST));
  for (size_t i = 0; i < (size_t)MOST * MOST; i++) {
    p.a[i] = (float)(i % 7) - 3.0F;
    p.b[i] = (float)(i % 11) - 5.0F;
  }
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    measure_library(m, &libraries[i], &p, seconds, csv);
done:
  comity_free(p.a);
  comity_free(p.b);
  comity_free(p.c);
  return status;
}
