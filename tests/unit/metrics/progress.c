/* The line that people watch. */
#include "test.h"

#include <comity/metrics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct screen {
  FILE *stream;
  char *text;
  size_t length;
} screen;

static void open_screen(screen *s) {
  s->text = NULL;
  assert_non_null(s->stream = open_memstream(&s->text, &s->length));
}

static void close_screen(screen *s) {
  fclose(s->stream);
  free(s->text);
}

static comity_record round_of(uint64_t round) {
  return (comity_record){.round = round,
                         .test_accuracy = 0.93124,
                         .test_loss = 0.231,
                         .test_auc = NAN,
                         .train_loss = NAN,
                         .client_accuracy = {NAN, NAN, NAN, NAN},
                         .client_loss = NAN,
                         .selected = 10,
                         .clients = 10,
                         .ledger.total = 0.8};
}

static size_t count(const char *text, char what) {
  size_t found = 0;
  for (; *text != '\0'; text++)
    found += *text == what;
  return found;
}

static void line_tells_round_metrics_pace_and_time_left(void **state) {
  (void)state;
  screen s;
  comity_progress *progress;
  open_screen(&s);
  assert_int_equal(comity_progress_new(s.stream, 200, 0, false, &progress), COMITY_OK);
  comity_record record = round_of(37);
  comity_progress_round(progress, &record);
  assert_string_equal(s.text,
                      "round 37/200  accuracy 0.9312  loss 0.231  10 clients  0.80 s/round  2m10s left\n");
  comity_progress_destroy(&progress);
  assert_null(progress);
  close_screen(&s);
}

static void what_was_not_measured_is_left_out(void **state) {
  (void)state;
  screen s;
  comity_progress *progress;
  open_screen(&s);
  assert_int_equal(comity_progress_new(s.stream, 0, 0, false, &progress), COMITY_OK);
  comity_record record = round_of(1);
  record.test_accuracy = record.test_loss = NAN;
  record.train_loss = 1.5;
  record.clients = 9;
  record.ledger.total = 0;
  comity_progress_round(progress, &record);
  assert_string_equal(s.text, "round 1  loss 1.5  9 clients of 10\n");
  comity_progress_destroy(&progress);
  close_screen(&s);
}

static void plain_lines_are_few_with_first_and_last(void **state) {
  (void)state;
  screen s;
  comity_progress *progress;
  open_screen(&s);
  assert_int_equal(comity_progress_new(s.stream, 1000, 0, false, &progress), COMITY_OK);
  for (uint64_t round = 1; round <= 1000; round++) {
    comity_record record = round_of(round);
    comity_progress_round(progress, &record);
  }
  comity_progress_destroy(&progress);
  assert_memory_equal(s.text, "round 1/", 8);
  assert_non_null(strstr(s.text, "round 1000/1000"));
  assert_true(count(s.text, '\n') >= 20 && count(s.text, '\n') <= 24);
  assert_int_equal(count(s.text, '\r'), 0);
  close_screen(&s);
}

static void line_in_place_is_rewritten_and_ended_once(void **state) {
  (void)state;
  screen s;
  comity_progress *progress;
  open_screen(&s);
  assert_int_equal(comity_progress_new(s.stream, 1000, 0, true, &progress), COMITY_OK);
  for (uint64_t round = 1; round <= 1000; round++) {
    comity_record record = round_of(round);
    comity_progress_round(progress, &record);
  }
  assert_int_equal(s.text[0], '\r');
  assert_int_equal(count(s.text, '\n'), 0);
  assert_true(count(s.text, '\r') >= 2 && count(s.text, '\r') < 500);
  /* the last line is shorter than the one before ("... left"), so the rest must be blanked */
  const char *last = strrchr(s.text, '\r');
  assert_memory_equal(last, "\rround 1000/1000", 16);
  assert_int_equal(s.text[s.length - 1], ' ');
  comity_progress_pause(progress);
  comity_progress_pause(progress);
  fflush(s.stream);
  assert_int_equal(count(s.text, '\n'), 1);
  comity_progress_destroy(&progress);
  fflush(s.stream);
  assert_int_equal(count(s.text, '\n'), 1);
  close_screen(&s);
}

static void silence_is_allowed(void **state) {
  (void)state;
  comity_progress *progress = NULL;
  comity_record record = round_of(1);
  comity_progress_round(NULL, &record);
  comity_progress_pause(NULL);
  comity_progress_destroy(&progress);
  assert_int_equal(comity_progress_new(NULL, 10, 0, true, &progress), COMITY_OK);
  comity_progress_round(progress, &record);
  comity_progress_destroy(&progress);
  assert_null(progress);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(line_tells_round_metrics_pace_and_time_left),
      cmocka_unit_test(what_was_not_measured_is_left_out),
      cmocka_unit_test(plain_lines_are_few_with_first_and_last),
      cmocka_unit_test(line_in_place_is_rewritten_and_ended_once),
      cmocka_unit_test(silence_is_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
