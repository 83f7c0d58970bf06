/* Work on each number by itself: pixels, relu, softmax. Loops that the compiler turns into vectors are
 * left to it. */
#include "vector.h"

#include <math.h>

static void from_bytes(const uint8_t *restrict from, size_t count, double scale, float *restrict to) {
  for (size_t i = 0; i < count; i++)
    to[i] = (float)((double)from[i] * scale);
}

static void relu(const float *x, size_t count, float *y) {
  for (size_t i = 0; i < count; i++)
    y[i] = x[i] <= 0.0F ? 0.0F : x[i];
}

static void relu_back(const float *restrict y, size_t count, float *restrict dy) {
  for (size_t i = 0; i < count; i++)
    dy[i] = y[i] > 0.0F ? dy[i] : 0.0F;
}

/* z[j ... j+LANES) of a row; beyond its end there is nothing that could be the largest. */
COMITY_INLINE vector of_row(const float *z, size_t width, size_t j) {
  return j + LANES <= width ? vector_load(z + j) : vector_load_or(z + j, width - j, vector_all(-INFINITY));
}

COMITY_INLINE void to_row(float *z, size_t width, size_t j, vector v) {
  if (j + LANES <= width)
    vector_store(z + j, v);
  else
    vector_store_part(z + j, v, width - j);
}

/* dz = factor exp(z - top) with the factor that makes its sum `share`; returns the sum before that. */
COMITY_INLINE float softmax(const float *z, size_t width, float share, float *dz, float *top) {
  vector largest = of_row(z, width, 0), sum = {0};
  for (size_t j = LANES; j < width; j += LANES)
    largest = vector_larger(largest, of_row(z, width, j));
  largest = vector_largest(largest);
  *top = largest[0];
  if (width <= LANES) { /* one vector holds the row, and need not go through memory */
    vector e = vector_exp(of_row(z, width, 0) - largest);
    sum = vector_sum(e);
    to_row(dz, width, 0, e * (share / sum));
    return sum[0];
  }
  for (size_t j = 0; j < width; j += LANES) {
    vector e = vector_exp(of_row(z, width, j) - largest);
    to_row(dz, width, j, e);
    sum += e;
  }
  sum = vector_sum(sum);
  for (size_t j = 0; j < width; j += LANES)
    to_row(dz, width, j, of_row(dz, width, j) * (share / sum));
  return sum[0];
}

/* The loss of an example is log(sum of exp(z - top)) - (z[label] - top). The logarithm is taken of products of
 * sums, each of which is from 1 to `width`, before they could overflow. */
static double cross_entropy(const float *z, const float *y, size_t count, size_t width, float *dz) {
  double loss = 0.0, product = 1.0;
  float share = 1.0F / (float)count;
  for (size_t i = 0; i < count; i++, z += width, dz += width) {
    float top;
    product *= (double)softmax(z, width, share, dz, &top);
    if (!(product < 1e280)) {
      loss += log(product);
      product = 1.0;
    }
    if (y[i] >= 0.0F && y[i] < (float)width) {
      loss -= (double)z[(size_t)y[i]] - (double)top;
      dz[(size_t)y[i]] -= share;
    } else {
      loss = NAN;
    }
  }
  return loss + log(product);
}

const comity_elementwise COMITY_ISA(comity_elementwise) = {
    .isa = COMITY_ISA_THIS,
    .from_bytes = from_bytes,
    .relu = relu,
    .relu_back = relu_back,
    .cross_entropy = cross_entropy,
};
