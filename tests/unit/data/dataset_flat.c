/* Flat datasets: what is written is read again, by client, with caches of all sizes and with a holdout. */
#include "dataset_support.h"

#include <math.h>
#include <time.h>

static void values_of_every_type_survive_the_file(void **state) {
  const place *p = *state;
  for (int type = COMITY_U8; type <= COMITY_F64; type++) {
    enum { ROWS = 6, WIDTH = 3, TARGETS = 2 };
    union {
      char bytes[ROWS * WIDTH * 8];
      double aligned;
    } x;
    float y[ROWS * TARGETS];
    size_t size = comity_dtype_size((comity_dtype)type);
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
      float f = (float)i - 7.25f;
      double d = (double)i / 3 - 1e300;
      if (type == COMITY_F32)
        memcpy(x.bytes + i * size, &f, size);
      else if (type == COMITY_F64)
        memcpy(x.bytes + i * size, &d, size);
      else
        memset(x.bytes + i * size, (int)(i * 29), size);
    }
    for (size_t i = 0; i < ROWS * TARGETS; i++)
      y[i] = (float)i * 0.5f - 2;
    comity_dataset_writer_options options = {
        .type = (comity_dtype)type, .shape_rank = 1, .shape = {WIDTH}, .scale = -0.25, .targets = TARGETS};
    comity_dataset_writer *writer = NULL;
    assert_ok(comity_dataset_writer_new(p->path, &options, &writer));
    assert_ok(comity_dataset_writer_client(writer, NULL));
    assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 4, x.bytes, y));
    assert_ok(comity_dataset_writer_client(writer, NULL));
    assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 2, x.bytes + 4 * WIDTH * size, y + 8));
    assert_ok(comity_dataset_writer_commit(writer));
    comity_dataset_writer_destroy(&writer);

    comity_dataset *dataset = NULL;
    assert_ok(comity_dataset_open(p->path, NULL, &dataset));
    const comity_dataset_info *info = comity_dataset_describe(dataset);
    assert_int_equal(info->type, type);
    assert_int_equal(info->classes, 0);
    assert_int_equal(info->targets, TARGETS);
    assert_int_equal(info->clients, 2);
    assert_int_equal(info->width, WIDTH);
    assert_true(info->scale == -0.25);
    assert_false(info->has_test);
    assert_string_equal(comity_dataset_client_name(dataset, 1), "client 1");
    assert_null(comity_dataset_feature_name(dataset, 0));
    for (size_t client = 0; client < 2; client++) {
      comity_examples examples;
      assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, client, &examples));
      assert_int_equal(examples.count, client == 0 ? 4 : 2);
      assert_int_equal((uintptr_t)examples.x % 64, 0);
      assert_memory_equal(examples.x, x.bytes + client * 4 * WIDTH * size, examples.count * WIDTH * size);
      assert_memory_equal(examples.y, y + client * 8, examples.count * TARGETS * sizeof *y);
    }
    comity_dataset_destroy(&dataset);
  }
}

static void check_good_client(comity_dataset *dataset, size_t client) {
  size_t row = 0;
  for (size_t k = 0; k < client; k++)
    row += good_sizes[k];
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, client, &examples));
  assert_int_equal(examples.count, good_sizes[client]);
  assert_true(examples.scale == 0.5);
  for (size_t i = 0; i < examples.count; i++, row++) {
    for (size_t j = 0; j < GOOD_WIDTH; j++)
      assert_int_equal(((const uint8_t *)examples.x)[i * GOOD_WIDTH + j], good_value(row, j));
    assert_true(examples.y[i] == good_label(row));
  }
}

static void clients_of_any_size_are_read_whatever_the_cache_holds(void **state) {
  const place *p = *state;
  good_file(p->path, true);
  const size_t limits[] = {0, 1, 100, 300, 1000};
  for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
    comity_dataset_options options = {.cache_bytes = limits[l]};
    comity_dataset *dataset = NULL;
    assert_ok(comity_dataset_open(p->path, &options, &dataset));
    for (size_t i = 0; i < 200; i++)
      check_good_client(dataset, i * i * 7 % GOOD_CLIENTS);
    comity_dataset_destroy(&dataset);
  }
}

static void a_file_says_what_it_holds(void **state) {
  const place *p = *state;
  good_file(p->path, true);
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_string_equal(info->layout, "flat");
  assert_string_equal(info->path, p->path);
  assert_int_equal(info->shape_rank, 2);
  assert_int_equal(info->shape[1], 2);
  assert_int_equal(info->classes, 3);
  assert_int_equal(info->examples[COMITY_SPLIT_TRAIN], GOOD_ROWS);
  assert_int_equal(info->examples[COMITY_SPLIT_TEST], 4);
  assert_true(info->has_test);
  assert_false(info->central_test);
  assert_int_equal(comity_dataset_count(dataset, COMITY_SPLIT_TEST, 1), 0);
  assert_int_equal(comity_dataset_count(dataset, COMITY_SPLIT_TEST, 3), 1);
  assert_string_equal(comity_dataset_client_name(dataset, 4), "owner-4");
  assert_string_equal(comity_dataset_feature_name(dataset, 3), "ä");
  assert_null(comity_dataset_feature_name(dataset, 4));
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TEST, 3, &examples));
  assert_int_equal(examples.count, 1);
  assert_int_equal(((const uint8_t *)examples.x)[0], good_value(5, 0));
  assert_ok(comity_dataset_rows(dataset, COMITY_SPLIT_TRAIN, 2, 4, &examples));
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(((const uint8_t *)examples.x)[i * GOOD_WIDTH], good_value(2 + i, 0));
  assert_int_equal(comity_dataset_rows(dataset, COMITY_SPLIT_TRAIN, 10, 4, &examples), COMITY_ERR_ARG);
  assert_int_equal(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, GOOD_CLIENTS, &examples), COMITY_ERR_ARG);

  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  assert_ok(comity_dataset_print(dataset, out));
  fclose(out);
  const char *const expected[] = {
      "2 x 2 of uint8", "clients      5", "fewest 0, median 2, most 7; 1 without", "owner-0, owner-1",
      "a, bb, ccc, ä",  "counted up",     "           0          5 ####"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (strstr(text, expected[i]) == NULL)
      fail_msg("'%s' is not in:\n%s", expected[i], text);
  free(text);
  comity_dataset_destroy(&dataset);
}

static void test_rows_before_the_first_client_are_central(void **state) {
  const place *p = *state;
  comity_dataset_writer_options options = {
      .type = COMITY_I16, .shape_rank = 1, .shape = {1}, .scale = 1, .targets = 1, .classes = 2};
  comity_dataset_writer *writer = NULL;
  int16_t x[] = {-300, 300, 5};
  float y[] = {0, 1, 1};
  assert_ok(comity_dataset_writer_new(p->path, &options, &writer));
  assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TEST, 3, x, y));
  for (int i = 0; i < 2; i++) {
    assert_ok(comity_dataset_writer_client(writer, NULL));
    assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 1, x + i, y + i));
  }
  assert_ok(comity_dataset_writer_commit(writer));
  comity_dataset_writer_destroy(&writer);
  comity_dataset *dataset = NULL;
  /* a holdout is for files without a test split */
  assert_ok(comity_dataset_open(p->path, &(comity_dataset_options){.holdout = 0.5}, &dataset));
  assert_true(comity_dataset_describe(dataset)->central_test);
  assert_int_equal(comity_dataset_describe(dataset)->examples[COMITY_SPLIT_TEST], 3);
  assert_int_equal(comity_dataset_count(dataset, COMITY_SPLIT_TEST, 0), 0);
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TEST, 1, &examples));
  assert_int_equal(examples.count, 0);
  assert_ok(comity_dataset_rows(dataset, COMITY_SPLIT_TEST, 1, 2, &examples));
  assert_memory_equal(examples.x, x + 1, 4);
  comity_dataset_destroy(&dataset);
}

static void a_writer_that_is_not_committed_leaves_nothing(void **state) {
  const place *p = *state;
  comity_dataset_writer_options options = {
      .type = COMITY_F32, .shape_rank = 1, .shape = {1000}, .scale = 1, .targets = 1, .classes = 2};
  for (int fault = 0; fault < 2; fault++) {
    comity_dataset_writer *writer = NULL;
    float *x = calloc(1000, 1000 * sizeof *x), y[1000] = {0};
    assert_ok(comity_dataset_writer_new(p->path, &options, &writer));
    assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 1000, x, y));
    y[999] = fault == 0 ? 2 : NAN;
    assert_int_equal(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 1000, x, y), COMITY_ERR_DATA);
    assert_says("row 1999");
    assert_int_equal(comity_dataset_writer_commit(writer), COMITY_ERR_ARG);
    comity_dataset_writer_destroy(&writer);
    assert_null(writer);
    free(x);
  }
  assert_int_equal(rmdir(p->folder), 0); /* empty */
  assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
  comity_dataset_writer *writer = NULL;
  assert_int_equal(comity_dataset_writer_new(p->path, &options, &writer), COMITY_ERR_NOT_FOUND);
}

static void held_out_examples_are_the_same_choice_for_the_same_key(void **state) {
  const place *p = *state;
  good_file(p->path, false);
  unsigned differing = 0;
  for (int part = 1; part < 10; part++) {
    uint8_t chosen[3][GOOD_ROWS];
    for (int variant = 0; variant < 3; variant++) { /* twice the same, then another seed */
      comity_dataset_options options = {
          .holdout = part * 0.1, .seed = variant == 2 ? 5 : 4, .cache_bytes = 1};
      comity_dataset *dataset = NULL;
      assert_ok(comity_dataset_open(p->path, &options, &dataset));
      size_t tests = 0, trains = 0, at = 0;
      for (size_t k = 0; k < GOOD_CLIENTS; k++) {
        comity_examples train, test;
        size_t n = good_sizes[k], held = comity_dataset_count(dataset, COMITY_SPLIT_TEST, k);
        assert_int_equal(held, n < 2 ? 0 : fmin(fmax(llround(part * 0.1 * (double)n), 1), (double)n - 1));
        bool seen[256] = {0};
        assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, k, &train));
        assert_int_equal(train.count, n - held);
        for (size_t i = 0; i < train.count; i++) {
          const uint8_t *row = (const uint8_t *)train.x + i * GOOD_WIDTH;
          assert_true(i == 0 || row[0] > row[-GOOD_WIDTH]); /* in the file's order */
          assert_true(train.y[i] == good_label(row[0] / GOOD_WIDTH));
          seen[row[0]] = true;
        }
        assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TEST, k, &test));
        assert_int_equal(test.count, held);
        for (size_t i = 0; i < test.count; i++) {
          const uint8_t *row = (const uint8_t *)test.x + i * GOOD_WIDTH;
          assert_true(test.y[i] == good_label(row[0] / GOOD_WIDTH));
          assert_false(seen[row[0]]);
          seen[row[0]] = true;
          chosen[variant][at++] = row[0];
        }
        tests += held;
        trains += n - held;
      }
      const comity_dataset_info *info = comity_dataset_describe(dataset);
      assert_int_equal(info->examples[COMITY_SPLIT_TRAIN], trains);
      assert_int_equal(info->examples[COMITY_SPLIT_TEST], tests);
      assert_true(info->has_test && !info->central_test);
      if (variant == 1)
        assert_memory_equal(chosen[0], chosen[1], tests);
      else if (variant == 2)
        differing += memcmp(chosen[0], chosen[2], tests) != 0;
      comity_dataset_destroy(&dataset);
    }
  }
  assert_true(differing > 0);
}

/* A client's held-out examples depend on its number in the federation, not on the file that it is in. */
static void held_out_examples_are_keyed_by_the_global_client(void **state) {
  const place *p = *state;
  uint8_t x[50];
  float y[50] = {0};
  for (size_t i = 0; i < 50; i++)
    x[i] = (uint8_t)i;
  uint8_t chosen[3][10];
  for (size_t variant = 0; variant < 3; variant++) {
    size_t before = variant == 0 ? 2 : 0;
    comity_dataset_writer_options write = {
        .type = COMITY_U8, .shape_rank = 1, .shape = {1}, .scale = 1, .targets = 1, .classes = 1};
    comity_dataset_writer *writer = NULL;
    assert_ok(comity_dataset_writer_new(p->path, &write, &writer));
    for (size_t k = 0; k <= before; k++) {
      assert_ok(comity_dataset_writer_client(writer, NULL));
      assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 50, x, y));
    }
    assert_ok(comity_dataset_writer_commit(writer));
    comity_dataset_writer_destroy(&writer);
    comity_dataset_options options = {.holdout = 0.2, .first_client = variant == 1 ? 2 : 0};
    comity_dataset *dataset = NULL;
    comity_examples test;
    assert_ok(comity_dataset_open(p->path, &options, &dataset));
    assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TEST, before, &test));
    assert_int_equal(test.count, 10);
    memcpy(chosen[variant], test.x, 10);
    comity_dataset_destroy(&dataset);
  }
  assert_memory_equal(chosen[0], chosen[1], 10);
  assert_memory_not_equal(chosen[0], chosen[2], 10);
}

static void a_hundred_thousand_clients_open_at_once(void **state) {
  const place *p = *state;
  enum { CLIENTS = 100000, WIDTH = 40 };
  comity_dataset_writer_options options = {
      .type = COMITY_U8, .shape_rank = 1, .shape = {WIDTH}, .scale = 1, .targets = 1, .classes = 100};
  comity_dataset_writer *writer = NULL;
  assert_ok(comity_dataset_writer_new(p->path, &options, &writer));
  for (size_t k = 0; k < CLIENTS; k++) {
    char name[16];
    uint8_t x[WIDTH];
    float y = (float)(k % 100);
    snprintf(name, sizeof name, "%zu", k);
    memset(x, (int)(k % 251), sizeof x);
    assert_ok(comity_dataset_writer_client(writer, name));
    assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 1, x, &y));
  }
  assert_ok(comity_dataset_writer_commit(writer));
  comity_dataset_writer_destroy(&writer);
  clock_t start = clock(); /* processor time: others may be at work, too */
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 0.2);
  assert_int_equal(comity_dataset_describe(dataset)->clients, CLIENTS);
  for (size_t k = 99; k < CLIENTS; k += 9973) { /* in several chunks */
    comity_examples examples;
    char name[16];
    snprintf(name, sizeof name, "%zu", k);
    assert_string_equal(comity_dataset_client_name(dataset, k), name);
    assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, k, &examples));
    assert_int_equal(examples.count, 1);
    assert_int_equal(((const uint8_t *)examples.x)[WIDTH - 1], k % 251);
    assert_true(examples.y[0] == (float)(k % 100));
  }
  comity_dataset_destroy(&dataset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PLACED(values_of_every_type_survive_the_file),
      PLACED(clients_of_any_size_are_read_whatever_the_cache_holds),
      PLACED(a_file_says_what_it_holds),
      PLACED(test_rows_before_the_first_client_are_central),
      PLACED(a_writer_that_is_not_committed_leaves_nothing),
      PLACED(held_out_examples_are_the_same_choice_for_the_same_key),
      PLACED(held_out_examples_are_keyed_by_the_global_client),
      PLACED(a_hundred_thousand_clients_open_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
