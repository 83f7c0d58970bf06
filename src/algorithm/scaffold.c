/* Control variates: every client corrects its gradients by the difference between the mean direction of all
 * clients (c) and its own (c_i), so that local steps do not drift towards local optima.
 * Source: Karimireddy, Kale, Mohri, Reddi, Stich, Suresh, SCAFFOLD: stochastic controlled averaging for
 * federated learning, ICML 2020, algorithm 1. */
#include "algorithm_impl.h"

#include <string.h>

typedef struct scaffold {
  size_t parameters, clients; /* P, N */
  double server_rate;         /* eta_g */
  bool gradient_option;       /* option I */
  bool nesterov;
  comity_layout up;
  size_t down_c, up_delta_c;
} scaffold;

static comity_status scaffold_open(const comity_config *config, const comity_problem *problem,
                                   comity_protocol *protocol, void **self) {
  size_t parameters = problem->parameters;
  COMITY_TRY(comity_protocol_begin(protocol, parameters));
  COMITY_TRY(comity_layout_add(&protocol->down, "c", parameters, COMITY_COMBINE_MEAN));
  COMITY_TRY(comity_layout_add(&protocol->up, "delta_c", parameters, COMITY_COMBINE_SUM));
  COMITY_TRY(comity_layout_add(&protocol->client_state, "c_i", parameters, COMITY_COMBINE_MEAN));
  COMITY_TRY(comity_layout_add(&protocol->server_state, "c", parameters, COMITY_COMBINE_MEAN));
  scaffold *method;
  COMITY_TRY(COMITY_NEW(method, 1));
  *method = (scaffold){.parameters = parameters,
                       .clients = problem->clients,
                       .server_rate = comity_config_real(config, "algorithm.server_learning_rate"),
                       .gradient_option = strcmp(comity_config_text(config, "algorithm.option"), "I") == 0,
                       .nesterov = comity_config_flag(config, "train.nesterov"),
                       .up = protocol->up,
                       .down_c = protocol->down.field[1].offset,
                       .up_delta_c = protocol->up.field[1].offset};
  *self = method;
  return COMITY_OK;
}

static void scaffold_announce(void *self, const comity_server_view *server, float *down) {
  const scaffold *method = self;
  memcpy(down, server->model, method->parameters * sizeof *down);
  memcpy(down + method->down_c, server->state, method->parameters * sizeof *down);
}

/* y_i <- y_i - eta_l (g_i(y_i) + c - c_i) */
static void scaffold_gradient(void *self, const comity_client_view *client, float *gradient) {
  const scaffold *method = self;
  const float *c = client->down + method->down_c, *c_i = client->state;
  for (size_t i = 0; i < method->parameters; i++)
    gradient[i] += c[i] - c_i[i];
}

/* Option I:   c_i+ = g_i(x), the full gradient at the server's model
 * Option II:  c_i+ = c_i - c + (x - y_i) / (K eta_l)
 * up:         y_i - x, c_i+ - c_i
 * With local momentum a gradient counts more than once, and ||a||_1 takes the place of K: c_i+ is then still
 * a mean of the gradients that were met on the way. */
static void scaffold_end(void *self, const comity_client_view *client) {
  const scaffold *method = self;
  const float *x = client->down, *c = x + method->down_c;
  float *update = client->up, *delta_c = client->up + method->up_delta_c, *c_i = client->state;
  for (size_t i = 0; i < method->parameters; i++)
    update[i] = client->model[i] - x[i];
  if (method->gradient_option) {
    client->full_gradient(client, x, delta_c);
    for (size_t i = 0; i < method->parameters; i++) {
      float renewed = delta_c[i];
      delta_c[i] = renewed - c_i[i];
      c_i[i] = renewed;
    }
    return;
  }
  double path = comity_steps_weight(client->steps, client->momentum, method->nesterov) * client->rate;
  if (path == 0.0)
    return; /* a rate of 0 teaches nothing about the gradient: delta_c stays 0 */
  for (size_t i = 0; i < method->parameters; i++) {
    delta_c[i] = (float)(-(double)update[i] / path - c[i]);
    c_i[i] += delta_c[i];
  }
}

/* x <- x + (eta_g / |S|) sum_S (y_i - x)
 * c <- c + (1 / N) sum_S (c_i+ - c_i): absent clients keep their share of c. */
static comity_status scaffold_step(void *self, const comity_server_view *server, const float *combined) {
  const scaffold *method = self;
  COMITY_TRY(comity_combined_check("scaffold", &method->up, server, combined));
  const float *delta_c = combined + method->up_delta_c;
  for (size_t i = 0; i < method->parameters; i++) {
    server->model[i] = (float)(server->model[i] + method->server_rate * combined[i]);
    server->state[i] = (float)(server->state[i] + (double)delta_c[i] / (double)method->clients);
  }
  return comity_stepped_check("scaffold", server->model, method->parameters);
}

const comity_algorithm comity_algorithm_scaffold = {
    .name = "scaffold",
    .source = "Karimireddy et al. 2020, SCAFFOLD: stochastic controlled averaging for federated learning, "
              "ICML, alg. 1",
    .summary = "control variates correct the drift of local steps",
    .settings = "server_learning_rate|option",
    .weighting = COMITY_WEIGH_EQUALLY,
    .stragglers = COMITY_STRAGGLER_DROP,
    .open = scaffold_open,
    .server_announce = scaffold_announce,
    .server_step = scaffold_step,
    .client_gradient = scaffold_gradient,
    .client_end = scaffold_end,
};
