/** \file metrics.h
 *  What a run tells: one record a round (as JSON lines, CSV and HDF5), the time ledger of every rank, the
 * progress line, the summary. Only the server writes. Not collective.
 *
 *  A run folder gets three files that say the same, and one more:
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

typedef struct comity_recorder comity_recorder;

/** Open the records of a run folder: metrics.jsonl, metrics.csv, results.h5. With `resume_round` > 0, records
 *  after that round are cut off and new ones are appended; otherwise existing records are replaced.
 *  \param[in] job  resolved job, stored in results.h5 */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_new(const char *folder, size_t ranks,
                                                               uint64_t resume_round, const char *job,
                                                               comity_recorder **recorder);
/** Append one round. metrics.jsonl and metrics.csv get their line at once, for whoever reads along (on the disk
 * itself it is after comity_recorder_flush); results.h5 is replaced when ten seconds have passed, and less often
 * if writing it would take more than a fiftieth of the time. */
COMITY_API COMITY_MUST_CHECK comity_status comity_recorder_add(comity_recorder *recorder,
                                                               const comity_record *record);
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

/** Write the summary of a run for people: where time went, per phase and rank, best and last metric. */
COMITY_API void comity_recorder_summary(const comity_recorder *recorder, FILE *stream);

/** Print a short table of a run folder for people, from its metrics.jsonl: the last rounds and the best one.
 *  \return COMITY_ERR_NOT_FOUND, _PERMISSION, or _DATA naming the line */
COMITY_API COMITY_MUST_CHECK comity_status comity_metrics_print(const char *folder, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
