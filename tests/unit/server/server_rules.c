/* Stragglers, balanced assignment, and when a job stops. */
#include "test.h"

#include <comity/server.h>

#include <math.h>
#include <string.h>

static void a_share_of_the_cohort_is_slow(void **state) {
  (void)state;
  enum { COUNT = 10, EPOCHS = 20 };
  const struct {
    double share;
    size_t slow;
  } cases[] = {{0, 0}, {0.5, 5}, {0.9, 9}, {0.04, 0}, {0.05, 1}, {1, 10}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
    for (size_t round = 1; round < 50; round++) {
      size_t epochs_of[COUNT], slow = 0;
      comity_straggle(1, round, cases[c].share, COUNT, EPOCHS, epochs_of);
      for (int i = 0; i < COUNT; i++) {
        assert_in_range(epochs_of[i], 1, EPOCHS);
        slow += epochs_of[i] < EPOCHS;
      }
      assert_int_equal(slow, cases[c].slow);
    }
}

/* Half of four clients over many rounds: everybody equally often, and all of 1, 2, 3 epochs equally often. */
static void slowness_is_uniform(void **state) {
  (void)state;
  enum { ROUNDS = 6000 };
  size_t slow[4] = {0}, epochs[5] = {0};
  for (size_t round = 1; round <= ROUNDS; round++) {
    size_t epochs_of[4];
    comity_straggle(7, round, 0.5, 4, 4, epochs_of);
    for (int i = 0; i < 4; i++) {
      slow[i] += epochs_of[i] < 4;
      epochs[epochs_of[i]]++;
    }
  }
  for (int i = 0; i < 4; i++)
    assert_true(fabs((double)slow[i] - ROUNDS / 2.0) < 5 * sqrt(ROUNDS / 4.0));
  for (int e = 1; e <= 3; e++)
    assert_true(fabs((double)epochs[e] - 2.0 * ROUNDS / 3) < 5 * sqrt(2.0 * ROUNDS * 2 / 9));
  assert_int_equal(epochs[0], 0);
}

static void slowness_depends_on_seed_and_round(void **state) {
  (void)state;
  size_t base[50], other[50];
  comity_straggle(1, 1, 0.5, 50, 10, base);
  comity_straggle(1, 1, 0.5, 50, 10, other);
  assert_memory_equal(base, other, sizeof base);
  comity_straggle(1, 2, 0.5, 50, 10, other);
  assert_memory_not_equal(base, other, sizeof base);
  comity_straggle(2, 1, 0.5, 50, 10, other);
  assert_memory_not_equal(base, other, sizeof base);
}

static void who_cannot_finish_a_single_epoch_finishes_none(void **state) {
  (void)state;
  size_t epochs_of[3];
  comity_straggle(1, 1, 1.0, 3, 1, epochs_of);
  for (int i = 0; i < 3; i++)
    assert_int_equal(epochs_of[i], 0);
}

/* 7 6 5 4 3 for two: 7 | 6, 5 to the second (11), 4 to the first (11), 3 to the first of equals (14). */
static void the_longest_work_goes_to_the_least_loaded(void **state) {
  (void)state;
  const uint64_t work[5] = {4, 7, 3, 6, 5};
  const int expected[5] = {0, 0, 0, 1, 1};
  int owner[5];
  assert_int_equal(comity_assign_balanced(work, 5, 2, owner), COMITY_OK);
  assert_memory_equal(owner, expected, sizeof owner);
}

static void loads_are_within_a_third_of_the_best(void **state) {
  (void)state;
  enum { COUNT = 500, PARTICIPANTS = 17 };
  uint64_t work[COUNT], load[PARTICIPANTS] = {0}, sum = 0, largest = 0, most = 0;
  int owner[COUNT], again[COUNT];
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, 0, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    work[i] = comity_random_below(&random, 1000);
    sum += work[i];
    largest = work[i] > largest ? work[i] : largest;
  }
  assert_int_equal(comity_assign_balanced(work, COUNT, PARTICIPANTS, owner), COMITY_OK);
  assert_int_equal(comity_assign_balanced(work, COUNT, PARTICIPANTS, again), COMITY_OK);
  assert_memory_equal(owner, again, sizeof owner);
  for (int i = 0; i < COUNT; i++) {
    assert_in_range(owner[i], 0, PARTICIPANTS - 1);
    load[owner[i]] += work[i];
  }
  for (int p = 0; p < PARTICIPANTS; p++)
    most = load[p] > most ? load[p] : most;
  double best = fmax((double)largest, (double)sum / PARTICIPANTS); /* nothing can be better than this */
  assert_true((double)most <= 4.0 / 3.0 * best);
}

static void assignment_handles_few_and_none(void **state) {
  (void)state;
  const uint64_t work[2] = {0, 0};
  int owner[2] = {-1, -1};
  assert_int_equal(comity_assign_balanced(work, 0, 3, owner), COMITY_OK);
  assert_int_equal(owner[0], -1);
  assert_int_equal(comity_assign_balanced(work, 2, 3, owner), COMITY_OK);
  assert_in_range(owner[1], 0, 2);
  assert_int_equal(comity_assign_balanced(work, 2, 0, owner), COMITY_ERR_ARG);
}

static void rounds_and_wall_time_end_a_job(void **state) {
  (void)state;
  comity_stop_rule rule = {.rounds = 3, .target = NAN, .wall_seconds = 100};
  comity_stop_memory memory = {0};
  assert_int_equal(comity_stop_decide(&rule, &memory, 2, NAN, 5), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 2, NAN, 100), COMITY_STOP_WALL);
  assert_int_equal(comity_stop_decide(&rule, &memory, 3, NAN, 100), COMITY_STOP_ROUNDS);
  rule.wall_seconds = 0;
  assert_int_equal(comity_stop_decide(&rule, &memory, 2, NAN, 1e9), COMITY_STOP_NOT);
}

static void a_target_is_reached_from_its_own_side(void **state) {
  (void)state;
  comity_stop_rule rule = {.rounds = 100, .larger_is_better = true, .target = 0.9};
  comity_stop_memory memory = {0};
  assert_int_equal(comity_stop_decide(&rule, &memory, 1, 0.89, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 2, NAN, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 3, 0.9, 0), COMITY_STOP_TARGET);
  assert_int_equal(comity_stop_decide(&rule, &memory, 100, 0.9, 0), COMITY_STOP_TARGET);
  rule.larger_is_better = false;
  assert_int_equal(comity_stop_decide(&rule, &memory, 4, 0.91, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 5, 0.89, 0), COMITY_STOP_TARGET);
}

static void patience_ends_with_rounds_that_do_not_improve_enough(void **state) {
  (void)state;
  comity_stop_rule rule = {.rounds = 100, .target = NAN, .patience = 3, .min_delta = 0.1};
  comity_stop_memory memory = {0};
  const double loss[] = {5.0, 4.0, 3.95, NAN, 3.95};
  for (size_t round = 1; round <= 4; round++)
    assert_int_equal(comity_stop_decide(&rule, &memory, round, loss[round - 1], 0), COMITY_STOP_NOT);
  assert_int_equal(memory.best_round, 2);
  assert_true(memory.best == 4.0);
  comity_stop_memory improved = memory;
  assert_int_equal(comity_stop_decide(&rule, &improved, 5, 3.8, 0), COMITY_STOP_NOT);
  assert_int_equal(improved.best_round, 5);
  assert_int_equal(comity_stop_decide(&rule, &memory, 5, loss[4], 0), COMITY_STOP_PATIENCE);
}

static void a_job_that_came_to_its_end_stays_there_when_resumed(void **state) {
  (void)state;
  comity_stop_rule rule = {.rounds = 100, .larger_is_better = true, .target = NAN, .patience = 2};
  comity_stop_memory memory = {0};
  assert_int_equal(comity_stop_resume(&rule, &memory, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 1, 0.6, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_resume(&rule, &memory, 1), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 2, NAN, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_decide(&rule, &memory, 3, NAN, 0), COMITY_STOP_NOT);
  assert_int_equal(comity_stop_resume(&rule, &memory, 3),
                   COMITY_STOP_NOT); /* what round 4 brings is not known */
  assert_int_equal(comity_stop_decide(&rule, &memory, 4, 0.5, 0), COMITY_STOP_PATIENCE);
  const comity_stop_memory before = memory;
  assert_int_equal(comity_stop_resume(&rule, &memory, 4), COMITY_STOP_PATIENCE);
  assert_memory_equal(&memory, &before, sizeof memory);
  rule.target = 0.5;
  assert_int_equal(comity_stop_resume(&rule, &memory, 4), COMITY_STOP_TARGET);
  rule = (comity_stop_rule){.rounds = 100, .target = NAN, .patience = 4, .wall_seconds = 1};
  assert_int_equal(comity_stop_resume(&rule, &memory, 4), COMITY_STOP_NOT); /* under a more patient rule */
  rule.rounds = 3;
  assert_int_equal(comity_stop_resume(&rule, &memory, 4), COMITY_STOP_ROUNDS);
}

static void rules_come_from_the_job(void **state) {
  (void)state;
  static const char yaml[] =
      "server: {rounds: 7, metric: test_loss, target: 0.5, patience: 2, min_delta: 0.25, wall_time: 60}";
  comity_config *config = NULL;
  comity_stop_rule rule;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  comity_stop_rule_read(config, &rule);
  assert_true(isnan(rule.target) && rule.larger_is_better);
  assert_int_equal(comity_config_parse(config, "job.yaml", yaml, sizeof yaml - 1), COMITY_OK);
  comity_stop_rule_read(config, &rule);
  comity_config_destroy(&config);
  assert_int_equal(rule.rounds, 7);
  assert_string_equal(rule.metric, "test_loss");
  assert_false(rule.larger_is_better);
  assert_true(rule.target == 0.5 && rule.min_delta == 0.25 && rule.wall_seconds == 60);
  assert_int_equal(rule.patience, 2);
  assert_string_equal(comity_stop_text(COMITY_STOP_TARGET), "target reached");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_share_of_the_cohort_is_slow),
      cmocka_unit_test(slowness_is_uniform),
      cmocka_unit_test(slowness_depends_on_seed_and_round),
      cmocka_unit_test(who_cannot_finish_a_single_epoch_finishes_none),
      cmocka_unit_test(the_longest_work_goes_to_the_least_loaded),
      cmocka_unit_test(loads_are_within_a_third_of_the_best),
      cmocka_unit_test(assignment_handles_few_and_none),
      cmocka_unit_test(rounds_and_wall_time_end_a_job),
      cmocka_unit_test(a_target_is_reached_from_its_own_side),
      cmocka_unit_test(patience_ends_with_rounds_that_do_not_improve_enough),
      cmocka_unit_test(a_job_that_came_to_its_end_stays_there_when_resumed),
      cmocka_unit_test(rules_come_from_the_job),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
