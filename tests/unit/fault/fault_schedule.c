/* Schedules of faults: what is read, refused, written and drawn, and what a schedule answers. */
#include "test.h"

#include <comity/fault.h>

#include <math.h>
#include <string.h>

static const comity_fault_scope whole = {.seed = 5, .rounds = 20, .clients = 100, .ranks = 5};

static comity_faults *schedule_in(const comity_fault_scope *scope, const char *const *entries, size_t count) {
  comity_faults *faults = NULL;
  assert_int_equal(comity_faults_new(scope, &faults), COMITY_OK);
  for (size_t i = 0; i < count; i++)
    if (comity_faults_add(faults, NULL, entries[i]) != COMITY_OK)
      fail_msg("%s", comity_error_message());
  return faults;
}

static comity_faults *schedule(const char *entry) { return schedule_in(&whole, &entry, 1); }

/* ------------------------------------------------------------------------------------- reading and writing */

static void entries_are_written_as_they_are_read(void **state) {
  (void)state;
  const struct {
    const char *entry, *text;
  } cases[] = {
      {"drop client 7 rounds 3-5", NULL},
      {"drop clients 3,7,9-12 rounds 3-", NULL},
      {"drop rank 2 rounds 4-", NULL},
      {"drop rank 1", NULL},
      {"  drop\tclients 3-3  rounds 4 ", "drop client 3 round 4"},
      {"kill rank 2 round 4 sum", NULL},
      {"kill round 4 rank 0", "kill rank 0 round 4 train"},
      {"kill rank 2 round 4 after 0.2s announce", "kill rank 2 round 4 announce after 0.2 s"},
      {"abort ranks 1,3-4 rounds 1-2,5 evaluate", NULL},
      {"exit rank 1 round 1 record after 1e-3 s", "exit rank 1 round 1 record after 0.001 s"},
      {"stop rank 3 round 9 save", NULL},
      {"stop rank 3 round 9 between for 2 s after .5 s", "stop rank 3 round 9 between after 0.5 s for 2 s"},
      {"delay rank 3 rounds 2-9 train exponential 0.1 s", NULL},
      {"delay rank 3 regroup constant 1 s", NULL},
      {"delay clients 0-9 uniform 0.1 to 0.3 s", NULL},
      {"delay client 1 lognormal 0.1 s sigma 0.5 round 3",
       "delay client 1 round 3 lognormal 0.1 s sigma 0.5"},
      {"corrupt 0.001", NULL},
      {"corrupt 1 rank 2 rounds 3-", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    comity_faults *faults = schedule(cases[i].entry);
    assert_int_equal(comity_faults_count(faults), 1);
    assert_string_equal(comity_faults_text(faults, 0),
                        cases[i].text == NULL ? cases[i].entry : cases[i].text);
    comity_faults_destroy(&faults);
    assert_null(faults);
  }
}

static void wrong_entries_are_refused_by_name(void **state) {
  (void)state;
  const struct {
    const char *entry, *says;
  } cases[] = {{"", "ends where a kind of fault is expected"},
               {"kil rank 2 round 4 sum", "there is no fault 'kil'; did you mean 'kill'?"},
               {"kill rank 2", "does not say all that 'kill' needs, as in 'kill rank 2 round 4 sum'"},
               {"kill round 2", "does not say all that 'kill' needs"},
               {"kill rank 2 round 4 trian", "there is no word 'trian'; did you mean 'train'?"},
               {"kill client 2 round 4", "there is no word 'client'"},
               {"kill rank 2 round 4 for 2 s", "there is no word 'for'"},
               {"kill rank 2 round 4 train sum", "'sum' says for a second time"},
               {"kill rank 2 round 4 rank 3", "'rank' says for a second time"},
               {"kill rank 5 round 4", "there is no rank 5; this job has ranks 0 to 4"},
               {"kill ranks 1-7 round 4", "there is no rank 7"},
               {"kill rank 2 round 0", "'0' stands where a list of rounds is expected: numbers begin at 1"},
               {"kill rank 2 rounds 5-4", "'5-4' stands where a list of rounds"},
               {"kill rank 2 rounds 4,", "is expected, like 3 or"},
               {"kill rank 2 rounds x", "'x' stands where a list of rounds"},
               {"kill rank -2 round 1", "'-2' stands where a list of ranks"},
               {"kill rank 2 round 4 after 1", "ends where 's', for seconds, is expected"},
               {"kill rank 2 round 4 after 1 min", "'min' stands where 's' is expected"},
               {"kill rank 2 round 4 after -1 s",
                "'-1' stands where a time after the stage began is expected, a number from 0 to 1e+06"},
               {"kill rank 2 round 4 after nan s", "'nan' stands where"},
               {"kill rank 2 round 4 after 0x10 s", "'0x10' stands where"},
               {"kill rank 2 round 4 after", "ends where a time after the stage began is expected"},
               {"stop rank 2 round 4 for 0 s", "stops for less than 0.01 s"},
               {"drop rounds 3-5", "does not say all that 'drop' needs"},
               {"drop client 100", "there is no client 100; this job has clients 0 to 99"},
               {"drop rank 0", "rank 0 is the server"},
               {"drop client 1 rank 2", "'rank' says for a second time"},
               {"delay rank 2", "does not say all that 'delay' needs"},
               {"delay client 2 sum constant 1 s", "clients are only in 'train'"},
               {"delay rank 2 uniform 2 to 1 s", "longest delay is less than the shortest"},
               {"delay rank 2 uniform 1 s", "'s' stands where 'to' is expected"},
               {"delay rank 2 lognormal 1 s 2", "'2' stands where 'sigma' is expected"},
               {"corrupt", "ends where a chance is expected"},
               {"corrupt 2", "'2' stands where a chance is expected, a number from 0 to 1"},
               {"corrupt 0.1s", "'0.1s' stands where a chance is expected"},
               {"random", "ends where a number of faults is expected"},
               {"random 2.5", "'2.5' is no whole number"},
               {"random 2 kinds kill,lose", "there is no kind of fault 'lose'"},
               {"random 2 rounds 21-", "come after the last one of the job, 20"}};
  comity_faults *faults = schedule("corrupt 0.5");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(comity_faults_add(faults, "job.yaml:3:5", cases[i].entry), COMITY_ERR_CONFIG);
    const char *message = comity_error_message();
    if (strstr(message, cases[i].says) == NULL || strncmp(message, "job.yaml:3:5: '", 15) != 0 ||
        strstr(message, cases[i].entry) == NULL)
      fail_msg("'%s': %s", cases[i].entry, message);
    assert_int_equal(comity_faults_count(faults), 1);
  }
  comity_faults_destroy(&faults);
}

static void numbers_that_are_not_known_yet_are_not_checked(void **state) {
  (void)state;
  const comity_fault_scope unknown = {.seed = 1};
  const char *const entries[] = {"kill rank 70 round 4 sum", "drop client 1000000",
                                 "random 3 kinds kill,drop"};
  comity_faults *faults = schedule_in(&unknown, entries, 3);
  assert_int_equal(comity_faults_count(faults), 3);
  assert_string_equal(comity_faults_text(faults, 2), "random 3 kinds kill,drop");
  assert_int_equal(comity_faults_strikes(faults, 1, 4, COMITY_FAULT_TRAIN, NULL, 0), 0);
  comity_faults_destroy(&faults);
}

/* -------------------------------------------------------------------------------------------------- answers */

static void a_job_without_faults_has_none(void **state) {
  (void)state;
  comity_faults *faults = NULL;
  assert_int_equal(comity_faults_count(NULL), 0);
  assert_false(comity_faults_absent(NULL, 1, 0, 1));
  assert_true(comity_faults_delay(NULL, 1, 1, COMITY_FAULT_TRAIN) == 0);
  assert_true(comity_faults_client_delay(NULL, 1, 1) == 0);
  assert_false(comity_faults_corrupts(NULL, 0, 0, 0, 1, 0));
  assert_int_equal(comity_faults_strikes(NULL, 1, 1, COMITY_FAULT_SUM, NULL, 0), 0);
  assert_true(comity_faults_enter(NULL, 1, 1, COMITY_FAULT_TRAIN) == 0);
  comity_faults_leave(NULL);
  comity_faults_resume(NULL, 3);
  comity_faults_destroy(&faults);
}

static void drops_hold_for_their_clients_and_rounds_alone(void **state) {
  (void)state;
  const char *const entries[] = {"drop clients 3,7-8 rounds 3-5", "drop rank 2 rounds 6,10-", "corrupt 0.5"};
  comity_faults *faults = schedule_in(&whole, entries, 3);
  for (uint64_t round = 1; round < 14; round++)
    for (uint64_t client = 0; client < 12; client++)
      for (int rank = 1; rank < 4; rank++) {
        bool one = round >= 3 && round <= 5 && (client == 3 || client == 7 || client == 8);
        bool all = rank == 2 && (round == 6 || round >= 10);
        assert_int_equal(comity_faults_absent(faults, round, client, rank), one || all);
      }
  char *text;
  assert_int_equal(comity_faults_drops(faults, &text), COMITY_OK);
  assert_string_equal(text, "drop clients 3,7-8 rounds 3-5; drop rank 2 rounds 6,10-");
  comity_free(text);
  comity_faults_destroy(&faults);
}

static void strikes_come_in_the_order_of_the_schedule(void **state) {
  (void)state;
  const char *const entries[] = {"stop rank 2 rounds 4-6 sum after 0.1 s for 2 s",
                                 "kill ranks 1-2 round 5 sum", "exit rank 2 round 5 train"};
  comity_faults *faults = schedule_in(&whole, entries, 3);
  comity_strike strikes[4];
  assert_int_equal(comity_faults_strikes(faults, 2, 5, COMITY_FAULT_SUM, strikes, 4), 2);
  assert_int_equal(strikes[0].kind, COMITY_STRIKE_STOP);
  assert_true(strikes[0].after == 0.1 && strikes[0].lasting == 2);
  assert_int_equal(strikes[1].kind, COMITY_STRIKE_KILL);
  assert_true(strikes[1].after == 0 && strikes[1].lasting == 0);
  assert_int_equal(comity_faults_strikes(faults, 2, 5, COMITY_FAULT_SUM, strikes, 1), 2);
  assert_int_equal(comity_faults_strikes(faults, 2, 4, COMITY_FAULT_SUM, strikes, 4), 1);
  assert_int_equal(comity_faults_strikes(faults, 1, 4, COMITY_FAULT_SUM, strikes, 4), 0);
  assert_int_equal(comity_faults_strikes(faults, 2, 5, COMITY_FAULT_TRAIN, strikes, 4), 1);
  assert_int_equal(strikes[0].kind, COMITY_STRIKE_EXIT);
  comity_faults_destroy(&faults);
}

/* ------------------------------------------------------------------------------------------------ the dice */

typedef struct spread {
  double mean, deviation, least, most;
} spread;

static spread delays_of(const char *entry) {
  enum { ROUNDS = 20000 };
  comity_faults *faults = schedule(entry);
  double sum = 0, squares = 0;
  spread all = {.least = INFINITY};
  for (uint64_t round = 1; round <= ROUNDS; round++) {
    double seconds = comity_faults_delay(faults, 3, round, COMITY_FAULT_TRAIN);
    assert_true(seconds == comity_faults_delay(faults, 3, round, COMITY_FAULT_TRAIN));
    sum += seconds;
    squares += seconds * seconds;
    all.least = fmin(all.least, seconds);
    all.most = fmax(all.most, seconds);
  }
  comity_faults_destroy(&faults);
  all.mean = sum / ROUNDS;
  all.deviation = sqrt(fmax(0, squares / ROUNDS - all.mean * all.mean));
  return all;
}

static void delays_follow_their_distributions(void **state) {
  (void)state;
  spread constant = delays_of("delay rank 3 constant 0.25 s"),
         uniform = delays_of("delay rank 3 uniform 1 to 3 s"),
         exponential = delays_of("delay rank 3 exponential 2 s"),
         lognormal = delays_of("delay rank 3 lognormal 2 s sigma 0.5");
  assert_true(constant.least == 0.25 && constant.most == 0.25);
  assert_true(fabs(uniform.mean - 2) < 0.03 && fabs(uniform.deviation - 2 / sqrt(12)) < 0.02);
  assert_true(uniform.least >= 1 && uniform.least < 1.01 && uniform.most < 3 && uniform.most > 2.99);
  assert_true(fabs(exponential.mean - 2) < 0.06 && fabs(exponential.deviation - 2) < 0.1 &&
              exponential.least >= 0);
  double mean = 2 * exp(0.125);
  assert_true(fabs(lognormal.mean - mean) < 0.04);
  assert_true(fabs(lognormal.deviation - mean * sqrt(exp(0.25) - 1)) < 0.06);
}

static void delays_add_up_and_differ_by_whom_they_hit(void **state) {
  (void)state;
  const char *const entries[] = {"delay rank 3 constant 1 s", "delay rank 3 rounds 2- constant 2 s",
                                 "delay clients 1-2 exponential 1 s", "delay rank 3 save constant 8 s"};
  comity_faults *faults = schedule_in(&whole, entries, 4);
  assert_true(comity_faults_delay(faults, 3, 1, COMITY_FAULT_TRAIN) == 1);
  assert_true(comity_faults_delay(faults, 3, 2, COMITY_FAULT_TRAIN) == 3);
  assert_true(comity_faults_delay(faults, 3, 2, COMITY_FAULT_SAVE) == 8);
  assert_true(comity_faults_delay(faults, 2, 2, COMITY_FAULT_TRAIN) == 0);
  double one = comity_faults_client_delay(faults, 1, 1);
  assert_true(one > 0 && one != comity_faults_client_delay(faults, 2, 1) &&
              one != comity_faults_client_delay(faults, 1, 2));
  assert_true(comity_faults_client_delay(faults, 3, 1) == 0);
  assert_true(comity_faults_enter(faults, 3, 2, COMITY_FAULT_TRAIN) == 3);
  assert_true(comity_faults_enter(faults, 3, 2, COMITY_FAULT_SUM) == 0);
  assert_true(comity_faults_enter(faults, 3, 2, COMITY_FAULT_TRAIN) == 0); /* it comes back to it */
  assert_true(comity_faults_enter(faults, 3, 3, COMITY_FAULT_TRAIN) == 3);
  comity_faults_destroy(&faults);
}

static void messages_are_corrupt_as_often_as_said(void **state) {
  (void)state;
  enum { MESSAGES = 100000 };
  const char *const entry = "corrupt 0.01 rank 2 rounds 3-4";
  comity_faults *faults = schedule_in(&whole, &entry, 1);
  size_t corrupt = 0, again = 0, later = 0;
  assert_true(comity_faults_enter(faults, 2, 2, COMITY_FAULT_SUM) == 0);
  for (uint64_t i = 0; i < MESSAGES; i++)
    assert_false(comity_faults_corrupts(faults, 0, i, 2, 0, 0));
  assert_true(comity_faults_enter(faults, 2, 3, COMITY_FAULT_SUM) == 0);
  for (uint64_t i = 0; i < MESSAGES; i++) {
    bool is = comity_faults_corrupts(faults, 1, i, 2, 0, 0);
    assert_int_equal(is, comity_faults_corrupts(faults, 1, i, 2, 0, 0));
    assert_false(comity_faults_corrupts(faults, 1, i, 1, 0, 0));
    corrupt += is;
    again += is && comity_faults_corrupts(faults, 2, i, 2, 0, 0); /* sent again in the next epoch */
    later += is && comity_faults_corrupts(faults, 1, i, 2, 0, 1); /* the piece behind it */
  }
  assert_true(fabs((double)corrupt - 0.01 * MESSAGES) < 5 * sqrt(0.01 * 0.99 * MESSAGES));
  assert_true(again < corrupt / 10 && later < corrupt / 10);
  comity_faults_destroy(&faults);
}

static void random_faults_are_drawn_by_the_seed(void **state) {
  (void)state;
  const char *const entry = "random 2000 rounds 2-10 kinds kill,stop,delay,corrupt,drop within 0.3 s";
  comity_fault_scope other = whole;
  other.seed = 6;
  comity_faults *faults = schedule_in(&whole, &entry, 1), *same = schedule_in(&whole, &entry, 1),
                *different = schedule_in(&other, &entry, 1);
  assert_int_equal(comity_faults_count(faults), 2000);
  size_t equal = 0, hits[5][COMITY_FAULT_STAGES] = {{0}}, all = 0;
  for (size_t i = 0; i < 2000; i++) {
    assert_string_equal(comity_faults_text(faults, i), comity_faults_text(same, i));
    equal += strcmp(comity_faults_text(faults, i), comity_faults_text(different, i)) == 0;
    comity_faults *once =
        schedule(comity_faults_text(faults, i)); /* what is planned may be written down as it is */
    assert_int_equal(comity_faults_count(once), 1);
    assert_string_equal(comity_faults_text(once, 0), comity_faults_text(faults, i));
    comity_faults_destroy(&once);
  }
  assert_true(equal < 40);
  comity_strike strikes[64];
  for (uint64_t round = 1; round <= 20; round++)
    for (int rank = 0; rank < 5; rank++)
      for (int stage = 0; stage < COMITY_FAULT_STAGES; stage++) {
        size_t count = comity_faults_strikes(faults, rank, round, (comity_fault_stage)stage, strikes, 64);
        assert_true(count == 0 || (rank > 0 && round >= 2 && round <= 10));
        for (size_t i = 0; i < count; i++)
          assert_true((strikes[i].kind == COMITY_STRIKE_KILL || strikes[i].kind == COMITY_STRIKE_STOP) &&
                      strikes[i].after < 0.3);
        hits[rank][stage] += count;
        all += count;
      }
  assert_true(all > 680 && all < 920);
  for (int rank = 1; rank < 5; rank++)
    for (int stage = 0; stage < COMITY_FAULT_STAGES; stage++)
      assert_int_equal(hits[rank][stage] > 0, stage != COMITY_FAULT_FINISH);
  comity_faults_destroy(&faults);
  comity_faults_destroy(&same);
  comity_faults_destroy(&different);
}

static void random_drops_do_not_depend_on_ranks(void **state) {
  (void)state;
  const char *const entry = "random 20 kinds drop";
  comity_fault_scope alone = whole, many = whole;
  alone.ranks = 1;
  many.ranks = 300;
  comity_faults *first = schedule_in(&alone, &entry, 1), *second = schedule_in(&many, &entry, 1);
  char *one, *other;
  assert_int_equal(comity_faults_drops(first, &one), COMITY_OK);
  assert_int_equal(comity_faults_drops(second, &other), COMITY_OK);
  assert_string_equal(one, other);
  assert_int_equal(comity_faults_add(first, NULL, "random 1 kinds kill"), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "only rank 0"));
  comity_free(one);
  comity_free(other);
  comity_faults_destroy(&first);
  comity_faults_destroy(&second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(entries_are_written_as_they_are_read),
      cmocka_unit_test(wrong_entries_are_refused_by_name),
      cmocka_unit_test(numbers_that_are_not_known_yet_are_not_checked),
      cmocka_unit_test(a_job_without_faults_has_none),
      cmocka_unit_test(drops_hold_for_their_clients_and_rounds_alone),
      cmocka_unit_test(strikes_come_in_the_order_of_the_schedule),
      cmocka_unit_test(delays_follow_their_distributions),
      cmocka_unit_test(delays_add_up_and_differ_by_whom_they_hit),
      cmocka_unit_test(messages_are_corrupt_as_often_as_said),
      cmocka_unit_test(random_faults_are_drawn_by_the_seed),
      cmocka_unit_test(random_drops_do_not_depend_on_ranks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
