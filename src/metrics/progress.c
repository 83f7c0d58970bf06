/* The line that people watch. */
#include <comity/metrics.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const double LINE_SECONDS = 2, REDRAW_SECONDS = 0.05;

struct comity_progress {
  FILE *stream;
  uint64_t rounds, first, last_shown;
  bool in_place, open; /* open: the line in place has no end yet */
  double shown;        /* clock at the last line */
  double pace;         /* seconds a round, smoothed; NAN before the first */
  size_t width;        /* characters of the line in place */
};

comity_status comity_progress_new(FILE *stream, uint64_t rounds, uint64_t start_round, bool in_place,
                                  comity_progress **progress) {
  comity_progress *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  *made = (comity_progress){.stream = stream,
                            .rounds = rounds,
                            .first = start_round,
                            .last_shown = start_round,
                            .in_place = in_place,
                            .pace = NAN};
  *progress = made;
  return COMITY_OK;
}

/* "45s", "2m10s", "3h05m", "2d04h". */
static void duration(double seconds, char *text, size_t size) {
  uint64_t s = seconds < 1e12 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e12;
  if (s < 60)
    snprintf(text, size, "%" PRIu64 "s", s);
  else if (s < 3600)
    snprintf(text, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
  else if (s < 86400)
    snprintf(text, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
  else
    snprintf(text, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

static size_t describe(const comity_progress *p, const comity_record *record, char *line, size_t size) {
  double accuracy = isnan(record->test_accuracy) ? record->client_accuracy.mean : record->test_accuracy;
  double loss = !isnan(record->test_loss)     ? record->test_loss
                : !isnan(record->client_loss) ? record->client_loss
                                              : record->train_loss;
  size_t used = (size_t)snprintf(line, size, "round %" PRIu64, record->round);
  if (p->rounds > 0)
    used += (size_t)snprintf(line + used, size - used, "/%" PRIu64, p->rounds);
  if (!isnan(accuracy))
    used += (size_t)snprintf(line + used, size - used, "  accuracy %.4f", accuracy);
  if (!isnan(loss))
    used += (size_t)snprintf(line + used, size - used, "  loss %.4g", loss);
  used += (size_t)snprintf(line + used, size - used, "  %" PRIu64 " client%s", record->clients,
                           record->clients == 1 ? "" : "s");
  if (record->clients < record->selected)
    used += (size_t)snprintf(line + used, size - used, " of %" PRIu64, record->selected);
  if (!isnan(p->pace)) {
    used += (size_t)snprintf(line + used, size - used, "  %.*f s/round", p->pace < 0.0995 ? 3 : 2, p->pace);
    if (p->rounds > record->round) {
      char left[32];
      duration(p->pace * (double)(p->rounds - record->round), left, sizeof left);
      used += (size_t)snprintf(line + used, size - used, "  %s left", left);
    }
  }
  return used;
}

/* Whether this round is worth a line where lines stay. */
static bool is_worth(const comity_progress *p, uint64_t round, double now) {
  uint64_t step = p->rounds > p->first ? (p->rounds - p->first) / 20 : 0;
  return round >= p->rounds || p->last_shown == p->first || now - p->shown >= LINE_SECONDS ||
         (step > 0 && (round - p->first) / step > (p->last_shown - p->first) / step);
}

void comity_progress_round(comity_progress *progress, const comity_record *record) {
  if (progress == NULL || progress->stream == NULL)
    return;
  double total = record->ledger.total, now = comity_clock_now();
  if (total > 0)
    progress->pace = isnan(progress->pace) ? total : 0.9 * progress->pace + 0.1 * total;
  bool show = progress->in_place ? progress->shown == 0 || record->round >= progress->rounds ||
                                       now - progress->shown >= REDRAW_SECONDS
                                 : is_worth(progress, record->round, now);
  if (!show)
    return;
  char line[256];
  size_t used = describe(progress, record, line, sizeof line);
  if (progress->in_place) {
    int rest = progress->open && progress->width > used ? (int)(progress->width - used) : 0;
    fprintf(progress->stream, "\r%s%*s", line, rest, "");
    progress->width = used;
    progress->open = true;
  } else
    fprintf(progress->stream, "%s\n", line);
  fflush(progress->stream);
  progress->shown = now;
  progress->last_shown = record->round;
}

void comity_progress_pause(comity_progress *progress) {
  if (progress == NULL || !progress->open)
    return;
  fputc('\n', progress->stream);
  fflush(progress->stream);
  progress->open = false;
}

void comity_progress_destroy(comity_progress **progress) {
  if (progress == NULL || *progress == NULL)
    return;
  comity_progress_pause(*progress);
  comity_free(*progress);
  *progress = NULL;
}
