/* What the files of this folder share: the curves of a run in memory, and how they go to files. */
#ifndef COMITY_METRICS_IMPL_H
#define COMITY_METRICS_IMPL_H

#include <comity/metrics.h>

#include "core/core_impl.h"

/* The scalars of a record, in the order of the columns of metrics.csv: X(name, expression on `record`, where
 * metrics.jsonl has it, with a path of up to two names). */
#define COMITY_CURVE_LIST(X)                                                                                 \
  X(ROUND, "round", (double)record->round, "round", NULL)                                                    \
  X(TEST_ACCURACY, "test_accuracy", record->test_accuracy, "test_accuracy", NULL)                            \
  X(TEST_LOSS, "test_loss", record->test_loss, "test_loss", NULL)                                            \
  X(TEST_AUC, "test_auc", record->test_auc, "test_auc", NULL)                                                \
  X(TRAIN_LOSS, "train_loss", record->train_loss, "train_loss", NULL)                                        \
  X(ACCURACY_MEAN, "client_accuracy_mean", record->client_accuracy.mean, "client_accuracy", "mean")          \
  X(ACCURACY_WORST, "client_accuracy_worst", record->client_accuracy.worst, "client_accuracy", "worst")      \
  X(ACCURACY_PERCENTILE10, "client_accuracy_percentile10", record->client_accuracy.percentile10,             \
    "client_accuracy", "percentile10")                                                                       \
  X(ACCURACY_VARIANCE, "client_accuracy_variance", record->client_accuracy.variance, "client_accuracy",      \
    "variance")                                                                                              \
  X(CLIENT_LOSS, "client_loss", record->client_loss, "client_loss", NULL)                                    \
  X(SELECTED, "selected", (double)record->selected, "selected", NULL)                                        \
  X(CLIENTS, "clients", (double)record->clients, "clients", NULL)                                            \
  X(LEARNING_RATE, "learning_rate", record->rate, "learning_rate", NULL)                                     \
  X(BYTES, "bytes", record->bytes, "bytes", NULL)                                                            \
  X(SECONDS_TRAIN, "seconds_train", record->ledger.seconds[COMITY_PHASE_TRAIN], "seconds", "train")          \
  X(SECONDS_WAIT, "seconds_wait", record->ledger.seconds[COMITY_PHASE_WAIT], "seconds", "wait")              \
  X(SECONDS_COMMUNICATE, "seconds_communicate", record->ledger.seconds[COMITY_PHASE_COMMUNICATE], "seconds", \
    "communicate")                                                                                           \
  X(SECONDS_AGGREGATE, "seconds_aggregate", record->ledger.seconds[COMITY_PHASE_AGGREGATE], "seconds",       \
    "aggregate")                                                                                             \
  X(SECONDS_EVALUATE, "seconds_evaluate", record->ledger.seconds[COMITY_PHASE_EVALUATE], "seconds",          \
    "evaluate")                                                                                              \
  X(SECONDS_IO, "seconds_io", record->ledger.seconds[COMITY_PHASE_IO], "seconds", "io")                      \
  X(SECONDS_TOTAL, "seconds_total", record->ledger.total, "seconds", "total")                                \
  X(SECONDS_OVERHEAD, "seconds_overhead", record->overhead, "seconds", "overhead")

typedef enum comity_curve {
#define COMITY_CURVE_ENUM(id, name, value, outer, inner) COMITY_CURVE_##id,
  COMITY_CURVE_LIST(COMITY_CURVE_ENUM)
#undef COMITY_CURVE_ENUM
      COMITY_CURVE_COUNT
} comity_curve;

/* Static text: "client_accuracy_mean", and its place in a line of metrics.jsonl (inner may be NULL). */
const char *comity_curve_name(comity_curve curve);
void comity_curve_place(comity_curve curve, const char **outer, const char **inner);
/* All scalars of a record. */
void comity_curve_values(const comity_record *record, double value[COMITY_CURVE_COUNT]);

/* What is kept per rank and round: the phases, and three columns more. */
enum {
  COMITY_COLUMN_TOTAL = COMITY_PHASE_COUNT,
  COMITY_COLUMN_BYTES,
  COMITY_COLUMN_MEMORY,
  COMITY_COLUMN_COUNT
};
const char *comity_column_name(size_t column);
double comity_column_of(const comity_ledger *ledger, size_t column);

/* An absence as it is kept: texts only as long as they are. */
typedef struct comity_missed {
  uint64_t round, client;
  int64_t rank, status;
  char *name, *reason;
} comity_missed;

/* What happened: counts of everything, and the last events themselves, so that a run in which it happens for ever
 * does not fill the memory. */
enum { COMITY_EVENTS_KEPT = 10000 };
typedef struct comity_events {
  uint64_t count, of[COMITY_EVENT_COUNT];
  double lost; /* seconds */
  size_t room;
  comity_event *ring; /* (room) event n is at n modulo COMITY_EVENTS_KEPT */
} comity_events;

COMITY_MUST_CHECK comity_status comity_events_reserve(comity_events *events);
/* Room must be there. */
void comity_events_add(comity_events *events, const comity_event *event);
/* How many are kept, and the i-th of them, the oldest first. */
size_t comity_events_kept(const comity_events *events);
const comity_event *comity_events_at(const comity_events *events, size_t i);
/* "2 participants lost, 1 rejoined; 4.1 s lost", or nothing when nothing happened. */
void comity_events_print(const comity_events *events, FILE *stream);
/* Now, in UTC: 2026-01-31T12:00:00.123Z. */
void comity_wall_text(char wall[COMITY_WALL_BYTES]);
/* The event as a line of events.jsonl; owned by the caller. */
COMITY_MUST_CHECK comity_status comity_event_line(const comity_event *event, char **line, size_t *length);
/* Take all of events.jsonl. A last line that was cut short is passed over.
 * \param[out] kept  bytes of the file that were taken */
COMITY_MUST_CHECK comity_status comity_events_read(const char *path, comity_events *events, uint64_t *kept);

/* A run in memory. Grows by rows; each row is a round. */
typedef struct comity_history {
  size_t count, room, rank_room; /* rounds */
  double *value;                 /* (count, COMITY_CURVE_COUNT) */
  size_t ranks;
  float *rank_value; /* (count, ranks, COMITY_COLUMN_COUNT), NAN = unknown */
  size_t missed_count, missed_room;
  comity_missed *missed;
  size_t score_count;
  comity_client_score *score; /* (score_count) the last evaluation of the clients */
  uint64_t score_round;
  comity_events events;
} comity_history;

COMITY_MUST_CHECK comity_status comity_history_reserve(comity_history *history);
/* Append a row; room must be there. Per-rank values become NAN. */
void comity_history_add(comity_history *history, const double value[COMITY_CURVE_COUNT]);
COMITY_MUST_CHECK comity_status comity_history_miss(comity_history *history, const comity_missed *missed);
/* Keep a copy of the record's client scores, if it has any. */
COMITY_MUST_CHECK comity_status comity_history_score(comity_history *history, const comity_record *record);
void comity_history_clear(comity_history *history);
/* One column of the client scores, 0 = round: its name (NULL past the last), and row i's value. */
const char *comity_score_name(size_t column);
double comity_score_at(const comity_history *history, size_t i, size_t column);
void comity_score_put(comity_history *history, size_t i, size_t column, double value);
static inline double comity_history_at(const comity_history *history, size_t row, comity_curve curve) {
  return history->value[row * COMITY_CURVE_COUNT + curve];
}

/* The curve by which rounds are compared, the first that was measured of test accuracy, AUC, the clients'
 * mean accuracy (higher is better), test, client and training loss (lower is better); and its best row. */
bool comity_history_best(const comity_history *history, comity_curve *curve, size_t *row);

/* The shortest text that reads back as the same number. */
enum { COMITY_NUMBER_BYTES = 40 };
void comity_number_text(double value, char text[COMITY_NUMBER_BYTES]);

/* Write clients.csv whole. */
COMITY_MUST_CHECK comity_status comity_clients_write(const char *path, const comity_history *history);

/* One line of metrics.jsonl with its newline; owned by the caller, free with comity_free. */
COMITY_MUST_CHECK comity_status comity_jsonl_line(const comity_record *record, char **line, size_t *length);
/* Read metrics.jsonl up to and with round `last`. A last line that was cut short is passed over.
 * \param[out] kept  bytes of the file that were taken */
COMITY_MUST_CHECK comity_status comity_jsonl_read(const char *path, uint64_t last, comity_history *history,
                                                  char **text, size_t *kept);

/* The header or a row of metrics.csv; owned by the caller, free with comity_free. */
char *comity_csv_header(void);
char *comity_csv_line(const double value[COMITY_CURVE_COUNT]);

/* The group `events` of results.h5, and a column of texts there or elsewhere. */
COMITY_MUST_CHECK comity_status comity_events_write(const char *path, hid_t group,
                                                    const comity_history *history);
COMITY_MUST_CHECK comity_status comity_results_texts(const char *path, hid_t group, const char *name,
                                                     hsize_t count, char *const *text);

/* Write results.h5 whole, aside, and rename. */
COMITY_MUST_CHECK comity_status comity_results_write(const char *path, const comity_history *history,
                                                     const char *job);
/* Take from an older results.h5 what metrics.jsonl lacks: the clients' scores, unless they are of a later round
 * than the history's, and the per-rank values of its rounds, if it was of as many ranks. */
COMITY_MUST_CHECK comity_status comity_results_read(const char *path, comity_history *history);

#endif
