/* native, for layers with few channels and stride 1, such as the first of a model: the sums of a convolution as
 * they are written, with lanes along an image's rows. Images are copied into a border of zeros, so that no
 * pixel needs a test; a vector of neighbours that is loaded once serves all filters (forward) or all taps
 * across (weights). What dy gives to x is the same convolution with turned filters. */
#include "vector.h"

enum {
  MOST_CHANNELS = 4,
  MOST_ACROSS = 7, /* taps across, which a block of weights keeps in registers */
#if defined(__AVX512F__)
  HIGH = 14, /* filters of a block of two vectors */
  SUMS = 25  /* registers for sums over taps and filters */
#else
  HIGH = 6,
  SUMS = 10
#endif
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* An image inside its border: rows so long that whole vectors may be read behind the last window. */
typedef struct framed {
  size_t line, plane; /* floats of a row, of a channel */
} framed;

static framed frame_of(const comity_conv_shape *s) {
  size_t line = lanes_up(s->columns) + LANES + s->kernel[1] - 1;
  return (framed){.line = line, .plane = line * (s->rows + s->kernel[0] - 1)};
}

static void frame(const comity_conv_shape *s, framed size, const float *x, float *to) {
  for (size_t c = 0; c < s->channels; c++)
    for (size_t i = 0; i < s->height; i++)
      memcpy(to + c * size.plane + (i + s->padding[0]) * size.line + s->padding[1],
             x + (c * s->height + i) * s->width, s->width * sizeof *x);
}

/* The convolution that leads back from dy to dx. */
static comity_conv_shape turned_shape(const comity_conv_shape *s) {
  return (comity_conv_shape){.channels = s->filters,
                             .height = s->rows,
                             .width = s->columns,
                             .filters = s->channels,
                             .rows = s->height,
                             .columns = s->width,
                             .kernel = {s->kernel[0], s->kernel[1]},
                             .stride = {1, 1},
                             .padding = {s->kernel[0] - 1 - s->padding[0], s->kernel[1] - 1 - s->padding[1]}};
}

static void turn_weights(const comity_conv_shape *s, const float *weight, float *turned) {
  size_t window = s->kernel[0] * s->kernel[1];
  for (size_t f = 0; f < s->filters; f++)
    for (size_t c = 0; c < s->channels; c++)
      for (size_t k = 0; k < window; k++)
        turned[(c * s->filters + f) * window + window - 1 - k] = weight[(f * s->channels + c) * window + k];
}

/* ------------------------------------------------------------------------------------------------- forward */

/* `high` filters at `wide` vectors of a row; both are constant after inlining. `x` is where the first window
 * begins; `columns` of y's row are left. */
COMITY_INLINE void row_block(const size_t high, const size_t wide, const comity_conv_shape *s, framed size,
                             const float *x, const float *weight, const float *bias, size_t columns,
                             float *y) {
  vector sum[HIGH][2];
  size_t window = s->kernel[0] * s->kernel[1], depth = s->channels * window, places = s->rows * s->columns;
  COMITY_UNROLL
  for (size_t f = 0; f < high; f++)
    COMITY_UNROLL
  for (size_t j = 0; j < wide; j++)
    sum[f][j] = vector_all(bias == NULL ? 0.0F : bias[f]);
  for (size_t c = 0; c < s->channels; c++)
    for (size_t a = 0; a < s->kernel[0]; a++)
      for (size_t b = 0; b < s->kernel[1]; b++) {
        const float *in = x + c * size.plane + a * size.line + b,
                    *w = weight + c * window + a * s->kernel[1] + b;
        vector pixels[2];
        COMITY_UNROLL
        for (size_t j = 0; j < wide; j++)
          pixels[j] = vector_load(in + j * LANES);
        COMITY_UNROLL
        for (size_t f = 0; f < high; f++)
          COMITY_UNROLL
        for (size_t j = 0; j < wide; j++)
          sum[f][j] += vector_all(w[f * depth]) * pixels[j];
      }
  COMITY_UNROLL
  for (size_t f = 0; f < high; f++)
    COMITY_UNROLL
  for (size_t j = 0; j < wide; j++) {
    if ((j + 1) * LANES <= columns)
      vector_store(y + f * places + j * LANES, sum[f][j]);
    else
      vector_store_part(y + f * places + j * LANES, sum[f][j], columns - j * LANES);
  }
}

COMITY_INLINE void row_of_filters(const size_t wide, size_t high, const comity_conv_shape *s, framed size,
                                  const float *x, const float *weight, const float *bias, size_t columns,
                                  float *y) {
  switch (high) {
#define COMITY_HIGH(n)                                                                                       \
  case n:                                                                                                    \
    row_block(n, wide, s, size, x, weight, bias, columns, y);                                                \
    break
    COMITY_HIGH(1);
    COMITY_HIGH(2);
    COMITY_HIGH(3);
    COMITY_HIGH(4);
    COMITY_HIGH(5);
    COMITY_HIGH(6);
#if defined(__AVX512F__)
    COMITY_HIGH(7);
    COMITY_HIGH(8);
    COMITY_HIGH(9);
    COMITY_HIGH(10);
    COMITY_HIGH(11);
    COMITY_HIGH(12);
    COMITY_HIGH(13);
    COMITY_HIGH(14);
#endif
#undef COMITY_HIGH
  }
}

/* One image from its frame; bias may be NULL. */
static void convolve(const comity_conv_shape *s, framed size, const float *x, const float *weight,
                     const float *bias, float *y) {
  size_t depth = s->channels * s->kernel[0] * s->kernel[1], places = s->rows * s->columns;
  size_t blocks = (s->filters + HIGH - 1) / HIGH, high = (s->filters + blocks - 1) / blocks;
  for (size_t f = 0; f < s->filters; f += high)
    for (size_t i = 0; i < s->rows; i++)
      for (size_t j = 0; j < s->columns; j += 2 * LANES) {
        const float *in = x + i * size.line + j, *w = weight + f * depth, *b = bias == NULL ? NULL : bias + f;
        float *out = y + f * places + i * s->columns + j;
        size_t columns = s->columns - j, filters = least(high, s->filters - f);
        if (columns > LANES)
          row_of_filters(2, filters, s, size, in, w, b, columns, out);
        else
          row_of_filters(1, filters, s, size, in, w, b, columns, out);
      }
}

/* ------------------------------------------------------------------------------------------------- weights */

/* sums (filters, taps across) of vectors, of `high` filters and a row of `taps` taps, over an image. */
COMITY_INLINE void tap_block(const size_t high, const size_t taps, const comity_conv_shape *s, framed size,
                             const float *x, const float *dy, size_t stride, float *sums) {
  vector sum[SUMS];
  size_t places = s->rows * s->columns, whole = s->columns / LANES * LANES;
  COMITY_UNROLL
  for (size_t f = 0; f < high; f++)
    COMITY_UNROLL
  for (size_t b = 0; b < taps; b++)
    sum[f * taps + b] = vector_load(sums + f * stride + b * LANES);
  for (size_t i = 0; i < s->rows; i++)
    for (size_t j = 0; j < s->columns; j += LANES) {
      vector pixels[MOST_ACROSS];
      COMITY_UNROLL
      for (size_t b = 0; b < taps; b++)
        pixels[b] = vector_load(x + i * size.line + j + b);
      COMITY_UNROLL
      for (size_t f = 0; f < high; f++) {
        const float *from = dy + f * places + i * s->columns + j;
        vector given = j < whole ? vector_load(from) : vector_load_part(from, s->columns - j);
        COMITY_UNROLL
        for (size_t b = 0; b < taps; b++)
          sum[f * taps + b] += given * pixels[b];
      }
    }
  COMITY_UNROLL
  for (size_t f = 0; f < high; f++)
    COMITY_UNROLL
  for (size_t b = 0; b < taps; b++)
    vector_store(sums + f * stride + b * LANES, sum[f * taps + b]);
}

/* As many filters at a time as there are registers for. */
COMITY_INLINE void tap_filters(const size_t taps, const comity_conv_shape *s, framed size, const float *x,
                               const float *dy, float *sums) {
  const size_t high = SUMS / taps >= 4 ? 4 : SUMS / taps >= 2 ? 2 : 1;
  size_t across = s->kernel[1] * LANES, stride = s->channels * s->kernel[0] * across,
         places = s->rows * s->columns;
  for (size_t f = 0; f < s->filters;) {
    bool block = f + high <= s->filters;
    for (size_t c = 0; c < s->channels; c++)
      for (size_t a = 0; a < s->kernel[0]; a++) {
        const float *in = x + c * size.plane + a * size.line;
        float *to = sums + f * stride + (c * s->kernel[0] + a) * across;
        if (block)
          tap_block(high, taps, s, size, in, dy + f * places, stride, to);
        else
          tap_block(1, taps, s, size, in, dy + f * places, stride, to);
      }
    f += block ? high : 1;
  }
}

static void gather_weights(const comity_conv_shape *s, framed size, const float *x, const float *dy,
                           float *sums) {
  switch (s->kernel[1]) {
#define COMITY_TAPS(n)                                                                                       \
  case n:                                                                                                    \
    tap_filters(n, s, size, x, dy, sums);                                                                    \
    break
    COMITY_TAPS(1);
    COMITY_TAPS(2);
    COMITY_TAPS(3);
    COMITY_TAPS(4);
    COMITY_TAPS(5);
    COMITY_TAPS(6);
    COMITY_TAPS(7);
#undef COMITY_TAPS
  }
}

/* sums (filters) of vectors += dy over its pixels. */
static void gather_bias(const comity_conv_shape *s, const float *dy, float *sums) {
  size_t places = s->rows * s->columns;
  for (size_t f = 0; f < s->filters; f++, dy += places) {
    vector sum = {0};
    size_t p = 0;
    for (; p + LANES <= places; p += LANES)
      sum += vector_load(dy + p);
    if (p < places)
      sum += vector_load_part(dy + p, places - p);
    vector_store(sums + f * LANES, vector_load(sums + f * LANES) + sum);
  }
}

/* ------------------------------------------------------------------------------------------- the operations */

static bool fits(const comity_conv_shape *s) {
  return s->stride[0] == 1 && s->stride[1] == 1 && s->channels <= MOST_CHANNELS &&
         s->kernel[1] <= MOST_ACROSS;
}

/* Images in frames, weights turned, and vectors of sums for each weight and bias. */
typedef struct pieces {
  framed x, dy;
  size_t in, given, turned, sums, bias; /* floats */
} pieces;

static pieces measure(const comity_conv_shape *s) {
  comity_conv_shape back = turned_shape(s);
  pieces p = {.x = frame_of(s), .dy = frame_of(&back)};
  p.in = lanes_up(s->channels * p.x.plane);
  p.given = lanes_up(s->filters * p.dy.plane);
  p.turned = lanes_up(s->filters * s->channels * s->kernel[0] * s->kernel[1]);
  p.sums = s->filters * s->channels * s->kernel[0] * s->kernel[1] * LANES;
  p.bias = s->filters * LANES;
  return p;
}

static size_t scratch(const comity_conv_shape *s) {
  pieces p = measure(s);
  return p.in + p.given + p.turned + p.sums + p.bias;
}

static void forward(const comity_conv_shape *s, size_t count, const float *x, const float *weight,
                    const float *bias, float *y, float *memory) {
  pieces p = measure(s);
  memset(memory, 0, p.in * sizeof *memory);
  for (size_t n = 0; n < count; n++) {
    frame(s, p.x, x + n * s->channels * s->height * s->width, memory);
    convolve(s, p.x, memory, weight, bias, y + n * s->filters * s->rows * s->columns);
  }
}

static void pour(const float *sums, size_t count, float keep, float scale, float *sink) {
  for (size_t i = 0; i < count; i++) {
    vector sum = vector_load(sums + i * LANES);
    sink[i] = scale * vector_sums(&sum, 1)[0] + (keep == 0.0F ? 0.0F : keep * sink[i]);
  }
}

static void backward(const comity_conv_shape *s, size_t count, const float *x, const float *dy,
                     const float *weight, float *dx, float keep, float scale, float *weight_sink,
                     float *bias_sink, float *memory) {
  pieces p = measure(s);
  comity_conv_shape back = turned_shape(s);
  float *in = memory, *given = in + p.in, *turned = given + p.given, *sums = turned + p.turned,
        *bias = sums + p.sums;
  memset(memory, 0, scratch(s) * sizeof *memory);
  turn_weights(s, weight, turned);
  for (size_t n = 0; n < count; n++) {
    const float *from = dy + n * s->filters * s->rows * s->columns;
    frame(s, p.x, x + n * s->channels * s->height * s->width, in);
    gather_weights(s, p.x, in, from, sums);
    gather_bias(s, from, bias);
    if (dx == NULL)
      continue;
    frame(&back, p.dy, from, given);
    convolve(&back, p.dy, given, turned, NULL, dx + n * s->channels * s->height * s->width);
  }
  pour(sums, s->filters * s->channels * s->kernel[0] * s->kernel[1], keep, scale, weight_sink);
  pour(bias, s->filters, keep, scale, bias_sink);
}

const comity_conv_kernel COMITY_ISA(comity_conv_direct) = {
    .name = "native",
    .method = "direct",
    .isa = COMITY_ISA_THIS,
    .fits = fits,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
};
