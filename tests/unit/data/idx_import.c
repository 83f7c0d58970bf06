/* IDX files: what is read, and what is refused. */
#include "import_support.h"

static const uint8_t labels3[] = {0, 0, 8, 1, 0, 0, 0, 3, 4, 0, 2};
static const uint8_t images3[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 10, 20, 30, 40};

static comity_status import(const place *p, const void *images, size_t image_bytes, const void *labels,
                            size_t label_bytes) {
  comity_import_idx_options options = {.images = bytes_file(p, "images", images, image_bytes),
                                       .labels = bytes_file(p, "labels", labels, label_bytes)};
  return comity_import_idx(&options, p->path);
}

static void images_become_one_client_of_bytes(void **state) {
  place *p = *state;
  assert_ok(import(p, images3, sizeof images3, labels3, sizeof labels3));
  comity_dataset *d = opened(p->path);
  const comity_dataset_info *info = comity_dataset_describe(d);
  assert_int_equal(info->clients, 1);
  assert_string_equal(comity_dataset_client_name(d, 0), "all");
  assert_int_equal(info->type, COMITY_U8);
  assert_int_equal(info->shape_rank, 3);
  assert_int_equal(info->shape[0], 1);
  assert_int_equal(info->shape[1], 1);
  assert_int_equal(info->shape[2], 2);
  assert_int_equal(info->classes, 5);
  assert_false(info->has_test);
  const float x[] = {0, 1, 10 / 255.0f, 20 / 255.0f, 30 / 255.0f, 40 / 255.0f}, y[] = {4, 0, 2};
  assert_examples(d, COMITY_SPLIT_TRAIN, 0, 3, x, y);
  comity_dataset_destroy(&d);
}

static void test_files_become_a_central_test_set_also_from_gzip(void **state) {
  place *p = *state;
  comity_import_idx_options options = {.images = gzip_file(p, "i.gz", images3, sizeof images3),
                                       .labels = gzip_file(p, "l.gz", labels3, sizeof labels3)};
  options.test_images = options.images;
  options.test_labels = options.labels;
  assert_ok(comity_import_idx(&options, p->path));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->examples[COMITY_SPLIT_TEST], 3);
  assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TEST, 0), 0);
  comity_examples rows;
  assert_ok(comity_dataset_rows(d, COMITY_SPLIT_TEST, 1, 2, &rows));
  assert_int_equal(((const uint8_t *)rows.x)[0], 10);
  assert_float_equal(rows.y[1], 2, 0);
  comity_dataset_destroy(&d);
}

/* Change one byte of the images, and expect this message. */
static void assert_image_refused(const place *p, size_t at, uint8_t value, const char *text) {
  uint8_t bytes[sizeof images3];
  memcpy(bytes, images3, sizeof bytes);
  bytes[at] = value;
  assert_int_equal(import(p, bytes, sizeof bytes, labels3, sizeof labels3), COMITY_ERR_DATA);
  assert_says("images");
  assert_says(text);
  assert_int_not_equal(access(p->path, F_OK), 0);
}

static void damaged_headers_are_refused_with_the_reason(void **state) {
  place *p = *state;
  assert_image_refused(p, 0, 7, "no IDX file");
  assert_image_refused(p, 2, 0x0D, "32-bit floats");
  assert_image_refused(p, 2, 0x77, "unknown type");
  assert_image_refused(p, 3, 1, "dimensions");
  assert_image_refused(p, 7, 0, "is empty");
  assert_image_refused(p, 11, 0, "is empty");
  assert_image_refused(p, 7, 2, "do not belong together");
  assert_image_refused(p, 8, 0xFF, "too large");
  assert_image_refused(p, 15, 3, "cut off");
  assert_image_refused(p, 15, 1, "more bytes");
}

static void cut_and_overlong_files_are_refused(void **state) {
  place *p = *state;
  uint8_t longer[sizeof labels3 + 1] = {0};
  memcpy(longer, labels3, sizeof labels3);
  for (size_t bytes = 0; bytes < sizeof images3; bytes++) {
    assert_int_equal(import(p, images3, bytes, labels3, sizeof labels3), COMITY_ERR_DATA);
    assert_says("cut off");
  }
  for (size_t bytes = 0; bytes < sizeof labels3; bytes++)
    assert_int_equal(import(p, images3, sizeof images3, labels3, bytes), COMITY_ERR_DATA);
  assert_int_equal(import(p, images3, sizeof images3, longer, sizeof longer), COMITY_ERR_DATA);
  assert_says("more bytes");
}

static void a_torn_gzip_stream_is_refused(void **state) {
  place *p = *state;
  uint8_t noise[4096], header[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 2, 0, 0, 0, 2, 0};
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (uint8_t)comity_random_bits(&random);
  memcpy(noise, header, sizeof header);
  const char *path = gzip_file(p, "torn.gz", noise, sizeof noise);
  assert_int_equal(truncate(path, 2000), 0);
  comity_import_idx_options options = {.images = path, .labels = bytes_file(p, "l", labels3, sizeof labels3)};
  assert_int_equal(comity_import_idx(&options, p->path), COMITY_ERR_DATA);
  assert_says("torn.gz: the gzip stream is damaged or cut off");
}

static void missing_files_and_half_pairs_are_named(void **state) {
  place *p = *state;
  comity_import_idx_options options = {.images = "/nowhere/i", .labels = "/nowhere/l"};
  assert_int_equal(comity_import_idx(&options, p->path), COMITY_ERR_NOT_FOUND);
  assert_says("/nowhere/l");
  options.test_images = "/nowhere/t";
  assert_int_equal(comity_import_idx(&options, p->path), COMITY_ERR_USAGE);
  assert_says("the label file");
}

static void mnist_has_its_published_counts(void **state) {
  place *p = *state;
  static const size_t train[10] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
  static const size_t test[10] = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
  static const char *const names[4] = {"train-images-idx3", "train-labels-idx1", "t10k-images-idx3",
                                       "t10k-labels-idx1"};
  const char *folder = real_data(__func__);
  if (folder == NULL)
    skip();
  char paths[4][512];
  for (int i = 0; i < 4; i++)
    snprintf(paths[i], sizeof paths[i], "%s/mnist/%s-ubyte.gz", folder, names[i]);
  comity_import_idx_options options = {paths[0], paths[1], paths[2], paths[3]};
  assert_ok(comity_import_idx(&options, p->path));
  comity_dataset *d = opened(p->path);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_examples rows;
    size_t counts[10] = {0}, total = s == COMITY_SPLIT_TRAIN ? 60000 : 10000;
    assert_int_equal(comity_dataset_describe(d)->examples[s], total);
    assert_ok(comity_dataset_rows(d, (comity_split)s, 0, total, &rows));
    for (size_t i = 0; i < total; i++)
      counts[(int)rows.y[i]]++;
    for (int c = 0; c < 10; c++)
      assert_int_equal(counts[c], s == COMITY_SPLIT_TRAIN ? train[c] : test[c]);
  }
  comity_dataset_destroy(&d);
}

int main(void) {
  const struct CMUnitTest tests[] = {PLACED(images_become_one_client_of_bytes),
                                     PLACED(test_files_become_a_central_test_set_also_from_gzip),
                                     PLACED(damaged_headers_are_refused_with_the_reason),
                                     PLACED(cut_and_overlong_files_are_refused),
                                     PLACED(a_torn_gzip_stream_is_refused),
                                     PLACED(missing_files_and_half_pairs_are_named),
                                     PLACED(mnist_has_its_published_counts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
