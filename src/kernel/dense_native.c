/* native: a dense layer by vector code. Two loops do all of it, each over tiles of results that stay in
 * registers: `dots` where both matrices run along the sum (forward), `outer` where they run across it (data,
 * update). Batches are small and weights are large, so each pass streams the weights once from the cache
 * behind, while a tile's rows of the batch stay in the nearest one. */
#include "vector.h"

/* Results of a tile: ROWS x COLUMNS registers, which leaves enough of the 32 or 16 for what comes in. */
enum { ROWS = 5 };
#if defined(__AVX512F__)
enum { COLUMNS = 5 };
#else
enum { COLUMNS = 2 };
#endif

/* Floats of the batch that a tile's passes may keep in the nearest cache. */
enum { NEAR = 8192 };

/* ------------------------------------------------------------------------------------------------ forward */

/* sum[r][c] += x[r][k ... k+count) * w[c][k ... k+count), lane by lane. */
COMITY_INLINE void dots_step(size_t rows, size_t columns, size_t count, size_t stride, const float *x,
                             const float *w, vector sum[ROWS][COLUMNS]) {
  vector in[COLUMNS];
  for (size_t c = 0; c < columns; c++)
    in[c] = count == LANES ? vector_load(w + c * stride) : vector_load_part(w + c * stride, count);
  for (size_t r = 0; r < rows; r++) {
    vector here = count == LANES ? vector_load(x + r * stride) : vector_load_part(x + r * stride, count);
    for (size_t c = 0; c < columns; c++)
      sum[r][c] += here * in[c];
  }
}

/* y[r][c] = start[c] + x[r] . w[c], or onto y where start is NULL. */
COMITY_INLINE void dots(size_t rows, size_t columns, size_t width, size_t stride, const float *x,
                        const float *w, const float *start, float *y, size_t y_stride) {
  vector sum[ROWS][COLUMNS] = {{{0}}};
  size_t k = 0;
  for (; k + LANES <= width; k += LANES)
    dots_step(rows, columns, LANES, stride, x + k, w + k, sum);
  if (k < width)
    dots_step(rows, columns, width - k, stride, x + k, w + k, sum);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      y[r * y_stride + c] = (start == NULL ? y[r * y_stride + c] : start[c]) + vector_sum(sum[r][c]);
}

#define DOTS(r, c) dots(r, c, width, stride, x, w, start, y, y_stride)
#if defined(__AVX512F__)
#define EACH_COLUMNS(CALL, r, c)                                                                             \
  (c) == 5 ? CALL(r, 5) : (c) == 4 ? CALL(r, 4) : (c) == 3 ? CALL(r, 3) : (c) == 2 ? CALL(r, 2) : CALL(r, 1)
#else
#define EACH_COLUMNS(CALL, r, c) (c) == 2 ? CALL(r, 2) : CALL(r, 1)
#endif
#define EACH_TILE(CALL, r, c)                                                                                \
  (r) == 5   ? (EACH_COLUMNS(CALL, 5, c))                                                                    \
  : (r) == 4 ? (EACH_COLUMNS(CALL, 4, c))                                                                    \
  : (r) == 3 ? (EACH_COLUMNS(CALL, 3, c))                                                                    \
  : (r) == 2 ? (EACH_COLUMNS(CALL, 2, c))                                                                    \
             : (EACH_COLUMNS(CALL, 1, c))

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void dots_tile(size_t rows, size_t columns, size_t width, size_t stride, const float *x,
                      const float *w, const float *start, float *y, size_t y_stride) {
  EACH_TILE(DOTS, rows, columns);
}

static void forward(const comity_dense_shape *shape, const float *x, const float *weight, const float *bias,
                    float *y) {
  size_t width = shape->width, units = shape->units;
  enum { MOST = NEAR / ROWS / LANES * LANES };
  for (size_t k = 0; k == 0 || k < width; k += MOST)
    for (size_t i = 0; i < shape->rows; i += ROWS)
      for (size_t j = 0; j < units; j += COLUMNS)
        dots_tile(smaller(ROWS, shape->rows - i), smaller(COLUMNS, units - j), smaller(MOST, width - k),
                  width, x + i * width + k, weight + j * width + k, k == 0 ? bias + j : NULL,
                  y + i * units + j, units);
}

/* --------------------------------------------------------------------------------------- data and update */

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

/* The tile of `rows` rows and `columns` vectors; the last vector has `last` numbers. */
COMITY_INLINE void outer(size_t rows, size_t columns, bool part, size_t last, const outer_product *p,
                         const float *a, const float *b, float *c) {
  vector sum[ROWS][COLUMNS] = {{{0}}};
  size_t a_row = p->a_row, a_column = p->a_column, b_row = p->b_row, c_row = p->c_row;
  for (size_t k = 0; k < p->depth; k++, a += a_column, b += b_row) {
    vector in[COLUMNS];
    for (size_t v = 0; v < columns; v++)
      in[v] = outer_load(b + v * LANES, part && v + 1 == columns, last);
    for (size_t r = 0; r < rows; r++) {
      vector here = vector_all(a[r * a_row]);
      for (size_t v = 0; v < columns; v++)
        sum[r][v] += here * in[v];
    }
  }
  vector scale = vector_all(p->scale), keep = vector_all(p->keep);
  for (size_t r = 0; r < rows; r++)
    for (size_t v = 0; v < columns; v++) {
      float *to = c + r * c_row + v * LANES;
      bool tail = part && v + 1 == columns;
      vector result = scale * sum[r][v];
      if (p->keep == 1.0F)
        result = outer_load(to, tail, last) + scale * sum[r][v];
      else if (p->keep != 0.0F)
        result += keep * outer_load(to, tail, last);
      if (tail)
        vector_store_part(to, result, last);
      else
        vector_store(to, result);
    }
}

#define OUTER(r, v) outer(r, v, true, last, p, a, b, c)
static void outer_edge(size_t rows, size_t columns, size_t last, const outer_product *p, const float *a,
                       const float *b, float *c) {
  EACH_TILE(OUTER, rows, columns);
}

static void outer_inside(const outer_product *p, const float *a, const float *b, float *c) {
  outer(ROWS, COLUMNS, false, LANES, p, a, b, c);
}

static void outer_multiply(const outer_product *p) {
  enum { STRIP = COLUMNS * LANES };
  size_t strips = NEAR / STRIP / (p->depth + 1), block = (strips == 0 ? 1 : strips) * STRIP;
  for (size_t first = 0; first < p->n; first += block) {
    size_t end = smaller(first + block, p->n);
    for (size_t i = 0; i < p->m; i += ROWS)
      for (size_t j = first; j < end; j += STRIP) {
        const float *a = p->a + i * p->a_row, *b = p->b + j;
        float *c = p->c + i * p->c_row + j;
        size_t rows = smaller(ROWS, p->m - i), count = smaller(STRIP, end - j);
        if (rows == ROWS && count == STRIP)
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

const comity_dense_kernel COMITY_ISA(comity_dense_native) = {
    .name = "native",
    .isa = COMITY_ISA_THIS,
    .forward = forward,
    .data = data,
    .update = update,
};
