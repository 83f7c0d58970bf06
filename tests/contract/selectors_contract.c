/* What every selection rule promises. */
#include "test.h"

#include <comity/server.h>

#include <string.h>

enum { CLIENTS = 40 };

static const uint64_t examples[CLIENTS] = {5, 1, 9, 3, 3, 8, 2, 7, 7, 1, 4, 6, 6, 1, 2, 9, 9, 5, 3, 1,
                                           1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2};

static void every_rule_has_a_name_that_finds_it(void **state) {
  (void)state;
  size_t count;
  const comity_selector *const *list = comity_selector_list(&count);
  assert_int_equal(count, 4);
  for (size_t s = 0; s < count; s++) {
    const comity_selector *found = NULL;
    assert_int_equal(comity_selector_find(list[s]->name, &found), COMITY_OK);
    assert_ptr_equal(found, list[s]);
    assert_true(strlen(list[s]->summary) > 0);
    for (size_t other = 0; other < s; other++)
      assert_string_not_equal(list[s]->name, list[other]->name);
  }
}

/* Distinct, ascending, in range, as many as wanted, nothing written beyond them, and the same when asked
 * again. */
static void every_cohort_is_valid_and_repeatable(void **state) {
  (void)state;
  size_t count;
  const comity_selector *const *list = comity_selector_list(&count);
  for (size_t s = 0; s < count; s++)
    for (size_t clients = 1; clients <= CLIENTS; clients += 3)
      for (size_t want = 1; want <= clients; want++)
        for (size_t round = 1; round <= 5; round++) {
          uint32_t cohort[CLIENTS + 1], again[CLIENTS + 1];
          memset(cohort, 0xEE, sizeof cohort);
          assert_int_equal(list[s]->select(3, round, examples, clients, want, cohort), want);
          for (size_t i = 0; i < want; i++) {
            assert_true(cohort[i] < clients);
            assert_true(i == 0 || cohort[i - 1] < cohort[i]);
          }
          for (size_t i = want; i <= CLIENTS; i++)
            assert_true(cohort[i] == 0xEEEEEEEEU);
          memset(again, 0xEE, sizeof again);
          assert_int_equal(list[s]->select(3, round, examples, clients, want, again), want);
          assert_memory_equal(cohort, again, sizeof cohort);
        }
}

static void wanting_all_gives_all(void **state) {
  (void)state;
  size_t count;
  const comity_selector *const *list = comity_selector_list(&count);
  for (size_t s = 0; s < count; s++) {
    uint32_t cohort[CLIENTS];
    assert_int_equal(list[s]->select(3, 2, examples, CLIENTS, CLIENTS, cohort), CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++)
      assert_int_equal(cohort[i], i);
  }
}

/* Over enough rounds every client that has examples is met, except by "all" when fewer are wanted. */
static void nobody_is_left_out_for_ever(void **state) {
  (void)state;
  size_t count;
  const comity_selector *const *list = comity_selector_list(&count);
  for (size_t s = 0; s < count; s++) {
    size_t want = strcmp(list[s]->name, "all") == 0 ? CLIENTS : 4, met = 0;
    bool seen[CLIENTS] = {false};
    for (size_t round = 1; round <= 400; round++) {
      uint32_t cohort[CLIENTS];
      assert_int_equal(list[s]->select(9, round, examples, CLIENTS, want, cohort), want);
      for (size_t i = 0; i < want; i++) {
        met += !seen[cohort[i]];
        seen[cohort[i]] = true;
      }
    }
    assert_int_equal(met, CLIENTS);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_rule_has_a_name_that_finds_it),
      cmocka_unit_test(every_cohort_is_valid_and_repeatable),
      cmocka_unit_test(wanting_all_gives_all),
      cmocka_unit_test(nobody_is_left_out_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
