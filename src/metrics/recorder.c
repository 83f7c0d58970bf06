/* The recorder: keeps a run's curves in memory, appends whole lines to the text files, and replaces
 * results.h5 now and then. */
#include "recorder_impl.h"

#include <inttypes.h>
#include <string.h>

enum { RESULTS_SECONDS = 10, RESULTS_SHARE = 50 };

/* What metrics.jsonl says up to the round from which the run goes on; per-rank times only results.h5 knows,
 * and can do without. */
static comity_status take_up(comity_recorder *recorder, const char *folder, uint64_t round, char **text,
                             size_t *length) {
  char *path = comity_text("%s/metrics.jsonl", folder);
  comity_status status =
      path == NULL ? COMITY_ERR_MEMORY : comity_jsonl_read(path, round, &recorder->history, text, length);
  comity_free(path);
  if (status == COMITY_ERR_NOT_FOUND) {
    comity_error_clear();
    return COMITY_OK;
  }
  COMITY_TRY(status);
  status = comity_results_read(recorder->results, &recorder->history);
  if (status != COMITY_OK && status != COMITY_ERR_MEMORY)
    comity_error_clear();
  return status == COMITY_ERR_MEMORY ? status : COMITY_OK;
}

/* What happened before, up to a crash, stays: also in rounds that are run again. */
static comity_status take_events(comity_recorder *recorder, const char *folder) {
  uint64_t kept = 0;
  char *path = comity_text("%s/events.jsonl", folder);
  comity_status status =
      path == NULL ? COMITY_ERR_MEMORY : comity_events_read(path, &recorder->history.events, &kept);
  comity_free(path);
  if (status == COMITY_ERR_NOT_FOUND) {
    comity_error_clear();
    return comity_lines_open(&recorder->events, folder, "events.jsonl", "", 0);
  }
  COMITY_TRY(status);
  return comity_lines_reopen(&recorder->events, folder, "events.jsonl", kept);
}

static comity_status csv_of(const comity_history *history, char **csv, size_t *length) {
  char *header = comity_csv_header(), *text = NULL;
  comity_status status = header == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  size_t used = 0, room = 0;
  for (size_t r = 0; status == COMITY_OK && r <= history->count; r++) {
    char *line = r == 0 ? header : comity_csv_line(history->value + (r - 1) * COMITY_CURVE_COUNT);
    size_t here = line == NULL ? 0 : strlen(line);
    if (line == NULL)
      status = COMITY_ERR_MEMORY;
    else
      status = comity_array_grow(&text, &room, used + here, 1);
    if (status == COMITY_OK)
      memcpy(text + used, line, here);
    used += here;
    if (r > 0)
      comity_free(line);
  }
  comity_free(header);
  *csv = text;
  *length = used;
  return status;
}

comity_status comity_recorder_new(const char *folder, size_t ranks, uint64_t resume_round, const char *job,
                                  comity_recorder **recorder) {
  comity_recorder *made;
  char *jsonl = NULL, *csv = NULL;
  size_t jsonl_length = 0, csv_length = 0;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->history.ranks = ranks;
  made->jsonl.handle = made->csv.handle = made->events.handle = -1;
  made->start = comity_clock_now();
  made->results = comity_text("%s/results.h5", folder);
  made->clients = comity_text("%s/clients.csv", folder);
  made->job = comity_text("%s", job == NULL ? "" : job);
  comity_status status =
      made->results == NULL || made->clients == NULL || made->job == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK && resume_round > 0)
    status = take_up(made, folder, resume_round, &jsonl, &jsonl_length);
  if (status == COMITY_OK)
    status = csv_of(&made->history, &csv, &csv_length);
  if (status == COMITY_OK)
    status =
        comity_lines_open(&made->jsonl, folder, "metrics.jsonl", jsonl == NULL ? "" : jsonl, jsonl_length);
  if (status == COMITY_OK)
    status = comity_lines_open(&made->csv, folder, "metrics.csv", csv, csv_length);
  if (status == COMITY_OK)
    status = take_events(made, folder);
  if (status == COMITY_OK) {
    made->stale = true;
    status = comity_recorder_flush(made);
  }
  comity_free(jsonl);
  comity_free(csv);
  if (status != COMITY_OK) {
    made->stale = false;
    comity_recorder_destroy(&made);
  } else
    *recorder = made;
  return status;
}

static comity_status write_results(comity_recorder *recorder) {
  double start = comity_clock_now();
  COMITY_TRY(comity_results_write(recorder->results, &recorder->history, recorder->job));
  if (recorder->history.score_count > 0)
    COMITY_TRY(comity_clients_write(recorder->clients, &recorder->history));
  double end = comity_clock_now();
  recorder->stale = false;
  /* A long run's file takes long: never more than a fiftieth of the time. */
  recorder->due = end + (RESULTS_SHARE * (end - start) > RESULTS_SECONDS ? RESULTS_SHARE * (end - start)
                                                                         : RESULTS_SECONDS);
  return COMITY_OK;
}

/* Both text files get the line, or none. */
static comity_status append(comity_recorder *recorder, const comity_record *record,
                            const double value[COMITY_CURVE_COUNT]) {
  char *json = NULL, *csv = comity_csv_line(value);
  size_t length = 0;
  comity_status status = csv == NULL ? COMITY_ERR_MEMORY : comity_jsonl_line(record, &json, &length);
  if (status == COMITY_OK)
    status = comity_lines_write(&recorder->jsonl, json, length);
  if (status == COMITY_OK)
    status = comity_lines_write(&recorder->csv, csv, strlen(csv));
  if (status == COMITY_OK) {
    comity_lines_keep(&recorder->jsonl, length);
    comity_lines_keep(&recorder->csv, strlen(csv));
  } else if (json != NULL) {
    comity_lines_cut(&recorder->jsonl);
    comity_lines_cut(&recorder->csv);
  }
  comity_free(json);
  comity_free(csv);
  return status;
}

static void add_ranks(comity_history *history, const comity_record *record) {
  float *row = history->rank_value + (history->count - 1) * history->ranks * COMITY_COLUMN_COUNT;
  for (size_t r = 0; r < record->ranks && record->rank_ledger != NULL; r++, row += COMITY_COLUMN_COUNT) {
    const comity_ledger *ledger = &record->rank_ledger[r];
    for (size_t k = 0; k < COMITY_COLUMN_COUNT; k++)
      row[k] = (float)comity_column_of(ledger, k);
  }
}

bool comity_recorder_is_due(const comity_recorder *recorder) { return comity_clock_now() >= recorder->due; }

comity_status comity_recorder_add(comity_recorder *recorder, const comity_record *record) {
  comity_history *history = &recorder->history;
  COMITY_REQUIRE(record->rank_ledger == NULL || record->ranks == history->ranks, COMITY_ERR_ARG,
                 "record of round %" PRIu64 ": ledgers of %zu ranks, but the recorder was opened for %zu",
                 record->round, record->ranks, history->ranks);
  COMITY_REQUIRE(history->count == 0 || comity_history_at(history, history->count - 1, COMITY_CURVE_ROUND) <
                                            (double)record->round,
                 COMITY_ERR_ARG, "record of round %" PRIu64 ": rounds must ascend", record->round);
  double value[COMITY_CURVE_COUNT];
  comity_curve_values(record, value);
  COMITY_TRY(comity_history_reserve(history));
  for (size_t i = 0; i < record->absent_count; i++) {
    const comity_absence *absent = &record->absent[i];
    COMITY_TRY(comity_history_miss(history, &(comity_missed){.round = record->round,
                                                             .client = absent->client,
                                                             .rank = absent->rank,
                                                             .status = absent->status,
                                                             .name = (char *)(uintptr_t)absent->name,
                                                             .reason = (char *)(uintptr_t)absent->reason}));
  }
  COMITY_TRY(comity_history_score(history, record));
  COMITY_TRY(append(recorder, record, value));
  comity_history_add(history, value);
  add_ranks(history, record);
  recorder->stale = true;
  return comity_recorder_is_due(recorder) ? write_results(recorder) : COMITY_OK;
}

comity_status comity_recorder_event(comity_recorder *recorder, const comity_event *event) {
  COMITY_REQUIRE((unsigned)event->kind < COMITY_EVENT_COUNT, COMITY_ERR_ARG, "event: there is no kind %d",
                 (int)event->kind);
  comity_event stamped = *event;
  char *line;
  size_t length;
  if (!(stamped.time > 0))
    stamped.time = comity_clock_now() - recorder->start;
  if (stamped.wall[0] == '\0')
    comity_wall_text(stamped.wall);
  COMITY_TRY(comity_events_reserve(&recorder->history.events));
  COMITY_TRY(comity_event_line(&stamped, &line, &length));
  comity_status status = comity_lines_write(&recorder->events, line, length);
  comity_free(line);
  if (status != COMITY_OK) {
    comity_lines_cut(&recorder->events);
    return status;
  }
  comity_lines_keep(&recorder->events, length);
  comity_events_add(&recorder->history.events, &stamped);
  recorder->stale = true;
  return COMITY_OK;
}

comity_status comity_recorder_flush(comity_recorder *recorder) {
  COMITY_TRY(comity_lines_flush(&recorder->jsonl));
  COMITY_TRY(comity_lines_flush(&recorder->csv));
  COMITY_TRY(comity_lines_flush(&recorder->events));
  return recorder->stale ? write_results(recorder) : COMITY_OK;
}

/* The text files have it all should this fail, so what is worth telling is why the run ends, if anything. */
static void write_last_results(comity_recorder *recorder) {
  char *reason = comity_text("%s", comity_error_message());
  if (write_results(recorder) != COMITY_OK)
    comity_error_clear();
  if (reason != NULL && reason[0] != '\0')
    (void)comity_fail(COMITY_ERR_IO, "%s", reason);
  comity_free(reason);
}

void comity_recorder_destroy(comity_recorder **recorder) {
  if (recorder == NULL || *recorder == NULL)
    return;
  comity_recorder *old = *recorder;
  if (old->stale)
    write_last_results(old);
  comity_lines_close(&old->jsonl);
  comity_lines_close(&old->csv);
  comity_lines_close(&old->events);
  comity_history_clear(&old->history);
  comity_free(old->results);
  comity_free(old->clients);
  comity_free(old->job);
  comity_free(old);
  *recorder = NULL;
}
