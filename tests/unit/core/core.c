/* Status codes, memory, random numbers, hashes, layouts. */
#include "test.h"

#include <comity/core.h>

#include <math.h>
#include <string.h>

static void status_values_are_ordered_and_have_exit_codes(void **state) {
  (void)state;
  assert_string_equal(comity_status_name(COMITY_ERR_CONFIG), "ERR_CONFIG");
  assert_int_equal(comity_status_exit_code(COMITY_REQUEUE), 75);
  assert_int_equal(comity_status_exit_code(COMITY_OK), 0);
  assert_string_equal(comity_status_name((comity_status)999), "unknown");
}

static void messages_may_quote_the_message_before(void **state) {
  (void)state;
  assert_int_equal(comity_fail(COMITY_ERR_DATA, "row %d", 7), COMITY_ERR_DATA);
  assert_int_equal(comity_fail_context(COMITY_ERR_DATA, "a.csv"), COMITY_ERR_DATA);
  assert_string_equal(comity_error_message(), "a.csv: row 7");
  comity_error_clear();
  assert_string_equal(comity_error_message(), "");
}

static void arrays_are_aligned_zeroed_and_refuse_overflow(void **state) {
  (void)state;
  char *memory = comity_array(100, 3);
  assert_non_null(memory);
  assert_int_equal((uintptr_t)memory % 64, 0);
  for (int i = 0; i < 300; i++)
    assert_int_equal(memory[i], 0);
  comity_free(memory);
  assert_null(comity_array(SIZE_MAX / 2, 3));
  assert_non_null(strstr(comity_error_message(), "address space"));
}

/* Known answer of philox4x64-10 from Random123's kat_vectors: all-zero counter and key. */
static void random_bits_are_philox(void **state) {
  (void)state;
  comity_random random = {0};
  assert_true(comity_random_bits(&random) == UINT64_C(0x16554d9eca36314c));
  assert_true(comity_random_bits(&random) == UINT64_C(0xdb20fe9d672d0fdc));
  assert_true(comity_random_bits(&random) == UINT64_C(0xd7e772cee186176b));
  assert_true(comity_random_bits(&random) == UINT64_C(0x7e68b68aec7ba23b));
}

static void streams_differ_by_every_part_of_their_key(void **state) {
  (void)state;
  comity_random streams[6];
  comity_random_open(&streams[0], 1, COMITY_RANDOM_TEST, 0, 0, 0);
  comity_random_open(&streams[1], 2, COMITY_RANDOM_TEST, 0, 0, 0);
  comity_random_open(&streams[2], 1, COMITY_RANDOM_INIT, 0, 0, 0);
  comity_random_open(&streams[3], 1, COMITY_RANDOM_TEST, 1, 0, 0);
  comity_random_open(&streams[4], 1, COMITY_RANDOM_TEST, 0, 1, 0);
  comity_random_open(&streams[5], 1, COMITY_RANDOM_TEST, 0, 0, 1);
  uint64_t first[6];
  for (int i = 0; i < 6; i++)
    first[i] = comity_random_bits(&streams[i]);
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < i; j++)
      assert_true(first[i] != first[j]);
}

static void moments_of_the_distributions_are_right(void **state) {
  (void)state;
  enum { N = 200000 };
  comity_random random;
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 0, 0, 0);
  double sum = 0, squares = 0, gamma = 0, small = 0;
  for (int i = 0; i < N; i++) {
    double x = comity_random_normal(&random);
    sum += x;
    squares += x * x;
    gamma += comity_random_gamma(&random, 2.5);
    small += comity_random_gamma(&random, 0.1);
  }
  assert_true(fabs(sum / N) < 0.01);
  assert_true(fabs(squares / N - 1) < 0.02);
  assert_true(fabs(gamma / N - 2.5) < 0.03);
  assert_true(fabs(small / N - 0.1) < 0.005);
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 1, 0, 0);
  assert_true(isfinite(comity_random_log_gamma(&random, 1e-4)));
}

static void shuffles_are_permutations(void **state) {
  (void)state;
  enum { N = 1000 };
  uint32_t items[N];
  bool seen[N] = {false};
  for (uint32_t i = 0; i < N; i++)
    items[i] = i;
  comity_random random;
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 2, 0, 0);
  comity_random_shuffle(&random, items, N);
  int moved = 0;
  for (uint32_t i = 0; i < N; i++) {
    assert_false(seen[items[i]]);
    seen[items[i]] = true;
    moved += items[i] != i;
  }
  assert_true(moved > 900);
}

/* printf '' | b2sum -l 256 */
static void hash_is_blake2b_256(void **state) {
  (void)state;
  uint8_t digest[COMITY_HASH_BYTES];
  char hex[2 * COMITY_HASH_BYTES + 1];
  assert_int_equal(comity_hash_bytes("", 0, digest), COMITY_OK);
  comity_hash_hex(digest, hex);
  assert_string_equal(hex, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

static void layouts_pack_fields_in_order(void **state) {
  (void)state;
  comity_layout layout = {0};
  assert_int_equal(comity_layout_add(&layout, "update", 10, COMITY_COMBINE_MEAN), COMITY_OK);
  assert_int_equal(comity_layout_add(&layout, "tau", 1, COMITY_COMBINE_SUM), COMITY_OK);
  assert_int_equal(comity_layout_find(&layout, "tau")->offset, 10);
  assert_int_equal(layout.length, 11);
  assert_null(comity_layout_find(&layout, "c"));
  assert_int_equal(comity_layout_add(&layout, "tau", 1, COMITY_COMBINE_SUM), COMITY_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(status_values_are_ordered_and_have_exit_codes),
      cmocka_unit_test(messages_may_quote_the_message_before),
      cmocka_unit_test(arrays_are_aligned_zeroed_and_refuse_overflow),
      cmocka_unit_test(random_bits_are_philox),
      cmocka_unit_test(streams_differ_by_every_part_of_their_key),
      cmocka_unit_test(moments_of_the_distributions_are_right),
      cmocka_unit_test(shuffles_are_permutations),
      cmocka_unit_test(hash_is_blake2b_256),
      cmocka_unit_test(layouts_pack_fields_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
