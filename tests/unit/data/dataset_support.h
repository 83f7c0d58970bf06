/* A folder that goes away after each test, and small files to open in it. */
#ifndef DATASET_SUPPORT_H
#define DATASET_SUPPORT_H

#include "test.h"

#include "core/core_impl.h"
#include <comity/data.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct place {
  char folder[64], path[96];
} place;

static inline int place_make(void **state) {
  place *p = calloc(1, sizeof *p);
  strcpy(p->folder, "/tmp/comity-data-XXXXXX");
  if (mkdtemp(p->folder) == NULL)
    return -1;
  snprintf(p->path, sizeof p->path, "%s/data.h5", p->folder);
  *state = p;
  return 0;
}

static inline int place_remove(void **state) {
  place *p = *state;
  int failed = comity_folder_remove(p->folder) != COMITY_OK;
  free(p);
  return failed;
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

#define assert_ok(expression)                                                                                \
  do {                                                                                                       \
    comity_status assert_ok_status_ = (expression);                                                          \
    if (assert_ok_status_ != COMITY_OK)                                                                      \
      fail_msg("%s: %s", #expression, comity_error_message());                                               \
  } while (0)

/* The message of the last failure contains this text. */
static inline void assert_says(const char *text) {
  if (strstr(comity_error_message(), text) == NULL)
    fail_msg("'%s' is not in: %s", text, comity_error_message());
}

static inline void assert_refused(const char *path, comity_status expected, const char *text) {
  comity_dataset *dataset = NULL;
  assert_int_equal(comity_dataset_open(path, NULL, &dataset), expected);
  assert_null(dataset);
  assert_says(path);
  assert_says(text);
  assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

/* Five clients with 3, 0, 2, 7 and 1 train examples of (2, 2) uint8, which count up; labels are x[0] % 3. */
enum { GOOD_CLIENTS = 5, GOOD_ROWS = 13, GOOD_WIDTH = 4 };
static const size_t good_sizes[GOOD_CLIENTS] = {3, 0, 2, 7, 1};
static inline uint8_t good_value(size_t row, size_t feature) { return (uint8_t)(row * GOOD_WIDTH + feature); }
static inline float good_label(size_t row) { return (float)(row % 3); }

static inline void good_file(const char *path, bool client_tests) {
  comity_dataset_writer_options options = {.type = COMITY_U8,
                                           .shape_rank = 2,
                                           .shape = {2, 2},
                                           .scale = 0.5,
                                           .targets = 1,
                                           .classes = 3,
                                           .feature_names = (const char *const[]){"a", "bb", "ccc", "ä"},
                                           .origin = "counted up"};
  comity_dataset_writer *writer = NULL;
  assert_ok(comity_dataset_writer_new(path, &options, &writer));
  for (size_t client = 0, row = 0; client < GOOD_CLIENTS; client++) {
    char name[32];
    snprintf(name, sizeof name, "owner-%zu", client);
    assert_ok(comity_dataset_writer_client(writer, name));
    for (size_t i = 0; i < good_sizes[client]; i++, row++) {
      uint8_t x[GOOD_WIDTH];
      for (size_t j = 0; j < GOOD_WIDTH; j++)
        x[j] = good_value(row, j);
      float y = good_label(row);
      assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, 1, x, &y));
      if (client_tests && i == 0)
        assert_ok(comity_dataset_writer_add(writer, COMITY_SPLIT_TEST, 1, x, &y));
    }
  }
  assert_ok(comity_dataset_writer_commit(writer));
  comity_dataset_writer_destroy(&writer);
}

/* Write a whole dataset into an open group, as another program would. */
static inline void put(hid_t parent, const char *name, hid_t type, int rank, const hsize_t *shape,
                       const void *values) {
  assert_ok(comity_h5_write("test", parent, name, type, rank, shape, values));
}

#endif
