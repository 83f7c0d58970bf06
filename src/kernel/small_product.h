/* C = A B or C += A B for matrices that stay in the cache, with B and C padded to whole vectors. Every number
 * of C is summed in the order of the depth, so that it does not depend on how many rows there are, and added to
 * what was there as a whole, so that errors of long sums stay small. */
#ifndef COMITY_SMALL_PRODUCT_H
#define COMITY_SMALL_PRODUCT_H

#include "vector.h"

/* Rows that, two vectors wide, leave registers for two vectors of B and one number of A. */
#if defined(__AVX512F__)
enum { TALL = 14 };
#else
enum { TALL = 6 };
#endif

/* The number of A in row i at depth k is a[i * row + k * step]; rows of B and C are `width` apart. */
typedef struct product {
  size_t rows, width, depth;
  size_t row, step;
  bool add;
} product;

/* `rows` and `wide` are constants after inlining. */
COMITY_INLINE void product_block(const size_t rows, const size_t wide, const product *p, const float *a,
                                 const float *b, float *c) {
  vector sum[TALL][2];
  COMITY_UNROLL
  for (size_t i = 0; i < rows; i++)
    COMITY_UNROLL
  for (size_t j = 0; j < wide; j++)
    sum[i][j] = (vector){0};
  for (size_t k = 0; k < p->depth; k++) {
    vector right[2];
    COMITY_UNROLL
    for (size_t j = 0; j < wide; j++)
      right[j] = vector_load(b + k * p->width + j * LANES);
    COMITY_UNROLL
    for (size_t i = 0; i < rows; i++) {
      vector left = vector_all(a[i * p->row + k * p->step]);
      COMITY_UNROLL
      for (size_t j = 0; j < wide; j++)
        sum[i][j] += left * right[j];
    }
  }
  COMITY_UNROLL
  for (size_t i = 0; i < rows; i++)
    COMITY_UNROLL
  for (size_t j = 0; j < wide; j++) {
    float *to = c + i * p->width + j * LANES;
    vector_store(to, p->add ? vector_load(to) + sum[i][j] : sum[i][j]);
  }
}

COMITY_INLINE void product_columns(const size_t wide, const product *p, const float *a, const float *b,
                                   float *c) {
  for (size_t left = p->rows; left > 0;) {
    size_t rows = left >= TALL ? TALL : left;
    if (left > TALL && left < 2 * TALL)
      rows = (left + 1) / 2;
    switch (rows) {
#define COMITY_ROWS(n)                                                                                       \
  case n:                                                                                                    \
    product_block(n, wide, p, a, b, c);                                                                      \
    break
      COMITY_ROWS(1);
      COMITY_ROWS(2);
      COMITY_ROWS(3);
      COMITY_ROWS(4);
      COMITY_ROWS(5);
      COMITY_ROWS(6);
#if defined(__AVX512F__)
      COMITY_ROWS(7);
      COMITY_ROWS(8);
      COMITY_ROWS(9);
      COMITY_ROWS(10);
      COMITY_ROWS(11);
      COMITY_ROWS(12);
      COMITY_ROWS(13);
      COMITY_ROWS(14);
#endif
#undef COMITY_ROWS
    }
    a += rows * p->row;
    c += rows * p->width;
    left -= rows;
  }
}

/* a as `p` says, b (depth, width), c (rows, width); width is a multiple of LANES. */
static inline void product_run(const product *p, const float *a, const float *b, float *c) {
  size_t j = 0;
  for (; j + 2 * LANES <= p->width; j += 2 * LANES)
    product_columns(2, p, a, b + j, c + j);
  if (j < p->width)
    product_columns(1, p, a, b + j, c + j);
}

#endif
