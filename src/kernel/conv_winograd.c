/* native, for filters of 3x3 and 5x5 with stride 1: Winograd's convolution (winograd_points.h) in both
 * directions. A tile of 6x6 or 8x8 pixels becomes as many points, at each of which the channels of many tiles
 * meet the filters in one small matrix product and give 4x4 results: 6.3 times fewer multiplications than
 * direct for 5x5, 4 times for 3x3.
 *
 * Everything is one bilinear algorithm and its transposes. With X, W, Y in pixels and V, U, M at the points,
 *   forward    V = in(X),  U = filter(W),   M[p] = V[p] U[p],     Y = out(M)
 *   data       dM = out^T(dY),              dV[p] = dM[p] U[p]^T, dX = in^T(dV)
 *   weights    V and dM again,              dU[p] += V[p]^T dM[p], dW = filter^T(dU)
 * so the gradient needs no transform of its own, and weights are transformed once a call.
 *
 * Measured rounding errors stand in README.md; tests/contract/conv_kernels_contract.c bounds them.
 * Source: Lavin and Gray 2016; Winograd 1980 */
#include "small_product.h"
#include "winograd_tiles.h"

enum {
  MOST_WEIGHTS = 256 * 256, /* channels times filters: beyond that, weights at points outgrow the caches */
  FEW_CHANNELS = 4          /* up to there, transforms cost more than they save */
};

/* ------------------------------------------------------------------------------------------------ products */

/* m[p] = v[p] u[p] */
static void tiles_by_filters(const engine *e, size_t tiles) {
  product p = {.rows = tiles, .width = e->width, .depth = e->channels, .row = e->depth, .step = 1};
  for (size_t i = 0; i < e->points; i++)
    product_run(&p, e->v + i * tiles * e->depth, e->u + i * e->channels * e->width,
                e->m + i * tiles * e->width);
}

/* u[p] += v[p]^T m[p] */
static void tiles_by_gradients(const engine *e, size_t tiles) {
  product p = {
      .rows = e->channels, .width = e->width, .depth = tiles, .row = 1, .step = e->depth, .add = true};
  for (size_t i = 0; i < e->points; i++)
    product_run(&p, e->v + i * tiles * e->depth, e->m + i * tiles * e->width,
                e->u + i * e->channels * e->width);
}

/* v[p] = m[p] u[p]^T */
static void gradients_by_filters(const engine *e, size_t tiles) {
  product p = {.rows = tiles, .width = e->depth, .depth = e->filters, .row = e->width, .step = 1};
  for (size_t i = 0; i < e->points; i++)
    product_run(&p, e->m + i * tiles * e->width, e->turned + i * e->width * e->depth,
                e->v + i * tiles * e->depth);
}

/* ------------------------------------------------------------------------------------------- the operations */

static bool fits(const comity_conv_shape *s) {
  return (s->kernel[0] == 3 || s->kernel[0] == 5) && s->kernel[1] == s->kernel[0] && s->stride[0] == 1 &&
         s->stride[1] == 1 && s->channels > FEW_CHANNELS && s->channels * s->filters <= MOST_WEIGHTS;
}

static size_t scratch(const comity_conv_shape *shape) {
  engine e;
  measure(shape, &e);
  return lay_out(&e, NULL);
}

static void forward(const comity_conv_shape *shape, size_t count, const float *x, const float *weight,
                    const float *bias, float *y, float *memory) {
  engine e;
  measure(shape, &e);
  lay_out(&e, memory);
  size_t in = shape->channels * shape->height * shape->width,
         out = shape->filters * shape->rows * shape->columns;
  filters_to_points(&e, weight);
  clear(e.in, e.images * e.in_pixels * e.depth);
  for (size_t first = 0; first < count; first += e.images) {
    size_t images = least(e.images, count - first);
    for (size_t i = 0; i < images; i++)
      to_channels_last(&e.x, x + (first + i) * in, e.in + i * e.in_pixels * e.depth);
    for (size_t row = 0; row < images * e.rows; row += e.block) {
      size_t rows = least(e.block, images * e.rows - row);
      data_in(&e, row, rows);
      tiles_by_filters(&e, rows * e.columns);
      results_out(&e, row, rows);
    }
    for (size_t i = 0; i < images; i++)
      to_channels_first(&e.y, e.result + i * e.out_pixels * e.width, bias, y + (first + i) * out);
  }
}

/* bias += sums of an image's dY over its pixels. */
static void add_bias(const engine *e, const float *dy) {
  for (size_t f = 0; f < e->width; f += LANES) {
    vector sum = {0};
    for (size_t p = 0; p < e->out_pixels; p++)
      sum += vector_load(dy + p * e->width + f);
    vector_store(e->bias + f, vector_load(e->bias + f) + sum);
  }
}

/* sink = keep sink + scale gradient */
static void pour(float *sink, float keep, float scale, const float *gradient, size_t count) {
  for (size_t i = 0; i < count; i++)
    sink[i] = scale * gradient[i] + (keep == 0.0F ? 0.0F : keep * sink[i]);
}

static void backward(const comity_conv_shape *shape, size_t count, const float *x, const float *dy,
                     const float *weight, float *dx, float keep, float scale, float *weight_sink,
                     float *bias_sink, float *memory) {
  engine e;
  measure(shape, &e);
  lay_out(&e, memory);
  size_t in = shape->channels * shape->height * shape->width,
         out = shape->filters * shape->rows * shape->columns;
  if (dx != NULL) {
    filters_to_points(&e, weight);
    turn_filters(&e);
  }
  clear(e.u, e.points * e.channels * e.width);
  clear(e.bias, e.width);
  clear(e.in, e.images * e.in_pixels * e.depth);
  clear(e.result, e.images * e.out_pixels * e.width);
  for (size_t first = 0; first < count; first += e.images) {
    size_t images = least(e.images, count - first);
    clear(e.gradient, images * e.in_pixels * e.depth);
    for (size_t i = 0; i < images; i++) {
      to_channels_last(&e.x, x + (first + i) * in, e.in + i * e.in_pixels * e.depth);
      to_channels_last(&e.y, dy + (first + i) * out, e.result + i * e.out_pixels * e.width);
      add_bias(&e, e.result + i * e.out_pixels * e.width);
    }
    for (size_t row = 0; row < images * e.rows; row += e.block) {
      size_t rows = least(e.block, images * e.rows - row);
      data_in(&e, row, rows);
      results_back(&e, row, rows);
      tiles_by_gradients(&e, rows * e.columns);
      if (dx == NULL)
        continue;
      gradients_by_filters(&e, rows * e.columns);
      data_back(&e, row, rows);
    }
    for (size_t i = 0; dx != NULL && i < images; i++)
      to_channels_first(&e.x, e.gradient + i * e.in_pixels * e.depth, NULL, dx + (first + i) * in);
  }
  points_to_filters(&e);
  pour(weight_sink, keep, scale, e.plain, shape->filters * shape->channels * e.taps * e.taps);
  pour(bias_sink, keep, scale, e.bias, shape->filters);
}

const comity_conv_kernel COMITY_ISA(comity_conv_winograd) = {
    .name = "native",
    .method = "winograd",
    .isa = COMITY_ISA_THIS,
    .fits = fits,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
};
