/* Tables: what becomes of quotes, separators, levels, missing values, clients and splits. */
#include "import_support.h"

#define LIST(...)                                                                                            \
  .categorical = (const char *const[]){__VA_ARGS__},                                                         \
  .categorical_count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)
#define DROP(...)                                                                                            \
  .drop = (const char *const[]){__VA_ARGS__},                                                                \
  .drop_count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

static comity_status import_text(const place *p, const char *text, comity_import_csv_options options) {
  const char *path = text_file(p, "table.csv", text);
  options.paths = &path;
  options.path_count = 1;
  return comity_import_csv(&options, p->path);
}

static void assert_import(const place *p, const char *text, comity_import_csv_options options, size_t rows,
                          size_t width, const float *x, const float *y) {
  assert_ok(import_text(p, text, options));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->width, width);
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, rows, x, y);
  comity_dataset_destroy(&d);
}

#define ROWS(...)                                                                                            \
  (const float[]) { __VA_ARGS__ }
#define OPTIONS(...)                                                                                         \
  (comity_import_csv_options) { .header = -1, ##__VA_ARGS__ }

static void assert_refused_csv(const place *p, const char *text, comity_import_csv_options options,
                               comity_status expected, const char *message) {
  assert_int_equal(import_text(p, text, options), expected);
  assert_says(message);
  assert_int_not_equal(access(p->path, F_OK), 0);
}

static void numbers_become_features_and_the_last_column_the_label(void **state) {
  assert_import(*state, "a,b,y\n1,-2.5,0\n3,4e1,1\n", OPTIONS(), 2, 2, ROWS(1, -2.5, 3, 40), ROWS(0, 1));
  assert_import(*state, "1,-2.5,7\n3,4e1,9\n", OPTIONS(), 2, 2, ROWS(1, -2.5, 3, 40), ROWS(0, 1));
  assert_import(*state, "5,1\n6,2\n", OPTIONS(.label = "1", .regression = true), 2, 1, ROWS(1, 2),
                ROWS(5, 6));
  assert_import(*state, "1,0\n2,1\n", (comity_import_csv_options){.header = 0}, 2, 1, ROWS(1, 2), ROWS(0, 1));
}

static void separators_quotes_and_line_ends_are_understood(void **state) {
  const float *x = ROWS(1, 2, 3, 4), *y = ROWS(0, 1);
  assert_import(*state, "a;b;y\r\n1;2;0\r\n\r\n3;4;1", OPTIONS(), 2, 2, x, y);
  assert_import(*state, "1\t2\t0\n3\t4\t1\n", OPTIONS(), 2, 2, x, y);
  assert_import(*state, "  1  2 0 \n3 4 1\n", OPTIONS(), 2, 2, x, y);
  assert_import(*state, "1|2|0\r3|4|1\r", OPTIONS(), 2, 2, x, y);
  assert_import(*state, "   1  2 \t0  \n\n 3 4 1", OPTIONS(.separator = ' '), 2, 2, x, y);
  assert_import(*state, "\xEF\xBB\xBF\"a,1\",\"b \"\"q\"\"\",y\n\"1\" , 2 ,0\n3,\"4\",1\n", OPTIONS(), 2, 2,
                x, y);
  assert_ok(import_text(*state, "\"a,1\",\"line\nend\",y\n1,\"p, \"\"q\"\"\",0\n3,\"r\ns\",1\n", OPTIONS()));
  comity_dataset *d = opened(((place *)*state)->path);
  assert_string_equal(comity_dataset_feature_name(d, 0), "a,1");
  assert_string_equal(comity_dataset_feature_name(d, 1), "line\nend=p, \"q\"");
  assert_string_equal(comity_dataset_feature_name(d, 2), "line\nend=r\ns");
  comity_dataset_destroy(&d);
}

static void levels_are_sorted_and_numbers_compare_as_numbers(void **state) {
  place *p = *state;
  assert_ok(import_text(p, "cp,s,y\n10.0,b,no\n2,a,yes\n10,c,no\n", OPTIONS(LIST("cp"))));
  comity_dataset *d = opened(p->path);
  static const char *const names[] = {"cp=2", "cp=10", "s=a", "s=b", "s=c"};
  for (size_t i = 0; i < 5; i++)
    assert_string_equal(comity_dataset_feature_name(d, i), names[i]);
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, 3, ROWS(0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1),
                  ROWS(0, 1, 0));
  comity_dataset_destroy(&d);
  assert_import(p, "cp,s,y\n10.0,b,no\n2,a,yes\n10,c,no\n", OPTIONS(LIST("cp"), .drop_first = true), 3, 3,
                ROWS(1, 1, 0, 0, 0, 0, 1, 0, 1), ROWS(0, 1, 0));
}

static void given_levels_do_not_depend_on_the_rows(void **state) {
  place *p = *state;
  assert_import(p, "cp,x,y\n3.0,5,1\n", OPTIONS(LIST("cp=1,2,3,4", "y=0,1,2"), .drop_first = true), 1, 4,
                ROWS(0, 1, 0, 5), ROWS(1));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->classes, 3);
  assert_string_equal(comity_dataset_feature_name(d, 0), "cp=2");
  comity_dataset_destroy(&d);
  unlink(p->path);
  assert_refused_csv(p, "cp,x,y\n3,5,1\n5,1,0\n", OPTIONS(LIST("cp=1,2,3,4")), COMITY_ERR_DATA,
                     "table.csv:3: column 'cp': '5' is none of its levels 1, 2, 3, 4");
}

static void missing_values_drop_the_row_take_the_mean_or_fail(void **state) {
  place *p = *state;
  const char *text = "a,b,c,y\n1,?,u,0\n,2,v,1\n3,4,,1\n5,6,u,0\n";
  assert_refused_csv(p, text, OPTIONS(), COMITY_ERR_DATA, "table.csv:2: column 'b': the value is missing");
  assert_import(p, text, OPTIONS(.on_missing = "drop"), 1, 3, ROWS(5, 6, 1), ROWS(0));
  assert_import(p, text, OPTIONS(.on_missing = "drop", DROP("c", "2")), 3, 1, ROWS(1, 3, 5), ROWS(0, 1, 0));
  assert_import(p, text, OPTIONS(.on_missing = "mean"), 4, 4,
                ROWS(1, 4, 1, 0, 3, 2, 0, 1, 3, 4, 2 / 3.0f, 1 / 3.0f, 5, 6, 1, 0), ROWS(0, 1, 1, 0));
  assert_import(p, "a,y\nNA,0\n2,1\n", OPTIONS(.on_missing = "drop", .missing = "NA"), 1, 1, ROWS(2),
                ROWS(0));
  unlink(p->path);
  assert_refused_csv(p, "a,y\n1,\n", OPTIONS(.on_missing = "mean"), COMITY_ERR_DATA, "no mean of labels");
  assert_refused_csv(p, "a,y\n?,1\n2,?\n", OPTIONS(.on_missing = "drop"), COMITY_ERR_DATA, "no row is left");
  assert_refused_csv(p, "a,y\n1,1\n", OPTIONS(.on_missing = "guess"), COMITY_ERR_USAGE, "guess");
}

static void means_come_from_train_rows_alone(void **state) {
  place *p = *state;
  const char *text = "a,split,y\n1,train,0\n,train,1\n3,train,1\n100,test,0\n";
  assert_import(p, text, OPTIONS(.on_missing = "mean", .split = "split"), 3, 1, ROWS(1, 2, 3), ROWS(0, 1, 1));
  comity_dataset *d = opened(p->path);
  assert_examples(d, COMITY_SPLIT_TEST, 0, 1, ROWS(100), ROWS(0));
  comity_dataset_destroy(&d);
}

static void a_positive_label_is_one_and_all_others_zero(void **state) {
  place *p = *state;
  assert_import(p, "1,0\n2,3\n3,1\n", OPTIONS(.positive = ">0"), 3, 1, ROWS(1, 2, 3), ROWS(0, 1, 1));
  assert_import(p, "1, <=50K\n2, >50K.\n3, >50K\n", OPTIONS(.positive = ">50K|>50K."), 3, 1, ROWS(1, 2, 3),
                ROWS(0, 1, 1));
  unlink(p->path);
  assert_refused_csv(p, "1,a\n2,b\n", OPTIONS(.positive = "c"), COMITY_ERR_DATA, "labels are 'a', 'b'");
  assert_refused_csv(p, "1,a\n2,b\n", OPTIONS(.positive = ">0"), COMITY_ERR_DATA, "'a' is no number");
}

static void rows_are_grouped_by_the_client_column(void **state) {
  place *p = *state;
  assert_ok(import_text(p, "a,site,y\n1,10,0\n2,9,1\n3,10,1\n4,9,0\n5,10,0\n", OPTIONS(.client = "site")));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->clients, 2);
  assert_string_equal(comity_dataset_client_name(d, 0), "9");
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, 2, ROWS(2, 4), ROWS(1, 0));
  assert_examples(d, COMITY_SPLIT_TRAIN, 1, 3, ROWS(1, 3, 5), ROWS(0, 1, 0));
  comity_dataset_destroy(&d);
}

static void files_become_clients_that_share_levels(void **state) {
  place *p = *state;
  const char *paths[] = {text_file(p, "east.v1.csv", "c,y\nu,0\n"),
                         gzip_file(p, "west.csv.gz", "c,y\nv,1\nu,1\n", 12)};
  const char *test = text_file(p, "t.csv", "c,y\nw,2\n");
  comity_import_csv_options options =
      OPTIONS(.paths = paths, .path_count = 2, .test_paths = &test, .test_count = 1, LIST("y=0,1,2"));
  assert_ok(comity_import_csv(&options, p->path));
  comity_dataset *d = opened(p->path);
  const comity_dataset_info *info = comity_dataset_describe(d);
  assert_int_equal(info->clients, 2);
  assert_int_equal(info->width, 3);
  assert_int_equal(info->classes, 3);
  assert_string_equal(comity_dataset_client_name(d, 0), "east.v1");
  assert_string_equal(comity_dataset_client_name(d, 1), "west");
  assert_examples(d, COMITY_SPLIT_TRAIN, 1, 2, ROWS(0, 1, 0, 1, 0, 0), ROWS(1, 1));
  assert_int_equal(info->examples[COMITY_SPLIT_TEST], 1);
  comity_dataset_destroy(&d);
  unlink(p->path);
  paths[1] = text_file(p, "other.csv", "d,y\nv,1\n");
  assert_int_equal(comity_import_csv(&options, p->path), COMITY_ERR_DATA);
  assert_says("other.csv:1: column 1 is called 'd', but 'c'");
}

/* A class that only test rows have is more often a spelling of another one, as in Adult's two files. */
static void a_class_of_test_rows_alone_is_asked_about(void **state) {
  place *p = *state;
  const char *path = text_file(p, "train.csv", "x,y\n1,no\n2,yes\n"),
             *test = text_file(p, "test.csv", "x,y\n3,no.\n4,yes.\n");
  comity_import_csv_options options =
      OPTIONS(.paths = &path, .path_count = 1, .test_paths = &test, .test_count = 1);
  assert_int_equal(comity_import_csv(&options, p->path), COMITY_ERR_DATA);
  assert_says("test.csv:2: column 'y': no train row has the class 'no.'");
  options.positive = "yes|yes.";
  assert_ok(comity_import_csv(&options, p->path));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->classes, 2);
  comity_dataset_destroy(&d);
  options.path_count = 0; /* test files alone are to be joined with train data from elsewhere */
  options.positive = NULL;
  assert_ok(comity_import_csv(&options, p->path));
}

static void listed_rows_are_held_out(void **state) {
  place *p = *state;
  const char *text = "a,y\n1,0\n\n?,1\n3,1\n4,0\n";
  comity_import_csv_options options =
      OPTIONS(.on_missing = "drop", .test_rows = text_file(p, "rows", "4\n2 1\n"));
  assert_import(p, text, options, 1, 1, ROWS(3), ROWS(1));
  comity_dataset *d = opened(p->path);
  assert_examples(d, COMITY_SPLIT_TEST, 0, 2, ROWS(1, 4), ROWS(0, 0));
  comity_dataset_destroy(&d);
  unlink(p->path);
  options.test_rows = text_file(p, "rows", "5");
  assert_refused_csv(p, text, options, COMITY_ERR_DATA, "row 5 is beyond the last row");
  options.test_rows = text_file(p, "rows", "0");
  assert_refused_csv(p, text, options, COMITY_ERR_DATA, "rows:1: '0' is no row number");
}

static void damaged_tables_are_refused_by_file_line_and_column(void **state) {
  place *p = *state;
  const comity_status data = COMITY_ERR_DATA, user = COMITY_ERR_USAGE;
  assert_refused_csv(p, "", OPTIONS(), data, "is empty");
  assert_refused_csv(p, "a,y\n", OPTIONS(), data, "has no rows");
  assert_refused_csv(p, "a,y\n1,0\n1,0,1\n", OPTIONS(), data,
                     "table.csv:3: has 3 fields where the first line has 2");
  assert_refused_csv(p, "a,y\n1,0\n\"2,1\n", OPTIONS(), data,
                     "table.csv:3: a quote is opened and never closed");
  assert_refused_csv(p, "a,y\n\"1\"2,0\n", OPTIONS(), data,
                     "table.csv:2: there is text behind a closing quote");
  assert_refused_csv(p, "a,a\n1,0\n", OPTIONS(), data, "columns 1 and 2 are both called 'a'");
  assert_refused_csv(p, "a,y\n1,0\nx1,1\n", OPTIONS(), data,
                     "table.csv:3: 'x1': column 'a' has both numbers and text");
  assert_refused_csv(p, "a,y\n1e99,0\n", OPTIONS(), data, "table.csv:2: column 'a': 1e99 is too large");
  assert_refused_csv(p, "a,b,y\n?,1,0\n", OPTIONS(), data, "column 'a' has no value");
  assert_refused_csv(p, "a,y\n1,z\n", OPTIONS(.regression = true), data, "table.csv:2: 'z'");
  assert_refused_csv(p, "y\n1\n", OPTIONS(), data, "no feature is left");
  assert_refused_csv(p, "a,y\n1,0\n", OPTIONS(.label = "z"), user,
                     "there is no column 'z'; columns are a, y");
  assert_refused_csv(p, "a,y\n1,0\n", OPTIONS(DROP("y")), user, "cannot be two");
  assert_refused_csv(p, "a,y\n1,0\n", OPTIONS(.split = "a", .test_rows = "r"), user, "exclude each other");
}

/* Only `name` under the folder of real data. */
static void real_counts(const place *p, const char *name, comity_import_csv_options options, size_t rows,
                        size_t positives) {
  const char *folder = getenv("COMITY_TEST_DATA"), *path;
  char full[512];
  snprintf(full, sizeof full, "%s/%s", folder, name);
  path = full;
  options.paths = &path;
  options.path_count = 1;
  assert_ok(comity_import_csv(&options, p->path));
  comity_dataset *d = opened(p->path);
  comity_examples examples;
  size_t found = 0;
  assert_int_equal(comity_dataset_describe(d)->examples[COMITY_SPLIT_TRAIN], rows);
  assert_ok(comity_dataset_rows(d, COMITY_SPLIT_TRAIN, 0, rows, &examples));
  for (size_t i = 0; i < rows; i++)
    found += examples.y[i] > 0;
  assert_int_equal(found, positives);
  comity_dataset_destroy(&d);
}

static void real_tables_have_their_published_counts(void **state) {
  place *p = *state;
  if (real_data(__func__) == NULL)
    skip();
  real_counts(p, "adult/adult-train.csv.gz", OPTIONS(.positive = ">50K", .missing = ""), 32561, 7841);
  real_counts(p, "adult/adult-test.csv.gz", OPTIONS(.positive = ">50K.", .missing = ""), 16281, 3846);
  real_counts(p, "adult/adult-train.csv.gz", OPTIONS(.positive = ">50K", .on_missing = "drop"), 30162, 7508);
  real_counts(p, "wdbc/wdbc.data", OPTIONS(.label = "2", DROP("1")), 569, 212);
  real_counts(p, "german-credit/german.data-numeric", OPTIONS(), 1000, 300);
  real_counts(p, "german-credit/german.data", OPTIONS(), 1000, 700);
  real_counts(p, "credit-default/UCI_Credit_Card.csv.gz", OPTIONS(DROP("ID")), 30000, 6636);
  const comity_import_csv_options heart =
      OPTIONS(.positive = ">0", .on_missing = "drop", DROP("11", "12", "13"), LIST("3=1,2,3,4", "7=0,1,2"),
              .drop_first = true);
  real_counts(p, "heart-disease/processed.cleveland.data", heart, 303, 139);
  real_counts(p, "heart-disease/processed.hungarian.data", heart, 261, 98);
  real_counts(p, "heart-disease/processed.switzerland.data", heart, 46, 45);
  real_counts(p, "heart-disease/processed.va.data", heart, 130, 101);
}

int main(void) {
  const struct CMUnitTest tests[] = {PLACED(numbers_become_features_and_the_last_column_the_label),
                                     PLACED(separators_quotes_and_line_ends_are_understood),
                                     PLACED(levels_are_sorted_and_numbers_compare_as_numbers),
                                     PLACED(given_levels_do_not_depend_on_the_rows),
                                     PLACED(missing_values_drop_the_row_take_the_mean_or_fail),
                                     PLACED(means_come_from_train_rows_alone),
                                     PLACED(a_positive_label_is_one_and_all_others_zero),
                                     PLACED(rows_are_grouped_by_the_client_column),
                                     PLACED(files_become_clients_that_share_levels),
                                     PLACED(a_class_of_test_rows_alone_is_asked_about),
                                     PLACED(listed_rows_are_held_out),
                                     PLACED(damaged_tables_are_refused_by_file_line_and_column),
                                     PLACED(real_tables_have_their_published_counts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
