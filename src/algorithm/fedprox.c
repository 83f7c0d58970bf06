/* FedAvg whose clients are held near the global model by a proximal term, and whose slow clients hand in what
 * they have.
 * Source: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, Federated optimization in heterogeneous networks,
 * MLSys 2020, algorithm 2. */
#include "algorithm_impl.h"

typedef struct fedprox {
  size_t parameters;
  double server_rate;
  float mu;
  comity_layout up;
} fedprox;

static comity_status fedprox_open(const comity_config *config, const comity_problem *problem,
                                  comity_protocol *protocol, void **self) {
  COMITY_TRY(comity_protocol_begin(protocol, problem->parameters));
  fedprox *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (fedprox){problem->parameters, comity_config_real(config, "algorithm.server_learning_rate"),
                      (float)comity_config_real(config, "algorithm.mu"), protocol->up};
  *self = method;
  return COMITY_OK;
}

/* h_k(w; w_t) = F_k(w) + mu/2 |w - w_t|^2, so grad h_k = grad F_k + mu (w - w_t). */
static void fedprox_gradient(void *self, const comity_client_view *client, float *gradient) {
  const fedprox *method = self;
  const float *global = client->down;
  float mu = method->mu; /* a copy, which no write to gradient can change: the loop becomes vectors */
  for (size_t i = 0; i < method->parameters; i++)
    gradient[i] += mu * (client->model[i] - global[i]);
}

/* w_(t+1) = sum_k p_k w_k. The paper's experiments weigh by examples, as FedAvg does. */
static comity_status fedprox_step(void *self, const comity_server_view *server, const float *combined) {
  const fedprox *method = self;
  COMITY_TRY(comity_combined_check("fedprox", &method->up, server, combined));
  return comity_step_along("fedprox", combined, method->parameters, method->server_rate, server->model);
}

const comity_algorithm comity_algorithm_fedprox = {
    .name = "fedprox",
    .source = "Li et al. 2020, Federated optimization in heterogeneous networks, MLSys, alg. 2",
    .summary = "FedAvg with a proximal term; partial work of slow clients counts",
    .settings = "mu|server_learning_rate",
    .weighting = COMITY_WEIGH_EXAMPLES,
    .stragglers = COMITY_STRAGGLER_PARTIAL,
    .open = fedprox_open,
    .server_step = fedprox_step,
    .client_gradient = fedprox_gradient,
};
