/* Files that were not made by Comity: plain x and y, as h5py writes them, and TensorFlow Federated's layout.
 */
#include "dataset_support.h"

static hid_t create(const char *path) {
  hid_t file = -1;
  assert_ok(comity_h5_create(path, &file));
  return file;
}

static void plain_x_and_y_are_one_client_with_as_many_classes_as_labels(void **state) {
  const place *p = *state;
  float x[4 * 6];
  for (int i = 0; i < 24; i++)
    x[i] = (float)i;
  const int64_t y[] = {0, 6, 2, 1};
  hid_t file = create(p->path);
  put(file, "x", H5T_IEEE_F32BE, 3, (hsize_t[]){4, 2, 3}, (float[24]){0});
  hid_t set = H5Dopen2(file, "x", H5P_DEFAULT);
  assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
  H5Dclose(set);
  put(file, "y", H5T_NATIVE_INT64, 1, (hsize_t[]){4}, y);
  assert_ok(comity_h5_close(p->path, file));

  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_int_equal(info->clients, 1);
  assert_int_equal(info->classes, 7);
  assert_int_equal(info->shape_rank, 3);
  assert_int_equal(info->shape[0], 1);
  assert_int_equal(info->shape[2], 3);
  assert_true(info->scale == 1);
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 0, &examples));
  assert_memory_equal(examples.x, x, sizeof x);
  assert_true(examples.y[1] == 6);
  comity_dataset_destroy(&dataset);
}

static void real_targets_and_wide_integers_are_read_as_numbers(void **state) {
  const place *p = *state;
  hid_t file = create(p->path);
  put(file, "x", H5T_NATIVE_INT64, 1, (hsize_t[]){3}, (int64_t[]){-5, 1LL << 40, 7});
  put(file, "y", H5T_NATIVE_DOUBLE, 2, (hsize_t[]){3, 2}, (double[]){0.5, 1, 2, -3, 4, 5});
  assert_ok(comity_h5_close(p->path, file));
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_int_equal(info->classes, 0);
  assert_int_equal(info->targets, 2);
  assert_int_equal(info->width, 1);
  assert_int_equal(info->type, COMITY_F64);
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 0, &examples));
  assert_true(((const double *)examples.x)[1] == 1099511627776.0);
  assert_true(examples.y[3] == -3);
  comity_dataset_destroy(&dataset);
}

static void colour_images_with_channels_last_are_turned(void **state) {
  const place *p = *state;
  enum { SIDE = 5, CHANNELS = 3, ROWS = 2 };
  uint8_t x[ROWS][SIDE][SIDE][CHANNELS];
  for (size_t i = 0; i < sizeof x; i++)
    ((uint8_t *)x)[i] = (uint8_t)(i * 37);
  hid_t file = create(p->path);
  put(file, "x", H5T_NATIVE_UINT8, 4, (hsize_t[]){ROWS, SIDE, SIDE, CHANNELS}, x);
  put(file, "y", H5T_NATIVE_INT32, 1, (hsize_t[]){ROWS}, (int[]){0, 1});
  assert_ok(comity_h5_close(p->path, file));
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_int_equal(info->shape[0], CHANNELS);
  assert_int_equal(info->shape[1], SIDE);
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 0, &examples));
  const uint8_t *turned = examples.x;
  for (int i = 0; i < ROWS; i++)
    for (int c = 0; c < CHANNELS; c++)
      for (int h = 0; h < SIDE; h++)
        for (int w = 0; w < SIDE; w++)
          assert_int_equal(*turned++, x[i][h][w][c]);
  comity_dataset_destroy(&dataset);
}

static void names_of_variable_length_are_read(void **state) {
  const place *p = *state;
  hid_t file = create(p->path), text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, H5T_VARIABLE);
  H5Tset_cset(text, H5T_CSET_UTF8);
  put(file, "x", H5T_NATIVE_FLOAT, 2, (hsize_t[]){3, 2}, (float[6]){0});
  put(file, "y", H5T_NATIVE_INT8, 1, (hsize_t[]){3}, (int8_t[]){0, 1, 0});
  put(file, "offsets", H5T_NATIVE_INT32, 1, (hsize_t[]){3}, (int32_t[]){0, 2, 3});
  put(file, "client_names", text, 1, (hsize_t[]){2}, (const char *[]){"Köln", "a longer name"});
  put(file, "feature_names", text, 1, (hsize_t[]){2}, (const char *[]){"age", "sex"});
  H5Tclose(text);
  assert_ok(comity_h5_close(p->path, file));
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  assert_string_equal(comity_dataset_client_name(dataset, 0), "Köln");
  assert_string_equal(comity_dataset_client_name(dataset, 1), "a longer name");
  assert_string_equal(comity_dataset_feature_name(dataset, 1), "sex");
  comity_dataset_destroy(&dataset);
}

static void compressed_chunks_are_read(void **state) {
  const place *p = *state;
  enum { ROWS = 1000, WIDTH = 7 };
  static int32_t x[ROWS * WIDTH];
  static uint8_t y[ROWS];
  for (int i = 0; i < ROWS * WIDTH; i++)
    x[i] = i * i;
  hid_t file = create(p->path), how = H5Pcreate(H5P_DATASET_CREATE);
  hid_t space = H5Screate_simple(2, (hsize_t[]){ROWS, WIDTH}, NULL);
  H5Pset_chunk(how, 2, (hsize_t[]){64, WIDTH});
  H5Pset_deflate(how, 4);
  hid_t set = H5Dcreate2(file, "x", H5T_NATIVE_INT32, space, H5P_DEFAULT, how, H5P_DEFAULT);
  assert_true(H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Pclose(how);
  put(file, "y", H5T_NATIVE_UINT8, 1, (hsize_t[]){ROWS}, y);
  put(file, "offsets", H5T_NATIVE_UINT64, 1, (hsize_t[]){4}, (uint64_t[]){0, 63, 500, ROWS});
  assert_ok(comity_h5_close(p->path, file));
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 1, &examples));
  assert_int_equal(examples.count, 437);
  assert_memory_equal(examples.x, x + 63 * WIDTH, 437 * WIDTH * sizeof *x);
  comity_dataset_destroy(&dataset);
}

/* ---------------------------------------------------------------------------------------------------- TFF */

/* Clients "b", "a" and "c10" with 2, 3 and 0 images of 2 x 2; labels are the rows' numbers plus `base`. */
static hid_t tff_file(const char *path, int base) {
  hid_t file = create(path), examples = H5Gcreate2(file, "examples", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const char *const names[] = {"b", "a", "c10"};
  for (int k = 0; k < 3; k++) {
    hid_t client = H5Gcreate2(examples, names[k], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t rows = (hsize_t[]){2, 3, 0}[k];
    float x[12];
    int y[3];
    for (int i = 0; i < 12; i++)
      x[i] = (float)(100 * k + i);
    for (int i = 0; i < 3; i++)
      y[i] = base + i;
    put(client, "pixels", H5T_NATIVE_FLOAT, 3, (hsize_t[]){rows, 2, 2}, x);
    put(client, "label", H5T_NATIVE_INT, 1, &rows, y);
    H5Gclose(client);
  }
  H5Gclose(examples);
  return file;
}

static void tff_clients_come_in_the_order_of_their_names(void **state) {
  const place *p = *state;
  assert_ok(comity_h5_close(p->path, tff_file(p->path, 4)));
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_string_equal(info->layout, "tff");
  assert_int_equal(info->clients, 3);
  assert_int_equal(info->classes, 7);
  assert_int_equal(info->shape_rank, 3);
  assert_int_equal(info->shape[0], 1);
  assert_int_equal(info->examples[COMITY_SPLIT_TRAIN], 5);
  assert_string_equal(comity_dataset_client_name(dataset, 0), "a");
  assert_string_equal(comity_dataset_client_name(dataset, 1), "b");
  comity_examples examples;
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 1, &examples));
  assert_int_equal(examples.count, 2);
  assert_true(((const float *)examples.x)[5] == 5 && examples.y[1] == 5);
  assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, 2, &examples));
  assert_int_equal(examples.count, 0);
  assert_ok(comity_dataset_rows(dataset, COMITY_SPLIT_TRAIN, 1, 4, &examples)); /* over two clients */
  const float *x = examples.x;
  assert_true(x[0] == 104 && x[4] == 108 && x[8] == 0 && x[12] == 4);
  assert_true(examples.y[0] == 5 && examples.y[2] == 4);
  comity_dataset_destroy(&dataset);

  assert_ok(comity_dataset_open(p->path, &(comity_dataset_options){.holdout = 0.5}, &dataset));
  assert_int_equal(comity_dataset_describe(dataset)->examples[COMITY_SPLIT_TEST], 3);
  comity_dataset_destroy(&dataset);
}

static void tff_features_are_chosen_by_name(void **state) {
  const place *p = *state;
  hid_t file = tff_file(p->path, 0), client = H5Gopen2(file, "examples/a", H5P_DEFAULT);
  put(client, "depth", H5T_NATIVE_FLOAT, 2, (hsize_t[]){3, 1}, (float[]){7, 8, 9});
  H5Gclose(client);
  assert_ok(comity_h5_close(p->path, file));
  assert_refused(p->path, COMITY_ERR_DATA, "depth, pixels");
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(p->path, &(comity_dataset_options){.x_name = "pixels"}, &dataset));
  assert_int_equal(comity_dataset_describe(dataset)->width, 4);
  comity_dataset_destroy(&dataset);
  /* only "a" has the other one */
  assert_int_equal(comity_dataset_open(p->path, &(comity_dataset_options){.x_name = "depth"}, &dataset),
                   COMITY_ERR_DATA);
  assert_says("examples/b/depth");
  assert_int_equal(comity_dataset_open(p->path, &(comity_dataset_options){.y_name = "digit"}, &dataset),
                   COMITY_ERR_DATA);
  assert_says("data.y");
}

static void tff_files_with_a_damaged_client_name_it(void **state) {
  const place *p = *state;
  const char *const says[] = {"examples/b/label", "examples/b/", "examples/b/", "holds text", "no client"};
  for (int damage = 0; damage < 5; damage++) {
    hid_t file = tff_file(p->path, 0), client = H5Gopen2(file, "examples/b", H5P_DEFAULT);
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    if (damage == 0)
      H5Ldelete(client, "label", H5P_DEFAULT);
    if (damage == 1 || damage == 2)
      H5Ldelete(client, "pixels", H5P_DEFAULT);
    if (damage == 1)
      put(client, "pixels", H5T_NATIVE_FLOAT, 3, (hsize_t[]){2, 2, 3}, (float[12]){0});
    if (damage == 2)
      put(client, "pixels", H5T_NATIVE_DOUBLE, 3, (hsize_t[]){2, 2, 2}, (double[8]){0});
    H5Gclose(client);
    if (damage == 3) {
      client = H5Gopen2(file, "examples/a", H5P_DEFAULT);
      H5Ldelete(client, "pixels", H5P_DEFAULT);
      put(client, "snippets", text, 1, (hsize_t[]){3}, (const char *[]){"To be", "or not", "to be"});
      H5Gclose(client);
    }
    if (damage == 4) {
      H5Ldelete(file, "examples", H5P_DEFAULT);
      H5Gclose(H5Gcreate2(file, "examples", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    H5Tclose(text);
    assert_ok(comity_h5_close(p->path, file));
    assert_refused(p->path, COMITY_ERR_DATA, says[damage]);
  }
}

/* A larger file made by h5py, where the environment says that there is one. */
static void files_of_the_fixture_folder_are_read(void **state) {
  (void)state;
  const char *folder = getenv("COMITY_TEST_DATA");
  if (folder == NULL) {
    print_message("skipped: COMITY_TEST_DATA does not name a folder with tff-layout-fixtures\n");
    skip();
  }
  char path[1024];
  snprintf(path, sizeof path, "%s/tff-layout-fixtures/mnist_tff_layout_10clients.h5", folder);
  comity_dataset *dataset = NULL;
  assert_ok(comity_dataset_open(path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  assert_int_equal(info->clients, 10);
  assert_int_equal(info->classes, 10);
  assert_int_equal(info->width, 784);
  for (size_t k = 0; k < 10; k++) {
    comity_examples examples;
    assert_ok(comity_dataset_load(dataset, COMITY_SPLIT_TRAIN, k, &examples));
    assert_int_equal(examples.count, 30);
    assert_ok(comity_examples_check(&examples));
  }
  comity_dataset_destroy(&dataset);
  snprintf(path, sizeof path, "%s/tff-layout-fixtures/shakespeare_tff_layout_20clients.h5", folder);
  assert_refused(path, COMITY_ERR_DATA, "snippets");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PLACED(plain_x_and_y_are_one_client_with_as_many_classes_as_labels),
      PLACED(real_targets_and_wide_integers_are_read_as_numbers),
      PLACED(colour_images_with_channels_last_are_turned),
      PLACED(names_of_variable_length_are_read),
      PLACED(compressed_chunks_are_read),
      PLACED(tff_clients_come_in_the_order_of_their_names),
      PLACED(tff_features_are_chosen_by_name),
      PLACED(tff_files_with_a_damaged_client_name_it),
      cmocka_unit_test(files_of_the_fixture_folder_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
