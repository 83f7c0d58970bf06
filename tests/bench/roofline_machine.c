/* What one core can do at most: multiply-adds in registers, and bytes a second from each level of memory. Each is measured with
 * the widest vectors that the processor has; elsewhere than on x86 the compiler chooses them. */
#include "roofline.h"

#include <math.h>
#include <unistd.h>

const char *const place_name[PLACES] = {"L1", "L2", "L3", "memory"};

/* As many sums as fill two pipelines of four cycles, and then some; fewer than there are registers. */
enum { SUMS = 12, LOOPS = 2000, LANES_MOST = 64 };

/* What a kind of vectors does. Sizes are floats, multiples of LANES_MOST. */
typedef struct kernels {
  const char *name;
  size_t lanes; /* floats a vector */
  float (*multiply_add)(float factor);
  float (*read)(const float *x, size_t count);
  void (*modify)(float *x, size_t count, float factor);
} kernels;

/* The same three functions for any vectors: VECTOR, WIDTH, and intrinsics by their common endings. */
#define DEFINE_KERNELS(suffix, attribute, vector, width, set1, load, store, add, mul, fma)                   \
  attribute static float multiply_add_##suffix(float factor) {                                               \
    vector sum[SUMS], f = set1(factor), one = set1(1.0F);                                                    \
    for (int k = 0; k < SUMS; k++)                                                                           \
      sum[k] = set1((float)k);                                                                               \
    for (int i = 0; i < LOOPS; i++)                                                                          \
      for (int k = 0; k < SUMS; k++)                                                                         \
        sum[k] = fma(sum[k], f, one);                                                                        \
    return total_##suffix(sum, SUMS);                                                                        \
  }                                                                                                          \
  attribute static float read_##suffix(const float *x, size_t count) {                                       \
    vector sum[8];                                                                                           \
    for (int k = 0; k < 8; k++)                                                                              \
      sum[k] = set1(0.0F);                                                                                   \
    for (size_t i = 0; i + 8 * (width) <= count; i += 8 * (width))                                           \
      for (size_t k = 0; k < 8; k++)                                                                         \
        sum[k] = add(sum[k], load(x + i + k * (width)));                                                     \
    return total_##suffix(sum, 8);                                                                           \
  }                                                                                                          \
  attribute static void modify_##suffix(float *x, size_t count, float factor) {                              \
    vector f = set1(factor);                                                                                 \
    for (size_t i = 0; i + 4 * (width) <= count; i += 4 * (width))                                           \
      for (size_t k = 0; k < 4; k++)                                                                         \
        store(x + i + k * (width), mul(load(x + i + k * (width)), f));                                       \
  }                                                                                                          \
  static const kernels kernels_##suffix = {#suffix, (width), multiply_add_##suffix, read_##suffix,           \
                                           modify_##suffix};

#if defined(__x86_64__)
#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f")))
WITH_AVX512 static float total_avx512(const __m512 *sum, int count) {
  __m512 all = sum[0];
  for (int k = 1; k < count; k++)
    all = _mm512_add_ps(all, sum[k]);
  return _mm512_reduce_add_ps(all);
}
DEFINE_KERNELS(avx512, WITH_AVX512, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps,
               _mm512_add_ps, _mm512_mul_ps, _mm512_fmadd_ps)

#define WITH_AVX2 __attribute__((target("avx2,fma")))
WITH_AVX2 static float total_avx2(const __m256 *sum, int count) {
  __m256 all = sum[0];
  for (int k = 1; k < count; k++)
    all = _mm256_add_ps(all, sum[k]);
  float lane[8], result = 0.0F;
  _mm256_storeu_ps(lane, all);
  for (int k = 0; k < 8; k++)
    result += lane[k];
  return result;
}
DEFINE_KERNELS(avx2, WITH_AVX2, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps,
               _mm256_mul_ps, _mm256_fmadd_ps)
#endif

/* Any processor: GNU C's vectors of 16 bytes, which the compiler multiplies and adds as well as it can. */
typedef float quad __attribute__((vector_size(16)));
static inline quad quad_set1(float x) { return (quad){x, x, x, x}; }
static inline quad quad_load(const float *x) { return (quad){x[0], x[1], x[2], x[3]}; }
static inline void quad_store(float *x, quad v) {
  for (int k = 0; k < 4; k++)
    x[k] = v[k];
}
static inline quad quad_add(quad a, quad b) { return a + b; }
static inline quad quad_mul(quad a, quad b) { return a * b; }
#if defined(__FMA__) || defined(__aarch64__)
static inline quad quad_fma(quad a, quad b, quad c) {
  for (int k = 0; k < 4; k++)
    c[k] = fmaf(a[k], b[k], c[k]);
  return c;
}
#else
static inline quad quad_fma(quad a, quad b, quad c) { return a * b + c; }
#endif
static float total_plain(const quad *sum, int count) {
  float result = 0.0F;
  for (int k = 0; k < count; k++)
    result += sum[k][0] + sum[k][1] + sum[k][2] + sum[k][3];
  return result;
}
DEFINE_KERNELS(plain, , quad, 4, quad_set1, quad_load, quad_store, quad_add, quad_mul, quad_fma)

static const kernels *choose(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return &kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &kernels_avx2;
#endif
  return &kernels_plain;
}

typedef struct task {
  const kernels *use;
  float *x;
  size_t count;
  volatile float result; /* so that no call is left out */
} task;

static void call_multiply_add(void *context) {
  task *t = context;
  t->result = t->use->multiply_add(0.5F);
}
static void call_read(void *context) {
  task *t = context;
  t->result = t->use->read(t->x, t->count);
}
static void call_modify(void *context) {
  task *t = context;
  t->use->modify(t->x, t->count, 1.0F);
}

/* Half of a cache, so that it holds the set whatever else lives there; for memory four times the last cache. Sets above a
 * quarter GiB are not tried: some machines show a part of a last cache far larger than what one core gets to see. */
static size_t working_set(const machine *m, place p) {
  const size_t most = (size_t)1 << 28, align = LANES_MOST * 64;
  size_t bytes = p == PLACE_MEMORY ? 4 * m->size[PLACE_L3] : m->size[p] / 2;
  if (p == PLACE_L3 && bytes > 16 * m->size[PLACE_L2] && m->size[PLACE_L2] > 0)
    bytes = 16 * m->size[PLACE_L2]; /* enough to miss the second level, and as large as models here are */
  return bytes > most ? 0 : bytes / align * align;
}

void machine_measure(machine *m, double seconds) {
  task t = {.use = choose()};
  *m = (machine){.instructions = t.use->name};
  double operations = 2.0 * SUMS * LOOPS * (double)t.use->lanes;
  m->peak = operations / fastest_call(call_multiply_add, &t, seconds);
  static const int name[PLACE_MEMORY] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                         _SC_LEVEL3_CACHE_SIZE};
  for (place p = PLACE_L1; p < PLACE_MEMORY; p++) {
    long size = sysconf(name[p]);
    m->size[p] = size > 0 ? (size_t)size : 0;
  }
  for (place p = PLACE_L1; p < PLACES; p++) {
    size_t bytes = working_set(m, p);
    t.count = bytes / sizeof(float);
    t.x = t.count == 0 ? NULL : comity_array(t.count, sizeof(float));
    if (t.x == NULL)
      continue;
    for (size_t i = 0; i < t.count; i++)
      t.x[i] = 1.0F; /* pages of zeros may be one and the same page */
    m->measured[p] = bytes;
    m->read[p] = (double)bytes / fastest_call(call_read, &t, seconds);
    m->modify[p] = 2.0 * (double)bytes / fastest_call(call_modify, &t, seconds);
    comity_free(t.x);
  }
}
