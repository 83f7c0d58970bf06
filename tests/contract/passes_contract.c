/* Passes over the parameters give the bits of one scalar operation a number, with every instruction set, at every
 * length and alignment. */
#include "test.h"

#include <comity/core.h>
#include <comity/kernel.h>

#include <math.h>
#include <string.h>

enum { MOST = 300 };

typedef struct numbers {
  float value[MOST], sum[MOST];
  uint64_t word[MOST];
} numbers;

/* Magnitudes from far below a unit of the fixed point to where the slow way has to be taken; `large` at the end
 * sends all of them that way. */
static void draw(numbers *n, double large) {
  comity_random random;
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 0, 0, 0);
  for (int i = 0; i < MOST; i++) {
    n->value[i] = (float)((2 * comity_random_uniform(&random) - 1) * exp2(3 - i % 60));
    n->sum[i] = (float)(2 * comity_random_uniform(&random) - 1);
    double high = (2 * comity_random_uniform(&random) - 1) * exp2(63 - i % 64);
    n->word[i] = (uint64_t)(int64_t)high ^ (uint64_t)i;
  }
  n->value[7] = 0x1.8p-40F, n->value[8] = -0x0.8p-40F, n->value[9] = 0x0.8p-40F; /* ties */
  n->word[0] = INT64_MAX, n->word[1] = (uint64_t)INT64_MIN, n->word[2] = 0, n->word[3] = UINT64_MAX;
  n->word[4] = 0x20000000000001, n->word[5] = (uint64_t)-0x20000000000001; /* no double has these */
  n->value[0] = (float)large;
}

/* Lengths and starts that leave every remainder of a vector. */
static void with_each(void (*check)(const comity_passes *passes, const numbers *n, size_t start,
                                    size_t count)) {
  int found = 0;
  for (int isa = COMITY_ISA_BASE; isa <= COMITY_ISA_AVX512; isa++) {
    const comity_passes *passes = comity_passes_of((comity_isa)isa);
    if (passes == NULL)
      continue;
    assert_int_equal(passes->isa, isa);
    found++;
    const double large[] = {1, 0x1p20};
    for (int l = 0; l < 2; l++) {
      static numbers n;
      draw(&n, large[l]);
      for (size_t count = 0; count <= 70; count++)
        check(passes, &n, count % 3, count);
      check(passes, &n, 0, MOST);
      check(passes, &n, 1, MOST - 1);
    }
  }
  assert_true(found >= 1);
}

static void check_fold_within(const comity_passes *passes, const numbers *n, size_t start, size_t count,
                              bool close) {
  uint64_t words[MOST];
  const double scale = 0.3 * 0x1p40;
  memcpy(words, n->word, sizeof words);
  float bound = close ? passes->largest(n->value + start, count) : INFINITY;
  passes->fold(n->value + start, count, scale, bound, words + start);
  for (size_t i = 0; i < MOST; i++) {
    bool inside = i >= start && i < start + count;
    uint64_t more = inside ? (uint64_t)(int64_t)rint((double)n->value[i] * scale) : 0;
    assert_true(words[i] == n->word[i] + more);
  }
}

static void check_fold(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  check_fold_within(passes, n, start, count, true);
  check_fold_within(passes, n, start, count, false);
}

static void folding_rounds_each_number_by_itself(void **state) {
  (void)state;
  with_each(check_fold);
}

static void check_unfold(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  float values[MOST] = {0};
  const double scale = 1.7 * 0x1p-40;
  passes->unfold(n->word + start, count, scale, values + start);
  for (size_t i = start; i < start + count; i++)
    assert_true(values[i] == (float)((double)(int64_t)n->word[i] * scale));
}

static void unfolding_rounds_as_a_conversion_does(void **state) {
  (void)state;
  with_each(check_unfold);
}

static void check_add(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  float sums[MOST];
  memcpy(sums, n->sum, sizeof sums);
  passes->add(n->value + start, count, 0.7, sums + start);
  for (size_t i = 0; i < MOST; i++) {
    volatile double product = 0.7 * n->value[i]; /* a compiler that fuses would be told apart here */
    bool inside = i >= start && i < start + count;
    assert_true(sums[i] == (inside ? (float)(n->sum[i] + product) : n->sum[i]));
  }
}

static void sums_are_not_fused(void **state) {
  (void)state;
  with_each(check_add);
}

static void check_largest(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  float values[MOST], most = 0;
  memcpy(values, n->value, sizeof values);
  for (size_t i = start; i < start + count; i++)
    most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
  assert_true(passes->largest(values + start, count) == most);
  for (size_t i = start; i < start + count; i += 5) {
    float kept = values[i];
    values[i] = -INFINITY;
    assert_true(isinf(passes->largest(values + start, count)));
    values[i] = -NAN;
    assert_true(isnan(passes->largest(values + start, count)));
    values[i] = kept;
  }
}

static void the_largest_is_found_wherever_it_stands(void **state) {
  (void)state;
  with_each(check_largest);
}

static void check_squares(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  double part[32] = {0}, sum = 0;
  for (size_t i = 0; i < count; i++)
    part[i % 32] += (double)n->value[start + i] * (double)n->value[start + i];
  for (int k = 0; k < 32; k++)
    sum += part[k];
  assert_true(passes->squares(n->value + start, count) == sum);
}

static void squares_are_summed_in_a_fixed_order(void **state) {
  (void)state;
  with_each(check_squares);
}

/* The equations, one rounded operation after the other. */
static void follow(const comity_sgd *sgd, float gradient, float *velocity, float *model) {
  volatile float decayed = sgd->decay * *model, clipped = sgd->factor * gradient;
  volatile float g = clipped + decayed, step = g;
  if (velocity != NULL) {
    volatile float kept = sgd->momentum * *velocity;
    *velocity = kept + g;
    volatile float ahead = sgd->momentum * *velocity;
    step = sgd->nesterov ? g + ahead : *velocity;
  }
  volatile float change = sgd->rate * step;
  *model -= change;
}

static void check_sgd(const comity_passes *passes, const numbers *n, size_t start, size_t count) {
  for (int kind = 0; kind < 3; kind++) {
    comity_sgd sgd = {.rate = 0.3F, .momentum = 0.7F, .factor = 0.9F, .decay = 0.01F, .nesterov = kind == 2};
    float model[MOST], velocity[MOST], other_model[MOST], other_velocity[MOST];
    memcpy(model, n->sum, sizeof model);
    memcpy(other_model, n->sum, sizeof model);
    for (int i = 0; i < MOST; i++)
      velocity[i] = other_velocity[i] = n->sum[MOST - 1 - i];
    passes->sgd(&sgd, count, n->value + start, kind == 0 ? NULL : velocity + start, model + start);
    for (size_t i = start; i < start + count; i++)
      follow(&sgd, n->value[i], kind == 0 ? NULL : &other_velocity[i], &other_model[i]);
    assert_memory_equal(model, other_model, sizeof model);
    assert_memory_equal(velocity, other_velocity, sizeof velocity);
  }
}

static void steps_follow_their_equations(void **state) {
  (void)state;
  with_each(check_sgd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(folding_rounds_each_number_by_itself),
      cmocka_unit_test(unfolding_rounds_as_a_conversion_does),
      cmocka_unit_test(sums_are_not_fused),
      cmocka_unit_test(squares_are_summed_in_a_fixed_order),
      cmocka_unit_test(steps_follow_their_equations),
      cmocka_unit_test(the_largest_is_found_wherever_it_stands),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
