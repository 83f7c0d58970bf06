/* LEAF's JSON: users in any order, test files, and what is refused. */
#include "import_support.h"

#include <math.h>

static const char small[] =
    "{\"hierarchies\": [[], {\"a\": null}], \"users\": [\"u\", \"v\"], \"num_samples\": [2, 1],\n"
    " \"user_data\": {\"v\": {\"y\": [1], \"x\": [[1.5, 2]]}, \"u\": {\"x\": [[1, -2e3], [3, 4]], \"y\": "
    "[0.0, 2]}}}";

static comity_status import_text(const place *p, const char *train, const char *test) {
  const char *path = text_file(p, "train.json", train);
  return comity_import_leaf(&path, 1, test == NULL ? NULL : text_file(p, "test.json", test), p->path);
}

static void users_become_clients_in_order_of_their_data(void **state) {
  place *p = *state;
  assert_ok(import_text(p, small, NULL));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->clients, 2);
  assert_int_equal(comity_dataset_describe(d)->classes, 3);
  assert_string_equal(comity_dataset_client_name(d, 0), "v");
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, 1, (const float[]){1.5, 2}, (const float[]){1});
  assert_examples(d, COMITY_SPLIT_TRAIN, 1, 2, (const float[]){1, -2000, 3, 4}, (const float[]){0, 2});
  comity_dataset_destroy(&d);
}

static void test_rows_find_their_users(void **state) {
  place *p = *state;
  assert_ok(import_text(
      p, small,
      "{\"num_samples\": [1], \"user_data\": {\"u\": {\"x\": [[7, 8]], \"y\": [4]}}, \"users\": [\"u\"]}"));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->classes, 5);
  assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TEST, 0), 0);
  assert_examples(d, COMITY_SPLIT_TEST, 1, 1, (const float[]){7, 8}, (const float[]){4});
  comity_dataset_destroy(&d);
}

static void nested_rows_are_flattened_and_other_labels_are_targets(void **state) {
  place *p = *state;
  assert_ok(import_text(p,
                        "{\"users\": [\"u\"], \"num_samples\": [2], \"user_data\": {\"u\": {\"raw\": \"t\", "
                        "\"x\": [[[1], [2]], [[3], [4]]], \"y\": [-1, 0.5]}}}",
                        NULL));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->classes, 0);
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, 2, (const float[]){1, 2, 3, 4}, (const float[]){-1, 0.5});
  comity_dataset_destroy(&d);
}

static void train_files_are_joined_and_users_are_in_one_only(void **state) {
  place *p = *state;
  const char *paths[] = {
      text_file(p, "a.json", small),
      text_file(p, "b.json",
                "{\"users\":[\"w\"],\"num_samples\":[1],\"user_data\":{\"w\":{\"x\":[[5,6]],\"y\":[0]}}}")};
  assert_ok(comity_import_leaf(paths, 2, NULL, p->path));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->clients, 3);
  assert_examples(d, COMITY_SPLIT_TRAIN, 2, 1, (const float[]){5, 6}, (const float[]){0});
  comity_dataset_destroy(&d);
  paths[1] = paths[0];
  assert_int_equal(comity_import_leaf(paths, 2, NULL, p->path), COMITY_ERR_DATA);
  assert_says("user 'v' is in two train files");
}

static void damaged_documents_are_refused_with_user_and_place(void **state) {
  place *p = *state;
  static const struct {
    const char *users, *sizes, *data, *message;
  } cases[] = {
      {"\"u\"", "1", "\"u\": {\"x\": [\"text\"], \"y\": [0]}",
       "user 'u': unexpected text in x; text features"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1]], \"y\": [true]}", "user 'u': unexpected true in y"},
      {"\"u\"", "1", "\"u\": {\"x\": 3, \"y\": [0]}", "unexpected number in x"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1], [2]], \"y\": [0]}", "2 rows of x but 1 of y"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1, 2], [2]], \"y\": [0, 1]}", "the rows of x differ in length"},
      {"\"u\"", "1", "\"u\": {\"x\": [[]], \"y\": [0]}", "a row of x is empty"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1]]}", "user 'u' has no 'y'"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1]], \"x\": [[1]], \"y\": [0]}", "has two x"},
      {"\"u\"", "2", "\"u\": {\"x\": [[1]], \"y\": [0]}", "has 1 rows where num_samples says 2"},
      {"\"u\"", "1, 1", "\"u\": {\"x\": [[1]], \"y\": [0]}", "2 entries of num_samples for 1 users"},
      {"\"u\", \"v\"", "1, 1", "\"u\": {\"x\": [[1]], \"y\": [0]}", "lists 2 users but has the data of 1"},
      {"\"v\"", "1", "\"u\": {\"x\": [[1]], \"y\": [0]}", "user 'v' is listed but has no data"},
      {"\"u\", \"u\"", "1, 1", "\"u\": {\"x\": [[1]], \"y\": [0]}", "user 'u' is listed twice"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1e999]], \"y\": [0]}", "too large for a 32-bit float"},
      {"\"u\"", "1", "\"u\": {\"x\": [[1]], \"y\": [0]}, \"u\": {\"x\": [[1]], \"y\": [0]}",
       "has data twice"},
      {"\"u\"", "1", "\"u\": {\"x\": [[NaN]], \"y\": [0]}", "is no valid JSON"},
      {"\"u\"", "0", "\"u\": {\"x\": [], \"y\": []}", "there is no example"},
      {"\"u\"", "1", "\"u\": 7", "unexpected number"},
      {"7", "1", "\"u\": {\"x\": [[1]], \"y\": [0]}", "byte 12: unexpected number"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    snprintf(text, sizeof text, "{\"users\": [%s], \"num_samples\": [%s], \"user_data\": {%s}}",
             cases[i].users, cases[i].sizes, cases[i].data);
    assert_int_equal(import_text(p, text, NULL), COMITY_ERR_DATA);
    assert_says("train.json: ");
    assert_says(cases[i].message);
    assert_int_not_equal(access(p->path, F_OK), 0);
  }
}

static void every_cut_of_a_document_is_refused(void **state) {
  place *p = *state;
  for (size_t length = 0; length + 1 < sizeof small - 1; length++) {
    char text[sizeof small] = "";
    memcpy(text, small, length);
    assert_int_equal(import_text(p, text, NULL), COMITY_ERR_DATA);
  }
  assert_int_equal(
      import_text(p, small, "{\"users\": [\"x\"], \"num_samples\": [1], \"user_data\": {\"x\": {}}}"),
      COMITY_ERR_DATA);
  assert_says("test.json: user 'x' has test data but is in no train file");
}

/* Variance of feature j within clients is j^-1.2: the law that the generator follows, too. */
static void assert_published_spread(comity_dataset *d) {
  double within[60] = {0}, freedom = 0;
  for (size_t k = 0; k < 30; k++) {
    comity_examples e;
    assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, k, &e));
    for (size_t j = 0; j < 60; j++) {
      double sum = 0, square = 0;
      for (size_t i = 0; i < e.count; i++) {
        double x = ((const float *)e.x)[i * 60 + j];
        sum += x;
        square += x * x;
      }
      within[j] += square - sum * sum / (double)e.count;
    }
    freedom += (double)e.count - 1;
  }
  for (size_t j = 0; j < 60; j++)
    assert_float_equal(within[j] / freedom / pow((double)j + 1, -1.2), 1, 0.2);
}

/* The published test sets. */
static void published_synthetic_sets_have_their_counts_and_spread(void **state) {
  place *p = *state;
  static const struct {
    const char *name;
    size_t rows;
  } sets[] = {{"0_0", 897}, {"0.5_0.5", 912}, {"1_1", 1084}, {"iid", 805}};
  const char *folder = real_data(__func__);
  if (folder == NULL)
    skip();
  for (int i = 0; i < 4; i++) {
    char path[512];
    const char *const paths[] = {path};
    snprintf(path, sizeof path, "%s/fedprox-synthetic/synthetic_%s.mytest.json.gz", folder, sets[i].name);
    assert_ok(comity_import_leaf(paths, 1, NULL, p->path));
    comity_dataset *d = opened(p->path);
    const comity_dataset_info *info = comity_dataset_describe(d);
    assert_int_equal(info->clients, 30);
    assert_int_equal(info->examples[COMITY_SPLIT_TRAIN], sets[i].rows);
    assert_int_equal(info->width, 60);
    assert_int_equal(info->classes, 10);
    assert_published_spread(d);
    comity_dataset_destroy(&d);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {PLACED(users_become_clients_in_order_of_their_data),
                                     PLACED(test_rows_find_their_users),
                                     PLACED(nested_rows_are_flattened_and_other_labels_are_targets),
                                     PLACED(train_files_are_joined_and_users_are_in_one_only),
                                     PLACED(damaged_documents_are_refused_with_user_and_place),
                                     PLACED(every_cut_of_a_document_is_refused),
                                     PLACED(published_synthetic_sets_have_their_counts_and_spread)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
