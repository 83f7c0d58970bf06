/* The list of what happened in a run: what the files say, that it outlives crashes and resumes, that it stays small in
 * memory, and the sentence that sums it up. */
#include "test.h"

#include <comity/metrics.h>

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/comity-events-XXXXXX");
  return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
  (void)state;
  return comity_folder_remove(folder) != COMITY_OK;
}

static char *read_events(void) {
  char *path = comity_text("%s/events.jsonl", folder), *text;
  size_t length;
  assert_int_equal(comity_file_read(path, &text, &length), COMITY_OK);
  comity_free(path);
  return text;
}

static void append_bytes(const char *bytes, size_t count) {
  char *path = comity_text("%s/events.jsonl", folder);
  FILE *file = fopen(path, "a");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, count, file), count);
  assert_int_equal(fclose(file), 0);
  comity_free(path);
}

static comity_recorder *open_recorder(uint64_t resume) {
  comity_recorder *recorder;
  assert_int_equal(comity_recorder_new(folder, 3, resume, "", &recorder), COMITY_OK);
  return recorder;
}

static const comity_event lost = {.time = 3.25,
                                  .wall = "2026-01-31T12:00:00.123Z",
                                  .round = 4,
                                  .stage = "train",
                                  .kind = COMITY_EVENT_LOST,
                                  .rank = 2,
                                  .host = "node \"1\"",
                                  .client = 7,
                                  .lost = 1.5,
                                  .text = "silent for 10 s"};

static void note(comity_recorder *recorder, comity_event_kind kind, uint64_t round, double seconds) {
  comity_event event = {
      .kind = kind, .round = round, .rank = -1, .client = COMITY_EVENT_NO_CLIENT, .lost = seconds};
  assert_int_equal(comity_recorder_event(recorder, &event), COMITY_OK);
}

static char *summary_of(const comity_recorder *recorder) {
  char *text = NULL;
  size_t length;
  FILE *stream = open_memstream(&text, &length);
  comity_recorder_summary(recorder, stream);
  fclose(stream);
  return text;
}

static void an_event_is_a_line_that_is_there_at_once(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
  char *text = read_events();
  assert_string_equal(text,
                      "{\"time\":3.25,\"wall\":\"2026-01-31T12:00:00.123Z\",\"round\":4,\"stage\":\"train\","
                      "\"kind\":\"lost\",\"rank\":2,\"host\":\"node \\\"1\\\"\",\"client\":7,"
                      "\"seconds_lost\":1.5,\"text\":\"silent for 10 s\"}\n");
  comity_free(text);
  comity_recorder_destroy(&recorder);
}

static void what_is_not_given_is_stamped_and_what_there_is_not_is_null(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  note(recorder, COMITY_EVENT_REPEATED, 9, 0);
  char *text = read_events();
  int year, month, day, hour, minute, second, thousandth, end = 0;
  double time;
  assert_int_equal(sscanf(text, "{\"time\":%lf,\"wall\":\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\"%n", &time, &year,
                          &month, &day, &hour, &minute, &second, &thousandth, &end),
                   8);
  assert_true(end > 0 && year >= 2024);
  assert_true(time > 0 && time < 60);
  assert_non_null(strstr(text, "\"kind\":\"repeated\",\"rank\":null,\"host\":\"\",\"client\":null,"));
  comity_free(text);
  comity_recorder_destroy(&recorder);
}

static void a_kind_that_there_is_not_is_refused(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  comity_event event = {.kind = COMITY_EVENT_COUNT};
  assert_int_equal(comity_recorder_event(recorder, &event), COMITY_ERR_ARG);
  char *text = read_events();
  assert_string_equal(text, "");
  comity_free(text);
  comity_recorder_destroy(&recorder);
}

static void the_summary_counts_by_kind_and_adds_up_what_was_lost(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  note(recorder, COMITY_EVENT_REPEATED, 3, 0.5);
  note(recorder, COMITY_EVENT_LOST, 3, 1.25);
  note(recorder, COMITY_EVENT_REJOINED, 4, 0);
  char *text = summary_of(recorder);
  assert_string_equal(text, "no round was recorded\n"
                            "1 participant lost, 1 rejoined, 1 round repeated; 1.8 s lost\n");
  free(text);
  note(recorder, COMITY_EVENT_LOST, 5, 2.3);
  note(recorder, COMITY_EVENT_REPEATED, 5, 0);
  note(recorder, COMITY_EVENT_REPEATED, 5, 0);
  note(recorder, COMITY_EVENT_STALLED, 5, 0);
  const comity_record record = {.round = 5};
  assert_int_equal(comity_recorder_add(recorder, &record), COMITY_OK);
  text = summary_of(recorder);
  assert_non_null(strstr(
      text, "communicated\n2 participants lost, 1 rejoined, 1 stall, 3 rounds repeated; 4.0 s lost\n"));
  free(text);
  comity_recorder_destroy(&recorder);
}

static void a_run_in_which_nothing_happened_says_nothing_of_it(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  char *text = summary_of(recorder);
  assert_string_equal(text, "no round was recorded\n");
  free(text);
  comity_recorder_destroy(&recorder);
}

/* Also of the rounds after the checkpoint, which run again. */
static void a_resumed_run_goes_on_with_the_list(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  for (uint64_t round = 1; round <= 3; round++) {
    const comity_record record = {.round = round};
    assert_int_equal(comity_recorder_add(recorder, &record), COMITY_OK);
  }
  assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
  comity_recorder_destroy(&recorder);
  char *before = read_events();
  recorder = open_recorder(1);
  note(recorder, COMITY_EVENT_RESUMED, 1, 0);
  char *after = read_events(), *text = summary_of(recorder);
  assert_memory_equal(after, before, strlen(before));
  assert_non_null(strstr(after + strlen(before), "\"kind\":\"resumed\""));
  assert_non_null(strstr(text, "1 participant lost, 1 time resumed; 1.5 s lost\n"));
  comity_free(before);
  comity_free(after);
  free(text);
  comity_recorder_destroy(&recorder);
}

static void what_a_crash_left_of_a_line_is_cut_off(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t count;
  } tail[] = {
      {"{\"time\":4,\"wal", 14}, {"{\"time\":4,\"wal\n", 15}, {"\n", 1}, {"\0\0\0\0", 4}, {"\0\0\n\0", 4}};
  comity_recorder *recorder = open_recorder(0);
  assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
  comity_recorder_destroy(&recorder);
  char *whole = read_events();
  for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
    append_bytes(tail[i].bytes, tail[i].count);
    recorder = open_recorder(0);
    char *text = read_events();
    assert_string_equal(text, whole);
    comity_free(text);
    comity_recorder_destroy(&recorder);
  }
  comity_free(whole);
}

static void a_damaged_line_in_between_is_refused_by_number(void **state) {
  (void)state;
  static char long_line[5000];
  memset(long_line, 'x', sizeof long_line);
  long_line[sizeof long_line - 1] = '\n';
  static const char *const other[] = {"oops\n", "{\"kind\":\"eaten\"}\n", "{\"kind\":3}\n", "[]\n"};
  for (size_t i = 0; i < 5; i++) {
    comity_recorder *recorder = open_recorder(0);
    assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
    comity_recorder_destroy(&recorder);
    char *good = read_events();
    if (i < 4)
      append_bytes(other[i], strlen(other[i]));
    else
      append_bytes(long_line, sizeof long_line);
    append_bytes(good, strlen(good));
    assert_int_equal(comity_recorder_new(folder, 3, 1, "", &recorder), COMITY_ERR_DATA);
    assert_null(recorder);
    assert_non_null(strstr(comity_error_message(), "events.jsonl:2: "));
    comity_free(good);
    char *path = comity_text("%s/events.jsonl", folder);
    assert_int_equal(unlink(path), 0);
    comity_free(path);
  }
}

/* Texts are written whole, whatever they hold: here each byte takes six. */
static void the_longest_event_reads_back(void **state) {
  (void)state;
  comity_event event = lost;
  memset(event.text, 1, sizeof event.text - 1);
  memset(event.host, 2, sizeof event.host - 1);
  memset(event.stage, 3, sizeof event.stage - 1);
  memset(event.wall, 4, sizeof event.wall - 1);
  event.time = 1e15 / 7;
  event.client = COMITY_EVENT_NO_CLIENT - 1;
  comity_recorder *recorder = open_recorder(0);
  assert_int_equal(comity_recorder_event(recorder, &event), COMITY_OK);
  comity_recorder_destroy(&recorder);
  recorder = open_recorder(0);
  char *text = summary_of(recorder);
  assert_non_null(strstr(text, "1 participant lost"));
  free(text);
  comity_recorder_destroy(&recorder);
}

static int64_t attribute_of(hid_t file, const char *name) {
  hid_t group = H5Gopen2(file, "events", H5P_DEFAULT);
  int64_t value = -1;
  assert_int_equal(comity_h5_read_integer("results.h5", group, name, &value), COMITY_OK);
  H5Gclose(group);
  return value;
}

static void results_hold_the_columns(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
  note(recorder, COMITY_EVENT_REPEATED, 5, 0);
  comity_recorder_destroy(&recorder);
  char *path = comity_text("%s/results.h5", folder), *kind[2];
  hid_t file, type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  int64_t client[2], rank[2], round[2];
  double seconds[2];
  assert_int_equal(comity_h5_open(path, &file), COMITY_OK);
  assert_int_equal(attribute_of(file, "happened"), 2);
  assert_int_equal(comity_h5_read(path, file, "events/client", H5T_NATIVE_INT64, 2, client), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "events/rank", H5T_NATIVE_INT64, 2, rank), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "events/round", H5T_NATIVE_INT64, 2, round), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "events/seconds_lost", H5T_NATIVE_DOUBLE, 2, seconds),
                   COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "events/kind", type, 2, kind), COMITY_OK);
  assert_true(client[0] == 7 && client[1] == -1 && rank[0] == 2 && rank[1] == -1);
  assert_true(round[0] == 4 && round[1] == 5 && seconds[0] == 1.5 && seconds[1] == 0);
  assert_string_equal(kind[0], "lost");
  assert_string_equal(kind[1], "repeated");
  for (int i = 0; i < 2; i++)
    H5free_memory(kind[i]);
  H5Tclose(type);
  H5Fclose(file);
  comity_free(path);
}

static void of_very_many_events_the_file_has_all_and_the_memory_the_last(void **state) {
  (void)state;
  enum { KEPT = 10000, MORE = 7 };
  comity_recorder *recorder = open_recorder(0);
  for (uint64_t i = 1; i <= KEPT + MORE; i++)
    note(recorder, COMITY_EVENT_REPEATED, i, 0);
  comity_recorder_destroy(&recorder);
  for (int again = 0; again < 2; again++) { /* as they came, and as they were read back */
    char *path = comity_text("%s/results.h5", folder);
    static int64_t round[KEPT];
    hid_t file;
    assert_int_equal(comity_h5_open(path, &file), COMITY_OK);
    assert_int_equal(comity_h5_read(path, file, "events/round", H5T_NATIVE_INT64, KEPT, round), COMITY_OK);
    assert_int_equal(attribute_of(file, "happened"), KEPT + MORE);
    assert_int_equal(attribute_of(file, "kept_at_most"), KEPT);
    for (int i = 0; i < KEPT; i++)
      assert_int_equal(round[i], i + 1 + MORE);
    H5Fclose(file);
    comity_free(path);
    recorder = open_recorder(0);
    char *text = summary_of(recorder);
    assert_non_null(strstr(text, "10007 rounds repeated\n"));
    free(text);
    comity_recorder_destroy(&recorder);
  }
}

static void a_run_folder_shows_the_last_events(void **state) {
  (void)state;
  comity_recorder *recorder = open_recorder(0);
  for (uint64_t round = 1; round <= 11; round++)
    note(recorder, COMITY_EVENT_REPEATED, round, 0);
  assert_int_equal(comity_recorder_event(recorder, &lost), COMITY_OK);
  const comity_record record = {.round = 5};
  assert_int_equal(comity_recorder_add(recorder, &record), COMITY_OK);
  comity_recorder_destroy(&recorder);
  char *text = NULL;
  size_t length;
  FILE *stream = open_memstream(&text, &length);
  assert_int_equal(comity_metrics_print(folder, stream), COMITY_OK);
  fclose(stream);
  assert_non_null(strstr(text, "1 participant lost, 11 rounds repeated; 1.5 s lost\n"
                               "the last 10 of 12 events:\n"));
  assert_null(strstr(text, "round 2  repeated\n"));
  assert_non_null(strstr(text, "round 3  repeated\n"));
  assert_non_null(strstr(text, "\n2026-01-31T12:00:00.123Z  round 4, train  lost  client 7  "
                               "1.500 s lost: silent for 10 s\n"));
  free(text);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(an_event_is_a_line_that_is_there_at_once),
      IN_FOLDER(what_is_not_given_is_stamped_and_what_there_is_not_is_null),
      IN_FOLDER(a_kind_that_there_is_not_is_refused),
      IN_FOLDER(the_summary_counts_by_kind_and_adds_up_what_was_lost),
      IN_FOLDER(a_run_in_which_nothing_happened_says_nothing_of_it),
      IN_FOLDER(a_resumed_run_goes_on_with_the_list),
      IN_FOLDER(what_a_crash_left_of_a_line_is_cut_off),
      IN_FOLDER(a_damaged_line_in_between_is_refused_by_number),
      IN_FOLDER(the_longest_event_reads_back),
      IN_FOLDER(results_hold_the_columns),
      IN_FOLDER(of_very_many_events_the_file_has_all_and_the_memory_the_last),
      IN_FOLDER(a_run_folder_shows_the_last_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
