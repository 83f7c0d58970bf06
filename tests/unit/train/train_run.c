/* One client's task: steps, failures that leave no trace, stored runs of another implementation, large
 * batches, and an allocation-free loop. */
#include "small_federation.h"

#include "train/train_impl.h"

static const size_t sizes[SMALL_CLIENTS] = {40, 7, 23, 12};

/* Calls of the allocator, counted by the linker's --wrap. */
static size_t allocations;
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes) {
  allocations++;
  return __real_malloc(bytes);
}
void *__wrap_calloc(size_t count, size_t size) {
  allocations++;
  return __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t bytes) {
  allocations++;
  return __real_realloc(memory, bytes);
}
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes) {
  allocations++;
  return __real_posix_memalign(memory, alignment, bytes);
}

static comity_train_task task_of(small_federation *fed, size_t client) {
  comity_server_view view = {.round = 1, .model = fed->global, .state = fed->server_state};
  comity_method_announce(&fed->method, &view, fed->down);
  return (comity_train_task){.round = 1,
                             .client = client,
                             .examples = fed->examples[client],
                             .down = fed->down,
                             .state = fed->client_state[client],
                             .up = fed->up};
}

static size_t steps_of(const char *yaml, size_t client, size_t epochs) {
  small_federation fed;
  small_open(&fed, yaml, sizes, 4);
  comity_train_task task = task_of(&fed, client);
  task.epochs = epochs;
  comity_train_result result;
  assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
  small_close(&fed);
  return result.steps;
}

static void steps_follow_from_epochs_or_are_given(void **state) {
  (void)state;
  assert_int_equal(steps_of("train: {batch: 5, epochs: 3}", 2, 0),
                   15); /* 23 examples: 4 batches and a rest */
  assert_int_equal(steps_of("train: {batch: 5, epochs: 3}", 2, 1), 5);
  assert_int_equal(steps_of("train: {batch: 0, epochs: 3}", 2, 0), 3);
  assert_int_equal(steps_of("train: {batch: 100, epochs: 3}", 2, 0), 3);
  assert_int_equal(steps_of("train: {batch: 5, epochs: 3, steps: 7}", 2, 0), 7);
  assert_int_equal(steps_of("train: {batch: 5, epochs: 3, steps: 7}", 2, 2), 2);
  assert_int_equal(steps_of("{algorithm: {name: fedsgd}, train: {batch: 5, epochs: 3}}", 2, 0), 1);
}

static void an_epoch_and_its_number_of_steps_are_the_same_work(void **state) {
  (void)state;
  float up[2][SMALL_PARAMETERS];
  const char *yaml[2] = {"train: {batch: 5, epochs: 2}", "train: {batch: 5, steps: 10}"};
  for (int i = 0; i < 2; i++) {
    small_federation fed;
    small_open(&fed, yaml[i], sizes, 4);
    comity_train_task task = task_of(&fed, 2);
    comity_train_result result;
    assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
    memcpy(up[i], fed.up, sizeof up[i]);
    small_close(&fed);
  }
  assert_floats_equal(up[0], up[1], SMALL_PARAMETERS);
}

static bool after_four(void *self) { return ++*(int *)self >= 4; }

/* What was done counts: as if so many steps had been asked for, also for methods that divide by them. */
static void a_client_that_is_told_it_is_enough_has_done_fewer_steps(void **state) {
  (void)state;
  static const char *const algorithm[] = {"fedprox", "fednova", "scaffold"};
  for (int i = 0; i < 3; i++) {
    char yaml[120];
    float up[4 * SMALL_PARAMETERS];
    double loss = 0;
    for (int asked = 0; asked < 2; asked++) {
      small_federation fed;
      int steps = 0;
      snprintf(yaml, sizeof yaml, "{algorithm: {name: %s}, train: {batch: 5, steps: %d}}", algorithm[i],
               asked ? 4 : 10);
      small_open(&fed, yaml, sizes, 4);
      comity_train_task task = task_of(&fed, 2);
      task.enough = asked ? NULL : after_four;
      task.tick_self = &steps;
      comity_train_result result;
      size_t length = fed.method.protocol.up.length;
      assert_true(length <= sizeof up / sizeof *up);
      assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
      assert_int_equal(result.steps, 4);
      if (asked) {
        assert_floats_equal(up, fed.up, length);
        assert_true(loss == result.loss);
      }
      memcpy(up, fed.up, length * sizeof *up);
      loss = result.loss;
      small_close(&fed);
    }
  }
}

/* Fill the state with a pattern, run, and expect the status and the pattern. */
static void expect_failure(small_federation *fed, const comity_train_task *task, comity_status expected,
                           const char *message) {
  const comity_protocol *protocol = &fed->method.protocol;
  for (size_t i = 0; i < protocol->client_state.length; i++)
    task->state[i] = 0.25F * (float)i;
  comity_train_result result = {.steps = 77};
  assert_int_equal(comity_trainer_run(fed->trainer, task, &result), expected);
  if (strstr(comity_error_message(), message) == NULL)
    fail_msg("'%s' does not say '%s'", comity_error_message(), message);
  assert_int_equal(result.steps, 77);
  for (size_t i = 0; i < protocol->client_state.length; i++)
    assert_true(task->state[i] == 0.25F * (float)i);
}

static void failures_leave_the_state_alone(void **state) {
  (void)state;
  const char *yaml[] = {"{algorithm: {name: scaffold}, train: {batch: 5}}",
                        "{algorithm: {name: scaffold, option: I}, train: {batch: 0}}",
                        "{algorithm: {name: fedsgd}}", "{algorithm: {name: fedavg}, train: {batch: 5}}"};
  for (int i = 0; i < 4; i++) {
    small_federation fed;
    small_open(&fed, yaml[i], sizes, 4);
    comity_train_task task = task_of(&fed, 1);
    fed.x[1][4] = NAN;
    expect_failure(&fed, &task, COMITY_ERR_DATA, "client 1");
    fed.x[1][4] = 0;
    task.examples.count = 0;
    expect_failure(&fed, &task, COMITY_ERR_DATA, "no train examples");
    task.examples.count = SMALL_MOST + 1;
    expect_failure(&fed, &task, COMITY_ERR_ARG, "planned");
    task.examples = fed.examples[1];
    task.examples.width = SMALL_FEATURES - 1;
    expect_failure(&fed, &task, COMITY_ERR_DATA, "do not fit");
    task.examples = fed.examples[1];
    comity_train_result result; /* and the trainer still works */
    assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
    small_close(&fed);
  }
}

static void too_high_a_learning_rate_is_named_with_its_step(void **state) {
  (void)state;
  small_federation fed;
  small_open(&fed,
             "{algorithm: {name: feddyn}, train: {batch: 5, epochs: 50, learning_rate: 1.0e+5, "
             "weight_decay: 10}}",
             sizes, 4);
  comity_train_task task = task_of(&fed, 2);
  expect_failure(&fed, &task, COMITY_ERR_NUMERIC, "learning rate 100000 is too high");
  assert_non_null(strstr(comity_error_message(), "client 2, round 1"));
  assert_non_null(strstr(comity_error_message(), "local step"));
  small_close(&fed);
}

static void a_last_step_that_overflows_is_found_in_the_update(void **state) {
  (void)state;
  small_federation fed;
  small_open(&fed, "train: {batch: 0, learning_rate: 1000000}", sizes, 4);
  comity_train_task task = task_of(&fed, 2);
  for (int i = 0; i < SMALL_FEATURES * 23; i++)
    fed.x[2][i] *= 1e36F; /* finite data and, at parameters of zero, a finite loss */
  expect_failure(&fed, &task, COMITY_ERR_NUMERIC, "the update is not finite at local step 1");
  small_close(&fed);
}

/* Client state carries over; whoever trains in between does not matter, nor does the trainer. */
static void clients_do_not_disturb_each_other(void **state) {
  (void)state;
  const char *yaml = "{algorithm: {name: scaffold}, train: {batch: 5, momentum: 0.9}}";
  small_federation one, other;
  small_open(&one, yaml, sizes, 4);
  small_open(&other, yaml, sizes, 4);
  comity_train_result result;
  float up[2 * SMALL_PARAMETERS];
  comity_train_task task = task_of(&one, 2);
  assert_int_equal(comity_trainer_run(one.trainer, &task, &result), COMITY_OK);
  memcpy(up, one.up, sizeof up);
  for (size_t client = 0; client <= 2; client++) {
    task = task_of(&other, client);
    assert_int_equal(comity_trainer_run(other.trainer, &task, &result), COMITY_OK);
  }
  assert_floats_equal(other.up, up, 2 * SMALL_PARAMETERS);
  assert_floats_equal(other.client_state[2], one.client_state[2], SMALL_PARAMETERS);
  small_close(&one);
  small_close(&other);
}

/* The trainer's loop, written again in double and without the library's model, optimiser or algorithm, as the
 * settings of `fed` and mu and l2 say. */
static void loop_in_double(const small_federation *fed, double mu, double l2, double *w, double *mean_loss) {
  const comity_train_settings *settings = &fed->settings;
  double v[SMALL_PARAMETERS] = {0};
  for (int i = 0; i < SMALL_PARAMETERS; i++)
    w[i] = fed->global[i];
  uint32_t room[SMALL_MOST];
  comity_batches batches;
  comity_batches_open(&batches, settings, 1, 2, sizes[2], room);
  *mean_loss = 0;
  for (int step = 0; step < 10; step++) {
    const uint32_t *index;
    size_t count = comity_batches_next(&batches, &index);
    double g[SMALL_PARAMETERS] = {0}, norm = 0, loss = 0;
    for (size_t row = 0; row < count; row++) {
      const float *x = fed->x[2] + index[row] * SMALL_FEATURES;
      double y = fed->y[2][index[row]], z = w[SMALL_FEATURES];
      for (int j = 0; j < SMALL_FEATURES; j++)
        z += w[j] * x[j];
      double p = 1 / (1 + exp(-z));
      loss -= log(y > 0 ? p : 1 - p) / (double)count;
      for (int j = 0; j <= SMALL_FEATURES; j++)
        g[j] += (p - y) * (j < SMALL_FEATURES ? x[j] : 1) / (double)count;
    }
    for (int i = 0; i < SMALL_PARAMETERS; i++) {
      loss += l2 / 2 * w[i] * w[i];
      g[i] += l2 * w[i] + mu * (w[i] - fed->global[i]);
      norm += g[i] * g[i];
    }
    double cut = settings->clip > 0 ? fmin(1, settings->clip / sqrt(norm)) : 1;
    for (int i = 0; i < SMALL_PARAMETERS; i++) {
      double used = g[i] * cut + settings->weight_decay * w[i];
      v[i] = settings->momentum * v[i] + used;
      w[i] -= settings->rate * (settings->nesterov ? used + settings->momentum * v[i] : v[i]);
    }
    *mean_loss += loss / 10;
  }
}

static void local_sgd_equals_a_loop_in_double(void **state) {
  (void)state;
#define RUN(algorithm, l2, work)                                                                             \
  "{algorithm: {" algorithm "}, model: {l2: " l2 "}, train: {batch: 5, epochs: 2, learning_rate: 0.2" work   \
  "}}"
  static const struct {
    const char *yaml;
    double mu, l2;
  } run[] = {
      {RUN("name: fedavg", "0", ""), 0, 0},
      {RUN("name: fedavg", "0.02", ""), 0, 0.02},
      {RUN("name: fedavg", "0", ", momentum: 0.9"), 0, 0},
      {RUN("name: fedavg", "0", ", momentum: 0.7, nesterov: true"), 0, 0},
      {RUN("name: fedavg", "0", ", weight_decay: 0.1"), 0, 0},
      {RUN("name: fedavg", "0", ", clip_norm: 0.2"), 0, 0},
      {RUN("name: fedprox, mu: 0.3", "0", ""), 0.3, 0},
      {RUN("name: fedprox, mu: 0.3", "0.02",
           ", momentum: 0.7, nesterov: true, weight_decay: 0.05, clip_norm: 0.4"),
       0.3, 0.02},
  };
#undef RUN
  for (size_t i = 0; i < sizeof run / sizeof run[0]; i++) {
    small_federation fed;
    small_open(&fed, run[i].yaml, sizes, 4);
    for (int j = 0; j < SMALL_PARAMETERS; j++)
      fed.global[j] = 0.3F * (float)(j - 1);
    comity_train_task task = task_of(&fed, 2);
    comity_train_result result;
    assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
    double w[SMALL_PARAMETERS], loss;
    loop_in_double(&fed, run[i].mu, run[i].l2, w, &loss);
    for (int j = 0; j < SMALL_PARAMETERS; j++)
      assert_true(fabs(fed.up[j] - (w[j] - fed.global[j])) < 5e-6);
    assert_true(fabs(result.loss - loss) < 5e-6);
    small_close(&fed);
  }
}

/* More examples than are computed at once: the gradient is the mean over all of them all the same. */
static void large_batches_are_computed_in_pieces(void **state) {
  (void)state;
  enum { MANY = 1000 };
  static float x[MANY * SMALL_FEATURES], y[MANY];
  comity_random random;
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 0, 0, 0);
  for (int i = 0; i < MANY * SMALL_FEATURES; i++)
    x[i] = (float)comity_random_normal(&random);
  for (int i = 0; i < MANY; i++)
    y[i] = (float)comity_random_below(&random, 2);
  double g[SMALL_PARAMETERS] = {0}; /* at w = 0: p = 1/2 */
  for (int i = 0; i < MANY; i++)
    for (int j = 0; j <= SMALL_FEATURES; j++)
      g[j] += (0.5 - (double)y[i]) * (j < SMALL_FEATURES ? (double)x[i * SMALL_FEATURES + j] : 1.0) / MANY;
  const char *yaml[] = {"train: {batch: 0, learning_rate: 1}", "train: {batch: 999999, learning_rate: 1}",
                        "{algorithm: {name: fedsgd}, train: {learning_rate: 1}}"};
  for (int i = 0; i < 3; i++) {
    small_federation fed;
    small_open(&fed, yaml[i], sizes, 4);
    comity_trainer *large = NULL;
    assert_int_equal(comity_trainer_new(&fed.settings, fed.model, &fed.method, MANY, &large), COMITY_OK);
    assert_true(comity_trainer_bytes(large) < 256 * 1024);
    comity_train_task task = task_of(&fed, 0);
    task.examples.count = MANY;
    task.examples.x = x;
    task.examples.y = y;
    comity_train_result result;
    assert_int_equal(comity_trainer_run(large, &task, &result), COMITY_OK);
    assert_int_equal(result.steps, 1);
    assert_true(fabs(result.loss - log(2.0)) < 1e-6);
    for (int j = 0; j < SMALL_PARAMETERS; j++)
      assert_true(fabs(fed.up[j] + g[j]) < 1e-6);
    comity_trainer_destroy(&large);
    small_close(&fed);
  }
}

static void training_allocates_nothing(void **state) {
  (void)state;
  const char *yaml[] = {
      "train: {batch: 5, epochs: 3}",
      ("{algorithm: {name: scaffold, option: I}, train: {batch: 5, epochs: 3, momentum: 0.5, "
       "clip_norm: 1, weight_decay: 0.1}}"),
      "{algorithm: {name: fedsgd}}"};
  for (int i = 0; i < 3; i++) {
    small_federation fed;
    size_t before = allocations;
    small_open(&fed, yaml[i], sizes, 4);
    assert_true(allocations > before); /* the counter counts */
    comity_train_result result;
    for (size_t client = 0; client < 4; client++) {
      comity_train_task task = task_of(&fed, client);
      before = allocations;
      assert_int_equal(comity_trainer_run(fed.trainer, &task, &result), COMITY_OK);
      assert_int_equal(allocations, before);
    }
    small_close(&fed);
  }
}

static void dropout_is_keyed_by_round_and_client(void **state) {
  (void)state;
  small_federation fed;
  small_open(&fed, "train: {batch: 0, epochs: 1, learning_rate: 1}", sizes, 4);
  comity_model_spec spec = {.count = 2,
                            .layer = {{.kind = "dropout", .rate = 0.5}, {.kind = "dense", .units = 1}},
                            .loss = "binary_cross_entropy",
                            .shape_rank = 1,
                            .shape = {SMALL_FEATURES},
                            .classes = 2,
                            .targets = 1};
  comity_model *model = NULL;
  comity_trainer *trainer = NULL;
  assert_int_equal(comity_model_new(&spec, &model), COMITY_OK);
  assert_int_equal(comity_trainer_new(&fed.settings, model, &fed.method, SMALL_MOST, &trainer), COMITY_OK);
  float first[SMALL_PARAMETERS];
  comity_train_result result;
  comity_train_task task = task_of(&fed, 0);
  assert_int_equal(comity_trainer_run(trainer, &task, &result), COMITY_OK);
  memcpy(first, fed.up, sizeof first);
  assert_int_equal(comity_trainer_run(trainer, &task, &result), COMITY_OK);
  assert_floats_equal(fed.up, first, SMALL_PARAMETERS);
  task.round = 2;
  assert_int_equal(comity_trainer_run(trainer, &task, &result), COMITY_OK);
  assert_memory_not_equal(fed.up, first, sizeof first);
  task.round = 1;
  task.client = 1;
  assert_int_equal(comity_trainer_run(trainer, &task, &result), COMITY_OK);
  assert_memory_not_equal(fed.up, first, sizeof first);
  comity_trainer_destroy(&trainer);
  comity_model_destroy(&model);
  small_close(&fed);
}

/* With a rate of 0 only the masks change from step to step, and with the same rows in both pieces of a batch
 * only the masks change from piece to piece: the mean loss tells whether they did. */
static void dropout_differs_by_step_and_by_piece(void **state) {
  (void)state;
  enum { PIECE = 256 };
  static float x[2 * PIECE * SMALL_FEATURES], y[2 * PIECE];
  small_federation fed;
  small_open(&fed, "train: {batch: 0, epochs: 5, learning_rate: 0}", sizes, 4);
  comity_model_spec spec = {.count = 2,
                            .layer = {{.kind = "dropout", .rate = 0.5}, {.kind = "dense", .units = 1}},
                            .loss = "binary_cross_entropy",
                            .shape_rank = 1,
                            .shape = {SMALL_FEATURES},
                            .classes = 2,
                            .targets = 1};
  for (int i = 0; i < SMALL_PARAMETERS; i++)
    fed.global[i] = 1.0F + (float)i;
  for (int i = 0; i < 2 * PIECE * SMALL_FEATURES; i++)
    x[i] = (float)(i % (PIECE * SMALL_FEATURES) % 11);
  comity_model *model = NULL;
  comity_trainer *trainer = NULL;
  assert_int_equal(comity_model_new(&spec, &model), COMITY_OK);
  assert_int_equal(comity_trainer_new(&fed.settings, model, &fed.method, 2 * PIECE, &trainer), COMITY_OK);
  comity_train_task task = task_of(&fed, 0);
  task.examples.x = x;
  task.examples.y = y;
  double loss[3]; /* one step of one piece, two steps, one step of two pieces */
  for (int i = 0; i < 3; i++) {
    comity_train_result result;
    task.epochs = i == 1 ? 2 : 1;
    task.examples.count = i == 2 ? 2 * PIECE : PIECE;
    assert_int_equal(comity_trainer_run(trainer, &task, &result), COMITY_OK);
    loss[i] = result.loss;
  }
  assert_true(fabs(loss[1] - loss[0]) > 1e-3);
  assert_true(fabs(loss[2] - loss[0]) > 1e-3);
  comity_trainer_destroy(&trainer);
  comity_model_destroy(&model);
  small_close(&fed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_follow_from_epochs_or_are_given),
      cmocka_unit_test(an_epoch_and_its_number_of_steps_are_the_same_work),
      cmocka_unit_test(a_client_that_is_told_it_is_enough_has_done_fewer_steps),
      cmocka_unit_test(failures_leave_the_state_alone),
      cmocka_unit_test(too_high_a_learning_rate_is_named_with_its_step),
      cmocka_unit_test(a_last_step_that_overflows_is_found_in_the_update),
      cmocka_unit_test(clients_do_not_disturb_each_other),
      cmocka_unit_test(local_sgd_equals_a_loop_in_double),
      cmocka_unit_test(large_batches_are_computed_in_pieces),
      cmocka_unit_test(training_allocates_nothing),
      cmocka_unit_test(dropout_is_keyed_by_round_and_client),
      cmocka_unit_test(dropout_differs_by_step_and_by_piece),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
