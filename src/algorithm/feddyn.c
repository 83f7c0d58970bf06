/* Dynamic regularisation: each client's objective gets a linear and a quadratic term, chosen so that where
 * all local optima meet is an optimum of the global objective. Source: Acar, Zhao, Navarro, Mattina,
 * Whatmough, Saligrama, Federated learning based on dynamic regularization, ICLR 2021, algorithm 1. */
#include "algorithm_impl.h"

typedef struct feddyn {
  size_t parameters, clients; /* clients: m, all of them, selected or not */
  double alpha;
  comity_layout up;
} feddyn;

static comity_status feddyn_open(const comity_config *config, const comity_problem *problem,
                                 comity_protocol *protocol, void **self) {
  size_t parameters = problem->parameters;
  COMITY_TRY(comity_protocol_begin(protocol, parameters));
  COMITY_TRY(comity_layout_add(&protocol->client_state, "h_k", parameters, COMITY_COMBINE_MEAN));
  COMITY_TRY(comity_layout_add(&protocol->server_state, "h", parameters, COMITY_COMBINE_MEAN));
  feddyn *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method =
      (feddyn){parameters, problem->clients, comity_config_real(config, "algorithm.alpha"), protocol->up};
  *self = method;
  return COMITY_OK;
}

/* theta_k = arg min L_k(theta) - <h_k, theta> + alpha/2 |theta - theta^(t-1)|^2, with
 * h_k = grad L_k(theta_k^(t-1)) */
static void feddyn_gradient(void *self, const comity_client_view *client, float *gradient) {
  const feddyn *method = self;
  const float *global = client->down, *h_k = client->state;
  float alpha = (float)method->alpha;
  for (size_t i = 0; i < method->parameters; i++)
    gradient[i] += alpha * (client->model[i] - global[i]) - h_k[i];
}

/* The optimality condition of that minimum gives the next gradient without computing one:
 * h_k <- h_k - alpha (theta_k - theta^(t-1)) */
static void feddyn_end(void *self, const comity_client_view *client) {
  const feddyn *method = self;
  for (size_t i = 0; i < method->parameters; i++) {
    client->up[i] = client->model[i] - client->down[i];
    client->state[i] = (float)(client->state[i] - method->alpha * client->up[i]);
  }
}

/* h <- h - alpha (1/m) sum_P (theta_k - theta^(t-1))
 * theta <- (1/|P|) sum_P theta_k - h / alpha */
static comity_status feddyn_step(void *self, const comity_server_view *server, const float *combined) {
  const feddyn *method = self;
  COMITY_TRY(comity_combined_check("feddyn", &method->up, server, combined));
  double share = (double)server->present / (double)method->clients;
  float *h = server->state;
  for (size_t i = 0; i < method->parameters; i++) {
    h[i] = (float)(h[i] - method->alpha * share * combined[i]);
    server->model[i] = (float)(server->model[i] + combined[i] - h[i] / method->alpha);
  }
  return comity_stepped_check("feddyn", server->model, method->parameters);
}

const comity_algorithm comity_algorithm_feddyn = {
    .name = "feddyn",
    .source = "Acar et al. 2021, Federated learning based on dynamic regularization, ICLR, alg. 1",
    .summary = "local objectives are regularised so that their optima agree",
    .settings = "alpha",
    .weighting = COMITY_WEIGH_EQUALLY,
    .stragglers = COMITY_STRAGGLER_DROP,
    .open = feddyn_open,
    .server_step = feddyn_step,
    .client_gradient = feddyn_gradient,
    .client_end = feddyn_end,
};
