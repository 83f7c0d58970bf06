/* Federated averaging and its one-step special case. Clients move the model by local SGD; the server takes
 * the mean of where they got to. FedSGD: one step along the full local gradient. Source: McMahan, Moore,
 * Ramage, Hampson, Agüera y Arcas, Communication-efficient learning of deep networks from decentralized data,
 * AISTATS 2017, algorithm 1. */
#include "algorithm_impl.h"

typedef struct fedavg {
  size_t parameters;
  double server_rate;
  const char *name;
  comity_layout up;
} fedavg;

static comity_status open_with(const char *name, double server_rate, const comity_problem *problem,
                               comity_protocol *protocol, void **self) {
  COMITY_TRY(comity_protocol_begin(protocol, problem->parameters));
  fedavg *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (fedavg){problem->parameters, server_rate, name, protocol->up};
  *self = method;
  return COMITY_OK;
}

static comity_status fedavg_open(const comity_config *config, const comity_problem *problem,
                                 comity_protocol *protocol, void **self) {
  return open_with("fedavg", comity_config_real(config, "algorithm.server_learning_rate"), problem, protocol,
                   self);
}

static comity_status fedsgd_open(const comity_config *config, const comity_problem *problem,
                                 comity_protocol *protocol, void **self) {
  (void)config;
  return open_with("fedsgd", 1.0, problem, protocol, self);
}

/* w_(t+1) = sum_k (n_k / n) w^k = w_t + sum_k (n_k / n) (w^k - w_t); a server rate other than 1 stretches the
 * step. */
static comity_status step(void *self, const comity_server_view *server, const float *combined) {
  const fedavg *method = self;
  COMITY_TRY(comity_combined_check(method->name, &method->up, server, combined));
  return comity_step_along(method->name, combined, method->parameters, method->server_rate, server->model);
}

/* FedSGD: g_k = grad F_k(w_t), w_(t+1) = w_t - eta sum_k (n_k / n) g_k. The client multiplies by -eta, so
 * that what travels has the size of an update, as for every other algorithm. */
static comity_status fedsgd_train(void *self, const comity_client_view *client, double *loss) {
  const fedavg *method = self;
  float *update = client->up, rate = (float)client->rate;
  *loss = client->full_gradient(client, client->down, update);
  for (size_t i = 0; i < method->parameters; i++)
    update[i] *= -rate;
  return COMITY_OK;
}

static void fedsgd_end(void *self, const comity_client_view *client) {
  (void)self, (void)client; /* train filled the update */
}

const comity_algorithm comity_algorithm_fedavg = {
    .name = "fedavg",
    .source = "McMahan et al. 2017, Communication-efficient learning of deep networks from decentralized "
              "data, AISTATS, alg. 1",
    .summary = "local SGD, then the mean of the clients' models",
    .settings = "server_learning_rate",
    .weighting = COMITY_WEIGH_EXAMPLES,
    .stragglers = COMITY_STRAGGLER_DROP,
    .open = fedavg_open,
    .server_step = step,
};

const comity_algorithm comity_algorithm_fedsgd = {
    .name = "fedsgd",
    .source = "McMahan et al. 2017, Communication-efficient learning of deep networks from decentralized "
              "data, AISTATS, sec. 2",
    .summary = "one step along the mean of the clients' full gradients",
    .weighting = COMITY_WEIGH_EXAMPLES,
    .stragglers = COMITY_STRAGGLER_DROP,
    .open = fedsgd_open,
    .server_step = step,
    .client_train = fedsgd_train,
    .client_end = fedsgd_end,
};
