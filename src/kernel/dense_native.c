/* native: a dense layer by vector code. Two loops do all of it, each over tiles of results that stay in
 * registers: `dots` where both matrices run along the sum (forward), `outer` where they run across it (data,
 * update). Batches are small and weights are large, so each pass streams the weights once from the cache
 * behind, while a tile's rows of the batch stay in the nearest one. */
#include "vector.h"

/* Floats of the batch that a tile's passes may keep in the nearest cache, which has 32 or 48 KiB. */
enum { NEAR = 4096 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* CALL(r, c) with constants, so that each size of tile is compiled by itself. */
#define EACH_COLUMNS(CALL, r, c)                                                                             \
  (c) == 5 ? CALL(r, 5) : (c) == 4 ? CALL(r, 4) : (c) == 3 ? CALL(r, 3) : (c) == 2 ? CALL(r, 2) : CALL(r, 1)

/* ------------------------------------------------------------------------------------------------ forward */

/* A tile of `dots` has so many rows of the batch and units: 28, 12 or 8 sums in 32 or 16 registers. */
enum { DOT_UNITS = 4, DOT_ROWS = LANES == 16 ? 7 : LANES == 8 ? 3 : 2 };

/* sum[r][u] += x[r][0 ... count) * w[u][0 ... count), lane by lane. */
COMITY_INLINE void dots_step(size_t rows, size_t units, size_t count, size_t stride, const float *x,
                             const float *w, vector sum[DOT_ROWS][DOT_UNITS]) {
  vector in[DOT_UNITS];
  COMITY_UNROLL
  for (size_t u = 0; u < units; u++)
    in[u] = count == LANES ? vector_load(w + u * stride) : vector_load_part(w + u * stride, count);
  COMITY_UNROLL
  for (size_t r = 0; r < rows; r++) {
    vector here = count == LANES ? vector_load(x + r * stride) : vector_load_part(x + r * stride, count);
    COMITY_UNROLL
    for (size_t u = 0; u < units; u++)
      sum[r][u] += here * in[u];
  }
}

/* y[r][u] = start[u] + x[r] . w[u], or onto y where start is NULL. */
COMITY_INLINE void dots(size_t rows, size_t units, size_t width, size_t stride, const float *x,
                        const float *w, const float *start, float *y, size_t y_stride) {
  vector sum[DOT_ROWS][DOT_UNITS];
  COMITY_UNROLL
  for (size_t r = 0; r < DOT_ROWS; r++)
    COMITY_UNROLL
  for (size_t u = 0; u < DOT_UNITS; u++)
    sum[r][u] = (vector){0};
  size_t k = 0;
  for (; k + LANES <= width; k += LANES)
    dots_step(rows, units, LANES, stride, x + k, w + k, sum);
  if (k < width)
    dots_step(rows, units, width - k, stride, x + k, w + k, sum);

  /* So many rows fill a vector with their sums. */
  enum { GROUP = LANES / DOT_UNITS };
  COMITY_UNROLL
  for (size_t first = 0; first < rows; first += GROUP) {
    size_t left = rows - first, some = left >= GROUP ? GROUP : left > 2 ? 4 : left, count = some * DOT_UNITS;
    vector group[LANES];
    COMITY_UNROLL
    for (size_t i = 0; i < count; i++)
      group[i] = i / DOT_UNITS < left ? sum[first + i / DOT_UNITS][i % DOT_UNITS] : (vector){0};
    float lane[LANES];
    vector_store(lane, vector_sums(group, (int)count));
    COMITY_UNROLL
    for (size_t r = 0; r < some; r++)
      COMITY_UNROLL
    for (size_t u = 0; u < units; u++) {
      float *to = y + (first + r) * y_stride + u;
      if (r < left)
        *to = (start == NULL ? *to : start[u]) + lane[(r * DOT_UNITS + u) * LANES / count];
    }
  }
}

static void dots_tile(size_t rows, size_t units, size_t width, size_t stride, const float *x, const float *w,
                      const float *start, float *y, size_t y_stride) {
#define DOTS(r, u) dots(r, u, width, stride, x, w, start, y, y_stride)
#define DOTS_ROWS(r)                                                                                         \
  case r:                                                                                                    \
    units == 4 ? DOTS(r, 4) : units == 3 ? DOTS(r, 3) : units == 2 ? DOTS(r, 2) : DOTS(r, 1);                \
    break;
  switch (rows) {
    DOTS_ROWS(1)
    DOTS_ROWS(2)
#if defined(__AVX2__)
    DOTS_ROWS(3)
#endif
#if defined(__AVX512F__)
    DOTS_ROWS(4)
    DOTS_ROWS(5)
    DOTS_ROWS(6)
    DOTS_ROWS(7)
#endif
  }
}

static void forward_few(const comity_dense_shape *shape, const float *x, const float *weight,
                        const float *bias, float *y) {
  size_t width = shape->width, units = shape->units;
  /* Pieces of the sums of about equal length, and tiles of about equal height. */
  size_t pieces = width / (2 * NEAR / DOT_ROWS) + 1, most = (width / pieces + LANES) / LANES * LANES;
  size_t tiles = (shape->rows + DOT_ROWS - 1) / DOT_ROWS;
  for (size_t k = 0; k < width; k += most)
    for (size_t pair = 0; pair < tiles; pair += 2)
      for (size_t j = 0; j < units; j += DOT_UNITS)
        for (size_t tile = pair; tile < pair + 2 && tile < tiles; tile++) {
          size_t first = tile * shape->rows / tiles, rows = (tile + 1) * shape->rows / tiles - first;
          dots_tile(rows, smaller(DOT_UNITS, units - j), smaller(most, width - k), width,
                    x + first * width + k, weight + j * width + k, k == 0 ? bias + j : NULL,
                    y + first * units + j, units);
        }
}

/* --------------------------------------------------------------------------------------- data and update */

/* A tile of `outer` has so many rows and vectors: 25 or 10 sums in 32 or 16 registers. */
enum { OUTER_ROWS = 5, OUTER_VECTORS = LANES == 16 ? 5 : 2, STRIP = OUTER_VECTORS * LANES };

/* c (m, n) = keep c + scale a b with a (m, depth), b (depth, n); a's rows and columns lie as far apart as its
 * strides say. */
typedef struct outer_product {
  size_t m, n, depth;
  const float *a, *b;
  float *c;
  size_t a_row, a_column, b_row, c_row;
  float keep, scale;
} outer_product;

COMITY_INLINE vector outer_load(const float *from, bool part, size_t count) {
  return part ? vector_load_part(from, count) : vector_load(from);
}

/* The tile of `rows` rows and `vectors` vectors; the last vector has `last` numbers. */
COMITY_INLINE void outer(size_t rows, size_t vectors, bool part, size_t last, const outer_product *p,
                         const float *a, const float *b, float *c) {
  vector sum[OUTER_ROWS][OUTER_VECTORS];
  size_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row, c_row = p->c_row;
  COMITY_UNROLL
  for (size_t r = 0; r < rows; r++)
    COMITY_UNROLL
  for (size_t v = 0; v < vectors; v++)
    sum[r][v] = (vector){0};
  for (size_t k = 0; k < p->depth; k++, a += a_column, b += b_row) {
    vector in[OUTER_VECTORS];
    COMITY_UNROLL
    for (size_t v = 0; v < vectors; v++)
      in[v] = outer_load(b + v * LANES, part && v + 1 == vectors, last);
    COMITY_UNROLL
    for (size_t r = 0; r < rows; r++) {
      vector here = vector_all(a[r * a_row]);
      COMITY_UNROLL
      for (size_t v = 0; v < vectors; v++)
        sum[r][v] += here * in[v];
    }
  }
  vector scale = vector_all(p->scale), keep = vector_all(p->keep);
  bool reads = p->keep != 0.0F;
  COMITY_UNROLL
  for (size_t r = 0; r < rows; r++)
    COMITY_UNROLL
  for (size_t v = 0; v < vectors; v++) {
    float *to = c + r * c_row + v * LANES;
    bool tail = part && v + 1 == vectors;
    vector result = scale * sum[r][v];
    if (reads)
      result += keep * outer_load(to, tail, last);
    if (tail)
      vector_store_part(to, result, last);
    else
      vector_store(to, result);
  }
}

static void outer_edge(size_t rows, size_t vectors, size_t last, const outer_product *p, const float *a,
                       const float *b, float *c) {
#define OUTER(r, v) outer(r, v, true, last, p, a, b, c)
#if defined(__AVX512F__)
#define OUTER_CASE(r)                                                                                        \
  case r:                                                                                                    \
    vectors == 5   ? OUTER(r, 5)                                                                             \
    : vectors == 4 ? OUTER(r, 4)                                                                             \
    : vectors == 3 ? OUTER(r, 3)                                                                             \
    : vectors == 2 ? OUTER(r, 2)                                                                             \
                   : OUTER(r, 1);                                                                            \
    break;
#else
#define OUTER_CASE(r)                                                                                        \
  case r:                                                                                                    \
    vectors == 2 ? OUTER(r, 2) : OUTER(r, 1);                                                                \
    break;
#endif
  switch (rows) {
    OUTER_CASE(1)
    OUTER_CASE(2)
    OUTER_CASE(3)
    OUTER_CASE(4)
    OUTER_CASE(5)
  }
}

static void outer_inside(const outer_product *p, const float *a, const float *b, float *c) {
  outer(OUTER_ROWS, OUTER_VECTORS, false, LANES, p, a, b, c);
}

static void outer_multiply(const outer_product *p) {
  size_t strips = 2 * NEAR / (STRIP * p->depth), block = (strips == 0 ? 1 : strips) * STRIP;
  for (size_t first = 0; first < p->n; first += block) {
    size_t end = smaller(first + block, p->n);
    for (size_t i = 0; i < p->m; i += OUTER_ROWS)
      for (size_t j = first; j < end; j += STRIP) {
        const float *a = p->a + i * p->a_row, *b = p->b + j;
        float *c = p->c + i * p->c_row + j;
        size_t rows = smaller(OUTER_ROWS, p->m - i), count = smaller(STRIP, end - j);
        if (rows == OUTER_ROWS && count == STRIP)
          outer_inside(p, a, b, c);
        else
          outer_edge(rows, (count + LANES - 1) / LANES, (count - 1) % LANES + 1, p, a, b, c);
      }
  }
}

static void data(const comity_dense_shape *shape, const float *dy, const float *weight, float *dx) {
  outer_multiply(&(outer_product){.m = shape->rows,
                                  .n = shape->width,
                                  .depth = shape->units,
                                  .a = dy,
                                  .a_row = shape->units,
                                  .a_column = 1,
                                  .b = weight,
                                  .b_row = shape->width,
                                  .c = dx,
                                  .c_row = shape->width,
                                  .keep = 0.0F,
                                  .scale = 1.0F});
}

static void update(const comity_dense_shape *shape, const float *dy, const float *x, float keep, float scale,
                   float *weight_sink, float *bias_sink) {
  outer_multiply(&(outer_product){.m = shape->units,
                                  .n = shape->width,
                                  .depth = shape->rows,
                                  .a = dy,
                                  .a_row = 1,
                                  .a_column = shape->units,
                                  .b = x,
                                  .b_row = shape->width,
                                  .c = weight_sink,
                                  .c_row = shape->width,
                                  .keep = keep,
                                  .scale = scale});
  for (size_t j = 0; j < shape->units; j += LANES) {
    size_t count = smaller(LANES, shape->units - j);
    vector sum = {0};
    for (size_t i = 0; i < shape->rows; i++)
      sum += vector_load_part(dy + i * shape->units + j, count);
    sum *= scale;
    if (keep != 0.0F)
      sum += keep * vector_load_part(bias_sink + j, count);
    vector_store_part(bias_sink + j, sum, count);
  }
}

/* ---------------------------------------------------------------------------------- forward for many rows */

/* Weights of a strip of units, transposed: (DEPTH, STRIP). */
enum { DEPTH = 64 };

/* Row k of `to` holds w[0 ... units)[k]. */
static void transpose(size_t units, size_t depth, size_t stride, const float *w, float *to) {
  for (size_t u = 0; u < units; u += LANES)
    for (size_t k = 0; k < depth; k += LANES) {
      vector v[LANES];
      COMITY_UNROLL
      for (size_t i = 0; i < LANES; i++)
        v[i] = u + i < units ? vector_load_part(w + (u + i) * stride + k, smaller(LANES, depth - k))
                             : (vector){0};
      vector_transpose(v);
      COMITY_UNROLL
      for (size_t i = 0; i < LANES; i++)
        vector_store(to + (k + i) * STRIP + u, v[i]);
    }
}

/* With many rows it pays to transpose the weights, strip by strip: nothing is left to be summed across lanes. */
static void forward_many(const comity_dense_shape *shape, const float *x, const float *weight,
                         const float *bias, float *y) {
  size_t width = shape->width, units = shape->units;
  for (size_t i = 0; i < shape->rows; i++)
    memcpy(y + i * units, bias, units * sizeof *y);
  for (size_t j = 0; j < units; j += STRIP)
    for (size_t k = 0; k < width; k += DEPTH) {
      float strip[DEPTH * STRIP];
      size_t count = smaller(STRIP, units - j), depth = smaller(DEPTH, width - k);
      transpose(count, depth, width, weight + j * width + k, strip);
      outer_multiply(&(outer_product){.m = shape->rows,
                                      .n = count,
                                      .depth = depth,
                                      .a = x + k,
                                      .a_row = width,
                                      .a_column = 1,
                                      .b = strip,
                                      .b_row = STRIP,
                                      .c = y + j,
                                      .c_row = units,
                                      .keep = 1.0F,
                                      .scale = 1.0F});
    }
}

static void forward(const comity_dense_shape *shape, const float *x, const float *weight, const float *bias,
                    float *y) {
  /* As measured; short sums across lanes cost relatively more. */
  bool many = shape->rows >= 100 || (shape->rows >= 40 && shape->width <= 256);
  (many ? forward_many : forward_few)(shape, x, weight, bias, y);
}

const comity_dense_kernel COMITY_ISA(comity_dense_native) = {
    .name = "native",
    .isa = COMITY_ISA_THIS,
    .forward = forward,
    .data = data,
    .update = update,
};
