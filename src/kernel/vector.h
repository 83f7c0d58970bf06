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

/* No call may stay between a kernel's loops and its registers. */
#define COMITY_INLINE static inline __attribute__((always_inline))

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
  for (size_t i = 0; i < LANES && i < count; i++)
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
  for (size_t i = 0; i < LANES && i < count; i++)
    to[i] = v[i];
#endif
}

/* The sum of all lanes, by halves. */
COMITY_INLINE float vector_sum(vector v) {
#if defined(__AVX512F__)
  typedef float eight __attribute__((vector_size(32)));
  eight e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
  vector e = v;
#endif
  typedef float four __attribute__((vector_size(16)));
#if defined(__AVX2__)
  four f = __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
#else
  four f = v;
#endif
  f += __builtin_shufflevector(f, f, 2, 3, 0, 1);
  f += __builtin_shufflevector(f, f, 1, 0, 3, 2);
  return f[0];
}

#endif
