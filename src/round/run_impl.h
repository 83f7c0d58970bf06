/* The state of one run on one rank, and the steps of its life: set up, the rounds, saving. */
#ifndef COMITY_RUN_IMPL_H
#define COMITY_RUN_IMPL_H

#include "round_impl.h"

typedef struct comity_run_state {
  comity_comm *comm;           /* borrowed */
  const comity_config *config; /* borrowed */
  const comity_run_options *options;
  comity_logger *logger; /* the server's, or this rank's when each writes one; may be NULL */
  char *job;             /* the resolved job */
  const char *folder;    /* run.dir */
  uint64_t seed;

  comity_federation *federation;
  comity_model *model;
  comity_method method;
  comity_train_settings train;
  comity_trainer *trainer; /* NULL on a server that only serves */
  comity_evaluation *evaluation;
  const comity_selector *selector;
  comity_weighting weighting;
  comity_straggler_policy stragglers;
  bool balanced; /* work is shared out anew in each round */
  size_t min_clients;
  size_t evaluate_every, evaluate_clients_every;

  float *down;     /* packed down fields: what the server announced last */
  float *combined; /* packed up fields of all; server only */
  float
      *global; /* (P) the model between rounds; server only. In `down`, unless the method announces another */
  float *server_state;
  float *client_state;    /* of the client in hand */
  comity_states *states;  /* of hosted clients, as of the last complete round */
  comity_states *pending; /* of clients trained in this round, until it is complete */
  comity_aggregate *aggregate;

  uint32_t *cohort;                    /* (want) clients of this round, the same on all ranks */
  size_t *epochs_of;                   /* (want) 0 = all */
  uint64_t *work;                      /* (want) */
  int *owner;                          /* (want) participant that trains it */
  size_t want, selected, cohort_count; /* most clients of a round; chosen; chosen and not left out as slow */
  double total_weight;

  comity_report report;   /* of training */
  comity_message closing; /* the report of the whole round */
  comity_parts *parts;    /* (size) of it, of all ranks; server only */
  comity_ledger ledger;   /* what is booked since the last record */
  comity_ledger *ledgers; /* (size) of all ranks; server only */
  double round_start, start;
  double bytes_before;
  double memory, memory_due; /* peak of this process, and when to look again */
  comity_record record;
  comity_recorder *recorder; /* server only */
  comity_progress *progress; /* server only */

  uint64_t round; /* the last complete round */
  comity_stop_rule stop_rule;
  comity_stop_memory stop_memory;
  comity_stop_reason reason;
  double round_seconds; /* wall time of the last round */
} comity_run_state;

/* Open data, compile the model, open the method, plan all memory. Collective. Writes nothing. */
COMITY_MUST_CHECK comity_status comity_run_prepare(comity_run_state *run);
/* Make or reopen the run folder with its log and records, and continue from a checkpoint when asked to.
 * Collective. */
COMITY_MUST_CHECK comity_status comity_run_open(comity_run_state *run);
/* How this process came to be a member under the membership that begins. */
typedef enum comity_arrival {
  COMITY_ARRIVAL_NONE, /* it was one before */
  COMITY_ARRIVAL_BACK, /* it was one earlier: it remembers, but others may have trained its clients since */
  COMITY_ARRIVAL_NEW   /* it knows only what it was told */
} comity_arrival;
/* After every regrouping, on every rank: host, evaluate and keep states as the membership wants it now. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_rehost(comity_run_state *run, comity_arrival arrival);
/* The part of it that follows comity_federation_regroup; `before` are the hosts until then. */
COMITY_MUST_CHECK comity_status comity_run_settle(comity_run_state *run, const comity_hosts *before,
                                                  comity_arrival arrival);
/* Whether clients' states may be wanted by another rank after a regrouping. Then a checkpoint just before somebody is
 * admitted brings him the newest ones. */
bool comity_run_states_move(const comity_run_state *run);
/* On the server: the states of clients that are absent with their host, from the newest checkpoint, so that the next one
 * has them too.
 * \param[out] states  owned by the caller; NULL when there are none */
COMITY_MUST_CHECK comity_status comity_run_absent_states(const comity_run_state *run, comity_states **states);
/* Warn in the log when ranks compute with different kernels. Collective. */
COMITY_MUST_CHECK comity_status comity_run_compare_kernels(comity_run_state *run);
/* The warning, owned by the caller, from what every rank said of itself; NULL when all are equal. */
COMITY_MUST_CHECK comity_status comity_run_tell_kernels(const comity_gathered *gathered, char **text);
/* Write a checkpoint of the last complete round. Collective. */
COMITY_MUST_CHECK comity_status comity_run_save(comity_run_state *run);
/* Write model.h5 on the server. Collective. */
COMITY_MUST_CHECK comity_status comity_run_save_model(comity_run_state *run);
void comity_run_close(comity_run_state *run);

/* Bring all ranks' statuses, evaluations and ledgers to the server, which writes the record of the round if all
 * went well, and decides whether to go on: run->reason, on all ranks. Collective.
 * \return the same on every rank */
COMITY_MUST_CHECK comity_status comity_run_record(comity_run_state *run, size_t present, comity_status local);

/* Log and record what happened to a member, on the server; elsewhere only a log of the rank's own gets it. The host is
 * filled in. Never fails: a record that cannot be written is told in the log. Not collective. */
void comity_run_event(comity_run_state *run, comity_log_level level, const comity_event *event);

/* Whether a signal has asked this rank to stop. */
static inline bool comity_run_asked_to_stop(const comity_run_state *run) {
  return run->options->stop != NULL && *run->options->stop != 0;
}

/* Seconds since `since` go to a phase of this rank's ledger; returns now. */
double comity_run_book(comity_run_state *run, comity_phase phase, double since);
/* Where the time goes that a rank spends in the verdict that answers a report: whoever reports waits there for slower
 * ranks, and only the server knows when the last of them was there. */
static inline comity_phase comity_run_answer(const comity_run_state *run) {
  return comity_comm_is_server(run->comm) ? COMITY_PHASE_COMMUNICATE : COMITY_PHASE_WAIT;
}
/* comity_comm_agree, booked as waiting. Collective. */
COMITY_MUST_CHECK comity_status comity_run_agree(comity_run_state *run, comity_status local);

#endif
