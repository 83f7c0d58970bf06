/* Fixed point against numbers computed by hand: rounding, bounds, all or nothing, and sums in any order. */
#include "test.h"

#include <comity/aggregate.h>

#include <math.h>
#include <string.h>

static const double LIMIT = 0x1p62;
static const uint64_t ONE = UINT64_C(1) << COMITY_FIXED_BITS;

static void values_become_multiples_of_2_to_minus_40(void **state) {
  (void)state;
  float values[] = {1, -1, 0.5f, 0, -0.0f, 3.25f};
  uint64_t words[6] = {0, 0, 7, 0, 0, UINT64_MAX};
  assert_int_equal(comity_fixed_add(values, 6, 2, LIMIT, words), COMITY_OK);
  assert_true(words[0] == 2 * ONE);
  assert_true(words[1] == (uint64_t)0 - 2 * ONE);
  assert_true(words[2] == ONE + 7);
  assert_true(words[3] == 0 && words[4] == 0);
  assert_true(words[5] == 13 * (ONE / 2) - 1);
}

static void halves_round_to_even_on_both_paths(void **state) {
  (void)state;
  const float unit = 0x1p-40f;
  float values[] = {0.5f * unit,  1.5f * unit,  2.5f * unit,   -0.5f * unit, -1.5f * unit,
                    -2.5f * unit, 0.75f * unit, -0.75f * unit, 1e6f};
  const int64_t expected[] = {0, 2, 2, 0, -2, -2, 1, -1};
  for (size_t count = 8; count <= 9; count++) { /* the large ninth value takes the whole field the slow way */
    uint64_t words[9] = {0};
    assert_int_equal(comity_fixed_add(values, count, 1, LIMIT, words), COMITY_OK);
    for (size_t i = 0; i < 8; i++)
      assert_true((int64_t)words[i] == expected[i]);
    assert_true(words[8] == (count == 9 ? 1000000 * ONE : 0));
  }
}

static void both_paths_agree_up_to_their_border(void **state) {
  (void)state;
  enum { N = 1000 };
  float values[N + 1];
  uint64_t fast[N + 1] = {0}, slow[N + 1] = {0};
  comity_random random;
  comity_random_open(&random, 5, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t i = 0; i < N; i++)
    values[i] = (float)((2 * comity_random_uniform(&random) - 1) * 2047.99 * exp2(-(double)(i % 50)));
  values[N] = 4000; /* above 2^51 */
  assert_int_equal(comity_fixed_add(values, N, 0.999, LIMIT, fast), COMITY_OK);
  assert_int_equal(comity_fixed_add(values, N + 1, 0.999, LIMIT, slow), COMITY_OK);
  for (size_t i = 0; i < N; i++) {
    assert_true(fast[i] == slow[i]);
    assert_true((double)(int64_t)fast[i] == rint((double)values[i] * (0.999 * 0x1p40)));
  }
}

static void what_is_too_large_or_not_finite_changes_nothing(void **state) {
  (void)state;
  const float bad[] = {NAN, INFINITY, -INFINITY, 0x1.000002p22f, -0x1.000002p22f, 3e38f};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    float values[] = {1, 2, bad[i], NAN, 4};
    uint64_t words[5] = {1, 2, 3, 4, 5}, before[5] = {1, 2, 3, 4, 5};
    assert_int_equal(comity_fixed_add(values, 5, 1, LIMIT, words), COMITY_ERR_NUMERIC);
    assert_non_null(strstr(comity_error_message(), "value 2 is"));
    assert_memory_equal(words, before, sizeof words);
  }
  float largest[] = {0x1p22f, -0x1p22f};
  uint64_t words[2] = {0};
  assert_int_equal(comity_fixed_add(largest, 2, 1, LIMIT, words), COMITY_OK);
  assert_true(words[0] == UINT64_C(1) << 62 && words[1] == (uint64_t)0 - (UINT64_C(1) << 62));
}

static void a_weight_of_0_does_not_hide_nan(void **state) {
  (void)state;
  float values[] = {5, NAN};
  uint64_t words[2] = {0};
  assert_int_equal(comity_fixed_add(values, 1, 0, 0, words), COMITY_OK);
  assert_true(words[0] == 0);
  assert_int_equal(comity_fixed_add(values, 2, 0, 0, words), COMITY_ERR_NUMERIC);
  assert_int_equal(comity_fixed_add(NULL, 0, 1, LIMIT, NULL), COMITY_OK);
}

static void words_read_back_as_floats(void **state) {
  (void)state;
  uint64_t words[] = {ONE, (uint64_t)0 - 3 * ONE, 1, ONE / 2};
  float values[4];
  comity_fixed_read(words, 4, 2, values);
  assert_true(values[0] == 2 && values[1] == -6 && values[2] == 0x1p-39f && values[3] == 1);
}

static void sums_do_not_depend_on_order(void **state) {
  (void)state;
  enum { CLIENTS = 20, N = 300 };
  uint64_t first[N] = {0};
  uint32_t order[CLIENTS];
  comity_random random;
  for (uint32_t k = 0; k < CLIENTS; k++)
    order[k] = k;
  for (int trial = 0; trial < 5; trial++) {
    uint64_t words[N] = {0};
    for (int k = 0; k < CLIENTS; k++) {
      float values[N];
      comity_random_open(&random, 9, COMITY_RANDOM_TEST, order[k], 0, 0);
      for (int i = 0; i < N; i++)
        values[i] = (float)(comity_random_normal(&random) * pow(10, i % 9 - 5));
      assert_int_equal(comity_fixed_add(values, N, 1.0 / (order[k] + 2), LIMIT, words), COMITY_OK);
    }
    if (trial == 0)
      memcpy(first, words, sizeof first);
    assert_memory_equal(words, first, sizeof first);
    comity_random_open(&random, 10, COMITY_RANDOM_TEST, (uint64_t)trial, 0, 0);
    comity_random_shuffle(&random, order, CLIENTS);
  }
}

static void doubles_saturate(void **state) {
  (void)state;
  const uint64_t most = UINT64_C(1) << 62;
  assert_true(comity_fixed_from(1.5) == ONE + ONE / 2);
  assert_true(comity_fixed_from(-1) == (uint64_t)0 - ONE);
  assert_true(comity_fixed_from(0x1p-41) == 0 && comity_fixed_from(0x1.8p-40) == 2);
  assert_true(comity_fixed_from(1e30) == most && comity_fixed_from(INFINITY) == most);
  assert_true(comity_fixed_from(NAN) == most);
  assert_true(comity_fixed_from(-INFINITY) == (uint64_t)0 - most);
  assert_true(comity_fixed_to(comity_fixed_from(-123.25)) == -123.25);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_become_multiples_of_2_to_minus_40),
      cmocka_unit_test(halves_round_to_even_on_both_paths),
      cmocka_unit_test(both_paths_agree_up_to_their_border),
      cmocka_unit_test(what_is_too_large_or_not_finite_changes_nothing),
      cmocka_unit_test(a_weight_of_0_does_not_hide_nan),
      cmocka_unit_test(words_read_back_as_floats),
      cmocka_unit_test(sums_do_not_depend_on_order),
      cmocka_unit_test(doubles_saturate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
