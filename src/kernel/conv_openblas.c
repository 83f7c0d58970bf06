/* openblas: each image's windows become the columns of a matrix, so that the work is one matrix product an
 * image, whose result already lies channels first; the matrix of one image stays in the cache. */
#include "kernel_impl.h"

#include <cblas.h>
#include <string.h>

/* Numbers that one output sees. */
static size_t depth_of(const comity_conv_shape *s) { return s->channels * s->kernel[0] * s->kernel[1]; }

static size_t scratch(const comity_conv_shape *s) { return depth_of(s) * s->rows * s->columns; }

/* The places [*begin, *end) at which the window's row or column `offset` lies inside the image. */
static void inside(size_t offset, size_t padding, size_t stride, size_t extent, size_t places, size_t *begin,
                   size_t *end) {
  *begin = offset >= padding ? 0 : (padding - offset + stride - 1) / stride;
  if (*begin > places)
    *begin = places;
  /* place * stride + offset - padding <= extent - 1 */
  size_t last = extent - 1 + padding;
  *end = last < offset ? 0 : (last - offset) / stride + 1;
  if (*end > places)
    *end = places;
  if (*end < *begin)
    *end = *begin;
}

/* columns (channels * kernel, rows * columns): column p holds what the window sees at place p. */
static void gather(const comity_conv_shape *window, const float *restrict image, float *restrict columns) {
  size_t stride = window->stride[1], across = window->columns;
  for (size_t c = 0; c < window->channels; c++, image += window->height * window->width)
    for (size_t i = 0; i < window->kernel[0]; i++)
      for (size_t j = 0; j < window->kernel[1]; j++) {
        size_t top, bottom, left, right;
        inside(i, window->padding[0], window->stride[0], window->height, window->rows, &top, &bottom);
        inside(j, window->padding[1], stride, window->width, across, &left, &right);
        memset(columns, 0, top * across * sizeof *columns);
        for (size_t row = top; row < bottom; row++) {
          float *out = columns + row * across;
          const float *in = image + (row * window->stride[0] + i - window->padding[0]) * window->width;
          ptrdiff_t shift = (ptrdiff_t)j - (ptrdiff_t)window->padding[1];
          for (size_t p = 0; p < left; p++)
            out[p] = 0.0F;
          if (stride == 1)
            for (size_t p = left; p < right; p++)
              out[p] = in[(ptrdiff_t)p + shift];
          else
            for (size_t p = left; p < right; p++)
              out[p] = in[(ptrdiff_t)(p * stride) + shift];
          for (size_t p = right; p < across; p++)
            out[p] = 0.0F;
        }
        memset(columns + bottom * across, 0, (window->rows - bottom) * across * sizeof *columns);
        columns += window->rows * across;
      }
}

/* The transpose of gather: add what each place gives to the pixels that it saw, in a fixed order. */
static void scatter(const comity_conv_shape *window, const float *restrict columns, float *restrict image) {
  size_t stride = window->stride[1], across = window->columns;
  memset(image, 0, window->channels * window->height * window->width * sizeof *image);
  for (size_t c = 0; c < window->channels; c++, image += window->height * window->width)
    for (size_t i = 0; i < window->kernel[0]; i++)
      for (size_t j = 0; j < window->kernel[1]; j++, columns += window->rows * across) {
        size_t top, bottom, left, right;
        inside(i, window->padding[0], window->stride[0], window->height, window->rows, &top, &bottom);
        inside(j, window->padding[1], stride, window->width, across, &left, &right);
        for (size_t row = top; row < bottom; row++) {
          const float *in = columns + row * across;
          float *out = image + (row * window->stride[0] + i - window->padding[0]) * window->width;
          ptrdiff_t shift = (ptrdiff_t)j - (ptrdiff_t)window->padding[1];
          if (stride == 1)
            for (size_t p = left; p < right; p++)
              out[(ptrdiff_t)p + shift] += in[p];
          else
            for (size_t p = left; p < right; p++)
              out[(ptrdiff_t)(p * stride) + shift] += in[p];
        }
      }
}

/* Sum in 16 interleaved parts, so that the compiler may use vectors and the order is still fixed. */
static float sum(const float *values, size_t count) {
  float part[16] = {0};
  size_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (size_t k = 0; k < 16; k++)
      part[k] += values[i + k];
  for (size_t k = 0; i < count; i++, k++)
    part[k] += values[i];
  float total = 0.0F;
  for (size_t k = 0; k < 16; k++)
    total += part[k];
  return total;
}

static void forward(const comity_conv_shape *s, size_t count, const float *x, const float *weight,
                    const float *bias, float *y, float *columns) {
  size_t depth = depth_of(s), places = s->rows * s->columns;
  for (size_t n = 0; n < count; n++, x += s->channels * s->height * s->width, y += s->filters * places) {
    for (size_t f = 0; f < s->filters; f++)
      for (size_t p = 0; p < places; p++)
        y[f * places + p] = bias[f];
    gather(s, x, columns);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)s->filters, (int)places, (int)depth, 1.0F,
                weight, (int)depth, columns, (int)places, 1.0F, y, (int)places);
  }
}

static void backward(const comity_conv_shape *s, size_t count, const float *x, const float *dy,
                     const float *weight, float *dx, float keep, float scale, float *weight_sink,
                     float *bias_sink, float *columns) {
  size_t depth = depth_of(s), places = s->rows * s->columns, width = s->channels * s->height * s->width;
  for (size_t n = 0; dx != NULL && n < count; n++) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)depth, (int)places, (int)s->filters, 1.0F,
                weight, (int)depth, dy + n * s->filters * places, (int)places, 0.0F, columns, (int)places);
    scatter(s, columns, dx + n * width);
  }
  for (size_t n = 0; n < count; n++, dy += s->filters * places) {
    float kept = n == 0 ? keep : 1.0F;
    gather(s, x + n * width, columns);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)s->filters, (int)depth, (int)places, scale, dy,
                (int)places, columns, (int)places, kept, weight_sink, (int)depth);
    for (size_t f = 0; f < s->filters; f++)
      bias_sink[f] = (kept == 0.0F ? 0.0F : kept * bias_sink[f]) + scale * sum(dy + f * places, places);
  }
}

const comity_conv_kernel comity_conv_openblas = {
    .name = "openblas",
    .method = "im2col",
    .isa = COMITY_ISA_BASE,
    .scratch = scratch,
    .forward = forward,
    .backward = backward,
};
