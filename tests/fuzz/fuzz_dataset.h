/* What the importers' fuzz targets share: bytes as files, and the promise that what was imported can be read.
 */
#ifndef COMITY_FUZZ_DATASET_H
#define COMITY_FUZZ_DATASET_H

#include <comity/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory that has a path. */
typedef struct fuzz_file {
  int descriptor;
  char path[64];
} fuzz_file;

static inline void fuzz_must(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "%s: %s\n", what, comity_error_message());
    abort();
  }
}

static inline fuzz_file fuzz_file_open(const uint8_t *bytes, size_t count) {
  fuzz_file file = {.descriptor = memfd_create("fuzz", 0)};
  fuzz_must(file.descriptor >= 0, "no file in memory");
  fuzz_must(write(file.descriptor, bytes, count) == (ssize_t)count, "a file that cannot be written");
  snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
  return file;
}

static inline const char *fuzz_out(void) {
  static char path[64];
  if (path[0] == '\0')
    snprintf(path, sizeof path, "/dev/shm/comity-fuzz-%ld.h5", (long)getpid());
  return path;
}

/* An import fails with a message, or its dataset opens and every row of it loads. */
static inline void fuzz_check_import(comity_status status) {
  comity_dataset *dataset = NULL;
  comity_examples examples;
  if (status != COMITY_OK) {
    fuzz_must(status == COMITY_ERR_DATA || status == COMITY_ERR_USAGE || status == COMITY_ERR_NUMERIC,
              "an unexpected status");
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
    fuzz_must(access(fuzz_out(), F_OK) != 0, "a failed import that left a file");
    return;
  }
  fuzz_must(comity_dataset_open(fuzz_out(), NULL, &dataset) == COMITY_OK, "a dataset that does not open");
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    if (info->examples[s] > 0) {
      fuzz_must(comity_dataset_rows(dataset, (comity_split)s, 0, info->examples[s], &examples) == COMITY_OK,
                "rows that cannot be read");
      fuzz_must(comity_examples_check(&examples) == COMITY_OK, "features that are not finite");
    }
  comity_dataset_destroy(&dataset);
  unlink(fuzz_out());
}

#endif
