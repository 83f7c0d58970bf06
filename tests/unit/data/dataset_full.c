/* A disk that fills up while a dataset is written: the writer says so, leaves nothing behind, and HDF5 does
 * not bring the program down afterwards. The disk is this program's own pwrite and
 * fallocate, which HDF5 and Comity call. */
#include "dataset_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

static off_t capacity = INT64_MAX, reached;
static const char *full_folder = "";

/* Whether the disk has these bytes of the file. */
static bool has(int file, off_t end) {
  char link[64], name[256];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, name, sizeof name - 1);
  name[length < 0 ? 0 : length] = '\0';
  if (strstr(name, full_folder) == NULL)
    return true;
  reached = end > reached ? end : reached;
  return end <= capacity;
}

static ssize_t limited(int file, const void *bytes, size_t count, off_t at) {
  if (has(file, at + (off_t)count))
    return syscall(SYS_pwrite64, file, bytes, count, at);
  errno = ENOSPC;
  return -1;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  return limited(file, bytes, count, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  return limited(file, bytes, count, at);
}
int fallocate(int file, int mode, off_t at, off_t count) {
  (void)mode;
  errno = ENOSPC;
  return has(file, at + count) ? 0 : -1;
}

static comity_status write_two_megabytes(const char *path) {
  enum { ROWS = 100, WIDTH = 1024, CLIENTS = 20 };
  static uint8_t x[ROWS * WIDTH];
  static float y[ROWS];
  comity_dataset_writer_options options = {
      .type = COMITY_U8, .shape_rank = 1, .shape = {WIDTH}, .scale = 1, .targets = 1, .classes = 2};
  comity_dataset_writer *writer = NULL;
  comity_status status;
  COMITY_TRY_OR(done, comity_dataset_writer_new(path, &options, &writer));
  for (int k = 0; k < CLIENTS; k++) {
    COMITY_TRY_OR(done, comity_dataset_writer_client(writer, "somebody"));
    COMITY_TRY_OR(done, comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, ROWS, x, y));
    COMITY_TRY_OR(done, comity_dataset_writer_add(writer, COMITY_SPLIT_TEST, 1, x, y));
  }
  status = comity_dataset_writer_commit(writer);
done:
  comity_dataset_writer_destroy(&writer);
  return status;
}

static void a_full_disk_is_reported_and_leaves_nothing_behind(void **state) {
  const place *p = *state;
  full_folder = p->folder;
  assert_ok(write_two_megabytes(p->path));
  off_t needed = reached;
  assert_true(needed > 2000000); /* HDF5 does write by this program's pwrite */
  assert_int_equal(unlink(p->path), 0);
  for (int i = 0; i <= 40; i++) {
    capacity =
        i < 20 ? i * (needed / 20) : needed - 1 - (i - 20) * 100; /* all along, and densely near the end */
    assert_int_equal(write_two_megabytes(p->path), COMITY_ERR_FULL);
    assert_says(p->path);
    assert_non_null(strcasestr(comity_error_message(), "no space left"));
    assert_int_equal(access(p->path, F_OK), -1);
    assert_int_equal(rmdir(p->folder), 0); /* empty */
    assert_ok(comity_folder_make(p->folder));
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
  }
  capacity = INT64_MAX;
  assert_ok(write_two_megabytes(p->path));
}

int main(void) {
  const struct CMUnitTest tests[] = {PLACED(a_full_disk_is_reported_and_leaves_nothing_behind)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
