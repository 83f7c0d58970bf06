/* FedAvg with momentum on the server.
 * Source: Hsu, Qi, Brown, Measuring the effects of non-identical data distribution for federated visual
 * classification, 2019, section 4.3. */
#include "algorithm_impl.h"

typedef struct fedavgm {
  size_t parameters;
  double server_rate, beta;
  bool nesterov;
  comity_layout up;
} fedavgm;

static comity_status fedavgm_open(const comity_config *config, const comity_problem *problem,
                                  comity_protocol *protocol, void **self) {
  COMITY_TRY(comity_protocol_begin(protocol, problem->parameters));
  COMITY_TRY(comity_layout_add(&protocol->server_state, "v", problem->parameters, COMITY_COMBINE_MEAN));
  fedavgm *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (fedavgm){problem->parameters, comity_config_real(config, "algorithm.server_learning_rate"),
                      comity_config_real(config, "algorithm.server_momentum"),
                      comity_config_flag(config, "algorithm.nesterov"), protocol->up};
  *self = method;
  return COMITY_OK;
}

/* v <- beta v + dw, w <- w - eta v, where dw = sum_k (n_k / n) (w - w_k) is minus the combined update; v is
 * kept with the update's sign. Nesterov's momentum looks ahead: w <- w - eta (beta v + dw), v already new. */
static comity_status fedavgm_step(void *self, const comity_server_view *server, const float *combined) {
  const fedavgm *method = self;
  COMITY_TRY(comity_combined_check("fedavgm", &method->up, server, combined));
  float *v = server->state;
  for (size_t i = 0; i < method->parameters; i++) {
    v[i] = (float)(method->beta * v[i] + combined[i]);
    double move = method->nesterov ? method->beta * v[i] + combined[i] : v[i];
    server->model[i] = (float)(server->model[i] + method->server_rate * move);
  }
  return comity_stepped_check("fedavgm", server->model, method->parameters);
}

const comity_algorithm comity_algorithm_fedavgm = {
    .name = "fedavgm",
    .source =
        "Hsu et al. 2019, Measuring the effects of non-identical data distribution for federated visual "
        "classification, arXiv:1909.06335",
    .summary = "FedAvg with momentum on the server",
    .settings = "server_learning_rate|server_momentum|nesterov",
    .weighting = COMITY_WEIGH_EXAMPLES,
    .stragglers = COMITY_STRAGGLER_DROP,
    .open = fedavgm_open,
    .server_step = fedavgm_step,
};
