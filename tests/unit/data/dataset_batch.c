/* Batches: stored numbers become floats, standardised or not; and the sums that standardisation comes from.
 */
#include "dataset_support.h"

#include <math.h>

enum { ROWS = 37, WIDTH = 19, TARGETS = 2 };

/* Row i, feature j of each type, from one formula. */
static double value(size_t i, size_t j) { return (double)((i * 31 + j * 17) % 120); }

static void fill(comity_dtype type, void *x) {
  for (size_t i = 0; i < ROWS * WIDTH; i++) {
    double v = value(i / WIDTH, i % WIDTH);
    switch (type) {
    case COMITY_U8:
      ((uint8_t *)x)[i] = (uint8_t)v;
      break;
    case COMITY_I8:
      ((int8_t *)x)[i] = (int8_t)v;
      break;
    case COMITY_I16:
      ((int16_t *)x)[i] = (int16_t)v;
      break;
    case COMITY_U16:
      ((uint16_t *)x)[i] = (uint16_t)v;
      break;
    case COMITY_I32:
      ((int32_t *)x)[i] = (int32_t)v;
      break;
    case COMITY_F32:
      ((float *)x)[i] = (float)v;
      break;
    case COMITY_F64:
      ((double *)x)[i] = v;
      break;
    }
  }
}

static void batches_hold_scaled_and_standardised_rows(void **state) {
  (void)state;
  static double x[ROWS * WIDTH];
  float y[ROWS * TARGETS], mean[WIDTH], inverse[WIDTH];
  for (size_t i = 0; i < ROWS * TARGETS; i++)
    y[i] = (float)i;
  for (size_t j = 0; j < WIDTH; j++) {
    mean[j] = (float)j * 0.3f;
    inverse[j] = 1 / (1 + (float)j);
  }
  const uint32_t index[] = {36, 0, 5, 5, 17};
  const double scales[] = {1, 1 / 255.0, -3};
  for (int type = COMITY_U8; type <= COMITY_F64; type++)
    for (size_t s = 0; s < 3; s++)
      for (int standard = 0; standard < 2; standard++) {
        fill((comity_dtype)type, x);
        comity_examples examples = {.count = ROWS,
                                    .width = WIDTH,
                                    .targets = TARGETS,
                                    .type = (comity_dtype)type,
                                    .x = x,
                                    .y = y,
                                    .scale = scales[s],
                                    .mean = standard ? mean : NULL,
                                    .inverse = standard ? inverse : NULL};
        float all[ROWS * WIDTH], all_y[ROWS * TARGETS], some[5 * WIDTH], some_y[5 * TARGETS];
        comity_examples_batch(&examples, NULL, 3, ROWS - 3, all, all_y);
        comity_examples_batch(&examples, index, 1000, 5, some, some_y);
        for (size_t i = 3; i < ROWS; i++)
          for (size_t j = 0; j < WIDTH; j++) {
            float expected = (float)(value(i, j) * scales[s]);
            expected = standard ? (expected - mean[j]) * inverse[j] : expected;
            assert_true(all[(i - 3) * WIDTH + j] == expected);
          }
        assert_memory_equal(all_y, y + 3 * TARGETS, (ROWS - 3) * TARGETS * sizeof *y);
        for (size_t b = 0; b < 5; b++) {
          if (index[b] >= 3) /* the same bits by either way */
            assert_memory_equal(some + b * WIDTH, all + (index[b] - 3) * WIDTH, WIDTH * sizeof *some);
          assert_memory_equal(some_y + b * TARGETS, y + index[b] * TARGETS, TARGETS * sizeof *y);
        }
      }
}

static void features_that_are_not_finite_are_named(void **state) {
  (void)state;
  float single[6] = {0, 1, 2, 3, 4, 5}, y[2] = {0};
  double twice[6] = {0, 1, 2, 3, 4, 5};
  comity_examples examples = {
      .count = 2, .width = 3, .targets = 1, .type = COMITY_F32, .x = single, .y = y, .scale = 1};
  assert_ok(comity_examples_check(&examples));
  single[4] = INFINITY;
  assert_int_equal(comity_examples_check(&examples), COMITY_ERR_DATA);
  assert_says("row 1: feature 1");
  examples.type = COMITY_F64;
  examples.x = twice;
  assert_ok(comity_examples_check(&examples));
  twice[2] = 1e200; /* infinite as a float */
  assert_int_equal(comity_examples_check(&examples), COMITY_ERR_DATA);
  assert_says("row 0: feature 2");
  twice[2] = NAN;
  assert_int_equal(comity_examples_check(&examples), COMITY_ERR_DATA);
}

enum { CLIENTS = 11, FEATURES = 5 };
typedef struct moments {
  float mean[FEATURES], inverse[FEATURES];
} moments;

/* The moments of the clients, taken in steps around the list; `ranks` sums are made apart and added up,
 * as ranks do. */
static void collect(const comity_examples *clients, size_t count, size_t step, size_t ranks,
                    moments *result) {
  for (int pass = 0; pass < 2; pass++) {
    uint64_t words[4][COMITY_MOMENTS_WORDS(FEATURES)] = {{0}}, *total = words[0];
    for (size_t i = 0; i < count; i++)
      assert_ok(
          comity_moments_add(&clients[i * step % count], pass == 0 ? NULL : result->mean, words[i % ranks]));
    for (size_t r = 1; r < ranks; r++)
      for (size_t w = 0; w < COMITY_MOMENTS_WORDS(FEATURES); w++)
        total[w] += words[r][w];
    comity_moments_finish(total, FEATURES, pass == 1, pass == 0 ? result->mean : result->inverse);
  }
}

static void moments_are_those_of_all_examples_in_any_order(void **state) {
  (void)state;
  static float x[CLIENTS][20][FEATURES], y[20];
  comity_examples clients[CLIENTS];
  double count = 0, sum[FEATURES] = {0}, squares[FEATURES] = {0};
  const double centre[FEATURES] = {0, -1e6, 3, 0.1, 42}, spread[FEATURES] = {1, 1e5, 1e-3, 1e-2, 0};
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t k = 0; k < CLIENTS; k++) {
    size_t rows = k == 4 ? 0 : 1 + k;
    clients[k] = (comity_examples){
        .count = rows, .width = FEATURES, .targets = 1, .type = COMITY_F32, .x = x[k], .y = y, .scale = 1};
    for (size_t i = 0; i < rows; i++)
      for (size_t j = 0; j < FEATURES; j++) {
        x[k][i][j] = (float)(centre[j] + spread[j] * comity_random_normal(&random));
        sum[j] += (double)x[k][i][j];
      }
    count += (double)rows;
  }
  moments first, other;
  collect(clients, CLIENTS, 1, 1, &first);
  for (size_t j = 0; j < FEATURES; j++) {
    for (size_t k = 0; k < CLIENTS; k++)
      for (size_t i = 0; i < clients[k].count; i++)
        squares[j] += pow((double)x[k][i][j] - sum[j] / count, 2);
    double mean = sum[j] / count, deviation = sqrt(squares[j] / (count - 1));
    assert_true(fabs((double)first.mean[j] - mean) <= 1e-7 * fabs(mean) + 1e-9);
    if (spread[j] > 0)
      assert_true(fabs((double)first.inverse[j] * deviation - 1) < 1e-4);
    else
      assert_true(first.inverse[j] == 1);
  }
  const size_t steps[] = {1, 2, 3, 5, 7}, ranks[] = {1, 2, 3, 4};
  for (size_t s = 0; s < 5; s++)
    for (size_t r = 0; r < 4; r++) {
      collect(clients, CLIENTS, steps[s], ranks[r], &other);
      assert_memory_equal(&first, &other, sizeof first);
    }
}

static void moments_of_extreme_features_neither_wrap_nor_vanish(void **state) {
  (void)state;
  enum { MANY = 3000 };
  static float x[MANY], y[MANY];
  const float sizes[] = {1e6f, 1e-4f, 1e-9f};
  for (size_t s = 0; s < 3; s++) {
    for (size_t i = 0; i < MANY; i++)
      x[i] = i % 2 == 0 ? sizes[s] : -sizes[s];
    comity_examples examples = {
        .count = MANY, .width = 1, .targets = 1, .type = COMITY_F32, .x = x, .y = y, .scale = 1};
    uint64_t words[COMITY_MOMENTS_WORDS(1)] = {0};
    float mean[1], inverse[1];
    assert_ok(comity_moments_add(&examples, NULL, words));
    comity_moments_finish(words, 1, false, mean);
    assert_true(mean[0] == 0);
    memset(words, 0, sizeof words);
    for (size_t k = 0; k < 300; k++) /* 900,000 examples: 9e17 for the large ones */
      assert_ok(comity_moments_add(&examples, mean, words));
    comity_moments_finish(words, 1, true, inverse);
    assert_true(fabs((double)inverse[0] * (double)sizes[s] - 1) < 1e-5);
  }
}

static void moments_refuse_what_cannot_be_summed(void **state) {
  (void)state;
  const float bad[] = {NAN, INFINITY, 1e30f};
  for (size_t i = 0; i < 3; i++) {
    float x[4] = {1, 2, 3, bad[i]}, y[2] = {0};
    comity_examples examples = {
        .count = 2, .width = 2, .targets = 1, .type = COMITY_F32, .x = x, .y = y, .scale = 1};
    uint64_t words[COMITY_MOMENTS_WORDS(2)] = {7, 7, 7, 7, 7}, before[COMITY_MOMENTS_WORDS(2)];
    memcpy(before, words, sizeof words);
    assert_int_equal(comity_moments_add(&examples, NULL, words), COMITY_ERR_NUMERIC);
    assert_says("feature 1");
    assert_memory_equal(before, words, sizeof words);
  }
}

static void no_examples_give_neutral_moments(void **state) {
  (void)state;
  const uint64_t words[COMITY_MOMENTS_WORDS(2)] = {0};
  float mean[2], inverse[2];
  comity_moments_finish(words, 2, false, mean);
  comity_moments_finish(words, 2, true, inverse);
  assert_true(mean[0] == 0 && mean[1] == 0 && inverse[0] == 1 && inverse[1] == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batches_hold_scaled_and_standardised_rows),
      cmocka_unit_test(features_that_are_not_finite_are_named),
      cmocka_unit_test(moments_are_those_of_all_examples_in_any_order),
      cmocka_unit_test(moments_of_extreme_features_neither_wrap_nor_vanish),
      cmocka_unit_test(moments_refuse_what_cannot_be_summed),
      cmocka_unit_test(no_examples_give_neutral_moments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
