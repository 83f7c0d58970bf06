/* A whole federation in one process, without MPI: a few clients with generated examples of two classes, a
 * logistic model, and rounds that call algorithm and trainer as the real loop does. */
#ifndef COMITY_TESTS_SMALL_FEDERATION_H
#define COMITY_TESTS_SMALL_FEDERATION_H

#include "test.h"

#include <comity/algorithm.h>
#include <comity/model.h>
#include <comity/train.h>

#include <math.h>
#include <string.h>

enum { SMALL_FEATURES = 3, SMALL_CLIENTS = 4, SMALL_MOST = 40, SMALL_PARAMETERS = SMALL_FEATURES + 1 };

typedef struct small_federation {
  comity_train_settings settings;
  comity_model *model;
  comity_method method;
  comity_trainer *trainer;
  size_t clients;
  comity_examples examples[SMALL_CLIENTS];
  float x[SMALL_CLIENTS][SMALL_MOST * SMALL_FEATURES], y[SMALL_CLIENTS][SMALL_MOST];
  float global[SMALL_PARAMETERS], local[SMALL_PARAMETERS];
  float *server_state, *client_state[SMALL_CLIENTS], *down, *up, *combined;
  size_t steps[SMALL_CLIENTS]; /* of each client's last round */
} small_federation;

/* Client k has sizes[k] examples; its features are shifted by k, so that local optima differ. */
static inline void small_examples(small_federation *fed, const size_t *sizes, size_t clients) {
  static const double plane[SMALL_FEATURES] = {1.5, -2.0, 0.5};
  fed->clients = clients;
  for (size_t k = 0; k < clients; k++) {
    comity_random random;
    comity_random_open(&random, 11, COMITY_RANDOM_TEST, k, 0, 0);
    for (size_t i = 0; i < sizes[k]; i++) {
      double side = 0.3 * comity_random_normal(&random);
      for (size_t j = 0; j < SMALL_FEATURES; j++) {
        float value = (float)(comity_random_normal(&random) + 0.4 * (double)k * (j == 0 ? 1 : -1));
        fed->x[k][i * SMALL_FEATURES + j] = value;
        side += plane[j] * value;
      }
      fed->y[k][i] = side > 0 ? 1.0F : 0.0F;
    }
    fed->examples[k] = (comity_examples){.count = sizes[k],
                                         .width = SMALL_FEATURES,
                                         .targets = 1,
                                         .type = COMITY_F32,
                                         .x = fed->x[k],
                                         .y = fed->y[k],
                                         .scale = 1.0};
  }
}

static inline float *small_floats(size_t count) {
  float *values = comity_array(count, sizeof *values);
  assert_non_null(values);
  return values;
}

/* Open the job `yaml` for clients of these sizes. Everything starts at zero. */
static inline void small_open(small_federation *fed, const char *yaml, const size_t *sizes, size_t clients) {
  memset(fed, 0, sizeof *fed);
  small_examples(fed, sizes, clients);
  comity_model_spec spec = {.count = 1,
                            .layer[0] = {.kind = "dense", .units = 1},
                            .loss = "binary_cross_entropy",
                            .shape_rank = 1,
                            .shape = {SMALL_FEATURES},
                            .classes = 2,
                            .targets = 1};
  comity_config *config = NULL;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  if (comity_config_parse(config, "job.yaml", yaml, strlen(yaml)) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  spec.l2 = comity_config_real(config, "model.l2");
  assert_int_equal(comity_model_new(&spec, &fed->model), COMITY_OK);
  assert_int_equal(comity_model_parameters(fed->model), SMALL_PARAMETERS);
  comity_problem problem = {.parameters = SMALL_PARAMETERS, .clients = clients};
  if (comity_method_open(config, &problem, &fed->method) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  comity_train_settings_read(config, &fed->settings);
  comity_config_destroy(&config);
  assert_int_equal(comity_trainer_new(&fed->settings, fed->model, &fed->method, SMALL_MOST, &fed->trainer),
                   COMITY_OK);
  const comity_protocol *protocol = &fed->method.protocol;
  fed->server_state = small_floats(protocol->server_state.length);
  fed->down = small_floats(protocol->down.length);
  fed->up = small_floats(protocol->up.length);
  fed->combined = small_floats(protocol->up.length);
  for (size_t k = 0; k < clients; k++)
    fed->client_state[k] = small_floats(protocol->client_state.length);
  comity_server_view view = {.model = fed->global, .state = fed->server_state};
  if (fed->method.algorithm->server_begin != NULL)
    fed->method.algorithm->server_begin(fed->method.self, &view);
}

static inline void small_close(small_federation *fed) {
  comity_trainer_destroy(&fed->trainer);
  comity_method_close(&fed->method);
  comity_model_destroy(&fed->model);
  comity_free(fed->server_state);
  comity_free(fed->down);
  comity_free(fed->up);
  comity_free(fed->combined);
  for (size_t k = 0; k < fed->clients; k++)
    comity_free(fed->client_state[k]);
}

/* One round of the clients whose bit is set in `cohort`; epochs[k] as in comity_train_task, NULL = all of
 * them. */
static inline comity_status small_round(small_federation *fed, size_t round, unsigned cohort,
                                        const size_t *epochs) {
  const comity_algorithm *algorithm = fed->method.algorithm;
  const comity_protocol *protocol = &fed->method.protocol;
  comity_server_view view = {.round = round, .model = fed->global, .state = fed->server_state};
  double sums[4 * SMALL_PARAMETERS] = {0}, total = 0;
  assert_true(protocol->up.length <= sizeof sums / sizeof sums[0]);
  comity_method_announce(&fed->method, &view, fed->down);
  for (size_t k = 0; k < fed->clients; k++) {
    if ((cohort >> k & 1U) == 0)
      continue;
    comity_train_task task = {.round = round,
                              .client = k,
                              .examples = fed->examples[k],
                              .epochs = epochs == NULL ? 0 : epochs[k],
                              .down = fed->down,
                              .state = fed->client_state[k],
                              .up = fed->up};
    comity_train_result result;
    COMITY_TRY(comity_trainer_run(fed->trainer, &task, &result));
    fed->steps[k] = result.steps;
    double weight = algorithm->weighting == COMITY_WEIGH_EQUALLY ? 1.0 : (double)task.examples.count;
    for (size_t f = 0; f < protocol->up.count; f++)
      for (size_t i = 0; i < protocol->up.field[f].length; i++) {
        size_t at = protocol->up.field[f].offset + i;
        sums[at] += (protocol->up.field[f].combine == COMITY_COMBINE_MEAN ? weight : 1.0) * fed->up[at];
      }
    total += weight;
    view.present++;
  }
  view.cohort = view.present;
  for (size_t f = 0; f < protocol->up.count; f++)
    for (size_t i = 0; i < protocol->up.field[f].length; i++) {
      size_t at = protocol->up.field[f].offset + i;
      bool mean = protocol->up.field[f].combine == COMITY_COMBINE_MEAN;
      fed->combined[at] = (float)(mean ? sums[at] / total : sums[at]);
    }
  return algorithm->server_step(fed->method.self, &view, fed->combined);
}

static inline void small_rounds(small_federation *fed, size_t rounds) {
  for (size_t round = 1; round <= rounds; round++)
    if (small_round(fed, round, (1U << fed->clients) - 1, NULL) != COMITY_OK)
      fail_msg("round %zu: %s", round, comity_error_message());
}

/* Mean loss over all examples, in double and without the library: -log p(label), p = 1/(1 + exp(-(w x + b))).
 */
static inline double small_loss(const small_federation *fed, const float *w) {
  double loss = 0, count = 0;
  for (size_t k = 0; k < fed->clients; k++)
    for (size_t i = 0; i < fed->examples[k].count; i++, count++) {
      double z = w[SMALL_FEATURES];
      for (size_t j = 0; j < SMALL_FEATURES; j++)
        z += (double)w[j] * fed->x[k][i * SMALL_FEATURES + j];
      loss += log1p(exp(fed->y[k][i] > 0.5F ? -z : z));
    }
  return loss / count;
}

static inline void assert_floats_equal(const float *ours, const float *theirs, size_t count) {
  assert_memory_equal(ours, theirs, count * sizeof *ours);
}

static inline void assert_floats_near(const float *ours, const float *theirs, size_t count,
                                      double tolerance) {
  for (size_t i = 0; i < count; i++)
    if (!(fabs((double)ours[i] - (double)theirs[i]) <= tolerance))
      fail_msg("value %zu is %.9g instead of %.9g", i, (double)ours[i], (double)theirs[i]);
}

#endif
