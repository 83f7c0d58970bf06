/* conv2d: cross-correlation of images with filters, as PyTorch's. Each image's windows become the columns of
 * a matrix, so that the work is one matrix product an image, whose result already lies channels first; the
 * matrix of one image stays in the cache, and no image's result depends on the others in the batch. */
#include "model_impl.h"

#include <cblas.h>
#include <string.h>

static comity_status plan(comity_step *step) {
  size_t filters = step->spec.units;
  COMITY_REQUIRE(filters >= 1, COMITY_ERR_CONFIG, "'filters' is missing; give the number of output channels");
  COMITY_TRY(comity_window_plan(step, filters));
  const comity_window *window = &step->window;
  step->weight =
      (comity_shape){.rank = 4, .size = {filters, window->channels, window->kernel[0], window->kernel[1]}};
  step->fan_in = window->channels * window->kernel[0] * window->kernel[1];
  step->scratch = step->fan_in * window->rows * window->columns;
  return COMITY_OK;
}

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
static void gather(const comity_window *window, const float *restrict image, float *restrict columns) {
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
static void scatter(const comity_window *window, const float *restrict columns, float *restrict image) {
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

static void forward(const comity_pass *pass) {
  const comity_step *step = pass->step;
  size_t filters = step->weight.size[0], depth = step->fan_in,
         places = step->window.rows * step->window.columns;
  size_t width = comity_shape_width(&step->in);
  for (size_t n = 0; n < pass->count; n++) {
    float *y = pass->y + n * filters * places;
    for (size_t f = 0; f < filters; f++)
      for (size_t p = 0; p < places; p++)
        y[f * places + p] = pass->bias[f];
    gather(&step->window, pass->x + n * width, pass->scratch);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)filters, (int)places, (int)depth, 1.0F,
                pass->weight, (int)depth, pass->scratch, (int)places, 1.0F, y, (int)places);
  }
}

static void backward(const comity_pass *pass) {
  const comity_step *step = pass->step;
  size_t filters = step->weight.size[0], depth = step->fan_in,
         places = step->window.rows * step->window.columns;
  size_t width = comity_shape_width(&step->in);
  if (pass->dx != NULL)
    for (size_t n = 0; n < pass->count; n++) {
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)depth, (int)places, (int)filters, 1.0F,
                  pass->weight, (int)depth, pass->dy + n * filters * places, (int)places, 0.0F, pass->scratch,
                  (int)places);
      scatter(&step->window, pass->scratch, pass->dx + n * width);
    }
  for (size_t n = 0; n < pass->count; n++) {
    const float *dy = pass->dy + n * filters * places;
    float keep = n == 0 ? pass->keep : 1.0F;
    gather(&step->window, pass->x + n * width, pass->scratch);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)filters, (int)depth, (int)places, pass->scale,
                dy, (int)places, pass->scratch, (int)places, keep, pass->weight_sink, (int)depth);
    for (size_t f = 0; f < filters; f++) {
      float kept = keep == 0.0F ? 0.0F : keep * pass->bias_sink[f];
      pass->bias_sink[f] = kept + pass->scale * sum(dy + f * places, places);
    }
  }
}

const comity_layer comity_layer_conv2d = {
    .name = "conv2d",
    .settings = "filters|kernel|stride|padding",
    .plan = plan,
    .forward = forward,
    .backward = backward,
};
