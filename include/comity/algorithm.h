/** \file algorithm.h
 *  A federated algorithm: one paper, one file, both halves. It declares what travels (named fields down and
 * up) and what is kept (by each client, by the server), hooks into local training, and turns combined fields
 * into the next global model. It sees vectors and numbers, never ranks, files or messages: those who pack,
 * sum, mask, count and checkpoint them know nothing of algorithms.
 *
 *  One round, in the words of this file:
 *
 *      server  announce   global model, server state -> fields down
 *      client  begin      fields down, client state  -> local model
 *              gradient   (each local step) may change the gradient
 *              end        local model -> fields up, client state
 *      server  step       combined fields up -> global model, server state
 *
 *  Not collective; knows nothing of MPI.
 */
#ifndef COMITY_ALGORITHM_H
#define COMITY_ALGORITHM_H

#include <comity/config.h>
#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How clients weigh in a COMITY_COMBINE_MEAN. */
typedef enum comity_weighting { COMITY_WEIGH_EXAMPLES, COMITY_WEIGH_EQUALLY } comity_weighting;

/** What becomes of a client that could do only part of its local work. */
typedef enum comity_straggler_policy {
  COMITY_STRAGGLER_DROP,
  COMITY_STRAGGLER_PARTIAL
} comity_straggler_policy;

/** What an algorithm is told once. */
typedef struct comity_problem {
  size_t parameters; /* P */
  size_t clients;    /* K, all clients of the federation */
} comity_problem;

/** What an algorithm declares once. `down` has a field "model" of length P. */
typedef struct comity_protocol {
  comity_layout down;         /* server -> client; combine is ignored */
  comity_layout up;           /* client -> server */
  comity_layout client_state; /* kept by each client between rounds, zero at first */
  comity_layout server_state; /* kept by the server, zero at first unless server_begin fills it */
} comity_protocol;

/** The server's half sees this. Fields are reached by their index in the layout. */
typedef struct comity_server_view {
  size_t round;   /* 1, 2, ...; 0 before the first */
  size_t cohort;  /* clients selected */
  size_t present; /* clients whose update arrived */
  bool finite;    /* whether the combined fields are known to be; otherwise step looks */
  float *model;   /* (P) global model; announce reads it, step changes it */
  float *state;   /* packed server_state */
} comity_server_view;

/** A client's half sees this. Everything is borrowed for the duration of the call. */
typedef struct comity_client_view {
  size_t round;
  size_t client;     /* global id */
  size_t examples;   /* local train examples */
  const float *down; /* packed down fields */
  float *up;         /* packed up fields, zero until end or train fills them; without either, unspecified */
  float *state;      /* packed client_state of this client */
  float *model;      /* (P) local model: a copy of the field "model" at begin */
  double rate;       /* local learning rate of this round */
  double momentum;   /* local momentum, 0 for none */
  size_t steps;      /* local steps taken so far; all of them at end */

  /** Gradient of the local objective over all local examples, at `at`: (P) -> (P). Dropout is off.
   *  \return the loss there */
  double (*full_gradient)(const struct comity_client_view *view, const float *at, float *gradient);
  void *trainer; /* belongs to full_gradient */
} comity_client_view;

/** The operations of an algorithm. `self` is what open made. */
typedef struct comity_algorithm {
  const char *name;                   /* what the job file calls it */
  const char *source;                 /* the paper to cite */
  const char *summary;                /* one line */
  const char *settings;               /* the keys under "algorithm." that it reads, "mu|..."; NULL for none */
  comity_weighting weighting;         /* the paper's choice; a job may override it */
  comity_straggler_policy stragglers; /* the paper's choice; a job may override it */

  /** REQUIRED. Read settings and declare the fields.
   *  \param[out] self  owned by the caller until close */
  comity_status (*open)(const comity_config *config, const comity_problem *problem, comity_protocol *protocol,
                        void **self);
  /** OPTIONAL (default: comity_free). */
  void (*close)(void *self);

  /** OPTIONAL (default: server state stays zero). Fill the server state before round 1, given the initial
   * model. */
  void (*server_begin)(void *self, const comity_server_view *server);
  /** OPTIONAL (default: the field "model" is the model). Fill the packed down fields. */
  void (*server_announce)(void *self, const comity_server_view *server, float *down);
  /** REQUIRED. Make the next global model from the packed, combined up fields.
   *  \return COMITY_OK or COMITY_ERR_NUMERIC */
  comity_status (*server_step)(void *self, const comity_server_view *server, const float *combined);

  /** OPTIONAL (default: nothing). Before the first local step. */
  void (*client_begin)(void *self, const comity_client_view *client);
  /** OPTIONAL (default: nothing, and the trainer may use its fused step). Change the gradient of this step in
   *  place.
   *  \param[in,out] gradient  (P) of the batch at client->model */
  void (*client_gradient)(void *self, const comity_client_view *client, float *gradient);
  /** OPTIONAL (default: local SGD as the job says). Replace local training altogether.
   *  \param[out] loss  of the local objective, for the record */
  comity_status (*client_train)(void *self, const comity_client_view *client, double *loss);
  /** OPTIONAL (default: field "update" of up = model - down "model"). Fill the up fields and the state to
   * keep. */
  void (*client_end)(void *self, const comity_client_view *client);
} comity_algorithm;

/** All algorithms, in the order of `comity help algorithm.name`. */
COMITY_API const comity_algorithm *const *comity_algorithm_list(size_t *count);
/** The algorithm of that name.
 *  \return COMITY_OK, or COMITY_ERR_CONFIG with the list of known names and the nearest one */
COMITY_API COMITY_MUST_CHECK comity_status comity_algorithm_find(const char *name,
                                                                 const comity_algorithm **algorithm);

/** An opened algorithm: the table, what open made, and the declared protocol. What the rest of the house
 * holds. */
typedef struct comity_method {
  const comity_algorithm *algorithm;
  void *self;
  comity_protocol protocol;
  size_t down_model; /* index of field "model" in down */
} comity_method;

/** Open the algorithm that the job names ("algorithm.name"); refuses "algorithm.*" settings that it does not
 * read. */
COMITY_API COMITY_MUST_CHECK comity_status comity_method_open(const comity_config *config,
                                                              const comity_problem *problem,
                                                              comity_method *method);
/** Defaults filled in: call these instead of the table's slots. Without an announcement of its own the global
 * model may live in the field "model" of down. */
COMITY_API void comity_method_announce(const comity_method *method, const comity_server_view *server,
                                       float *down);
/** \return the largest magnitude in the up fields; infinite or NaN when one of them is. client->model may be
 * client->up when the method has no end of its own */
COMITY_API float comity_method_end(const comity_method *method, const comity_client_view *client);
/** Safe on a zeroed or closed method. */
COMITY_API void comity_method_close(comity_method *method);

#ifdef __cplusplus
}
#endif
#endif
