/* A method opened from a job's text, and a client's view made of plain arrays: an algorithm needs nothing
 * else. */
#ifndef COMITY_TESTS_FAKE_H
#define COMITY_TESTS_FAKE_H

#include "test.h"

#include <comity/algorithm.h>

#include <math.h>
#include <string.h>

static inline comity_status fake_open(const char *yaml, size_t parameters, size_t clients,
                                      comity_method *method) {
  comity_config *config = NULL;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  if (comity_config_parse(config, "job.yaml", yaml, strlen(yaml)) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  comity_problem problem = {.parameters = parameters, .clients = clients};
  comity_status status = comity_method_open(config, &problem, method);
  comity_config_destroy(&config);
  return status;
}

static inline comity_method fake_method(const char *yaml, size_t clients) {
  comity_method method = {0};
  if (fake_open(yaml, 2, clients, &method) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  return method;
}

/* Let a client end at `model` after `steps` local steps. */
static inline void fake_end(const comity_method *method, const float *down, float *model, float *state,
                            size_t steps, double rate, double momentum, float *up) {
  comity_client_view view = {.round = 1,
                             .examples = 5,
                             .down = down,
                             .up = up,
                             .state = state,
                             .model = model,
                             .rate = rate,
                             .momentum = momentum,
                             .steps = steps};
  memset(up, 0, method->protocol.up.length * sizeof *up);
  comity_method_end(method, &view);
}

static inline comity_status fake_step(const comity_method *method, float *model, float *state, size_t present,
                                      const float *combined) {
  comity_server_view view = {
      .round = 1, .cohort = present, .present = present, .model = model, .state = state};
  return method->algorithm->server_step(method->self, &view, combined);
}

#define assert_near(value, expected) assert_true(fabs((double)(value) - (double)(expected)) < 1e-6)

#endif
