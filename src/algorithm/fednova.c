/* Clients that do different amounts of local work: each update is divided by the work behind it before the
 * mean is taken, and the mean is stretched by the mean work, so that the objective stays the one that was
 * asked for. Source: Wang, Liu, Liang, Joshi, Poor, Tackling the objective inconsistency problem in
 * heterogeneous federated optimization, NeurIPS 2020, equations 4, 8 and section 4.1. */
#include "algorithm_impl.h"

typedef struct fednova {
  size_t parameters;
  double server_rate;
  bool nesterov;
  comity_layout up;
} fednova;

static comity_status fednova_open(const comity_config *config, const comity_problem *problem,
                                  comity_protocol *protocol, void **self) {
  COMITY_TRY(comity_protocol_begin(protocol, problem->parameters));
  COMITY_TRY(comity_layout_add(&protocol->up, "tau", 1, COMITY_COMBINE_MEAN));
  fednova *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (fednova){problem->parameters, comity_config_real(config, "algorithm.server_learning_rate"),
                      comity_config_flag(config, "train.nesterov"), protocol->up};
  *self = method;
  return COMITY_OK;
}

/* up: -eta d_i = (x_i - x) / ||a_i||_1, and ||a_i||_1 (plain SGD: tau_i, the number of steps) */
static void fednova_end(void *self, const comity_client_view *client) {
  const fednova *method = self;
  double weight = comity_steps_weight(client->steps, client->momentum, method->nesterov);
  for (size_t i = 0; i < method->parameters; i++)
    client->up[i] = weight == 0.0 ? 0.0F : (float)((double)(client->model[i] - client->down[i]) / weight);
  client->up[method->parameters] = (float)weight;
}

/* x <- x - tau_eff sum_i p_i eta d_i with tau_eff = sum_i p_i ||a_i||_1: equal work gives FedAvg. */
static comity_status fednova_step(void *self, const comity_server_view *server, const float *combined) {
  const fednova *method = self;
  COMITY_TRY(comity_combined_check("fednova", &method->up, server, combined));
  double stretch = method->server_rate * combined[method->parameters];
  return comity_step_along("fednova", combined, method->parameters, stretch, server->model);
}

const comity_algorithm comity_algorithm_fednova = {
    .name = "fednova",
    .source = "Wang et al. 2020, Tackling the objective inconsistency problem in heterogeneous federated "
              "optimization, NeurIPS",
    .summary = "updates are divided by the local work behind them",
    .settings = "server_learning_rate",
    .weighting = COMITY_WEIGH_EXAMPLES,
    .stragglers = COMITY_STRAGGLER_PARTIAL,
    .open = fednova_open,
    .server_step = fednova_step,
    .client_end = fednova_end,
};
