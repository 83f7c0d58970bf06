/* Generated datasets: sizes, laws, and independence of the number of clients. */
#include "import_support.h"

#include <math.h>

static comity_dataset *synthetic(const char *path, comity_synthetic_options options) {
  assert_ok(comity_generate_synthetic(&options, path));
  return opened(path);
}

/* Client k of both has the same rows. */
static void assert_same_client(comity_dataset *a, comity_dataset *b, size_t client) {
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_examples left, right;
    assert_ok(comity_dataset_load(a, (comity_split)s, client, &left));
    assert_ok(comity_dataset_load(b, (comity_split)s, client, &right));
    assert_int_equal(left.count, right.count);
    assert_memory_equal(left.x, right.x, left.count * left.width * comity_dtype_size(left.type));
    assert_memory_equal(left.y, right.y, left.count * sizeof(float));
  }
}

static void clients_do_not_depend_on_their_number(void **state) {
  place *p = *state;
  const comity_synthetic_options few = {.alpha = 1, .beta = 1, .clients = 3, .seed = 5, .test_fraction = 0.1};
  comity_synthetic_options more = few, other = few;
  more.clients = 6;
  other.seed = 6;
  comity_dataset *a = synthetic(in_folder(p, "a.h5"), few), *b = synthetic(in_folder(p, "b.h5"), more),
                 *c = synthetic(in_folder(p, "c.h5"), other);
  for (size_t k = 0; k < 3; k++)
    assert_same_client(a, b, k);
  comity_examples left, right;
  assert_ok(comity_dataset_load(a, COMITY_SPLIT_TRAIN, 0, &left));
  assert_ok(comity_dataset_load(c, COMITY_SPLIT_TRAIN, 0, &right));
  assert_float_not_equal(((const float *)left.x)[0], ((const float *)right.x)[0], 1e-9);
  comity_dataset_destroy(&a);
  comity_dataset_destroy(&b);
  comity_dataset_destroy(&c);
}

/* n_k - 50 is lognormal(4, 2): its median is exp(4) = 54.6. Each client keeps int(0.9 n_k) for training. */
static void sizes_follow_the_published_law(void **state) {
  place *p = *state;
  comity_dataset *d = synthetic(
      p->path,
      (comity_synthetic_options){.alpha = 0, .beta = 0, .clients = 400, .seed = 1, .test_fraction = 0.1});
  size_t below = 0;
  for (size_t k = 0; k < 400; k++) {
    size_t train = comity_dataset_count(d, COMITY_SPLIT_TRAIN, k),
           test = comity_dataset_count(d, COMITY_SPLIT_TEST, k);
    assert_true(train + test >= 50);
    assert_int_equal(train, (size_t)(0.9 * (double)(train + test)));
    below += train + test < 105;
  }
  assert_in_range(below, 160, 240); /* 200 +- 4 standard deviations of a fair coin */
  comity_dataset_destroy(&d);
}

/* Within a client, feature j has variance j^-1.2; without iid its mean is N(0, 1) when beta is 0. */
static void features_have_the_published_spread(void **state) {
  place *p = *state;
  for (int iid = 0; iid < 2; iid++) {
    comity_dataset *d = synthetic(p->path, (comity_synthetic_options){.iid = iid, .clients = 200, .seed = 2});
    double within[60] = {0}, means = 0, rows = 0;
    for (size_t k = 0; k < 200; k++) {
      comity_examples e;
      assert_ok(comity_dataset_load(d, COMITY_SPLIT_TRAIN, k, &e));
      const float *x = e.x;
      size_t used = e.count < 100 ? e.count : 100;
      for (size_t j = 0; j < 60; j++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < used; i++) {
          sum += x[i * 60 + j];
          square += (double)x[i * 60 + j] * x[i * 60 + j];
        }
        within[j] += square - sum * sum / (double)used;
        means += sum / (double)used * sum / (double)used;
      }
      rows += (double)used - 1;
    }
    for (size_t j = 0; j < 60; j++)
      assert_float_equal(within[j] / rows / pow((double)j + 1, -1.2), 1, 0.06);
    if (iid)
      assert_true(means / (200 * 60) < 0.01);
    else
      assert_float_equal(means / (200 * 60), 1, 0.06);
    comity_dataset_destroy(&d);
  }
}

static void blobs_lie_around_centres_at_the_asked_distance(void **state) {
  place *p = *state;
  const comity_blobs_options options = {.clients = 20,
                                        .examples = 200,
                                        .features = 10,
                                        .classes = 3,
                                        .test_fraction = 0.25,
                                        .separation = 8,
                                        .seed = 1};
  assert_ok(comity_generate_blobs(&options, p->path));
  comity_dataset *d = opened(p->path);
  comity_examples e;
  double centre[3][10] = {{0}}, count[3] = {0};
  assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TEST, 19), 50);
  assert_ok(comity_dataset_rows(d, COMITY_SPLIT_TRAIN, 0, 3000, &e));
  for (size_t i = 0; i < e.count; i++) {
    count[(int)e.y[i]]++;
    for (size_t j = 0; j < 10; j++)
      centre[(int)e.y[i]][j] += ((const float *)e.x)[i * 10 + j];
  }
  for (int c = 0; c < 3; c++) {
    double distance = 0;
    int next = (c + 1) % 3;
    assert_true(count[c] > 800);
    for (size_t j = 0; j < 10; j++)
      distance += pow(centre[c][j] / count[c] - centre[next][j] / count[next], 2);
    assert_float_equal(sqrt(distance), 8, 0.3);
  }
  comity_dataset_destroy(&d);
}

static void blobs_can_be_images_and_many(void **state) {
  place *p = *state;
  comity_blobs_options options = {
      .clients = 3, .examples = 4, .image_side = 9, .classes = 2, .separation = 4, .seed = 1};
  assert_ok(comity_generate_blobs(&options, p->path));
  comity_dataset *d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->type, COMITY_U8);
  assert_int_equal(comity_dataset_describe(d)->shape_rank, 3);
  assert_int_equal(comity_dataset_describe(d)->shape[2], 9);
  comity_dataset_destroy(&d);
  options =
      (comity_blobs_options){.clients = 100000, .examples = 10, .features = 2, .classes = 2, .separation = 4};
  assert_ok(comity_generate_blobs(&options, p->path));
  d = opened(p->path);
  assert_int_equal(comity_dataset_describe(d)->clients, 100000);
  assert_int_equal(comity_dataset_count(d, COMITY_SPLIT_TRAIN, 99999), 10);
  comity_dataset_destroy(&d);
}

static void senseless_options_are_refused(void **state) {
  place *p = *state;
  static const comity_blobs_options blobs[] = {
      {.examples = 1, .features = 1, .classes = 1},
      {.clients = 1, .features = 1, .classes = 1},
      {.clients = 1, .examples = 1, .classes = 1},
      {.clients = 1, .examples = 1, .features = 1},
      {.clients = 1, .examples = 1, .features = 1, .classes = 1, .test_fraction = 1},
      {.clients = 1, .examples = 1, .features = 1, .classes = 1, .separation = -1},
      {.clients = 1, .examples = 1, .image_side = 5000, .classes = 1}};
  static const comity_synthetic_options synthetics[] = {{.clients = 0},
                                                        {.clients = 1, .alpha = -1},
                                                        {.clients = 1, .beta = INFINITY},
                                                        {.clients = 1, .test_fraction = -0.1}};
  for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
    assert_int_equal(comity_generate_blobs(&blobs[i], p->path), COMITY_ERR_USAGE);
  for (size_t i = 0; i < sizeof synthetics / sizeof *synthetics; i++)
    assert_int_equal(comity_generate_synthetic(&synthetics[i], p->path), COMITY_ERR_USAGE);
  assert_int_not_equal(access(p->path, F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PLACED(clients_do_not_depend_on_their_number), PLACED(sizes_follow_the_published_law),
      PLACED(features_have_the_published_spread),    PLACED(blobs_lie_around_centres_at_the_asked_distance),
      PLACED(blobs_can_be_images_and_many),          PLACED(senseless_options_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
