/* Chances of the random rules, turns of the others, and the size of a cohort. */
#include "test.h"

#include <comity/server.h>

#include <math.h>
#include <string.h>

static const comity_selector *rule(const char *name) {
  const comity_selector *selector = NULL;
  assert_int_equal(comity_selector_find(name, &selector), COMITY_OK);
  return selector;
}

/* Pearson's statistic of how often each client was chosen, for equal chances. Choosing without replacement
 * varies less than independent draws, so the usual quantile is a safe bound. */
static double spread(const size_t *hits, size_t clients, double expected) {
  double chi = 0;
  for (size_t i = 0; i < clients; i++)
    chi += ((double)hits[i] - expected) * ((double)hits[i] - expected) / expected;
  return chi;
}

/* 50 clients, 49 degrees of freedom: mean 49, standard deviation 10; 100 is five of them. Few and many wanted
 * take different ways through the code. */
static void uniform_chances_are_equal(void **state) {
  (void)state;
  enum { CLIENTS = 50, ROUNDS = 4000 };
  const size_t wants[] = {1, 5, 12, 13, 40};
  for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++) {
    size_t hits[CLIENTS] = {0};
    uint32_t cohort[CLIENTS];
    for (size_t round = 1; round <= ROUNDS; round++) {
      assert_int_equal(rule("uniform")->select(1, round, NULL, CLIENTS, wants[w], cohort), wants[w]);
      for (size_t i = 0; i < wants[w]; i++)
        hits[cohort[i]]++;
    }
    assert_true(spread(hits, CLIENTS, (double)(ROUNDS * wants[w]) / CLIENTS) < 100);
  }
}

/* All 10 pairs of 5 clients (by way of the walk) and all 66 pairs of 12 (by way of the draws) come equally
 * often. */
static void uniform_sets_are_equally_likely(void **state) {
  (void)state;
  const size_t clients[] = {5, 12};
  for (int c = 0; c < 2; c++) {
    size_t pairs = clients[c] * (clients[c] - 1) / 2, rounds = 200 * pairs, hits[12 * 12] = {0}, seen = 0;
    double chi = 0;
    for (size_t round = 1; round <= rounds; round++) {
      uint32_t cohort[2];
      assert_int_equal(rule("uniform")->select(2, round, NULL, clients[c], 2, cohort), 2);
      hits[cohort[0] * clients[c] + cohort[1]]++;
    }
    for (size_t i = 0; i < clients[c] * clients[c]; i++)
      if (hits[i] > 0) {
        seen++;
        chi += ((double)hits[i] - 200) * ((double)hits[i] - 200) / 200;
      }
    assert_int_equal(seen, pairs);
    double freedom = (double)pairs - 1;
    assert_true(chi < freedom + 5 * sqrt(2 * freedom));
  }
}

/* The first of a draw without replacement has chance n_i / n; for one wanted client that is all there is. */
static void weighted_chances_follow_examples(void **state) {
  (void)state;
  enum { CLIENTS = 5, ROUNDS = 20000 };
  const uint64_t examples[CLIENTS] = {10, 0, 20, 30, 40};
  size_t hits[CLIENTS] = {0};
  for (size_t round = 1; round <= ROUNDS; round++) {
    uint32_t cohort[1];
    assert_int_equal(rule("weighted")->select(3, round, examples, CLIENTS, 1, cohort), 1);
    hits[cohort[0]]++;
  }
  assert_int_equal(hits[1], 0);
  double chi = 0;
  for (int i = 0; i < CLIENTS; i++)
    if (examples[i] > 0) {
      double expected = ROUNDS * (double)examples[i] / 100;
      chi += ((double)hits[i] - expected) * ((double)hits[i] - expected) / expected;
    }
  assert_true(chi < 3 + 5 * sqrt(6)); /* 3 degrees of freedom */
}

/* Two of three clients with 1, 1 and 2 examples. P{2 is left out} = 1/4 * 1/3 + 1/4 * 1/3 = 1/6, where 1/3 is
 * the chance of the other small one once the first is gone. */
static void weighted_pairs_have_the_chances_of_successive_draws(void **state) {
  (void)state;
  enum { ROUNDS = 20000 };
  const uint64_t examples[3] = {1, 1, 2};
  size_t without = 0;
  for (size_t round = 1; round <= ROUNDS; round++) {
    uint32_t cohort[2];
    assert_int_equal(rule("weighted")->select(4, round, examples, 3, 2, cohort), 2);
    without += cohort[1] != 2;
  }
  double expected = ROUNDS / 6.0, deviation = sqrt(ROUNDS / 6.0 * 5.0 / 6.0);
  assert_true(fabs((double)without - expected) < 5 * deviation);
}

static void weighted_takes_no_empty_client(void **state) {
  (void)state;
  const uint64_t some[6] = {0, 3, 0, 1, 0, 9}, none[2] = {0, 0};
  uint32_t cohort[6];
  assert_int_equal(rule("weighted")->select(1, 1, some, 6, 5, cohort), 3);
  assert_int_equal(cohort[0], 1);
  assert_int_equal(cohort[1], 3);
  assert_int_equal(cohort[2], 5);
  assert_int_equal(rule("weighted")->select(1, 1, none, 2, 1, cohort), 0);
}

static void round_robin_takes_turns(void **state) {
  (void)state;
  uint32_t cohort[5];
  const uint32_t expected[4][2] = {{0, 1}, {2, 3}, {0, 4}, {1, 2}};
  for (size_t round = 1; round <= 4; round++) {
    assert_int_equal(rule("round_robin")->select(1, round, NULL, 5, 2, cohort), 2);
    assert_memory_equal(cohort, expected[round - 1], sizeof expected[0]);
  }
}

static void hundred_thousand_clients_are_no_burden(void **state) {
  (void)state;
  enum { CLIENTS = 100000, WANT = 1000 };
  static uint32_t cohort[CLIENTS];
  static uint64_t examples[CLIENTS];
  for (size_t i = 0; i < CLIENTS; i++)
    examples[i] = 1 + i % 7;
  assert_int_equal(rule("uniform")->select(1, 1, examples, CLIENTS, WANT, cohort), WANT);
  assert_int_equal(rule("uniform")->select(1, 1, examples, CLIENTS, CLIENTS - 1, cohort), CLIENTS - 1);
  assert_int_equal(rule("weighted")->select(1, 1, examples, CLIENTS, WANT, cohort), WANT);
  for (size_t i = 1; i < WANT; i++)
    assert_true(cohort[i - 1] < cohort[i]);
}

static size_t cohort_size(const char *yaml, size_t clients) {
  comity_config *config = NULL;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  if (comity_config_parse(config, "job.yaml", yaml, strlen(yaml)) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  size_t size = comity_cohort_size(config, clients);
  comity_config_destroy(&config);
  return size;
}

static void cohort_size_is_a_share_or_a_number(void **state) {
  (void)state;
  assert_int_equal(cohort_size("clients: {fraction: 0.1}", 100), 10);
  assert_int_equal(cohort_size("clients: {fraction: 0}", 100), 1);
  assert_int_equal(cohort_size("clients: {fraction: 0.1}", 4), 1);
  assert_int_equal(cohort_size("clients: {fraction: 0.7}", 10), 7);
  assert_int_equal(cohort_size("clients: {fraction: 1}", 7), 7);
  assert_int_equal(cohort_size("clients: {fraction: 0.1, per_round: 20}", 100), 20);
  assert_int_equal(cohort_size("clients: {per_round: 20}", 5), 5);
  assert_int_equal(cohort_size("clients: {select: all}", 9), 9);
}

static void unknown_rules_are_answered_with_the_known_ones(void **state) {
  (void)state;
  const comity_selector *selector = NULL;
  assert_int_equal(comity_selector_find("roundrobin", &selector), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "did you mean 'round_robin'"));
  assert_non_null(strstr(comity_error_message(), "weighted"));
  assert_null(selector);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uniform_chances_are_equal),
      cmocka_unit_test(uniform_sets_are_equally_likely),
      cmocka_unit_test(weighted_chances_follow_examples),
      cmocka_unit_test(weighted_pairs_have_the_chances_of_successive_draws),
      cmocka_unit_test(weighted_takes_no_empty_client),
      cmocka_unit_test(round_robin_takes_turns),
      cmocka_unit_test(hundred_thousand_clients_are_no_burden),
      cmocka_unit_test(cohort_size_is_a_share_or_a_number),
      cmocka_unit_test(unknown_rules_are_answered_with_the_known_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
