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
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));

/* Neither a call nor a loop may stay between a kernel and its registers: arrays of vectors live there only when all their
 * indices are constants. */
#define COMITY_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define COMITY_UNROLL _Pragma("clang loop unroll(full)")
#else
#define COMITY_UNROLL _Pragma("GCC unroll 16")
#endif

COMITY_INLINE vector vector_load(const float *from) {
  vector v;
  memcpy(&v, from, sizeof v);
  return v;
}

COMITY_INLINE void vector_store(float *to, vector v) { memcpy(to, &v, sizeof v); }

COMITY_INLINE vector vector_all(float value) { return value - (vector){0}; }

/* The first `count` <= LANES numbers; the others are 0 and not read. */
COMITY_INLINE vector vector_load_part(const float *from, size_t count) {
#if defined(__AVX512F__)
  return (vector)_mm512_maskz_loadu_ps((__mmask16)((1U << count) - 1), from);
#elif defined(__AVX2__)
  __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (vector)_mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane));
#else
  vector v = {0};
  COMITY_UNROLL
  for (size_t i = 0; i < LANES; i++)
    if (i < count)
      v[i] = from[i];
  return v;
#endif
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

/* Lanes whose number has the bit `half`: the sum of b's lane and of the one `half` before it; the others: of
 * a's lane and of the one `half` after it. */
COMITY_INLINE vector vector_fold(vector a, vector b, int half) {
#if defined(__AVX512F__)
  if (half == 8)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  if (half == 4)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  if (half == 2)
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  return __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
         __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
#elif defined(__AVX2__)
  if (half == 4)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  if (half == 2)
    return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
           __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14) +
         __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
#else
  if (half == 2)
    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  return __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
#endif
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

#endif
