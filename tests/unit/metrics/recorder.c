/* The records of a run: what the files say, what is cut off on resume, and what a full disk leaves. */
#include "test.h"

#include <comity/metrics.h>

#include "core/core_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yajl/yajl_tree.h>

static char folder[64];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/comity-recorder-XXXXXX");
  return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
  (void)state;
  umount(folder); /* one test mounts a small file system there */
  return comity_folder_remove(folder) != COMITY_OK;
}

static char *read_text(const char *name) {
  char *path = comity_text("%s/%s", folder, name), *text;
  size_t length;
  assert_int_equal(comity_file_read(path, &text, &length), COMITY_OK);
  comity_free(path);
  return text;
}

static void write_at(const char *name, const char *mode, const char *text) {
  char *path = comity_text("%s/%s", folder, name);
  FILE *file = fopen(path, mode);
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  comity_free(path);
}

static size_t lines_of(const char *text) {
  size_t found = 0;
  for (; *text != '\0'; text++)
    found += *text == '\n';
  return found;
}

enum { RANKS = 3 };

static const comity_absence missing[] = {
    {.client = 7,
     .rank = 2,
     .status = COMITY_ERR_DATA,
     .name = "St. \"Mary\"",
     .reason = "row 3: not a number"},
    {.client = 9, .rank = 1, .status = COMITY_ERR_MEMORY, .name = "cut \xc3", .reason = "line\none"}};

static void add_round(comity_recorder *recorder, uint64_t round) {
  comity_ledger ranks[RANKS] = {0};
  for (int r = 0; r < RANKS; r++) {
    ranks[r].seconds[COMITY_PHASE_TRAIN] = r * 0.5;
    ranks[r].total = 2;
    ranks[r].bytes = 100;
    ranks[r].memory = (r + 1) * 1048576.0;
  }
  comity_record record = {.round = round,
                          .test_accuracy = 1 - 1.0 / (3 * (double)round),
                          .test_loss = 0.1 + (double)round,
                          .test_auc = NAN,
                          .train_loss = INFINITY,
                          .client_accuracy = {0.5, 0.25, 0.3, 0.0625},
                          .client_loss = NAN,
                          .selected = 10,
                          .clients = 8,
                          .rate = 0.05,
                          .bytes = 1e6,
                          .ledger = {.seconds = {0, 0.25, 0.5, 0.125, 0, 0.0625}, .total = 2, .bytes = 300},
                          .ranks = RANKS,
                          .rank_ledger = ranks,
                          .overhead = comity_ledger_overhead(ranks, RANKS),
                          .absent_count = round == 2 ? 2 : 0,
                          .absent = missing};
  assert_int_equal(comity_recorder_add(recorder, &record), COMITY_OK);
}

static void record_rounds(uint64_t resume, uint64_t first, uint64_t last) {
  comity_recorder *recorder;
  assert_int_equal(comity_recorder_new(folder, RANKS, resume, "server:\n  rounds: 3\n", &recorder),
                   COMITY_OK);
  for (uint64_t round = first; round <= last; round++)
    add_round(recorder, round);
  assert_int_equal(comity_recorder_flush(recorder), COMITY_OK);
  comity_recorder_destroy(&recorder);
  assert_null(recorder);
}

static double number(yajl_val tree, const char *outer, const char *inner) {
  yajl_val value = yajl_tree_get(tree, (const char *[]){outer, inner, NULL}, yajl_t_number);
  assert_non_null(value);
  return YAJL_GET_DOUBLE(value);
}

static void json_lines_read_back_to_the_last_bit(void **state) {
  (void)state;
  record_rounds(0, 1, 3);
  char *text = read_text("metrics.jsonl"), *next = NULL;
  assert_int_equal(lines_of(text), 3);
  double round = 1;
  for (char *line = strtok_r(text, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next), round++) {
    yajl_val tree = yajl_tree_parse(line, NULL, 0);
    assert_non_null(tree);
    assert_true(number(tree, "round", NULL) == round);
    assert_true(number(tree, "test_accuracy", NULL) == 1 - 1.0 / (3 * round));
    assert_true(number(tree, "test_loss", NULL) == 0.1 + round);
    assert_true(number(tree, "client_accuracy", "variance") == 0.0625);
    assert_true(number(tree, "clients", NULL) == 8 && number(tree, "selected", NULL) == 10);
    assert_true(number(tree, "seconds", "communicate") == 0.5 && number(tree, "seconds", "total") == 2);
    assert_true(number(tree, "seconds", "overhead") == 1); /* 2 less the second participant's training */
    assert_true(number(tree, "bytes", NULL) == 1e6);
    assert_non_null(yajl_tree_get(tree, (const char *[]){"test_auc", NULL}, yajl_t_null));
    assert_non_null(yajl_tree_get(tree, (const char *[]){"train_loss", NULL}, yajl_t_null));
    yajl_val train = yajl_tree_get(tree, (const char *[]){"ranks", "train", NULL}, yajl_t_object);
    assert_true(number(train, "mean", NULL) == 0.75 && number(train, "max", NULL) == 1);
    yajl_val memory = yajl_tree_get(tree, (const char *[]){"ranks", "memory", NULL}, yajl_t_object);
    assert_true(number(memory, "mean", NULL) == 2.5 * 1048576 && number(memory, "max", NULL) == 3 * 1048576);
    yajl_val absent = yajl_tree_get(tree, (const char *[]){"absent", NULL}, yajl_t_array);
    assert_int_equal(YAJL_GET_ARRAY(absent)->len, round == 2 ? 2 : 0);
    if (round == 2) {
      yajl_val first = YAJL_GET_ARRAY(absent)->values[0], second = YAJL_GET_ARRAY(absent)->values[1];
      assert_true(number(first, "client", NULL) == 7 && number(first, "rank", NULL) == 2);
      const char *name[] = {"name", NULL}, *reason[] = {"reason", NULL};
      assert_string_equal(YAJL_GET_STRING(yajl_tree_get(first, name, yajl_t_string)), "St. \"Mary\"");
      assert_string_equal(YAJL_GET_STRING(yajl_tree_get(second, name, yajl_t_string)), "cut ?");
      assert_string_equal(YAJL_GET_STRING(yajl_tree_get(second, reason, yajl_t_string)), "line\none");
    }
    yajl_tree_free(tree);
  }
  comity_free(text);
}

static void numbers_are_short(void **state) {
  (void)state;
  record_rounds(0, 1, 1);
  char *text = read_text("metrics.jsonl");
  assert_non_null(strstr(text, "\"learning_rate\":0.05,"));
  assert_non_null(strstr(text, "\"test_loss\":1.1,"));
  assert_non_null(strstr(text, "\"bytes\":1000000,"));
  comity_free(text);
}

static void csv_has_a_header_and_as_many_columns_in_each_line(void **state) {
  (void)state;
  record_rounds(0, 1, 2);
  char *text = read_text("metrics.csv"), *next = NULL;
  assert_memory_equal(text, "round,test_accuracy,test_loss,test_auc,", 39);
  assert_non_null(strstr(text, ",seconds_io,seconds_total,seconds_overhead\n1,"));
  size_t columns = 0, line_count = 0;
  for (char *line = strtok_r(text, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next)) {
    size_t commas = 0;
    for (char *c = line; *c != '\0'; c++)
      commas += *c == ',';
    if (line_count++ == 0)
      columns = commas;
    assert_int_equal(commas, columns);
  }
  assert_int_equal(line_count, 3);
  assert_int_equal(columns, 21);
  comity_free(text);
}

static hid_t open_results(char **path) {
  hid_t file;
  *path = comity_text("%s/results.h5", folder);
  assert_int_equal(comity_h5_open(*path, &file), COMITY_OK);
  return file;
}

static void results_hold_the_curves_the_ledgers_and_the_absent(void **state) {
  (void)state;
  record_rounds(0, 1, 3);
  char *path, *job;
  hid_t file = open_results(&path);
  double curve[3];
  assert_int_equal(comity_h5_read(path, file, "curves/test_accuracy", H5T_NATIVE_DOUBLE, 3, curve),
                   COMITY_OK);
  assert_true(curve[2] == 1 - 1.0 / 9);
  assert_int_equal(comity_h5_read(path, file, "curves/test_auc", H5T_NATIVE_DOUBLE, 3, curve), COMITY_OK);
  assert_true(isnan(curve[0]));
  assert_int_equal(comity_h5_read(path, file, "curves/train_loss", H5T_NATIVE_DOUBLE, 3, curve), COMITY_OK);
  assert_true(isinf(curve[0]));
  float train[3][RANKS];
  assert_int_equal(comity_h5_read(path, file, "ranks/train", H5T_NATIVE_FLOAT, (size_t)3 * RANKS, train),
                   COMITY_OK);
  assert_true(train[0][1] == 0.5F && train[2][2] == 1);
  int64_t client[2], round[2];
  assert_int_equal(comity_h5_read(path, file, "absent/client", H5T_NATIVE_INT64, 2, client), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "absent/round", H5T_NATIVE_INT64, 2, round), COMITY_OK);
  assert_true(client[0] == 7 && client[1] == 9 && round[1] == 2);
  assert_int_equal(comity_h5_read_string(path, file, "job", &job), COMITY_OK);
  assert_string_equal(job, "server:\n  rounds: 3\n");
  comity_free(job);
  H5Fclose(file);
  comity_free(path);
}

static void a_new_run_replaces_the_records(void **state) {
  (void)state;
  record_rounds(0, 1, 3);
  record_rounds(0, 1, 1);
  char *jsonl = read_text("metrics.jsonl"), *csv = read_text("metrics.csv");
  assert_int_equal(lines_of(jsonl), 1);
  assert_int_equal(lines_of(csv), 2);
  comity_free(jsonl);
  comity_free(csv);
}

static void a_resumed_run_leaves_the_records_of_one_that_never_stopped(void **state) {
  (void)state;
  record_rounds(0, 1, 6);
  char *jsonl = read_text("metrics.jsonl"), *csv = read_text("metrics.csv"), *path;
  record_rounds(0, 1, 5);
  record_rounds(3, 4, 6); /* rounds 4 and 5 were after the checkpoint */
  char *jsonl_again = read_text("metrics.jsonl"), *csv_again = read_text("metrics.csv");
  assert_string_equal(jsonl, jsonl_again);
  double round[6];
  float total[6][RANKS];
  int64_t absent[2];
  hid_t file = open_results(&path);
  assert_int_equal(comity_h5_read(path, file, "curves/round", H5T_NATIVE_DOUBLE, 6, round), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "ranks/total", H5T_NATIVE_FLOAT, (size_t)6 * RANKS, total),
                   COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "absent/rank", H5T_NATIVE_INT64, 2, absent), COMITY_OK);
  for (int i = 0; i < 6; i++)
    assert_true(round[i] == i + 1 && total[i][1] == 2);
  H5Fclose(file);
  comity_free(path);
  assert_int_equal(lines_of(csv), lines_of(csv_again));
  comity_free(jsonl);
  comity_free(csv);
  comity_free(jsonl_again);
  comity_free(csv_again);
}

static void the_clients_scores_outlive_a_resume_on_other_ranks_but_not_their_round(void **state) {
  (void)state;
  const comity_client_score score[] = {
      {.client = 3, .examples = 7, .accuracy = 0.5, .loss = 2, .auc = NAN},
      {.client = 8, .examples = 9, .accuracy = 0.25, .loss = 1, .auc = 0.75}};
  comity_recorder *recorder;
  assert_int_equal(comity_recorder_new(folder, RANKS, 0, "", &recorder), COMITY_OK);
  for (uint64_t round = 1; round <= 3; round++) {
    comity_record record = {.round = round, .score = score, .score_count = round == 2 ? 2 : 0};
    assert_int_equal(comity_recorder_add(recorder, &record), COMITY_OK);
  }
  comity_recorder_destroy(&recorder);
  assert_int_equal(comity_recorder_new(folder, RANKS + 1, 3, "", &recorder), COMITY_OK);
  comity_recorder_destroy(&recorder);
  char *path;
  double round[2], client[2], auc[2];
  hid_t file = open_results(&path);
  assert_int_equal(comity_h5_read(path, file, "clients/round", H5T_NATIVE_DOUBLE, 2, round), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "clients/client", H5T_NATIVE_DOUBLE, 2, client), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "clients/auc", H5T_NATIVE_DOUBLE, 2, auc), COMITY_OK);
  assert_true(round[0] == 2 && client[0] == 3 && client[1] == 8 && isnan(auc[0]) && auc[1] == 0.75);
  H5Fclose(file);
  comity_free(path);
  assert_int_equal(comity_recorder_new(folder, RANKS, 1, "", &recorder), COMITY_OK);
  comity_recorder_destroy(&recorder);
  file = open_results(&path);
  assert_int_equal(comity_h5_read(path, file, "clients/round", H5T_NATIVE_DOUBLE, 0, round), COMITY_OK);
  H5Fclose(file);
  comity_free(path);
}

static void a_torn_last_line_is_passed_over(void **state) {
  (void)state;
  record_rounds(0, 1, 3);
  char *whole = read_text("metrics.jsonl");
  static const char *const tail[] = {"{\"round\":4,\"test_acc", "{\"round\":4,\"test_acc\n", "\n"};
  for (size_t i = 0; i < 3; i++) {
    write_at("metrics.jsonl", "w", whole);
    write_at("metrics.jsonl", "a", tail[i]);
    record_rounds(3, 4, 3);
    char *text = read_text("metrics.jsonl");
    assert_string_equal(text, whole);
    comity_free(text);
  }
  comity_free(whole);
}

static void a_damaged_line_in_between_is_refused_by_number(void **state) {
  (void)state;
  record_rounds(0, 1, 1);
  write_at("metrics.jsonl", "a", "oops\n{\"round\":3}\n");
  comity_recorder *recorder = NULL;
  assert_int_equal(comity_recorder_new(folder, RANKS, 3, "", &recorder), COMITY_ERR_DATA);
  assert_null(recorder);
  assert_non_null(strstr(comity_error_message(), "metrics.jsonl:2: "));
}

static void a_missing_record_does_not_keep_a_run_from_resuming(void **state) {
  (void)state;
  record_rounds(3, 4, 4);
  char *text = read_text("metrics.jsonl");
  assert_int_equal(lines_of(text), 1);
  comity_free(text);
}

static void rounds_must_ascend_and_ranks_match(void **state) {
  (void)state;
  comity_recorder *recorder;
  assert_int_equal(comity_recorder_new(folder, RANKS, 0, "", &recorder), COMITY_OK);
  add_round(recorder, 2);
  comity_ledger ledger[2] = {0};
  comity_record record = {.round = 2};
  assert_int_equal(comity_recorder_add(recorder, &record), COMITY_ERR_ARG);
  record = (comity_record){.round = 3, .ranks = 2, .rank_ledger = ledger};
  assert_int_equal(comity_recorder_add(recorder, &record), COMITY_ERR_ARG);
  comity_recorder_destroy(&recorder);
}

static void summary_tells_where_time_went(void **state) {
  (void)state;
  comity_recorder *recorder;
  char *text = NULL;
  size_t length;
  FILE *stream = open_memstream(&text, &length);
  assert_int_equal(comity_recorder_new(folder, RANKS, 0, "", &recorder), COMITY_OK);
  comity_recorder_summary(recorder, stream);
  fflush(stream);
  assert_string_equal(text, "no round was recorded\n");
  for (uint64_t round = 1; round <= 4; round++)
    add_round(recorder, round);
  comity_recorder_summary(recorder, stream);
  fclose(stream);
  assert_non_null(strstr(text, "4 rounds in 8.00 s, 4.00 MB communicated\n"));
  assert_non_null(strstr(text, "8 of 40 updates did not count"));
  assert_non_null(strstr(text, "test accuracy: 0.916667 at the end, best 0.916667 in round 4\n"));
  assert_non_null(strstr(text, "communicate        2.00 (25.0%)"));
  assert_non_null(strstr(text, "train              0.00 ( 0.0%)       3.00 (37.5%)       4.00\n"));
  assert_non_null(strstr(text, "besides training and evaluation (of the slowest rank): 4.00 s (50.0%)\n"));
  assert_non_null(strstr(text, "peak memory: 1.0 MiB on the server, 2.5 MiB on a participant in the mean, "
                               "3.0 MiB at most\n"));
  free(text);
  comity_recorder_destroy(&recorder);
}

static void the_slowest_for_each_is_left_out_of_the_overhead(void **state) {
  (void)state;
  comity_ledger ledger[3] = {{.total = 10}, {.total = 10}, {.total = 10}};
  ledger[0].seconds[COMITY_PHASE_EVALUATE] = 2;
  ledger[1].seconds[COMITY_PHASE_EVALUATE] = 1;
  ledger[1].seconds[COMITY_PHASE_TRAIN] = 5;
  ledger[2].seconds[COMITY_PHASE_TRAIN] = 4;
  ledger[2].seconds[COMITY_PHASE_WAIT] = 1; /* for the first, which is in its training already */
  assert_true(comity_ledger_overhead(ledger, 3) == 3);
  assert_true(comity_ledger_overhead(ledger, 1) == 8);
}

static void a_run_folder_can_be_looked_at(void **state) {
  (void)state;
  record_rounds(0, 1, 13);
  char *text = NULL;
  size_t length;
  FILE *stream = open_memstream(&text, &length);
  assert_int_equal(comity_metrics_print(folder, stream), COMITY_OK);
  fclose(stream);
  assert_non_null(strstr(text, "(3 rounds before)"));
  assert_null(strstr(text, "\n       3  "));
  assert_non_null(strstr(text, "\n       4  "));
  assert_non_null(strstr(text, "best 0.974359 in round 13\n"));
  free(text);
  assert_int_equal(comity_metrics_print("/nowhere/at/all", stdout), COMITY_ERR_NOT_FOUND);
}

/* A disk that fills up while records are added: an error that names the file, whole lines only, and the last
 * good results.h5. */
static void a_full_disk_leaves_whole_lines_and_the_old_results(void **state) {
  (void)state;
  if (mount("none", folder, "tmpfs", 0, "size=128k") != 0) {
    print_message("no small file system can be mounted here: skipped\n");
    skip();
  }
  comity_recorder *recorder;
  assert_int_equal(comity_recorder_new(folder, 1, 0, "job", &recorder), COMITY_OK);
  comity_status status = COMITY_OK;
  uint64_t round = 1;
  for (; status == COMITY_OK && round < 10000; round++) {
    comity_record record = {.round = round, .test_accuracy = 1.0 / 3};
    status = comity_recorder_add(recorder, &record);
    if (status == COMITY_OK && round % 50 == 0)
      status = comity_recorder_flush(recorder);
  }
  assert_int_equal(status, COMITY_ERR_FULL);
  assert_non_null(strstr(comity_error_message(), folder));
  comity_recorder_destroy(&recorder);
  char *path, *jsonl = read_text("metrics.jsonl");
  assert_int_equal(jsonl[strlen(jsonl) - 1], '\n');
  comity_free(jsonl);
  hid_t file = open_results(&path), set = H5Dopen2(file, "curves/round", H5P_DEFAULT),
        space = H5Dget_space(set);
  assert_true(H5Sget_simple_extent_npoints(space) % 50 == 0);
  assert_int_equal(comity_h5_read(path, file, "curves/round", H5T_NATIVE_DOUBLE,
                                  (size_t)H5Sget_simple_extent_npoints(space), (double[10000]){0}),
                   COMITY_OK);
  H5Sclose(space);
  H5Dclose(set);
  H5Fclose(file);
  comity_free(path);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(json_lines_read_back_to_the_last_bit),
      IN_FOLDER(numbers_are_short),
      IN_FOLDER(csv_has_a_header_and_as_many_columns_in_each_line),
      IN_FOLDER(results_hold_the_curves_the_ledgers_and_the_absent),
      IN_FOLDER(a_new_run_replaces_the_records),
      IN_FOLDER(a_resumed_run_leaves_the_records_of_one_that_never_stopped),
      IN_FOLDER(the_clients_scores_outlive_a_resume_on_other_ranks_but_not_their_round),
      IN_FOLDER(a_torn_last_line_is_passed_over),
      IN_FOLDER(a_damaged_line_in_between_is_refused_by_number),
      IN_FOLDER(a_missing_record_does_not_keep_a_run_from_resuming),
      IN_FOLDER(rounds_must_ascend_and_ranks_match),
      IN_FOLDER(summary_tells_where_time_went),
      cmocka_unit_test(the_slowest_for_each_is_left_out_of_the_overhead),
      IN_FOLDER(a_run_folder_can_be_looked_at),
      IN_FOLDER(a_full_disk_leaves_whole_lines_and_the_old_results),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
