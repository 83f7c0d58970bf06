/* The state of one run on one rank, and the steps of its life: set up, the stages of the rounds, saving. */
#ifndef COMITY_RUN_IMPL_H
#define COMITY_RUN_IMPL_H

#include "round_impl.h"

/* The stages of the rounds. Those up to the sum work on a round that is not complete; from the announcement on its model
 * is there, on the server. */
typedef enum comity_stage {
  COMITY_STAGE_TRAIN,      /* this rank's clients */
  COMITY_STAGE_REPORT,     /* who was trained and who is absent: are they enough, and who trains the rest */
  COMITY_STAGE_SUM,        /* updates become one, and that the next model */
  COMITY_STAGE_ANNOUNCE,   /* what the server sends down goes to everybody */
  COMITY_STAGE_STATISTICS, /* of the features, when the members were not known before */
  COMITY_STAGE_EVALUATE,
  COMITY_STAGE_RECORD,  /* ledgers and evaluations become the record, and the decision whether to go on */
  COMITY_STAGE_SAVE,    /* a checkpoint, when one is due */
  COMITY_STAGE_ADMIT,   /* whoever knocked when the round was recorded takes part in the next */
  COMITY_STAGE_FINISH,  /* the model file, and the end */
  COMITY_STAGE_GIVE_UP, /* a checkpoint, and the end: too few are left */
  COMITY_STAGE_END,
  COMITY_STAGES = COMITY_STAGE_END
} comity_stage;

/* What comes after the round that a point is about: its `value`. */
enum {
  COMITY_NEXT_OPEN,   /* nobody knows yet: the round has to be recorded first */
  COMITY_NEXT_BEGUN,  /* the next round, which has begun: what is done of it counts */
  COMITY_NEXT_DECIDED /* this plus the reason to stop (comity_stop_reason); the next round begins for all */
};

/* Where the server stands when the membership changes. */
typedef struct comity_standing {
  comity_point at;
  bool recorded;             /* the round's record is written, */
  comity_stop_reason reason; /* and this was decided */
  bool known;                /* every member has what was announced last */
} comity_standing;

/* From where all go on. A rank may be ahead of the server or behind it by what one operation lets it: the point is one
 * that all of them can go on from, with whatever local work they have done. */
comity_point comity_point_choose(const comity_standing *standing);
/* The last complete round at a point. */
uint64_t comity_point_complete(const comity_point *point);

/* Who comes to the server from outside while it runs: guests.c. */
typedef struct comity_guests comity_guests;

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

  uint32_t *cohort;  /* (want) clients of this round, the same on all ranks */
  size_t *epochs_of; /* (want) 0 = all */
  uint64_t *work;    /* (want) */
  int *owner;        /* (want) participant that trains it */
  int *dealt; /* (want) as in comity_dealt: what `owner` was while somebody had to train it; server only */
  size_t want, selected, cohort_count; /* most clients of a round; chosen; chosen and not left out as slow */
  bool *dropped;                       /* (want) absent by schedule */
  double total_weight;
  comity_faults *faults; /* by schedule; NULL = none */
  uint64_t spared;       /* up to this round they strike nobody: an earlier start of the job reached it */
  bool only_checks;      /* nothing will be trained */

  comity_point at;       /* the stage in hand, its round, and what comes after that */
  comity_status trouble; /* what went wrong on this rank and was not told yet, */
  char *trouble_text;    /* and its message */
  comity_status ticked;  /* what the last sign of life during training came to */
  uint64_t begun;        /* the round whose cohort this is; 0 = none */
  uint64_t announced;    /* the round whose announcement is in `down`; COMITY_ROUND_NONE = of none */
  size_t trained;        /* clients of it on this rank, so far */
  size_t present;        /* clients in the sum; server only */
  bool recorded, known;  /* as in comity_standing; server only */
  bool admits;           /* the server lets in whoever knocked */
  size_t left;    /* clients that were dealt again since the membership changed; 0 = none; server only */
  size_t retries; /* regroupings since the last record because somebody was lost; server only */
  size_t min_participants, max_retries;
  double wait;          /* seconds, for somebody to come back */
  uint64_t *summed;     /* (size) the last round whose sum had this rank in it; server only */
  char **gone;          /* (size) how each absent rank was lost; server only */
  double trouble_since; /* since when somebody is waited for who may be lost; 0 = not */
  size_t enough;        /* clients that have to be done when more than those are asked; 0 = all */
  bool partial;         /* part of the work on a client counts */
  comity_deadline deadline;
  comity_pace pace;      /* server only */
  double *seconds;       /* (size) scratch for it */
  double training_since; /* when training began, or began again, */
  double training_limit; /* and how long it may take: 0 = as long as it likes */
  bool hurries;          /* everybody was asked to report what they have */
  uint64_t *slow;        /* (size) the last round that a rank was too slow for; server only */
  int *too_slow;         /* (want) the rank for whose slowness it is not trained, 0 = none; server only */
  comity_guests *guests; /* on a server to whom others may come; else NULL */
  bool regrouped;        /* the membership changed since the last announcement */
  bool leaves_alone;     /* this rank: when it is asked to stop, the others go on */

  comity_report mine;     /* of training, this rank's, */
  comity_report report;   /* and that of all; server only */
  comity_message closing; /* the report of the whole round */
  comity_ledger told;     /* what the last closing took from the ledger, until the round is recorded, */
  double told_start, told_bytes; /* and when and with what that book began; told_start = 0: none */
  comity_parts *parts;           /* (size) of it, of all ranks; server only */
  comity_ledger ledger;          /* what is booked since the last record */
  comity_ledger *ledgers;        /* (size) of all ranks; server only */
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
/* The part of it that needs nobody else, once there is a federation. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_build(comity_run_state *run);
/* What comity_run_open is to the others, for a newcomer: its own log and states. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_open_alone(comity_run_state *run);
/* What comity_run_prepare and comity_run_open are to the others, for a newcomer. Not collective.
 * \param[in] own  path of this rank's file; NULL = as the job says */
COMITY_MUST_CHECK comity_status comity_run_join(comity_run_state *run, const comity_welcome *welcome,
                                                const char *own);
/* On the server: append the states of the clients that are at home with a participant, from the newest checkpoint, for
 * newcomers that cannot read it themselves. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_states_pack(const comity_run_state *run, int participant,
                                                       comity_message *message);
/* On that participant, before comity_run_rehost. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_states_take(comity_run_state *run, comity_parts *parts);
/* All clients' states come to the server of silos that share no disk with it. Collective.
 * \param[in,out] all  on the server: what there is already, or NULL; owned by the caller */
COMITY_MUST_CHECK comity_status comity_run_states_collect(comity_run_state *run, comity_states **all);
/* The run folder and the log of the server; part of comity_run_open unless it was done before. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_open_folder(comity_run_state *run);
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
/* On the server: the record of a round that is complete, but that nobody is left to evaluate. */
COMITY_MUST_CHECK comity_status comity_run_record_bare(comity_run_state *run);
/* On the server: the states of clients that are absent with their host, from the newest checkpoint, so that the next one
 * has them too.
 * \param[out] states  owned by the caller; NULL when there are none */
COMITY_MUST_CHECK comity_status comity_run_absent_states(const comity_run_state *run, comity_states **states);
/* Warn in the log when ranks compute with different kernels. Collective. */
COMITY_MUST_CHECK comity_status comity_run_compare_kernels(comity_run_state *run);
/* The warning, owned by the caller, from what every rank said of itself; NULL when all are equal. */
COMITY_MUST_CHECK comity_status comity_run_tell_kernels(const comity_gathered *gathered, char **text);
/* Go on from the newest good checkpoint, if there is one. Collective. */
COMITY_MUST_CHECK comity_status comity_run_resume(comity_run_state *run);
/* Write a checkpoint of the last complete round. Collective. */
COMITY_MUST_CHECK comity_status comity_run_save(comity_run_state *run);
/* Write model.h5 on the server. Collective. */
COMITY_MUST_CHECK comity_status comity_run_save_model(comity_run_state *run);
void comity_run_close(comity_run_state *run);

/* A round that `down` never announces. */
#define COMITY_ROUND_NONE UINT64_MAX

/* One stage: does its work and says where to go on by comity_run_go.
 * \return COMITY_INTERRUPTED when the membership has changed or is about to; else the same on every rank, unless
 *         communication failed or this process is no longer wanted */
typedef comity_status comity_stage_work(comity_run_state *run);
comity_stage_work comity_stage_train, comity_stage_report, comity_stage_sum, comity_stage_announce,
    comity_stage_statistics, comity_stage_evaluate, comity_stage_record, comity_stage_save,
    comity_stage_admit, comity_stage_finish, comity_stage_give_up;

static inline void comity_run_go(comity_run_state *run, comity_stage stage, uint64_t round, uint32_t value) {
  run->at = (comity_point){.round = round, .stage = stage, .value = value};
}

/* After a round that is recorded and decided. */
static inline uint32_t comity_run_decided(const comity_run_state *run) {
  return COMITY_NEXT_DECIDED + (uint32_t)run->reason;
}

/* Keep what went wrong on this rank, with its message, until the next report. COMITY_OK is nothing. */
void comity_run_note(comity_run_state *run, comity_status status);
/* What was noted, with its message as this thread's error. */
COMITY_MUST_CHECK comity_status comity_run_noted(const comity_run_state *run);
void comity_run_forget_trouble(comity_run_state *run);

/* Choose the cohort of a round and who trains whom, the same on every rank without a message, and make room for its
 * updates. A rank that was not there when the round began must not train anybody unless it is told to.
 * \param[in] deals  false: nobody is told to train */
COMITY_MUST_CHECK comity_status comity_run_begin_round(comity_run_state *run, uint64_t round, bool deals);
/* What a client weighs. */
uint64_t comity_run_weight(const comity_run_state *run, size_t client);
/* The rank of a participant. */
int comity_run_rank_of(const comity_run_state *run, int participant);
/* This rank knows that a round is complete: what its clients keep of it are the states to go on from. */
COMITY_MUST_CHECK comity_status comity_run_complete(comity_run_state *run, uint64_t round);
/* Forget what was trained of a round that is not complete. */
void comity_run_forget_round(comity_run_state *run);

/* After COMITY_INTERRUPTED: wait for, or on the server say, who the members are and where they go on, and go there.
 * \return COMITY_OK, COMITY_ERR_SERVER, COMITY_ERR_EXCLUDED, COMITY_ERR_MEMORY */
COMITY_MUST_CHECK comity_status comity_run_regroup(comity_run_state *run);
/* From now on losses are survived. Collective. */
COMITY_MUST_CHECK comity_status comity_run_survive(comity_run_state *run);
/* What a stage is called in front of people. */
const char *comity_stage_name(uint32_t stage);
/* Tell the server what this rank does, and what it was asked for. */
void comity_run_tell(comity_run_state *run, uint64_t client);
/* Vectors that a given-up operation may still hold move. */
COMITY_MUST_CHECK comity_status comity_run_renew(comity_run_state *run);
/* The report of a round did not become its record: its time belongs to the next report again. */
void comity_run_reopen_ledger(comity_run_state *run);

/* Log and record what happened, on the server; elsewhere only a log of the rank's own gets it. Never fails: what cannot
 * be written to the record is told in the log. Not collective.
 * \param[in] rank     whom it happened to; -1 = nobody in particular
 * \param[in] seconds  that it cost; 0 = none, or not known */
void comity_run_event(comity_run_state *run, comity_event_kind kind, int rank, double seconds,
                      const char *format, ...) COMITY_PRINTF(5, 6);

/* On the server, as training begins: from now on somebody looks at the clock, and at who is done. Not collective. */
void comity_run_expect(comity_run_state *run);
/* On the server, when all have reported: nobody does any more. Not collective. */
void comity_run_expect_nothing(comity_run_state *run);
/* Whether the server wants this rank to end its training and to report. Not collective. */
bool comity_run_is_hurried(const comity_run_state *run);
/* On the server: those of the cohort that were not trained because their participant was too slow for the round are
 * absent, whoever could train them. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_drop_slow(comity_run_state *run);
/* On the server: take into account how long the participants trained. Not collective. */
void comity_run_pace(comity_run_state *run);

/* Read faults.schedule. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_read_faults(comity_run_state *run);
/* Warn in the log of what is scheduled. */
void comity_run_tell_faults(const comity_run_state *run);
/* Whether another job drops the same clients.
 * \param[out] difference  "" if it does; owned by the caller, free with comity_free */
COMITY_MUST_CHECK comity_status comity_run_same_drops(const comity_run_state *run,
                                                      const comity_config *theirs, char **difference);
/* An earlier start of this job was struck already. Collective. */
COMITY_MUST_CHECK comity_status comity_run_resume_faults(comity_run_state *run);
/* What is scheduled for the beginning of the stage in hand, on this rank. comity_faults_leave is its end.
 * \return COMITY_OK, or what comity_comm_tend said meanwhile */
COMITY_MUST_CHECK comity_status comity_run_enter_stage(comity_run_state *run);
void comity_run_enter_regroup(comity_run_state *run);
/* Wait for a client that is late by schedule.
 * \return as comity_run_enter_stage */
COMITY_MUST_CHECK comity_status comity_run_be_late(comity_run_state *run, size_t client);
/* Find who of the cohort is absent by schedule: run->dropped. */
COMITY_MUST_CHECK comity_status comity_run_drop(comity_run_state *run);

/* ---------------------------------------------------------------------------------------------- newcomers */

/* On the server. \param[in] job  its name in handshakes, borrowed; NULL: nobody comes by himself */
COMITY_MUST_CHECK comity_status comity_guests_new(comity_run_state *run, const char *job,
                                                  comity_guests **guests);
COMITY_MUST_CHECK comity_status comity_guests_open_door(comity_guests *guests);
void comity_guests_destroy(comity_guests **guests);
/* From now on there is a federation of which newcomers can be told. */
void comity_guests_found(comity_guests *guests);
/* What the job says of communication. */
comity_comm_options comity_run_comm_options(const comity_config *config);
/* Look after all of them without waiting for any. */
void comity_guests_poll(comity_guests *guests);
/* Signs of life to those who wait, which are due from time to time also while the server is at work aside. */
void comity_guests_keep_signs(comity_guests *guests, double now);
/* Start a process in the place of a lost one, where the run may. */
void comity_guests_replace(comity_guests *guests, int rank);
/* Whether somebody who was offered is not acquainted yet. Accepts NULL. */
bool comity_guests_want_in(const comity_guests *guests);
/* The server takes in what they told of their data. Everybody has to be told afterwards: comity_run_share_news. */
void comity_guests_acquaint(comity_guests *guests);
/* Events from before there was a record. */
COMITY_MUST_CHECK comity_status comity_guests_record_early(comity_guests *guests);
/* The run has ended. Accepts NULL. */
void comity_guests_say_end(comity_guests *guests, comity_status status);
/* Numbers of examples and statistics, as the server has them now, to everybody. Collective. */
COMITY_MUST_CHECK comity_status comity_run_share_news(comity_run_state *run);
/* Whether members may come that were not there at the start: the same on all ranks. */
bool comity_run_may_grow(const comity_run_state *run);
/* Where a run that is set up goes through its rounds. */
COMITY_MUST_CHECK comity_status comity_run_stages(comity_run_state *run);
/* The end of a run's life. Returns `status`. */
comity_status comity_run_finish(comity_run_state *run, comity_status status, comity_run_result *result);
/* On a newcomer that was let in: go where the others are. */
COMITY_MUST_CHECK comity_status comity_run_enter(comity_run_state *run);

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
