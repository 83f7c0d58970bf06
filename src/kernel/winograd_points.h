/* Winograd's convolution in one direction: six inputs are taken as coefficients of a polynomial, evaluated at
 * six points, multiplied point by point with the filter's values, and the outputs are read off. Six inputs
 * give two outputs of a filter of five, or four of a filter of three; the inputs' part is the same.
 *
 * The points are 0, +-3/4, +-3/2 and infinity. All coefficients of the transforms of data are exact in binary,
 * and rounding errors are about half of those with the usual +-1, +-2.
 * Source: Lavin and Gray 2016; on points, Barabasz et al. 2020. */
#ifndef COMITY_WINOGRAD_POINTS_H
#define COMITY_WINOGRAD_POINTS_H

#include "vector.h"

enum { TILE = 6, POINTS = TILE * TILE };

#define COMITY_A 0.75F
#define COMITY_B 1.5F
#define COMITY_AA (COMITY_A * COMITY_A)
#define COMITY_BB (COMITY_B * COMITY_B)

/* v = B^T d: data to points. Point p gets the polynomial x (x^2 - AA) (x^2 - BB) / (x - p), whose parts of
 * even and odd powers +p and -p share. */
COMITY_INLINE void data_to_points(const vector d[TILE], vector v[TILE]) {
  vector even_a = d[4] - COMITY_BB * d[2], odd_a = COMITY_A * (d[3] - COMITY_BB * d[1]);
  vector even_b = d[4] - COMITY_AA * d[2], odd_b = COMITY_B * (d[3] - COMITY_AA * d[1]);
  v[0] = d[4] - (COMITY_AA + COMITY_BB) * d[2] + (COMITY_AA * COMITY_BB) * d[0];
  v[1] = even_a + odd_a;
  v[2] = even_a - odd_a;
  v[3] = even_b + odd_b;
  v[4] = even_b - odd_b;
  v[5] = d[5] - (COMITY_AA + COMITY_BB) * d[3] + (COMITY_AA * COMITY_BB) * d[1];
}

/* d = B v, the transpose: what gradients of the points give to the data. */
COMITY_INLINE void points_to_data(const vector v[TILE], vector d[TILE]) {
  vector even_a = v[1] + v[2], odd_a = COMITY_A * (v[1] - v[2]);
  vector even_b = v[3] + v[4], odd_b = COMITY_B * (v[3] - v[4]);
  d[0] = (COMITY_AA * COMITY_BB) * v[0];
  d[1] = (COMITY_AA * COMITY_BB) * v[5] - COMITY_BB * odd_a - COMITY_AA * odd_b;
  d[2] = -(COMITY_AA + COMITY_BB) * v[0] - COMITY_BB * even_a - COMITY_AA * even_b;
  d[3] = odd_a + odd_b - (COMITY_AA + COMITY_BB) * v[5];
  d[4] = v[0] + even_a + even_b;
  d[5] = v[5];
}

/* y = A^T m: points to `outputs` results, 2 or 4. */
COMITY_INLINE void points_to_results(const int outputs, const vector m[TILE], vector y[]) {
  vector even_a = m[1] + m[2], odd_a = COMITY_A * (m[1] - m[2]);
  vector even_b = m[3] + m[4], odd_b = COMITY_B * (m[3] - m[4]);
  y[0] = m[0] + even_a + even_b;
  y[1] = odd_a + odd_b;
  if (outputs == 4) {
    y[2] = COMITY_AA * even_a + COMITY_BB * even_b;
    y[3] = COMITY_AA * odd_a + COMITY_BB * odd_b;
  }
  y[outputs - 1] += m[5];
}

/* m = A y, the transpose. */
COMITY_INLINE void results_to_points(const int outputs, const vector y[], vector m[TILE]) {
  vector even_a = y[0], odd_a = COMITY_A * y[1], even_b = y[0], odd_b = COMITY_B * y[1];
  if (outputs == 4) {
    even_a += COMITY_AA * y[2];
    odd_a += (COMITY_A * COMITY_AA) * y[3];
    even_b += COMITY_BB * y[2];
    odd_b += (COMITY_B * COMITY_BB) * y[3];
  }
  m[0] = y[0];
  m[1] = even_a + odd_a;
  m[2] = even_a - odd_a;
  m[3] = even_b + odd_b;
  m[4] = even_b - odd_b;
  m[5] = y[outputs - 1];
}

/* The filter's part, G (TILE, taps): powers of the points, divided by what data_to_points left in. */
COMITY_INLINE void filter_matrix(size_t taps, float g[TILE][TILE]) {
  static const double point[TILE - 1] = {0.0, COMITY_A, -COMITY_A, COMITY_B, -COMITY_B};
  for (size_t i = 0; i < TILE - 1; i++) {
    double power = 1.0;
    for (size_t k = 0; k < TILE - 1; k++)
      if (k != i)
        power /= point[i] - point[k];
    for (size_t t = 0; t < taps; t++, power *= point[i])
      g[i][t] = (float)power;
  }
  for (size_t t = 0; t < taps; t++)
    g[TILE - 1][t] = t + 1 == taps ? 1.0F : 0.0F;
}

#endif
