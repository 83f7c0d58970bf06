/** \file metrics.h
 *  What a run tells: one record a round (as JSON lines, CSV and HDF5), what happened to its members, the time
 * ledger of every rank, the progress line, the summary. Only the server writes. Not collective.
 *
 *  A run folder gets three files that say the same, and two more:
 *
 *  metrics.jsonl  one JSON object a round, complete lines only: round, test_accuracy, test_loss, test_auc,
 *                 train_loss, client_accuracy {mean, worst, percentile10, variance}, client_loss, selected,
 *                 clients (whose update counted), learning_rate, bytes, seconds {train, wait, communicate,
 *                 aggregate, evaluate, io, total} of the server, and overhead: the total less the training
 *                 and the evaluation of the rank that took longest for each; ranks {train: {mean, max}, ...}
 *                 over the participants, their memory (peak resident bytes) among them; absent [{client, name,
 *                 rank, reason}]. null = not measured.
 *  metrics.csv    the scalars of the same, one line a round under a header; empty = not measured.
 *  results.h5     curves/<scalar> (rounds) float64, curves/round among them, NaN = not measured;
 *                 ranks/<phase>, ranks/total, ranks/bytes, ranks/memory (rounds, ranks) float32;
 *                 absent/{round, client, rank, status, name, reason} (absences); job, the resolved job as
 *                 text. Replaced whole every few seconds and by comity_recorder_flush, so a reader or a crash
 *                 never meets half a file.
 *  clients.csv    round, client, examples, accuracy, loss, auc of each client's own held-out part when it was
 *                 last evaluated; also in results.h5 as clients/<column> (clients).
 *  events.jsonl   one JSON object an event, complete lines only: time (seconds since the records of the process
 *                 that wrote it were opened), wall (UTC, ISO 8601), round, stage, kind, rank, host, client,
 *                 seconds_lost, text. null = none. A run that is resumed goes on with the list, because what
 *                 happened did happen, also in rounds that are run again. The last 10000 are also in results.h5 as
 *                 events/<column>, where none is -1; events has the attributes happened, the number of all, and
 *                 kept_at_most.
 */
#ifndef COMITY_METRICS_H
#define COMITY_METRICS_H

#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The phases of a round that time is booked to. */
typedef enum comity_phase {
  COMITY_PHASE_TRAIN,       /* local training */
  COMITY_PHASE_WAIT,        /* for slower ranks, between a report and its answer */
  COMITY_PHASE_COMMUNICATE, /* sum, with folding and reading meanwhile; waiting for the server's step; broadcast */
  COMITY_PHASE_AGGREGATE, /* selection, checks of updates, folding before the sum, server step */
  COMITY_PHASE_EVALUATE,
  COMITY_PHASE_IO, /* reading data, writing records and checkpoints */
  COMITY_PHASE_COUNT
} comity_phase;
/** "train", "wait", ...: as in metrics.jsonl. */
COMITY_API const char *comity_phase_name(comity_phase phase);

/** Seconds booked per phase by one rank in one round. `total` is wall time; what no phase claims is the
 * difference. */
typedef struct comity_ledger {
  double seconds[COMITY_PHASE_COUNT];
  double total;
  double bytes;  /* payload sent and received by MPI */
  double memory; /* bytes: the most that this process has had resident */
} comity_ledger;

/** What a round cost besides local training and evaluation: the server's total less the longest training and
 *  the longest evaluation of any rank, since ranks train, and evaluate, side by side. Waiting for slower ranks is
 *  in neither, so nothing is hidden in it.
 *  \param[in] ledger  (ranks) the server's first */
COMITY_API double comity_ledger_overhead(const comity_ledger *ledger, size_t ranks);

/** How a metric is distributed over clients. All NAN when not measured. */
typedef struct comity_distribution {
  double mean, worst, percentile10, variance;
} comity_distribution;
/** \param[in,out] values  (count) sorted in place. Percentile: linear interpolation between order statistics
 */
COMITY_API comity_distribution comity_distribution_of(double *values, size_t count);

/** Area under the ROC curve: the chance that a positive scores above a negative, ties half.
 *  \param[in] score, label  (count) label > 0.5 = positive
 *  \return NAN when one class is missing */
COMITY_API COMITY_MUST_CHECK comity_status comity_auc(const float *score, const float *label, size_t count,
                                                      double *auc);

/** How the global model does on one client's own held-out part. */
typedef struct comity_client_score {
  uint64_t client, examples;
  double accuracy, loss, auc; /* auc is NAN unless there are two classes and both occur */
} comity_client_score;

/** One round. Numbers that were not measured are NAN and appear as null. */
typedef struct comity_record {
  uint64_t round;
  double test_accuracy, test_loss,
      test_auc;      /* central test set, or all held-out examples pooled when there is none */
  double train_loss; /* weighted mean over the clients that trained */
  comity_distribution client_accuracy; /* over clients' own held-out parts */
  double client_loss;                  /* mean over clients */
  uint64_t selected, clients;          /* chosen; whose update counted */
  double rate;                         /* local learning rate */
  double bytes;                        /* payload of this round, all ranks */
  comity_ledger ledger;                /* of the server */
  double overhead;                     /* seconds: what is not local training or evaluation */
  size_t ranks;
  const comity_ledger *rank_ledger; /* (ranks) or NULL; borrowed */
  size_t absent_count;
  const struct comity_absence *absent; /* (absent_count) borrowed */
  size_t score_count;
  const comity_client_score *score; /* (score_count) by client; borrowed */
} comity_record;

/** A client that was selected and did not count. */
typedef struct comity_absence {
  uint64_t client;
  int rank;
  comity_status status;
  char name[48];
  char reason[256];
} comity_absence;

/** What can happen in a run besides rounds: X(id, name in files, one, many, verb), of which the last three make the
 *  sentence of the summary. */
#define COMITY_EVENT_LIST(X)                                                                                 \
  /* silent for too long, or out of reach */                                                                 \
  X(LOST, "lost", "participant", "participants", "lost")                                                     \
  /* missed a round's deadline, but lives */                                                                 \
  X(SLOW, "slow", "participant", "participants", "too slow")                                                 \
  /* its messages were damaged too often */                                                                  \
  X(CORRUPT, "corrupt", "participant", "participants", "cut off for damaged messages")                       \
  /* shut out for another reason */                                                                          \
  X(EXCLUDED, "excluded", "participant", "participants", "excluded")                                         \
  /* said goodbye */                                                                                         \
  X(LEFT, "left", "participant", "participants", "left")                                                     \
  /* the same process again */                                                                               \
  X(REJOINED, "rejoined", "participant", "participants", "rejoined")                                         \
  /* a new process, also in the place of one that was lost */                                                \
  X(JOINED, "joined", "participant", "participants", "joined")                                               \
  /* somebody who may not join */                                                                            \
  X(REFUSED, "refused", "stranger", "strangers", "refused")                                                  \
  /* everybody waits for one who gives no sign of life */                                                    \
  X(STALLED, "stalled", "stall", "stalls", "")                                                               \
  /* a message was damaged or did not come */                                                                \
  X(ASKED_AGAIN, "asked_again", "message", "messages", "asked for again")                                    \
  /* the rest of its training was not waited for */                                                          \
  X(CUT_SHORT, "cut_short", "round", "rounds", "cut short")                                                  \
  /* clients of lost participants are trained by others */                                                   \
  X(REASSIGNED, "reassigned", "round", "rounds", "in which others stood in")                                 \
  /* some of it ran again among those who are left */                                                        \
  X(REPEATED, "repeated", "round", "rounds", "repeated")                                                     \
  /* it ended without clients that were selected, because their participants were gone or slow */            \
  X(COMPLETED_WITHOUT, "completed_without", "round", "rounds", "completed without somebody")                 \
  /* too few were left: saved, and ended */                                                                  \
  X(BELOW_QUORUM, "checkpointed_below_quorum", "time", "times", "below the quorum")                          \
  /* another process went on from a checkpoint */                                                            \
  X(RESUMED, "resumed", "time", "times", "resumed")

typedef enum comity_event_kind {
#define COMITY_EVENT_ENUM(id, name, one, many, verb) COMITY_EVENT_##id,
  COMITY_EVENT_LIST(COMITY_EVENT_ENUM)
#undef COMITY_EVENT_ENUM
      COMITY_EVENT_COUNT
} comity_event_kind;
/** "lost", "excluded", ...: as in events.jsonl. */
COMITY_API const char *comity_event_name(comity_event_kind kind);

#define COMITY_EVENT_NO_CLIENT UINT64_MAX
#define COMITY_WALL_BYTES 32

/** Something that happened. Texts may be empty; longer ones than fit are cut by who fills them in. */
typedef struct comity_event {
  double time;                  /* seconds since the run's records were opened; 0 = now */
  char wall[COMITY_WALL_BYTES]; /* ISO 8601 with zone; "" = now */
  uint64_t round;
  char stage[24];
  comity_event_kind kind;
  int rank; /* whom it happened to; -1 = nobody in particular */
  char host[64];
  uint64_t client; /* COMITY_EVENT_NO_CLIENT = none */
  double lost;     /* seconds that it cost; 0 = none, or not known */
  char text[256];  /* for people */
} comity_event;

typedef struct comity_recorder comity_recorder;

/** Open the records of a run folder: metrics.jsonl, metrics.csv, events.jsonl, results.h5. With `resume_round` > 0,
 *  records after that round are cut off and new ones are appended; otherwise existing records are replaced. Events
 *  that are there already stay in any case.
 *  \param[in] job  resolved job, stored in results.h5 */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_new(const char *folder, size_t ranks,
                                                               uint64_t resume_round, const char *job,
                                                               comity_recorder **recorder);
/** Append one round. metrics.jsonl and metrics.csv get their line at once, for whoever reads along (on the disk
 * itself it is after comity_recorder_flush); results.h5 is replaced when ten seconds have passed, and less often
 * if writing it would take more than a fiftieth of the time. */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_add(comity_recorder *recorder,
                                                               const comity_record *record);
/** Whether comity_recorder_add will replace results.h5, which takes as long as the disk likes. */
COMITY_API bool comity_recorder_is_due(const comity_recorder *recorder);
/** Append an event: events.jsonl gets its line at once, results.h5 when it is written next.
 *  \return COMITY_OK, COMITY_ERR_ARG, COMITY_ERR_MEMORY, or why the file cannot be written */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_event(comity_recorder *recorder,
                                                                 const comity_event *event);
/** Make everything durable (before a checkpoint, at the end). */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_flush(comity_recorder *recorder);
COMITY_API void comity_recorder_destroy(comity_recorder **recorder);

/** The line that people watch: rewritten in place on a terminal, a plain line now and then elsewhere. NULL is
 * silent. */
typedef struct comity_progress comity_progress;
/** \param[in] rounds    planned; start_round rounds are done already
 *  \param[in] in_place  rewrite one line (a terminal); else lines at most every two seconds or twentieth of
 * the run, and the first and last round */
COMITY_API COMITY_MUST_CHECK comity_status comity_progress_new(FILE *stream, uint64_t rounds,
                                                               uint64_t start_round, bool in_place,
                                                               comity_progress **progress);
COMITY_API void comity_progress_round(comity_progress *progress, const comity_record *record);
/** End the line in place, so that other output starts on a line of its own. */
COMITY_API void comity_progress_pause(comity_progress *progress);
COMITY_API void comity_progress_destroy(comity_progress **progress);

/** Write the summary of a run for people: what happened to its members, where time went, per phase and rank, best
 * and last metric. */
COMITY_API void comity_recorder_summary(const comity_recorder *recorder, FILE *stream);

/** Print a short table of a run folder for people, from its metrics.jsonl and events.jsonl: the last rounds and the
 * best one, how often what happened, and the last of it.
 *  \return COMITY_ERR_NOT_FOUND, _PERMISSION, or _DATA naming the line */
COMITY_API COMITY_MUST_CHECK comity_status comity_metrics_print(const char *folder, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
