/* The largest of 2x2 pixels by vector code: two rows come in, are split into even and odd columns, and three
 * comparisons decide. */
#include "vector.h"

typedef int32_t numbers __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

/* Where `mask` is set a, elsewhere b. */
COMITY_INLINE numbers either(numbers mask, numbers a, numbers b) { return (mask & a) | (~mask & b); }

/* `count` <= 2 LANES numbers, in two vectors. */
COMITY_INLINE void load_pair(const float *from, size_t count, vector pair[2]) {
  if (count == 2 * LANES) {
    pair[0] = vector_load(from);
    pair[1] = vector_load(from + LANES);
  } else {
    pair[0] = vector_load_part(from, count < LANES ? count : LANES);
    pair[1] = count <= LANES ? (vector){0} : vector_load_part(from + LANES, count - LANES);
  }
}

COMITY_INLINE void store_pair(float *to, size_t count, vector first, vector second) {
  if (count == 2 * LANES) {
    vector_store(to, first);
    vector_store(to + LANES, second);
  } else {
    vector_store_part(to, first, count < LANES ? count : LANES);
    if (count > LANES)
      vector_store_part(to + LANES, second, count - LANES);
  }
}

/* `count` <= LANES windows side by side; `room` places are left in memory, of which more than `count` may be
 * written: those behind come later. */
COMITY_INLINE void pool_block(const float *x, size_t width, size_t count, float *y, uint8_t *place,
                              size_t room) {
  vector top[2], bottom[2];
  load_pair(x, 2 * count, top);
  load_pair(x + width, 2 * count, bottom);
  numbers a = (numbers)vector_even(top[0], top[1]), b = (numbers)vector_odd(top[0], top[1]);
  numbers c = (numbers)vector_even(bottom[0], bottom[1]), d = (numbers)vector_odd(bottom[0], bottom[1]);
  numbers right = (numbers)((vector)b > (vector)a), lower_right = (numbers)((vector)d > (vector)c);
  a = either(right, b, a);
  c = either(lower_right, d, c);
  numbers lower = (numbers)((vector)c > (vector)a);
  vector_store_part(y, (vector)either(lower, c, a), count);
  if (place == NULL)
    return;
  bytes code = __builtin_convertvector(either(lower, 2 - lower_right, -right), bytes);
  if (room >= LANES)
    memcpy(place, &code, sizeof code);
  else
    memcpy(place, &code, count);
}

static void forward(size_t planes, size_t height, size_t width, const float *x, float *y, uint8_t *place) {
  size_t rows = height / 2, columns = width / 2, room = planes * rows * columns;
  for (size_t p = 0; p < planes; p++, x += height * width)
    for (size_t i = 0; i < rows; i++, y += columns, room -= columns) {
      for (size_t j = 0; j < columns; j += LANES)
        pool_block(x + 2 * i * width + 2 * j, width, columns - j < LANES ? columns - j : LANES, y + j,
                   place == NULL ? NULL : place + j, room - j);
      place = place == NULL ? NULL : place + columns;
    }
}

COMITY_INLINE void spread_block(const float *dy, const uint8_t *place, size_t room, size_t count,
                                size_t width, float *dx) {
  bytes code = {0};
  if (room >= LANES)
    memcpy(&code, place, sizeof code);
  else
    memcpy(&code, place, count);
  numbers at = __builtin_convertvector(code, numbers), given = (numbers)vector_load_part(dy, count);
  vector part[4];
  for (int k = 0; k < 4; k++)
    part[k] = (vector)(given & (at == k));
  store_pair(dx, 2 * count, vector_zip_low(part[0], part[1]), vector_zip_high(part[0], part[1]));
  store_pair(dx + width, 2 * count, vector_zip_low(part[2], part[3]), vector_zip_high(part[2], part[3]));
}

static void backward(size_t planes, size_t height, size_t width, const float *dy, const uint8_t *place,
                     float *dx) {
  size_t rows = height / 2, columns = width / 2, room = planes * rows * columns;
  for (size_t p = 0; p < planes; p++, dx += height * width) {
    for (size_t i = 0; i < rows; i++, dy += columns, place += columns, room -= columns) {
      for (size_t j = 0; j < columns; j += LANES)
        spread_block(dy + j, place + j, room - j, columns - j < LANES ? columns - j : LANES, width,
                     dx + 2 * i * width + 2 * j);
      for (size_t k = 2 * columns; k < width; k++)
        dx[2 * i * width + k] = dx[(2 * i + 1) * width + k] = 0.0F;
    }
    memset(dx + 2 * rows * width, 0, (height - 2 * rows) * width * sizeof *dx);
  }
}

const comity_pool_kernel COMITY_ISA(comity_pool_native) = {
    .isa = COMITY_ISA_THIS,
    .forward = forward,
    .backward = backward,
};
