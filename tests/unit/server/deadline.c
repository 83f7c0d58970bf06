/* How long a round waits for training, and how many clients it asks: by hand. */
#include "test.h"

#include <comity/server.h>

#include <math.h>
#include <string.h>

static comity_status read_deadline(const char *text, comity_deadline *deadline) {
  comity_config *config = NULL;
  char job[200];
  snprintf(job, sizeof job, "data.path: /a.h5\nround.deadline: %s\n", text);
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_parse(config, "job.yaml", job, strlen(job)), COMITY_OK);
  comity_status status = comity_deadline_read(config, deadline);
  comity_config_destroy(&config);
  return status;
}

static void a_deadline_is_none_seconds_or_a_multiple(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double seconds, times;
  } cases[] = {{"none", 0, 0}, {"30", 30, 0},    {"0.25", 0.25, 0}, {"1e3", 1000, 0},
               {"3x", 0, 3},   {"1.5x", 0, 1.5}, {"'2e1x'", 0, 20}, {"1000000000", 1e9, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    comity_deadline deadline = {9, 9};
    assert_int_equal(read_deadline(cases[i].text, &deadline), COMITY_OK);
    assert_true(deadline.seconds == cases[i].seconds && deadline.times == cases[i].times);
  }
}

static void what_is_no_deadline_is_refused_with_the_forms_there_are(void **state) {
  (void)state;
  static const char *const forms[] = {"soon",
                                      "3 x",
                                      "x",
                                      "x3",
                                      "30s",
                                      "''",
                                      "3X",
                                      "--1",
                                      "1e999",
                                      "3xx",
                                      "'0.00000000000000000000000000000001x'"};
  static const char *const values[] = {"0",    "-1",  "2e9",  ".inf",  ".nan", "1x",
                                       "0.5x", "-3x", "2e9x", ".infx", ".nanx"};
  comity_deadline deadline;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    assert_int_equal(read_deadline(forms[i], &deadline), COMITY_ERR_CONFIG);
    assert_non_null(strstr(comity_error_message(),
                           "job.yaml:2:1: 'round.deadline' is 'none', seconds as '30', or "
                           "a multiple of the median time as '3x'; got '"));
  }
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    assert_int_equal(read_deadline(values[i], &deadline), COMITY_ERR_CONFIG);
    assert_non_null(strstr(comity_error_message(), "job.yaml:2:1: 'round.deadline' is '"));
    assert_non_null(strstr(comity_error_message(), "must be above"));
  }
}

static void add(comity_pace *pace, double a, double b, double c) {
  double seconds[3] = {a, b, c};
  comity_pace_add(pace, seconds, 3);
}

/* Rounds of median 4, 2 and 9 have median 4; with one of 3, that of 2 3 4 9 is 3.5. */
static void the_pace_is_the_median_of_the_rounds_medians(void **state) {
  (void)state;
  comity_pace pace = {0};
  assert_true(isnan(comity_pace_median(&pace)));
  add(&pace, 4, 1, 100);
  add(&pace, 2, 2, 2);
  assert_true(isnan(comity_pace_median(&pace)));
  add(&pace, 10, 9, 8);
  assert_true(comity_pace_median(&pace) == 4);
  add(&pace, 3, 0.5, 50);
  assert_true(comity_pace_median(&pace) == 3.5);
}

static void who_did_not_train_does_not_count(void **state) {
  (void)state;
  comity_pace pace = {0};
  add(&pace, 0, 0, 0);
  add(&pace, NAN, -1, INFINITY);
  assert_int_equal(pace.rounds, 0);
  add(&pace, 0, 7, 0);
  add(&pace, 5, 0, 7); /* of an even number the mean of the two in the middle */
  add(&pace, 6, NAN, 8);
  assert_int_equal(pace.rounds, 3);
  assert_true(comity_pace_median(&pace) == 7); /* of 7, 6, 7 */
}

/* After rounds of 1 ... 20 the window has 6 ... 20. */
static void only_the_last_rounds_count(void **state) {
  (void)state;
  comity_pace pace = {0};
  for (int i = 1; i <= COMITY_PACE_WINDOW + 5; i++)
    add(&pace, i, i, i);
  assert_int_equal(COMITY_PACE_WINDOW, 15);
  assert_true(comity_pace_median(&pace) == 13);
}

static void a_multiple_needs_rounds_and_has_a_floor(void **state) {
  (void)state;
  const comity_deadline none = {0}, fixed = {.seconds = 0.01}, triple = {.times = 3};
  comity_pace pace = {0};
  assert_true(comity_deadline_seconds(&triple, &pace) == 0);
  for (int i = 0; i < 3; i++)
    add(&pace, 0.001, 0.001, 0.001);
  assert_true(comity_deadline_seconds(&triple, &pace) == 0.1);
  assert_true(comity_deadline_seconds(&fixed, &pace) == 0.01);
  assert_true(comity_deadline_seconds(&none, &pace) == 0);
  for (int i = 0; i < 4; i++)
    add(&pace, 2, 2, 2);
  assert_true(comity_deadline_seconds(&triple, &pace) == 6);
}

static void at_the_deadline_reports_are_asked_for_and_later_not_waited_for(void **state) {
  (void)state;
  double next;
  assert_int_equal(comity_deadline_decide(0, 1e9, 0.1, &next), COMITY_HASTE_WAIT);
  assert_true(next == 0);
  assert_int_equal(comity_deadline_decide(8, 0, 0.1, &next), COMITY_HASTE_WAIT);
  assert_true(next == 8);
  assert_int_equal(comity_deadline_decide(8, 6, 0.1, &next), COMITY_HASTE_WAIT);
  assert_true(next == 2);
  assert_int_equal(comity_deadline_decide(8, 8, 0.1, &next), COMITY_HASTE_HURRY);
  assert_true(fabs(next - 0.8) < 1e-12);
  assert_int_equal(comity_deadline_decide(8, 8.81, 0.1, &next), COMITY_HASTE_EXCLUDE);
  assert_true(next == 0);
  assert_int_equal(comity_deadline_decide(0.25, 0.25, 0.1, &next), COMITY_HASTE_HURRY);
  assert_true(fabs(next - 0.1) < 1e-12); /* not 0.025 */
}

static void over_selection_rounds_up_and_stops_at_all_clients(void **state) {
  (void)state;
  assert_int_equal(comity_over_select(10, 1, 100), 10);
  assert_int_equal(comity_over_select(10, 1.3, 100), 13);
  assert_int_equal(comity_over_select(10, 1.1, 100), 11); /* though 1.1 * 10 > 11 in binary */
  assert_int_equal(comity_over_select(10, 1.01, 100), 11);
  assert_int_equal(comity_over_select(1, 1.3, 100), 2);
  assert_int_equal(comity_over_select(10, 1.3, 12), 12);
  assert_int_equal(comity_over_select(100, 10, 100), 100);
  assert_int_equal(comity_over_select(10000000, 1, 10000001), 10000000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_deadline_is_none_seconds_or_a_multiple),
      cmocka_unit_test(what_is_no_deadline_is_refused_with_the_forms_there_are),
      cmocka_unit_test(the_pace_is_the_median_of_the_rounds_medians),
      cmocka_unit_test(who_did_not_train_does_not_count),
      cmocka_unit_test(only_the_last_rounds_count),
      cmocka_unit_test(a_multiple_needs_rounds_and_has_a_floor),
      cmocka_unit_test(at_the_deadline_reports_are_asked_for_and_later_not_waited_for),
      cmocka_unit_test(over_selection_rounds_up_and_stops_at_all_clients),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
