/* Adaptive optimisers on the server: the combined update is treated as a pseudo-gradient. The three differ
 * only in the second moment, so they share everything else. Source: Reddi, Charles, Zaheer, Garrett, Rush,
 * Konečný, Kumar, McMahan, Adaptive federated optimization, ICLR 2021, algorithm 2. */
#include "algorithm_impl.h"

#include <math.h>

typedef struct fedopt {
  size_t parameters;
  double eta, beta1, beta2, tau, initial;
  double (*second)(double v, double squared, double beta2);
  const char *name;
  comity_layout up;
} fedopt;

/* v_t = v_(t-1) + D^2 */
static double adagrad(double v, double squared, double beta2) {
  (void)beta2;
  return v + squared;
}
/* v_t = beta2 v_(t-1) + (1 - beta2) D^2 */
static double adam(double v, double squared, double beta2) { return beta2 * v + (1.0 - beta2) * squared; }
/* v_t = v_(t-1) - (1 - beta2) D^2 sign(v_(t-1) - D^2) */
static double yogi(double v, double squared, double beta2) {
  double sign = (v > squared) - (v < squared);
  return v - (1.0 - beta2) * squared * sign;
}

static comity_status open_with(const char *name, double (*second)(double, double, double), double beta2,
                               const comity_config *config, const comity_problem *problem,
                               comity_protocol *protocol, void **self) {
  size_t parameters = problem->parameters;
  COMITY_TRY(comity_protocol_begin(protocol, parameters));
  COMITY_TRY(comity_layout_add(&protocol->server_state, "m", parameters, COMITY_COMBINE_MEAN));
  COMITY_TRY(comity_layout_add(&protocol->server_state, "v", parameters, COMITY_COMBINE_MEAN));
  fedopt *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (fedopt){.parameters = parameters,
                     .eta = comity_config_real(config, "algorithm.server_learning_rate"),
                     .beta1 = comity_config_real(config, "algorithm.beta1"),
                     .beta2 = beta2,
                     .tau = comity_config_real(config, "algorithm.tau"),
                     .initial = comity_config_real(config, "algorithm.initial_accumulator"),
                     .second = second,
                     .name = name,
                     .up = protocol->up};
  *self = method;
  return COMITY_OK;
}

static comity_status adagrad_open(const comity_config *config, const comity_problem *problem,
                                  comity_protocol *protocol, void **self) {
  return open_with("fedadagrad", adagrad, 0.0, config, problem, protocol, self);
}
static comity_status adam_open(const comity_config *config, const comity_problem *problem,
                               comity_protocol *protocol, void **self) {
  return open_with("fedadam", adam, comity_config_real(config, "algorithm.beta2"), config, problem, protocol,
                   self);
}
static comity_status yogi_open(const comity_config *config, const comity_problem *problem,
                               comity_protocol *protocol, void **self) {
  return open_with("fedyogi", yogi, comity_config_real(config, "algorithm.beta2"), config, problem, protocol,
                   self);
}

/* m_(-1) = 0 and v_(-1) as the job says; the state is m, then v. */
static void begin(void *self, const comity_server_view *server) {
  const fedopt *method = self;
  for (size_t i = 0; i < method->parameters; i++)
    server->state[method->parameters + i] = (float)method->initial;
}

/* m_t = beta1 m_(t-1) + (1 - beta1) D_t
 * x_(t+1) = x_t + eta m_t / (sqrt(v_t) + tau), without bias correction.
 * D_t is a mean over the cohort; the paper writes it unweighted and its experiments weigh by examples. */
static comity_status step(void *self, const comity_server_view *server, const float *combined) {
  const fedopt *method = self;
  COMITY_TRY(comity_combined_check(method->name, &method->up, server, combined));
  float *m = server->state, *v = server->state + method->parameters;
  for (size_t i = 0; i < method->parameters; i++) {
    double delta = combined[i];
    m[i] = (float)(method->beta1 * m[i] + (1.0 - method->beta1) * delta);
    v[i] = (float)method->second(v[i], delta * delta, method->beta2);
    server->model[i] = (float)(server->model[i] + method->eta * m[i] / (sqrt((double)v[i]) + method->tau));
  }
  return comity_stepped_check(method->name, server->model, method->parameters);
}

#define FEDOPT(id, text, keys, open_function)                                                                \
  const comity_algorithm comity_algorithm_##id = {                                                           \
      .name = #id,                                                                                           \
      .source = "Reddi et al. 2021, Adaptive federated optimization, ICLR, alg. 2",                          \
      .summary = text,                                                                                       \
      .settings = keys,                                                                                      \
      .weighting = COMITY_WEIGH_EXAMPLES,                                                                    \
      .stragglers = COMITY_STRAGGLER_DROP,                                                                   \
      .open = open_function,                                                                                 \
      .server_begin = begin,                                                                                 \
      .server_step = step,                                                                                   \
  }

FEDOPT(fedadagrad, "Adagrad on the server", "server_learning_rate|beta1|tau|initial_accumulator",
       adagrad_open);
FEDOPT(fedadam, "Adam on the server", "server_learning_rate|beta1|beta2|tau|initial_accumulator", adam_open);
FEDOPT(fedyogi, "Yogi on the server", "server_learning_rate|beta1|beta2|tau|initial_accumulator", yogi_open);
