/** \file train.h
 *  Local training: what one client does in one round. Batches in an order keyed by (seed, round, client,
 * epoch), local SGD, and the algorithm's hooks. One trainer serves all clients of a rank in turn; it plans
 * its memory once, and its batch loop neither allocates nor calls the system.
 *
 *  Not collective; knows nothing of MPI.
 */
#ifndef COMITY_TRAIN_H
#define COMITY_TRAIN_H

#include <comity/algorithm.h>
#include <comity/config.h>
#include <comity/data.h>
#include <comity/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Local work as the job file says (section "train"). */
typedef struct comity_train_settings {
  uint64_t seed;
  size_t epochs;       /* passes over the local examples; used when steps == 0 */
  size_t steps;        /* local steps; 0 = count by epochs */
  size_t batch;        /* examples a step; 0 = all local examples */
  double rate;         /* learning rate of round 1 */
  char schedule[16];   /* "constant" | "exponential" | "step" | "cosine", by round */
  double decay;        /* factor of "exponential" (each round) and "step" (each decay_rounds) */
  size_t decay_rounds; /* "step": rounds between factors; "cosine": rounds to the end */
  double momentum;     /* v = momentum*v + g; w -= rate*v; v starts at 0 in each round */
  bool nesterov;
  double weight_decay; /* adds weight_decay * w to the gradient */
  double clip;         /* the gradient's L2 norm is cut to this; 0 = never */
} comity_train_settings;

COMITY_API void comity_train_settings_read(const comity_config *config, comity_train_settings *settings);
/** The learning rate of a round, 1, 2, ... */
COMITY_API double comity_train_rate(const comity_train_settings *settings, size_t round);

typedef struct comity_trainer comity_trainer;

/** \param[in] model, method  borrowed until destroy
 *  \param[in] most_examples  most train examples that any hosted client has: sizes full batches and the
 * shuffle */
COMITY_API COMITY_MUST_CHECK comity_status comity_trainer_new(const comity_train_settings *settings,
                                                              const comity_model *model,
                                                              const comity_method *method,
                                                              size_t most_examples, comity_trainer **trainer);
COMITY_API void comity_trainer_destroy(comity_trainer **trainer);
/** Bytes that the trainer holds. */
COMITY_API size_t comity_trainer_bytes(const comity_trainer *trainer);

/** One client's task in a round. */
typedef struct comity_train_task {
  size_t round;
  size_t client;
  comity_examples examples; /* train split */
  size_t epochs;            /* 0 = as the settings say; else fewer epochs (steps, when the settings count
                               steps): partial work of a straggler */
  const float *down;        /* packed down fields, shared by all clients */
  float *state;             /* packed client state, changed only when the task succeeds */
  float *up;                /* packed up fields, overwritten; also where most methods train */
  /** OPTIONAL. Called with tick_self after every piece of work that cannot be divided: a batch or a part of one. Unless
   *  it returns COMITY_OK the training ends at once, with its status. */
  comity_status (*tick)(void *self);
  /** OPTIONAL. Called with tick_self after every local step. When it says so the training ends there, and what was done
   *  counts: partial work. A method that trains by itself is not asked. */
  bool (*enough)(void *self);
  void *tick_self; /* for both */
} comity_train_task;

typedef struct comity_train_result {
  size_t steps;
  double loss;   /* mean training loss over the local steps */
  float largest; /* magnitude in the up fields */
} comity_train_result;

/** Train one client.
 *  \return COMITY_OK; COMITY_ERR_DATA (no examples, value not finite); COMITY_ERR_NUMERIC (loss or update not
 * finite: names the step); the tick's. On failure `state` is as before and `up` unspecified. */
COMITY_API COMITY_MUST_CHECK comity_status comity_trainer_run(comity_trainer *trainer,
                                                              const comity_train_task *task,
                                                              comity_train_result *result);

#ifdef __cplusplus
}
#endif
#endif
