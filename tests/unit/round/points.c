/* From where a federation goes on: for every stage that the server may be at. */
#include "test.h"

#include "round/run_impl.h"

enum { ROUND = 7 };

static comity_standing standing(comity_stage stage) {
  uint32_t value = stage <= COMITY_STAGE_SUM   ? COMITY_NEXT_BEGUN
                   : stage < COMITY_STAGE_SAVE ? COMITY_NEXT_OPEN
                                               : COMITY_NEXT_DECIDED;
  return (comity_standing){.at = {.round = ROUND, .stage = stage, .value = value}, .known = true};
}

static void check(comity_standing at, comity_stage stage, uint64_t round, uint32_t value) {
  comity_point point = comity_point_choose(&at);
  assert_int_equal(point.stage, stage);
  assert_int_equal(point.round, round);
  assert_int_equal(point.value, value);
}

static void training_goes_on_with_what_is_done(void **state) {
  (void)state;
  for (comity_stage stage = COMITY_STAGE_TRAIN; stage <= COMITY_STAGE_SUM; stage++)
    check(standing(stage), COMITY_STAGE_TRAIN, ROUND, COMITY_NEXT_BEGUN);
}

static void whoever_lacks_the_model_gets_it_before_training(void **state) {
  (void)state;
  for (comity_stage stage = COMITY_STAGE_TRAIN; stage <= COMITY_STAGE_SUM; stage++) {
    comity_standing at = standing(stage);
    at.known = false;
    check(at, COMITY_STAGE_ANNOUNCE, ROUND - 1, COMITY_NEXT_BEGUN);
  }
}

static void an_announcement_says_again_what_comes_after_it(void **state) {
  (void)state;
  for (uint32_t value = COMITY_NEXT_OPEN; value <= COMITY_NEXT_DECIDED; value++) {
    comity_standing at = standing(COMITY_STAGE_ANNOUNCE);
    at.at.value = value;
    check(at, COMITY_STAGE_ANNOUNCE, ROUND, value);
  }
}

static void a_round_is_recorded_once(void **state) {
  (void)state;
  check(standing(COMITY_STAGE_EVALUATE), COMITY_STAGE_ANNOUNCE, ROUND, COMITY_NEXT_OPEN);
  comity_standing at = standing(COMITY_STAGE_RECORD);
  check(at, COMITY_STAGE_ANNOUNCE, ROUND, COMITY_NEXT_OPEN);
  at.recorded = true;
  at.reason = COMITY_STOP_TARGET;
  check(at, COMITY_STAGE_SAVE, ROUND, COMITY_NEXT_DECIDED + COMITY_STOP_TARGET);
}

static void newcomers_between_rounds_get_the_model_and_the_next_round_begins_for_all(void **state) {
  (void)state;
  check(standing(COMITY_STAGE_ADMIT), COMITY_STAGE_ANNOUNCE, ROUND, COMITY_NEXT_DECIDED + COMITY_STOP_NOT);
}

static void the_end_stays_the_end(void **state) {
  (void)state;
  static const comity_stage stages[] = {COMITY_STAGE_SAVE, COMITY_STAGE_FINISH, COMITY_STAGE_GIVE_UP};
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    check(standing(stages[i]), stages[i], ROUND, COMITY_NEXT_DECIDED);
}

/* A round that the server has completed is never done again, and none that it has not is skipped. */
static void no_point_loses_or_skips_a_round(void **state) {
  (void)state;
  for (comity_stage stage = COMITY_STAGE_TRAIN; stage < COMITY_STAGES; stage++)
    for (int bits = 0; bits < 4; bits++) {
      comity_standing at = standing(stage);
      at.known = (bits & 1) != 0;
      at.recorded = (bits & 2) != 0;
      comity_point point = comity_point_choose(&at);
      assert_int_equal(comity_point_complete(&point), stage <= COMITY_STAGE_SUM ? ROUND - 1 : ROUND);
    }
}

static void every_stage_has_a_name(void **state) {
  (void)state;
  for (uint32_t stage = 0; stage < COMITY_STAGES; stage++) {
    assert_non_null(comity_stage_name(stage));
    for (uint32_t other = 0; other < stage; other++)
      assert_string_not_equal(comity_stage_name(stage), comity_stage_name(other));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(training_goes_on_with_what_is_done),
      cmocka_unit_test(whoever_lacks_the_model_gets_it_before_training),
      cmocka_unit_test(an_announcement_says_again_what_comes_after_it),
      cmocka_unit_test(a_round_is_recorded_once),
      cmocka_unit_test(newcomers_between_rounds_get_the_model_and_the_next_round_begins_for_all),
      cmocka_unit_test(the_end_stays_the_end),
      cmocka_unit_test(no_point_loses_or_skips_a_round),
      cmocka_unit_test(every_stage_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
