/* Vectors of floats, as wide as the instruction set that this file is compiled for. Arithmetic is the
 * compiler's: a * b + c on vectors is one fused instruction where the processor has one. */
#ifndef COMITY_VECTOR_H
#define COMITY_VECTOR_H

#include "isa.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int32_t vector_bits __attribute__((vector_size(4 * LANES)));

/* Neither a call nor a loop may stay between a kernel and its registers: arrays of vectors live there only when all their
 * indices are constants. */
#define COMITY_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define COMITY_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__OPTIMIZE__)
#define COMITY_UNROLL _Pragma("GCC unroll 16")
#else
#define COMITY_UNROLL /* gcc would complain that it does not */
#endif

COMITY_INLINE vector vector_load(const float *from) {
  vector v;
  memcpy(&v, from, sizeof v);
  return v;
}

COMITY_INLINE void vector_store(float *to, vector v) { memcpy(to, &v, sizeof v); }

COMITY_INLINE vector vector_all(float value) { return value - (vector){0}; }

/* The first `count` <= LANES numbers; the others are not read, and those of `rest` instead. */
COMITY_INLINE vector vector_load_or(const float *from, size_t count, vector rest) {
#if defined(__AVX512F__)
  return (vector)_mm512_mask_loadu_ps((__m512)rest, (__mmask16)((1U << count) - 1), from);
#elif defined(__AVX2__)
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
  return (vector)_mm256_blendv_ps((__m256)rest, _mm256_maskload_ps(from, mask), (__m256)mask);
#else
  COMITY_UNROLL
  for (size_t i = 0; i < LANES; i++)
    if (i < count)
      rest[i] = from[i];
  return rest;
#endif
}

/* The same, with zeros. */
COMITY_INLINE vector vector_load_part(const float *from, size_t count) {
  return vector_load_or(from, count, (vector){0});
}

/* Store only the first `count` <= LANES numbers. */
COMITY_INLINE void vector_store_part(float *to, vector v, size_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, (__mmask16)((1U << count) - 1), (__m512)v);
#elif defined(__AVX2__)
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(to, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane), (__m256)v);
#else
  COMITY_UNROLL
  for (size_t i = 0; i < LANES; i++)
    if (i < count)
      to[i] = v[i];
#endif
}

/* F(lane, half) for each lane, as indices of a shuffle. */
#if LANES == 16
#define EACH_LANE(F, h)                                                                                      \
  F(0, h), F(1, h), F(2, h), F(3, h), F(4, h), F(5, h), F(6, h), F(7, h), F(8, h), F(9, h), F(10, h),        \
      F(11, h), F(12, h), F(13, h), F(14, h), F(15, h)
#elif LANES == 8
#define EACH_LANE(F, h) F(0, h), F(1, h), F(2, h), F(3, h), F(4, h), F(5, h), F(6, h), F(7, h)
#else
#define EACH_LANE(F, h) F(0, h), F(1, h), F(2, h), F(3, h)
#endif
#define LANE_SWAP(i, h) ((i) ^ (h))
#define LANE_LOW(i, h) ((i) & (h) ? LANES + (i) - (h) : (i))
#define LANE_HIGH(i, h) ((i) & (h) ? LANES + (i) : (i) + (h))

/* Lanes whose numbers differ in the bit `half` change places. */
COMITY_INLINE vector vector_swap(vector v, int half) {
#define SWAP(h) __builtin_shufflevector(v, v, EACH_LANE(LANE_SWAP, h))
#if LANES == 16
  if (half == 8)
    return SWAP(8);
#endif
#if LANES >= 8
  if (half == 4)
    return SWAP(4);
#endif
  return half == 2 ? SWAP(2) : SWAP(1);
}

/* Lanes whose number has the bit `half`: the sum of b's lane and of the one `half` before it; the others: of
 * a's lane and of the one `half` after it. */
COMITY_INLINE vector vector_fold(vector a, vector b, int half) {
#define FOLD(h)                                                                                              \
  __builtin_shufflevector(a, b, EACH_LANE(LANE_LOW, h)) +                                                    \
      __builtin_shufflevector(a, b, EACH_LANE(LANE_HIGH, h))
#if LANES == 16
  if (half == 8)
    return FOLD(8);
#endif
#if LANES >= 8
  if (half == 4)
    return FOLD(4);
#endif
  return half == 2 ? FOLD(2) : FOLD(1);
}

/* v[i]'s lane j becomes v[j]'s lane i. */
COMITY_INLINE void vector_transpose(vector v[LANES]) {
#define TRANSPOSE(h)                                                                                         \
  COMITY_UNROLL                                                                                              \
  for (int i = 0; i < LANES; i++)                                                                            \
    if ((i & (h)) == 0) {                                                                                    \
      vector low = __builtin_shufflevector(v[i], v[i + (h)], EACH_LANE(LANE_LOW, h));                        \
      v[i + (h)] = __builtin_shufflevector(v[i], v[i + (h)], EACH_LANE(LANE_HIGH, h));                       \
      v[i] = low;                                                                                            \
    }
#if LANES == 16
  TRANSPOSE(8)
#endif
#if LANES >= 8
  TRANSPOSE(4)
#endif
  TRANSPOSE(2)
  TRANSPOSE(1)
}

/* The sums of the lanes of each of `count` vectors, a power of two <= LANES; that of v[i] stands in lane
 * i * LANES / count. Destroys v. */
COMITY_INLINE vector vector_sums(vector *v, int count) {
  COMITY_UNROLL
  for (int half = LANES / 2, left = count; half > 0; half /= 2, left = left > 1 ? left / 2 : 1)
    COMITY_UNROLL
  for (int i = 0; i < (left + 1) / 2; i++)
    v[i] = vector_fold(v[i], v[i + left / 2], half);
  return v[0];
}

/* The sum, or the largest, of all lanes, in each of them. Which of a number and a NaN is larger is left open. */
COMITY_INLINE vector vector_sum(vector v) {
  COMITY_UNROLL
  for (int half = LANES / 2; half > 0; half /= 2)
    v += vector_swap(v, half);
  return v;
}

COMITY_INLINE vector vector_larger(vector a, vector b) {
  vector_bits more = a > b;
  return (vector)((more & (vector_bits)a) | (~more & (vector_bits)b));
}

COMITY_INLINE vector vector_largest(vector v) {
  COMITY_UNROLL
  for (int half = LANES / 2; half > 0; half /= 2)
    v = vector_larger(v, vector_swap(v, half));
  return v;
}

/* e^x for x <= 88, within 2 units in the last place; 0 below -87.3, where the result would not be normal. x is
 * split into n log 2 + r with |r| <= log(2)/2, log 2 being the sum of two floats so that r is exact enough. */
COMITY_INLINE vector vector_exp(vector x) {
  const float magic =
      12582912.0F; /* 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold */
  vector shifted = x * 1.44269504F + magic, n = shifted - magic;
  vector r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  vector p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  typedef uint32_t vector_words
      __attribute__((vector_size(4 * LANES))); /* these may wrap around, below -87.3 */
  vector_words power = ((vector_words)shifted << 23) + 0x3F800000U;
  return (vector)((vector_bits)(p * (vector)power) & ~(x < -87.3F));
}

/* A whole number of vectors for at least `count` floats, in floats. */
COMITY_INLINE size_t lanes_up(size_t count) { return (count + LANES - 1) / LANES * LANES; }

/* Numbers of two vectors picked in turns, from `first` and from `other` on, each `step` further every time;
 * those of `a` are 0 ... LANES-1, those of `b` follow. */
#if defined(__AVX512F__)
#define COMITY_PICK(a, b, first, step, other)                                                                \
  __builtin_shufflevector(a, b, first, other, first + step, other + step, first + 2 * step,                  \
                          other + 2 * step, first + 3 * step, other + 3 * step, first + 4 * step,            \
                          other + 4 * step, first + 5 * step, other + 5 * step, first + 6 * step,            \
                          other + 6 * step, first + 7 * step, other + 7 * step)
#elif defined(__AVX2__)
#define COMITY_PICK(a, b, first, step, other)                                                                \
  __builtin_shufflevector(a, b, first, other, first + step, other + step, first + 2 * step,                  \
                          other + 2 * step, first + 3 * step, other + 3 * step)
#else
#define COMITY_PICK(a, b, first, step, other)                                                                \
  __builtin_shufflevector(a, b, first, other, first + step, other + step)
#endif

/* a[0] b[0] a[1] b[1] ..., the first and the second half of it. */
COMITY_INLINE vector vector_zip_low(vector a, vector b) { return COMITY_PICK(a, b, 0, 1, LANES); }

COMITY_INLINE vector vector_zip_high(vector a, vector b) {
  return COMITY_PICK(a, b, LANES / 2, 1, LANES / 2 + LANES);
}

/* The way back: every second number of a, then of b, from the first or the second on. */
COMITY_INLINE vector vector_even(vector a, vector b) { return COMITY_PICK(a, b, 0, 4, 2); }

COMITY_INLINE vector vector_odd(vector a, vector b) { return COMITY_PICK(a, b, 1, 4, 3); }

#endif
