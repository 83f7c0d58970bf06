/* What a run came to, for people: when it ends, and when its folder is looked at later. */
#include "recorder_impl.h"

#include <inttypes.h>
#include <math.h>

/* A metric's words for people. */
static const char *spoken(comity_curve curve) {
  switch (curve) {
  case COMITY_CURVE_TEST_ACCURACY:
    return "test accuracy";
  case COMITY_CURVE_TEST_AUC:
    return "test AUC";
  case COMITY_CURVE_ACCURACY_MEAN:
    return "mean accuracy over clients";
  case COMITY_CURVE_TEST_LOSS:
    return "test loss";
  case COMITY_CURVE_CLIENT_LOSS:
    return "mean loss over clients";
  default:
    return "training loss";
  }
}

static void print_cell(FILE *out, const char *format, const char *blank, double value) {
  if (isnan(value))
    fprintf(out, "%s", blank);
  else
    fprintf(out, format, value);
}

static void print_best(const comity_history *history, FILE *stream) {
  comity_curve curve;
  size_t best;
  if (!comity_history_best(history, &curve, &best))
    return;
  double last = comity_history_at(history, history->count - 1, curve);
  fprintf(stream, "%s: ", spoken(curve));
  if (isnan(last))
    fprintf(stream, "not measured in the last round");
  else
    fprintf(stream, "%.6g at the end", last);
  fprintf(stream, ", best %.6g in round %.0f\n", comity_history_at(history, best, curve),
          comity_history_at(history, best, COMITY_CURVE_ROUND));
}

/* With unequal classes accuracy alone tells little. */
static void print_auc(const comity_history *history, FILE *stream) {
  double last = comity_history_at(history, history->count - 1, COMITY_CURVE_TEST_AUC);
  if (!isnan(last))
    fprintf(stream, "test AUC: %.6g at the end\n", last);
}

/* Few clients are hospitals and banks, who want to see themselves. */
static void print_clients(const comity_history *history, FILE *stream) {
  enum { MOST = 10 };
  if (history->score_count == 0 || history->score_count > MOST)
    return;
  fprintf(stream, "client  examples  accuracy        loss   (own held-out examples, round %" PRIu64 ")\n",
          history->score_round);
  for (size_t i = 0; i < history->score_count; i++) {
    fprintf(stream, "%6" PRIu64 "  %8" PRIu64, history->score[i].client, history->score[i].examples);
    print_cell(stream, "  %8.4f", "         -", history->score[i].accuracy);
    fprintf(stream, "  %10.4g\n", history->score[i].loss);
  }
}

static double total_of(const comity_history *history, comity_curve curve) {
  double sum = 0;
  for (size_t r = 0; r < history->count; r++) {
    double here = comity_history_at(history, r, curve);
    sum += isnan(here) ? 0 : here;
  }
  return sum;
}

/* Sum of one column over the rounds, for the mean and the largest of the participants. False when no round
 * has it. */
static bool participants(const comity_history *history, size_t column, double *mean, double *most) {
  size_t first = history->ranks > 1 ? 1 : 0;
  bool known = false;
  *mean = *most = 0;
  for (size_t k = first; k < history->ranks; k++) {
    double sum = 0;
    for (size_t r = 0; r < history->count; r++) {
      float here = history->rank_value[(r * history->ranks + k) * COMITY_COLUMN_COUNT + column];
      known = known || !isnan(here);
      sum += isnan(here) ? 0 : (double)here;
    }
    *mean += sum / (double)(history->ranks - first);
    *most = sum > *most ? sum : *most;
  }
  return known;
}

static double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static void print_times(const comity_history *history, FILE *stream) {
  double server = total_of(history, COMITY_CURVE_SECONDS_TOTAL), mean, most, claimed = 0, mean_claimed = 0;
  bool known = participants(history, COMITY_COLUMN_TOTAL, &mean, &most);
  double whole = mean;
  fprintf(stream, "%-12s %18s", "seconds", "server");
  if (known)
    fprintf(stream, " %18s %10s", history->ranks > 1 ? "mean participant" : "alone", "slowest");
  fputc('\n', stream);
  for (size_t k = 0; k < COMITY_PHASE_COUNT; k++) {
    double here = total_of(history, (comity_curve)(COMITY_CURVE_SECONDS_TRAIN + k));
    claimed += here;
    fprintf(stream, "%-12s %10.2f (%4.1f%%)", comity_phase_name((comity_phase)k), here,
            percent(here, server));
    if (known && participants(history, k, &mean, &most)) {
      mean_claimed += mean;
      fprintf(stream, " %10.2f (%4.1f%%) %10.2f", mean, percent(mean, whole), most);
    }
    fputc('\n', stream);
  }
  fprintf(stream, "%-12s %10.2f (%4.1f%%)", "other", fmax(0, server - claimed),
          percent(fmax(0, server - claimed), server));
  if (known)
    fprintf(stream, " %10.2f (%4.1f%%)", fmax(0, whole - mean_claimed),
            percent(fmax(0, whole - mean_claimed), whole));
  fprintf(stream, "\n%-12s %10.2f        ", "total", server);
  if (known && participants(history, COMITY_COLUMN_TOTAL, &mean, &most))
    fprintf(stream, " %10.2f         %10.2f", mean, most);
  fputc('\n', stream);
}

/* What a rank has had resident at most, in MiB; 0 when it is not known. */
static double peak_of(const comity_history *history, size_t rank) {
  double peak = 0;
  for (size_t r = 0; r < history->count; r++)
    peak = fmax(
        peak, history->rank_value[(r * history->ranks + rank) * COMITY_COLUMN_COUNT + COMITY_COLUMN_MEMORY] /
                  1048576.0);
  return peak;
}

static void print_costs(const comity_history *history, FILE *stream) {
  double sum = 0, most = 0, server = peak_of(history, 0),
         overhead = total_of(history, COMITY_CURVE_SECONDS_OVERHEAD),
         total = total_of(history, COMITY_CURVE_SECONDS_TOTAL);
  fprintf(stream, "besides training and evaluation (of the slowest rank): %.2f s (%.1f%%)\n", overhead,
          percent(overhead, total));
  for (size_t rank = 1; rank < history->ranks; rank++) {
    sum += peak_of(history, rank);
    most = fmax(most, peak_of(history, rank));
  }
  if (server > 0)
    fprintf(stream, "peak memory: %.1f MiB on the server", server);
  if (server > 0 && history->ranks > 1)
    fprintf(stream, ", %.1f MiB on a participant in the mean, %.1f MiB at most",
            sum / (double)(history->ranks - 1), most);
  if (server > 0)
    fputc('\n', stream);
}

void comity_recorder_summary(const comity_recorder *recorder, FILE *stream) {
  const comity_history *history = &recorder->history;
  if (history->count == 0) {
    fprintf(stream, "no round was recorded\n");
    comity_events_print(&history->events, stream);
    return;
  }
  double bytes = total_of(history, COMITY_CURVE_BYTES), selected = total_of(history, COMITY_CURVE_SELECTED),
         counted = total_of(history, COMITY_CURVE_CLIENTS);
  fprintf(stream, "%zu round%s in %.2f s, %.2f MB communicated\n", history->count,
          history->count == 1 ? "" : "s", total_of(history, COMITY_CURVE_SECONDS_TOTAL), bytes / 1e6);
  if (counted < selected)
    fprintf(stream, "%.0f of %.0f updates did not count; metrics.jsonl says why\n", selected - counted,
            selected);
  comity_events_print(&history->events, stream);
  print_best(history, stream);
  print_auc(history, stream);
  print_clients(history, stream);
  print_times(history, stream);
  print_costs(history, stream);
}

static void print_row(const comity_history *history, size_t row, FILE *out) {
  double accuracy = comity_history_at(history, row, COMITY_CURVE_TEST_ACCURACY);
  double loss = comity_history_at(history, row, COMITY_CURVE_TEST_LOSS);
  if (isnan(accuracy))
    accuracy = comity_history_at(history, row, COMITY_CURVE_ACCURACY_MEAN);
  if (isnan(loss))
    loss = comity_history_at(history, row, COMITY_CURVE_CLIENT_LOSS);
  fprintf(out, "%8.0f", comity_history_at(history, row, COMITY_CURVE_ROUND));
  print_cell(out, "  %8.4f", "         -", accuracy);
  print_cell(out, "  %10.4g", "           -", loss);
  print_cell(out, "  %10.4g", "           -", comity_history_at(history, row, COMITY_CURVE_TRAIN_LOSS));
  print_cell(out, "  %7.0f", "        -", comity_history_at(history, row, COMITY_CURVE_CLIENTS));
  print_cell(out, "  %8.2f", "         -", comity_history_at(history, row, COMITY_CURVE_BYTES) / 1e6);
  print_cell(out, "  %8.3f\n", "         -\n", comity_history_at(history, row, COMITY_CURVE_SECONDS_TOTAL));
}

static void print_event(const comity_event *event, FILE *out) {
  fprintf(out, "%s  round %" PRIu64 "%s%s  %s", event->wall, event->round,
          event->stage[0] == '\0' ? "" : ", ", event->stage, comity_event_name(event->kind));
  if (event->client != COMITY_EVENT_NO_CLIENT)
    fprintf(out, "  client %" PRIu64, event->client);
  if (event->lost > 0)
    fprintf(out, "  %.3f s lost", event->lost);
  fprintf(out, "%s%s\n", event->text[0] == '\0' ? "" : ": ", event->text);
}

/* What happened, of a run that has a list of it. */
static comity_status print_events(const char *folder, FILE *out) {
  enum { LAST = 10 };
  comity_history history = {0};
  uint64_t kept;
  char *path = comity_text("%s/events.jsonl", folder);
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : comity_events_read(path, &history.events, &kept);
  size_t count = comity_events_kept(&history.events);
  if (status == COMITY_OK)
    comity_events_print(&history.events, out);
  if (status == COMITY_OK && count > LAST)
    fprintf(out, "the last %d of %" PRIu64 " events:\n", LAST, history.events.count);
  for (size_t i = count > LAST ? count - LAST : 0; status == COMITY_OK && i < count; i++)
    print_event(comity_events_at(&history.events, i), out);
  if (status == COMITY_ERR_NOT_FOUND) {
    comity_error_clear();
    status = COMITY_OK;
  }
  comity_history_clear(&history);
  comity_free(path);
  return status;
}

comity_status comity_metrics_print(const char *folder, FILE *out) {
  enum { LAST = 10 };
  comity_history history = {0};
  char *path = comity_text("%s/metrics.jsonl", folder), *text = NULL;
  size_t kept;
  comity_status status =
      path == NULL ? COMITY_ERR_MEMORY : comity_jsonl_read(path, UINT64_MAX, &history, &text, &kept);
  if (status == COMITY_OK && history.count == 0)
    fprintf(out, "%s: no round was recorded\n", path);
  else if (status == COMITY_OK) {
    fprintf(out, "%8s  %8s  %10s  %10s  %7s  %8s  %8s\n", "round", "accuracy", "loss", "train loss",
            "clients", "MB", "seconds");
    size_t first = history.count > LAST ? history.count - LAST : 0;
    if (first > 0)
      fprintf(out, "%8s  (%zu rounds before)\n", "...", first);
    for (size_t r = first; r < history.count; r++)
      print_row(&history, r, out);
    print_best(&history, out);
    print_auc(&history, out);
  }
  comity_history_clear(&history);
  comity_free(text);
  comity_free(path);
  return status == COMITY_OK ? print_events(folder, out) : status;
}
