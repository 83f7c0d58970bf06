/* From stored rows to batches of floats. A feature is (float)(stored * scale), computed in double for every
 * type, then standardised: the same numbers whatever the batch. */
#include "data_impl.h"

#include <comity/kernel.h>

#include <math.h>
#include <string.h>

#define CONVERTER(name, stored_type)                                                                         \
  static void name(const void *stored, size_t count, double scale, float *restrict to) {                     \
    const stored_type *restrict from = stored;                                                               \
    for (size_t i = 0; i < count; i++)                                                                       \
      to[i] = (float)((double)from[i] * scale);                                                              \
  }
CONVERTER(convert_i8, int8_t)
CONVERTER(convert_i16, int16_t)
CONVERTER(convert_u16, uint16_t)
CONVERTER(convert_i32, int32_t)
CONVERTER(convert_scaled_f32, float)
CONVERTER(convert_f64, double)

static void convert_u8(const void *stored, size_t count, double scale, float *restrict to) {
  comity_elementwise_best()->from_bytes(stored, count, scale, to);
}

static void convert_f32(const void *stored, size_t count, double scale, float *restrict to) {
  if (scale == 1)
    memcpy(to, stored, count * sizeof *to);
  else
    convert_scaled_f32(stored, count, scale, to);
}

static void (*const converters[])(const void *, size_t, double, float *restrict) = {
    [COMITY_U8] = convert_u8,   [COMITY_I8] = convert_i8,   [COMITY_I16] = convert_i16,
    [COMITY_U16] = convert_u16, [COMITY_I32] = convert_i32, [COMITY_F32] = convert_f32,
    [COMITY_F64] = convert_f64};

static void standardise(const float *restrict mean, const float *restrict inverse, size_t width,
                        float *restrict row) {
  for (size_t i = 0; i < width; i++)
    row[i] = (row[i] - mean[i]) * inverse[i];
}

void comity_examples_batch(const comity_examples *examples, const uint32_t *index, size_t first, size_t count,
                           float *x, float *y) {
  size_t width = examples->width, targets = examples->targets;
  size_t row_bytes = width * comity_dtype_size(examples->type);
  const char *stored = examples->x;
  if (index == NULL) {
    converters[examples->type](stored + first * row_bytes, count * width, examples->scale, x);
    memcpy(y, examples->y + first * targets, count * targets * sizeof *y);
  } else
    for (size_t i = 0; i < count; i++) {
      converters[examples->type](stored + index[i] * row_bytes, width, examples->scale, x + i * width);
      memcpy(y + i * targets, examples->y + index[i] * targets, targets * sizeof *y);
    }
  if (examples->mean != NULL)
    for (size_t i = 0; i < count; i++)
      standardise(examples->mean, examples->inverse, width, x + i * width);
}

comity_status comity_examples_check(const comity_examples *examples) {
  size_t count = examples->count * examples->width, i = 0;
  if (examples->type == COMITY_F32)
    for (const float *x = examples->x; i < count && isfinite(x[i]); i++)
      ;
  else if (examples->type == COMITY_F64) /* what a float cannot hold is infinite in a batch */
    for (const double *x = examples->x; i < count && isfinite((float)(x[i] * examples->scale)); i++)
      ;
  else
    return COMITY_OK;
  COMITY_REQUIRE(i == count, COMITY_ERR_DATA, "row %zu: feature %zu is not a finite number",
                 i / examples->width, i % examples->width);
  return COMITY_OK;
}
