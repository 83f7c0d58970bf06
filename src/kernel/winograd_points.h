/* Winograd's convolution in one direction: a tile of inputs is taken as coefficients of a polynomial, evaluated
 * at as many points, multiplied point by point with the filter's values, and four outputs are read off. Tiles
 * of six serve filters of three, tiles of eight filters of five.
 *
 * The points are 0, infinity and pairs of +p and -p, which share the even and the odd half of each polynomial.
 * All coefficients for data are exact in binary, and the points are those that round least among such: with
 * six, 3/4 and 3/2 give half the errors of the usual 1 and 2.
 * Source: Lavin and Gray 2016; on points, Barabasz et al. 2020. */
#ifndef COMITY_WINOGRAD_POINTS_H
#define COMITY_WINOGRAD_POINTS_H

#include "vector.h"

enum { RESULTS = 4, MOST_PAIRS = 3, MOST_TILE = 2 * MOST_PAIRS + 2 };

/* Polynomials in the square of x, lowest power first. */
typedef struct point_set {
  size_t pairs;                         /* the tile has 2 pairs + 2 numbers */
  float at[MOST_PAIRS];                 /* p */
  float all[MOST_PAIRS + 1];            /* the product of x^2 - p^2 over all pairs */
  float others[MOST_PAIRS][MOST_PAIRS]; /* the same without one of them */
} point_set;

static const point_set six_points = {.pairs = 2,
                                     .at = {0.75F, 1.5F},
                                     .all = {1.265625F, -2.8125F, 1.0F},
                                     .others = {{-2.25F, 1.0F}, {-0.5625F, 1.0F}}};
static const point_set eight_points = {
    .pairs = 3,
    .at = {0.5F, 1.0F, 2.0F},
    .all = {-1.0F, 5.25F, -5.25F, 1.0F},
    .others = {{4.0F, -5.0F, 1.0F}, {1.0F, -4.25F, 1.0F}, {0.25F, -1.25F, 1.0F}}};

/* v = B^T d: data to points. Point p gets the polynomial x (x^2 - p1^2) (x^2 - p2^2) ... / (x - p). */
COMITY_INLINE void data_to_points(const point_set *set, const vector d[MOST_TILE], vector v[MOST_TILE]) {
  const size_t pairs = set->pairs;
  v[0] = set->all[0] * d[0];
  v[2 * pairs + 1] = set->all[0] * d[1];
  COMITY_UNROLL
  for (size_t k = 1; k <= pairs; k++) {
    v[0] += set->all[k] * d[2 * k];
    v[2 * pairs + 1] += set->all[k] * d[2 * k + 1];
  }
  COMITY_UNROLL
  for (size_t i = 0; i < pairs; i++) {
    vector even = set->others[i][0] * d[2], odd = set->others[i][0] * d[1];
    COMITY_UNROLL
    for (size_t k = 1; k < pairs; k++) {
      even += set->others[i][k] * d[2 * k + 2];
      odd += set->others[i][k] * d[2 * k + 1];
    }
    v[2 * i + 1] = even + set->at[i] * odd;
    v[2 * i + 2] = even - set->at[i] * odd;
  }
}

/* d = B v, the transpose: what gradients of the points give to the data. */
COMITY_INLINE void points_to_data(const point_set *set, const vector v[MOST_TILE], vector d[MOST_TILE]) {
  const size_t pairs = set->pairs;
  COMITY_UNROLL
  for (size_t k = 0; k <= pairs; k++) {
    d[2 * k] = set->all[k] * v[0];
    d[2 * k + 1] = set->all[k] * v[2 * pairs + 1];
  }
  COMITY_UNROLL
  for (size_t i = 0; i < pairs; i++) {
    vector even = v[2 * i + 1] + v[2 * i + 2], odd = set->at[i] * (v[2 * i + 1] - v[2 * i + 2]);
    COMITY_UNROLL
    for (size_t k = 0; k < pairs; k++) {
      d[2 * k + 2] += set->others[i][k] * even;
      d[2 * k + 1] += set->others[i][k] * odd;
    }
  }
}

/* y = A^T m: points to results. */
COMITY_INLINE void points_to_results(const point_set *set, const vector m[MOST_TILE], vector y[RESULTS]) {
  y[0] = m[0];
  y[1] = y[2] = (vector){0};
  y[3] = m[2 * set->pairs + 1];
  COMITY_UNROLL
  for (size_t i = 0; i < set->pairs; i++) {
    vector even = m[2 * i + 1] + m[2 * i + 2], odd = set->at[i] * (m[2 * i + 1] - m[2 * i + 2]);
    y[0] += even;
    y[1] += odd;
    y[2] += (set->at[i] * set->at[i]) * even;
    y[3] += (set->at[i] * set->at[i]) * odd;
  }
}

/* m = A y, the transpose. */
COMITY_INLINE void results_to_points(const point_set *set, const vector y[RESULTS], vector m[MOST_TILE]) {
  m[0] = y[0];
  m[2 * set->pairs + 1] = y[3];
  COMITY_UNROLL
  for (size_t i = 0; i < set->pairs; i++) {
    vector even = y[0] + (set->at[i] * set->at[i]) * y[2], odd = y[1] + (set->at[i] * set->at[i]) * y[3];
    m[2 * i + 1] = even + set->at[i] * odd;
    m[2 * i + 2] = even - set->at[i] * odd;
  }
}

/* The filter's part, G (tile, taps): powers of the points, divided by what data_to_points left in. */
COMITY_INLINE void filter_matrix(const point_set *set, size_t taps, float g[MOST_TILE][MOST_TILE]) {
  size_t count = 2 * set->pairs + 1;
  double point[MOST_TILE] = {0.0};
  for (size_t i = 0; i < set->pairs; i++) {
    point[2 * i + 1] = (double)set->at[i];
    point[2 * i + 2] = -(double)set->at[i];
  }
  for (size_t i = 0; i < count; i++) {
    double power = 1.0;
    for (size_t k = 0; k < count; k++)
      if (k != i)
        power /= point[i] - point[k];
    for (size_t t = 0; t < taps; t++, power *= point[i])
      g[i][t] = (float)power;
  }
  for (size_t t = 0; t < taps; t++)
    g[count][t] = t + 1 == taps ? 1.0F : 0.0F;
}

#endif
