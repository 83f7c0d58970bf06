/* Files that are not what they should be are refused with the file, the place and the reason, and leave no
 * HDF5 object open. Each test makes a good file and damages one thing. */
#include "dataset_support.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>

static hid_t reopen(const char *path) {
  good_file(path, true);
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  assert_true(file >= 0);
  return file;
}

static void replace(hid_t parent, const char *name, hid_t type, int rank, const hsize_t *shape,
                    const void *values) {
  if (H5Lexists(parent, name, H5P_DEFAULT) > 0)
    H5Ldelete(parent, name, H5P_DEFAULT);
  if (values != NULL)
    put(parent, name, type, rank, shape, values);
}

static void refuse(const char *path, hid_t file, const char *text) {
  H5Fclose(file);
  assert_refused(path, COMITY_ERR_DATA, text);
}

static void missing_foreign_and_truncated_files_are_refused(void **state) {
  const place *p = *state;
  assert_refused(p->path, COMITY_ERR_NOT_FOUND, "cannot open");
  assert_refused(p->folder, COMITY_ERR_IO, "is a folder");
  assert_ok(comity_file_write(p->path, "a,b\n1,2\n", 8));
  assert_refused(p->path, COMITY_ERR_DATA, "not an HDF5 file");
  hid_t file = -1;
  assert_ok(comity_h5_create(p->path, &file));
  refuse(p->path, file, "neither");
  good_file(p->path, true);
  char *text = NULL;
  size_t length = 0;
  assert_ok(comity_file_read(p->path, &text, &length));
  for (size_t cut = 64; cut < length; cut += 997) {
    assert_ok(comity_file_write(p->path, text, length - cut));
    comity_dataset *dataset = NULL;
    assert_int_equal(comity_dataset_open(p->path, NULL, &dataset), COMITY_ERR_DATA);
    assert_says(p->path);
  }
  comity_free(text);
}

static void datasets_that_are_missing_or_of_another_kind_are_refused(void **state) {
  const place *p = *state;
  static const uint8_t bytes[64];
  static const int32_t labels[64];
  static const struct {
    const char *folder, *name, *says;
    enum { GONE, TEXTS, SCALAR, DEEP, SHORT, GROUP } how;
  } cases[] = {
      {"/", "x", "no dataset 'x'", GONE},
      {"/", "y", "no dataset 'y'", GONE},
      {"test", "x", "'test/x'", GONE},
      {"test", "y", "'test/y'", GONE},
      {"/", "x", "text", TEXTS},
      {"/", "y", "'y' holds text", TEXTS},
      {"/", "offsets", "offsets", TEXTS},
      {"/", "client_names", "client_names", SHORT},
      {"/", "feature_names", "feature_names", SHORT},
      {"/", "x", "0 dimensions", SCALAR},
      {"/", "x", "6 dimensions", DEEP},
      {"/", "y", "6 dimensions", DEEP},
      {"/", "y", "'x' has 13 rows, but 'y' has 12", SHORT},
      {"test", "y", "'test/x' has 4 rows", SHORT},
      {"/", "x", "'x' has 12 rows", SHORT},
      {"/", "x", "'x' is no dataset", GROUP},
      {"/", "y", "'y' is no dataset", GROUP},
      {"/", "offsets", "offsets", GROUP},
      {"/", "test", "test", SCALAR},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hid_t file = reopen(p->path), parent = H5Gopen2(file, cases[i].folder, H5P_DEFAULT);
    const char *name = cases[i].name;
    bool feature = strcmp(name, "x") == 0;
    hid_t type = feature ? H5T_NATIVE_UINT8 : H5T_NATIVE_INT32, text = H5Tcopy(H5T_C_S1);
    const void *values = feature ? (const void *)bytes : labels;
    H5Tset_size(text, 4);
    replace(parent, name, type, 0, NULL, NULL);
    switch (cases[i].how) {
    case GONE:
      break;
    case TEXTS:
      put(parent, name, text, 1, (hsize_t[]){13}, bytes);
      break;
    case SCALAR:
      put(parent, name, type, 0, NULL, values);
      break;
    case DEEP:
      put(parent, name, type, 6, (hsize_t[]){13, 1, 2, 1, 2, 1}, values);
      break;
    case SHORT:
      put(parent, name, type, feature ? 3 : 1, (hsize_t[]){12, 2, 2}, values);
      break;
    case GROUP:
      H5Gclose(H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
      break;
    }
    H5Tclose(text);
    H5Gclose(parent);
    refuse(p->path, file, cases[i].says);
  }
}

static void offsets_that_do_not_divide_the_rows_are_refused(void **state) {
  const place *p = *state;
  static const struct {
    int64_t values[6];
    const char *says;
  } cases[] = {
      {{0, 3, 2, 5, 12, 13}, "from 3 to 2 at client 1"},
      {{1, 3, 3, 5, 12, 13}, "begins with 1"},
      {{0, 3, 3, 5, 12, 12}, "ends with 12"},
      {{0, 3, 3, 5, 12, 14}, "ends with 14"},
      {{0, -1, 3, 5, 12, 13}, "from 0 to -1"},
      {{0, 3, 3, INT64_MAX, 12, 13}, "at client 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hid_t file = reopen(p->path);
    replace(file, "offsets", H5T_NATIVE_INT64, 1, (hsize_t[]){6}, cases[i].values);
    refuse(p->path, file, cases[i].says);
  }
  hid_t file = reopen(p->path);
  replace(file, "offsets", H5T_NATIVE_INT64, 1, (hsize_t[]){1}, (int64_t[]){13});
  refuse(p->path, file, "at least two");
  file = reopen(p->path);
  replace(file, "test/offsets", H5T_NATIVE_INT64, 1, (hsize_t[]){3}, (int64_t[]){0, 2, 4});
  refuse(p->path, file, "'test/offsets' is for 2 clients");
}

static void set_attribute(hid_t object, const char *name, double value) {
  H5Adelete(object, name);
  assert_ok(comity_h5_write_real("test", object, name, value));
}

static void attributes_that_cannot_be_are_refused(void **state) {
  const place *p = *state;
  static const struct {
    const char *object, *name, *says;
    double value;
  } cases[] = {
      {"x", "scale", "'scale'", NAN},   {"x", "scale", "'scale'", INFINITY}, {"x", "scale", "'scale'", 0},
      {"test/x", "scale", "scale", 2},  {"/", "classes", "'classes'", -1},   {"/", "targets", "'targets'", 2},
      {"/", "version", "version 2", 2}, {"/", "layout", "'layout'", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    hid_t file = reopen(p->path), object = H5Oopen(file, cases[i].object, H5P_DEFAULT);
    set_attribute(object, cases[i].name, cases[i].value);
    H5Oclose(object);
    refuse(p->path, file, cases[i].says);
  }
  hid_t file = reopen(p->path);
  H5Adelete(file, "layout");
  assert_ok(comity_h5_write_text(p->path, file, "layout", "comity-model"));
  refuse(p->path, file, "comity-model");
}

static void test_examples_of_another_shape_or_type_are_refused(void **state) {
  const place *p = *state;
  hid_t file = reopen(p->path);
  replace(file, "test/x", H5T_NATIVE_UINT8, 3, (hsize_t[]){4, 2, 3}, (uint8_t[24]){0});
  refuse(p->path, file, "shape");
  file = reopen(p->path);
  replace(file, "test/x", H5T_NATIVE_FLOAT, 3, (hsize_t[]){4, 2, 2}, (float[16]){0});
  refuse(p->path, file, "float32");
}

static void files_without_rows_are_refused(void **state) {
  const place *p = *state;
  hid_t file = -1;
  assert_ok(comity_h5_create(p->path, &file));
  put(file, "x", H5T_NATIVE_FLOAT, 2, (hsize_t[]){0, 4}, NULL);
  put(file, "y", H5T_NATIVE_INT32, 1, (hsize_t[]){0}, NULL);
  refuse(p->path, file, "no examples");
  assert_ok(comity_h5_create(p->path, &file));
  put(file, "x", H5T_NATIVE_FLOAT, 2, (hsize_t[]){4, 0}, NULL);
  put(file, "y", H5T_NATIVE_INT32, 1, (hsize_t[]){4}, (int[4]){0});
  refuse(p->path, file, "dimension 1");
}

static void negative_labels_without_a_number_of_classes_are_refused(void **state) {
  const place *p = *state;
  hid_t file = reopen(p->path);
  H5Adelete(file, "classes");
  replace(file, "y", H5T_NATIVE_INT64, 1, (hsize_t[]){13}, (int64_t[13]){0, 1, 2, -1});
  refuse(p->path, file, "label -1 of row 3");
}

static void bad_labels_are_found_when_their_client_is_loaded(void **state) {
  const place *p = *state;
  static const double bad[] = {3, -1, 0.5, NAN, INFINITY};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    double y[13] = {0};
    y[7] = bad[i];
    hid_t file = reopen(p->path);
    replace(file, "y", H5T_NATIVE_DOUBLE, 1, (hsize_t[]){13}, y);
    replace(file, "test", -1, 0, NULL, NULL);
    H5Fclose(file);
    comity_dataset *dataset = NULL;
    comity_examples examples;
    assert_ok(comity_dataset_open(p->path, NULL, &dataset));
    for (int attempt = 0; attempt < 2; attempt++) {
      assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 2, &examples));
      assert_int_equal(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 3, &examples), COMITY_ERR_DATA);
      assert_says(p->path);
      assert_says("client 3 ('owner-3'), train, row 2: label");
      assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 4, &examples));
    }
    assert_int_equal(comity_dataset_rows(dataset, COMITY_SPLIT_TRAIN, 5, 8, &examples), COMITY_ERR_DATA);
    assert_says("row 7");
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(comity_dataset_print(dataset, nowhere), COMITY_ERR_DATA);
    fclose(nowhere);
    comity_dataset_destroy(&dataset);
  }
  float y[13] = {0};
  y[0] = NAN;
  hid_t file = reopen(p->path);
  set_attribute(file, "classes", 0);
  replace(file, "y", H5T_NATIVE_FLOAT, 1, (hsize_t[]){13}, y);
  replace(file, "test", -1, 0, NULL, NULL);
  H5Fclose(file);
  comity_dataset *dataset = NULL;
  comity_examples examples;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  assert_int_equal(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 0, &examples), COMITY_ERR_DATA);
  assert_says("row 0: a target is not finite");
  comity_dataset_destroy(&dataset);
}

/* The disk goes away behind HDF5's back: nothing can be read from its handle of this file any more. */
static void lose_file(const char *path) {
  int useless = open("/dev/null", O_WRONLY), lost = 0;
  for (int handle = 3; handle < 256; handle++) {
    char link[64], target[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    if (strcmp(target, path) == 0)
      lost += dup2(useless, handle) == handle;
  }
  close(useless);
  assert_int_equal(lost, 1);
}

static void *load(void *dataset) {
  comity_examples examples;
  bool failed = comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 3, &examples) != COMITY_OK;
  return failed ? dataset : NULL;
}

static void *rows(void *dataset) {
  comity_examples examples;
  return comity_dataset_rows(dataset, COMITY_SPLIT_TRAIN, 5, 8, &examples) != COMITY_OK ? dataset : NULL;
}

/* HDF5 that knows threads has settings of its own for each. */
static void a_failure_in_another_thread_prints_nothing(void **state) {
  const place *p = *state;
  void *(*const work[])(void *) = {load, rows};
  for (size_t i = 0; i < sizeof work / sizeof *work; i++) {
    comity_dataset *dataset = NULL;
    pthread_t thread;
    void *failed = NULL;
    good_file(p->path, true);
    assert_ok(comity_dataset_open(p->path, NULL, &dataset));
    lose_file(p->path);
    FILE *said = tmpfile();
    int before = dup(STDERR_FILENO);
    dup2(fileno(said), STDERR_FILENO);
    int started = pthread_create(&thread, NULL, work[i], dataset);
    if (started == 0)
      pthread_join(thread, &failed);
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(started, 0);
    assert_ptr_equal(failed, dataset);
    assert_int_equal(lseek(fileno(said), 0, SEEK_END), 0);
    fclose(said);
    comity_dataset_destroy(&dataset);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PLACED(missing_foreign_and_truncated_files_are_refused),
      PLACED(datasets_that_are_missing_or_of_another_kind_are_refused),
      PLACED(offsets_that_do_not_divide_the_rows_are_refused),
      PLACED(attributes_that_cannot_be_are_refused),
      PLACED(test_examples_of_another_shape_or_type_are_refused),
      PLACED(files_without_rows_are_refused),
      PLACED(negative_labels_without_a_number_of_classes_are_refused),
      PLACED(bad_labels_are_found_when_their_client_is_loaded),
      PLACED(a_failure_in_another_thread_prints_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
