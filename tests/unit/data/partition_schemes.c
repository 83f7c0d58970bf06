/* Dealing whole datasets, and what each scheme makes of the labels. */
#include "import_support.h"

#include "data/partition_impl.h"

enum { ROWS_IN = 600, CLASSES_IN = 6, TEST_IN = 30, GROUPS = 3 };

/* Row i: features (i, i % 3), label i % 6; test rows count down from -1. */
static const char *source(const place *p, bool test) {
  const char *path = in_folder(p, "in.h5");
  comity_dataset_writer *w = NULL;
  const comity_dataset_writer_options form = {.type = COMITY_F32,
                                              .shape_rank = 1,
                                              .shape = {2},
                                              .scale = 1,
                                              .targets = 1,
                                              .classes = CLASSES_IN,
                                              .feature_names = (const char *const[]){"row", "site"},
                                              .origin = "counted"};
  assert_ok(comity_dataset_writer_new(path, &form, &w));
  for (int i = 0; test && i < TEST_IN; i++)
    assert_ok(comity_dataset_writer_add(w, COMITY_SPLIT_TEST, 1, (const float[]){(float)(-1 - i), 0},
                                        &(float){(float)(i % CLASSES_IN)}));
  assert_ok(comity_dataset_writer_client(w, "all"));
  for (int i = 0; i < ROWS_IN; i++)
    assert_ok(comity_dataset_writer_add(w, COMITY_SPLIT_TRAIN, 1,
                                        (const float[]){(float)i, (float)(i % GROUPS)},
                                        &(float){(float)(i % CLASSES_IN)}));
  assert_ok(comity_dataset_writer_commit(w));
  comity_dataset_writer_destroy(&w);
  return path;
}

static comity_dataset *dealt(const place *p, bool test, comity_partition_options options) {
  assert_ok(comity_partition(source(p, test), &options, p->path));
  return opened(p->path);
}

/* Each source row is there once, with its own label, in some split; returns the rows seen. */
static size_t check_rows(comity_dataset *d) {
  const comity_dataset_info *info = comity_dataset_describe(d);
  bool seen[ROWS_IN + TEST_IN] = {false};
  size_t total = 0;
  for (size_t k = 0; k < info->clients; k++)
    for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
      comity_examples e;
      if (comity_dataset_count(d, (comity_split)s, k) == 0)
        continue;
      assert_ok(comity_dataset_load(d, (comity_split)s, k, &e));
      for (size_t i = 0; i < e.count; i++, total++) {
        int row = (int)((const float *)e.x)[2 * i], at = row < 0 ? ROWS_IN - 1 - row : row;
        assert_false(seen[at]);
        seen[at] = true;
        assert_int_equal((int)e.y[i], (row < 0 ? -1 - row : row) % CLASSES_IN);
      }
    }
  return total;
}

static size_t classes_of(comity_dataset *d, size_t client) {
  comity_examples e;
  size_t counts[CLASSES_IN] = {0}, present = 0;
  assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, client, &e));
  for (size_t i = 0; i < e.count; i++)
    present += counts[(int)e.y[i]]++ == 0;
  return present;
}

static void shards_give_equal_sizes_and_few_classes(void **state) {
  comity_dataset *d = dealt(
      *state, true, (comity_partition_options){.scheme = "shards", .clients = 30, .shards_per_client = 2});
  for (size_t k = 0; k < 30; k++) {
    assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TRAIN, k), ROWS_IN / 30);
    assert_in_range(classes_of(d, k), 1, 2);
  }
  assert_int_equal(check_rows(d), ROWS_IN);
  assert_int_equal(comity_dataset_describe(d)->examples[COMITY_SPLIT_TEST], TEST_IN);
  assert_string_equal(comity_dataset_feature_name(d, 1), "site");
  comity_dataset_destroy(&d);
}

static void small_alpha_separates_classes_and_large_alpha_mixes_them(void **state) {
  static const double alphas[] = {1e-5, 1e5};
  for (int a = 0; a < 2; a++) {
    comity_dataset *d = dealt(
        *state, false, (comity_partition_options){.scheme = "dirichlet", .clients = 6, .alpha = alphas[a]});
    size_t present = 0;
    for (size_t k = 0; k < 6; k++) {
      assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TRAIN, k), ROWS_IN / 6);
      present += classes_of(d, k);
    }
    if (a == 0)
      assert_in_range(present, 6, 11);
    else
      assert_in_range(present, 32, 36); /* the last clients take what is left */
    assert_int_equal(check_rows(d), ROWS_IN);
    comity_dataset_destroy(&d);
  }
}

/* The published balancing: who has a fair number gets none of the classes that follow, so a client ends with at
 * most that number and one class. */
static void label_dirichlet_shares_each_class_and_keeps_sizes_in_bounds(void **state) {
  static const double alphas[] = {0.1, 1e6};
  for (int a = 0; a < 2; a++) {
    comity_dataset *d = dealt(
        *state, false,
        (comity_partition_options){.scheme = "label_dirichlet", .clients = 8, .seed = 5, .alpha = alphas[a]});
    size_t present = 0;
    for (size_t k = 0; k < 8; k++) {
      size_t count = comity_dataset_count(d, COMITY_SPLIT_TRAIN, k);
      assert_in_range(count, 10, ROWS_IN / 8 + ROWS_IN / CLASSES_IN);
      present += classes_of(d, k);
    }
    if (a == 0)
      assert_in_range(present, 8, 30);
    else
      assert_in_range(present, 40, 48);
    assert_int_equal(check_rows(d), ROWS_IN);
    comity_dataset_destroy(&d);
  }
}

/* After the only class with examples everybody has exactly the fair number, and nobody has room. */
static void label_dirichlet_bears_classes_without_examples(void **state) {
  (void)state;
  const comity_partitioner *scheme = NULL;
  uint32_t labels[64] = {0}, owner[64];
  const comity_partition_options options = {
      .scheme = "label_dirichlet", .clients = 2, .alpha = 1e12, .minimum = 32};
  assert_ok(comity_partitioner_find("label_dirichlet", &scheme));
  assert_ok(scheme->deal(&options, labels, 3, 64, owner));
  size_t sizes[2] = {0};
  for (size_t i = 0; i < 64; i++)
    sizes[owner[i]]++;
  assert_int_equal(sizes[0], 32);
  assert_int_equal(sizes[1], 32);
}

static void classes_gives_each_client_that_many_and_its_own_first(void **state) {
  for (size_t each = 1; each <= CLASSES_IN; each++) {
    comity_dataset *d = dealt(
        *state, false,
        (comity_partition_options){.scheme = "classes", .clients = 9, .seed = 4, .classes_per_client = each});
    for (size_t k = 0; k < 9; k++) {
      comity_examples e;
      bool own = false;
      assert_int_equal(classes_of(d, k), each);
      assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, k, &e));
      for (size_t i = 0; i < e.count; i++)
        own |= (size_t)e.y[i] == k % CLASSES_IN;
      assert_true(own);
    }
    assert_int_equal(check_rows(d), ROWS_IN);
    comity_dataset_destroy(&d);
  }
  /* Fewer clients than classes: what nobody has is left out. */
  comity_dataset *d = dealt(
      *state, false, (comity_partition_options){.scheme = "classes", .clients = 2, .classes_per_client = 1});
  assert_int_equal(check_rows(d), 2 * ROWS_IN / CLASSES_IN);
  comity_dataset_destroy(&d);
}

static void quantity_keeps_the_minimum_or_says_that_it_cannot(void **state) {
  place *p = *state;
  comity_partition_options options = {.scheme = "quantity", .clients = 20, .alpha = 0.5, .minimum = 2};
  comity_dataset *d = dealt(p, false, options);
  size_t smallest = ROWS_IN, largest = 0;
  for (size_t k = 0; k < 20; k++) {
    size_t count = comity_dataset_count(d, COMITY_SPLIT_TRAIN, k);
    smallest = count < smallest ? count : smallest;
    largest = count > largest ? count : largest;
  }
  assert_true(smallest >= 2 && largest > 60);
  assert_int_equal(check_rows(d), ROWS_IN);
  comity_dataset_destroy(&d);
  options.minimum = 29;
  options.alpha = 0.01;
  assert_int_equal(comity_partition(in_folder(p, "in.h5"), &options, p->path), COMITY_ERR_USAGE);
  assert_says("fewer than 29 examples");
  options.minimum = 31;
  assert_int_equal(comity_partition(in_folder(p, "in.h5"), &options, p->path), COMITY_ERR_USAGE);
  assert_says("need more than the 600");
}

static void a_column_names_its_clients(void **state) {
  comity_dataset *d = dealt(*state, false, (comity_partition_options){.scheme = "column", .column = "site"});
  assert_int_equal(comity_dataset_describe(d)->clients, GROUPS);
  assert_string_equal(comity_dataset_client_name(d, 2), "site=2");
  comity_examples e;
  assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, 2, &e));
  for (size_t i = 0; i < e.count; i++)
    assert_float_equal(((const float *)e.x)[2 * i + 1], 2, 0);
  assert_int_equal(check_rows(d), ROWS_IN);
  comity_dataset_destroy(&d);
  d = dealt(*state, false, (comity_partition_options){.scheme = "column"});
  assert_int_equal(comity_dataset_describe(d)->clients, CLASSES_IN);
  assert_string_equal(comity_dataset_client_name(d, 5), "y=5");
  comity_dataset_destroy(&d);
}

static void fedprox_gives_two_classes_and_holds_out_a_tenth(void **state) {
  comity_dataset *d =
      dealt(*state, true,
            (comity_partition_options){
                .scheme = "fedprox", .clients = 12, .merge_test = true, .test_fraction = 0.1});
  size_t total = check_rows(d), rows = 0;
  assert_in_range(total, ROWS_IN + TEST_IN - 2 * 12 - CLASSES_IN, ROWS_IN + TEST_IN);
  for (size_t k = 0; k < 12; k++) {
    size_t train = comity_dataset_count(d, COMITY_SPLIT_TRAIN, k),
           test = comity_dataset_count(d, COMITY_SPLIT_TEST, k);
    comity_examples e;
    assert_int_equal(train, (size_t)(0.9 * (double)(train + test)));
    assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, k, &e));
    for (size_t i = 0; i < e.count; i++)
      assert_true((size_t)e.y[i] == k % CLASSES_IN || (size_t)e.y[i] == (k + 1) % CLASSES_IN);
    rows += train + test;
  }
  assert_int_equal(rows, total);
  comity_dataset_destroy(&d);
}

static void little_memory_makes_the_same_file(void **state) {
  place *p = *state;
  comity_partition_options options = {.scheme = "iid", .clients = 7, .seed = 3, .test_fraction = 0.25};
  comity_dataset *d = dealt(p, false, options);
  const char *other = in_folder(p, "other.h5");
  assert_ok(comity_partition_bounded(in_folder(p, "in.h5"), &options, 1, other));
  comity_dataset *same = opened(other);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_examples a, b;
    size_t rows = comity_dataset_describe(d)->examples[s];
    assert_int_equal(comity_dataset_describe(same)->examples[s], rows);
    assert_ok(comity_dataset_rows(d, (comity_split)s, 0, rows, &a));
    assert_ok(comity_dataset_rows(same, (comity_split)s, 0, rows, &b));
    assert_memory_equal(a.x, b.x, rows * 2 * sizeof(float));
    assert_memory_equal(a.y, b.y, rows * sizeof(float));
  }
  assert_int_equal(check_rows(d), ROWS_IN);
  comity_dataset_destroy(&d);
  comity_dataset_destroy(&same);
}

static void what_cannot_be_dealt_is_refused(void **state) {
  place *p = *state;
  const char *in = source(p, true);
  static const struct {
    comity_partition_options options;
    const char *message;
  } cases[] = {
      {{.scheme = "magic", .clients = 2},
       "schemes are iid, shards, dirichlet, label_dirichlet, classes, quantity"},
      {{.scheme = "iid"}, "at least one client"},
      {{.scheme = "iid", .clients = 601}, "601 clients are more than the 600 examples"},
      {{.scheme = "iid", .clients = 3, .minimum = 201}, "fewer than the minimum of 201"},
      {{.scheme = "shards", .clients = 301, .shards_per_client = 2}, "need more than the 600"},
      {{.scheme = "dirichlet", .clients = 3}, "alpha must be above 0"},
      {{.scheme = "label_dirichlet", .clients = 61, .alpha = 1}, "61 clients of at least 10 examples"},
      {{.scheme = "label_dirichlet", .clients = 3, .alpha = -1}, "alpha must be above 0"},
      {{.scheme = "label_dirichlet", .clients = 30, .alpha = 1e-9}, "fewer than 10 examples"},
      {{.scheme = "classes", .clients = 6}, "1 to 6 classes"},
      {{.scheme = "classes", .clients = 6, .classes_per_client = 7}, "but not 7"},
      {{.scheme = "column", .column = "town"}, "has no feature 'town'"},
      {{.scheme = "column", .column = "site", .clients = 5}, "3 different values"},
      {{.scheme = "fedprox", .clients = 300}, "too few to give 5"},
      {{.scheme = "iid", .clients = 3, .test_fraction = 0.1}, "merge-test"},
      {{.scheme = "iid", .clients = 3, .test_fraction = 1}, "below 1"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(comity_partition(in, &cases[i].options, p->path), COMITY_ERR_USAGE);
    assert_says(cases[i].message);
    assert_int_not_equal(access(p->path, F_OK), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {PLACED(shards_give_equal_sizes_and_few_classes),
                                     PLACED(small_alpha_separates_classes_and_large_alpha_mixes_them),
                                     PLACED(label_dirichlet_shares_each_class_and_keeps_sizes_in_bounds),
                                     cmocka_unit_test(label_dirichlet_bears_classes_without_examples),
                                     PLACED(classes_gives_each_client_that_many_and_its_own_first),
                                     PLACED(quantity_keeps_the_minimum_or_says_that_it_cannot),
                                     PLACED(a_column_names_its_clients),
                                     PLACED(fedprox_gives_two_classes_and_holds_out_a_tenth),
                                     PLACED(little_memory_makes_the_same_file),
                                     PLACED(what_cannot_be_dealt_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
