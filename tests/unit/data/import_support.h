/* Small files to import, and what came out of them. */
#ifndef IMPORT_SUPPORT_H
#define IMPORT_SUPPORT_H

#include "dataset_support.h"

#include <zlib.h>

/* A path in the test's folder; valid until the fourth call after this one. */
static inline const char *in_folder(const place *p, const char *name) {
  static char paths[4][256];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", p->folder, name);
  return path;
}

static inline const char *bytes_file(const place *p, const char *name, const void *bytes, size_t count) {
  const char *path = in_folder(p, name);
  assert_ok(comity_file_write(path, bytes, count));
  return path;
}

static inline const char *text_file(const place *p, const char *name, const char *text) {
  return bytes_file(p, name, text, strlen(text));
}

static inline const char *gzip_file(const place *p, const char *name, const void *bytes, size_t count) {
  const char *path = in_folder(p, name);
  gzFile file = gzopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(gzwrite(file, bytes, (unsigned)count), (int)count);
  assert_int_equal(gzclose(file), Z_OK);
  return path;
}

static inline comity_dataset *opened(const char *path) {
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(path, NULL, &dataset));
  return dataset;
}

/* The examples of a client are these, row by row. */
static inline void assert_examples(comity_dataset *dataset, comity_split split, size_t client, size_t count,
                                   const float *x, const float *y) {
  comity_examples examples;
  size_t width = comity_dataset_describe(dataset)->width;
  assert_ok(comity_dataset_load(dataset, split, client, &examples));
  assert_int_equal(examples.count, count);
  float *row = calloc(width, sizeof *row), label;
  for (size_t i = 0; i < count; i++) {
    comity_examples_batch(&examples, NULL, i, 1, row, &label);
    for (size_t j = 0; j < width; j++)
      assert_float_equal(row[j], x[i * width + j], 1e-6);
    assert_float_equal(label, y[i], 0);
  }
  free(row);
}

/* The folder of real datasets, or a message that the test is skipped. */
static inline const char *real_data(const char *test) {
  const char *folder = getenv("COMITY_TEST_DATA");
  if (folder == NULL)
    print_message("%s: skipped, COMITY_TEST_DATA names no folder of real datasets\n", test);
  return folder;
}

#endif
