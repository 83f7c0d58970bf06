/* The order of examples, and the learning rate of a round. */
#include "test.h"

#include "train/train_impl.h"

#include <math.h>
#include <string.h>

enum { EXAMPLES = 23 };

/* The first epochs of a client, one after the other. */
static void orders(uint64_t seed, size_t round, size_t client, size_t batch, size_t epochs, uint32_t *order) {
  uint32_t room[EXAMPLES];
  comity_train_settings settings = {.seed = seed, .batch = batch};
  comity_batches batches;
  comity_batches_open(&batches, &settings, round, client, EXAMPLES, room);
  size_t filled = 0, per_epoch = comity_batches_per_epoch(&batches);
  for (size_t step = 0; step < epochs * per_epoch; step++) {
    const uint32_t *index;
    size_t count = comity_batches_next(&batches, &index);
    size_t expected = step % per_epoch == per_epoch - 1 && EXAMPLES % batch != 0 ? EXAMPLES % batch : batch;
    assert_int_equal(count, expected);
    memcpy(order + filled, index, count * sizeof *index);
    filled += count;
  }
  assert_int_equal(filled, epochs * EXAMPLES);
}

static void every_example_comes_once_an_epoch(void **state) {
  (void)state;
  const size_t batches[] = {1, 4, 7, 22};
  for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
    uint32_t order[3 * EXAMPLES];
    orders(5, 1, 0, batches[b], 3, order);
    for (int epoch = 0; epoch < 3; epoch++) {
      int seen[EXAMPLES] = {0};
      for (int i = 0; i < EXAMPLES; i++)
        seen[order[epoch * EXAMPLES + i]]++;
      for (int i = 0; i < EXAMPLES; i++)
        assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(order, order + EXAMPLES, EXAMPLES * sizeof *order);
  }
}

static void order_differs_by_seed_round_and_client_only(void **state) {
  (void)state;
  uint32_t base[2 * EXAMPLES], other[2 * EXAMPLES];
  const size_t bytes = sizeof base;
  orders(5, 1, 0, 4, 2, base);
  orders(5, 1, 0, 4, 2, other);
  assert_memory_equal(base, other, bytes);
  orders(5, 1, 0, 7, 2, other); /* another batch size cuts the same order differently */
  assert_memory_equal(base, other, bytes);
  orders(6, 1, 0, 4, 2, other);
  assert_memory_not_equal(base, other, bytes / 2);
  orders(5, 2, 0, 4, 2, other);
  assert_memory_not_equal(base, other, bytes / 2);
  orders(5, 1, 1, 4, 2, other);
  assert_memory_not_equal(base, other, bytes / 2);
}

static void full_batches_keep_the_files_order(void **state) {
  (void)state;
  const size_t sizes[] = {0, EXAMPLES, EXAMPLES + 1};
  for (size_t i = 0; i < 3; i++) {
    comity_train_settings settings = {.seed = 5, .batch = sizes[i]};
    comity_batches batches;
    const uint32_t *index;
    comity_batches_open(&batches, &settings, 1, 0, EXAMPLES, NULL);
    assert_int_equal(comity_batches_per_epoch(&batches), 1);
    for (int step = 0; step < 3; step++) {
      assert_int_equal(comity_batches_next(&batches, &index), EXAMPLES);
      assert_null(index);
    }
  }
}

#define assert_rate(settings, round, expected)                                                               \
  assert_true(fabs(comity_train_rate(settings, round) - (expected)) < 1e-12)

static void schedules_follow_the_round(void **state) {
  (void)state;
  comity_train_settings settings = {.rate = 0.8, .schedule = "constant", .decay = 0.5, .decay_rounds = 4};
  assert_rate(&settings, 1, 0.8);
  assert_rate(&settings, 1000, 0.8);
  strcpy(settings.schedule, "exponential");
  assert_rate(&settings, 1, 0.8);
  assert_rate(&settings, 2, 0.4);
  assert_rate(&settings, 4, 0.1);
  strcpy(settings.schedule, "step");
  assert_rate(&settings, 4, 0.8);
  assert_rate(&settings, 5, 0.4);
  assert_rate(&settings, 9, 0.2);
  strcpy(settings.schedule, "cosine");
  assert_rate(&settings, 1, 0.8);
  assert_rate(&settings, 3, 0.4);
  assert_rate(&settings, 5, 0.0);
  assert_rate(&settings, 50, 0.0);
}

static void settings_come_from_the_job(void **state) {
  (void)state;
  static const char yaml[] =
      "{seed: 9, train: {epochs: 3, steps: 4, batch: 5, learning_rate: 0.25, schedule: "
      "step, decay: 0.5, decay_rounds: 6, momentum: 0.75, nesterov: true, "
      "weight_decay: 0.125, clip_norm: 2}}";
  comity_config *config = NULL;
  comity_train_settings settings;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_parse(config, "job.yaml", yaml, sizeof yaml - 1), COMITY_OK);
  comity_train_settings_read(config, &settings);
  comity_config_destroy(&config);
  assert_int_equal(settings.seed, 9);
  assert_int_equal(settings.epochs, 3);
  assert_int_equal(settings.steps, 4);
  assert_int_equal(settings.batch, 5);
  assert_int_equal(settings.decay_rounds, 6);
  assert_string_equal(settings.schedule, "step");
  assert_true(settings.rate == 0.25 && settings.decay == 0.5 && settings.momentum == 0.75);
  assert_true(settings.nesterov && settings.weight_decay == 0.125 && settings.clip == 2.0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_example_comes_once_an_epoch),
      cmocka_unit_test(order_differs_by_seed_round_and_client_only),
      cmocka_unit_test(full_batches_keep_the_files_order),
      cmocka_unit_test(schedules_follow_the_round),
      cmocka_unit_test(settings_come_from_the_job),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
