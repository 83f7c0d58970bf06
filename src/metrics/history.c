/* A run in memory: a table of scalars per round, a table of ledgers per rank, and who was absent. */
#include "metrics_impl.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *name, *outer, *inner;
} curves[COMITY_CURVE_COUNT] = {
#define ENTRY(id, name, value, outer, inner) {name, outer, inner},
    COMITY_CURVE_LIST(ENTRY)
#undef ENTRY
};

const char *comity_curve_name(comity_curve curve) { return curves[curve].name; }

void comity_curve_place(comity_curve curve, const char **outer, const char **inner) {
  *outer = curves[curve].outer;
  *inner = curves[curve].inner;
}

void comity_curve_values(const comity_record *record, double value[COMITY_CURVE_COUNT]) {
#define ENTRY(id, name, expression, outer, inner) value[COMITY_CURVE_##id] = (expression);
  COMITY_CURVE_LIST(ENTRY)
#undef ENTRY
}

comity_status comity_history_reserve(comity_history *history) {
  size_t width = history->ranks * COMITY_COLUMN_COUNT;
  COMITY_TRY(comity_array_grow(&history->value, &history->room, history->count + 1,
                               COMITY_CURVE_COUNT * sizeof(double)));
  return comity_array_grow(&history->rank_value, &history->rank_room, history->count + 1,
                           width * sizeof(float));
}

void comity_history_add(comity_history *history, const double value[COMITY_CURVE_COUNT]) {
  size_t width = history->ranks * COMITY_COLUMN_COUNT;
  memcpy(history->value + history->count * COMITY_CURVE_COUNT, value, COMITY_CURVE_COUNT * sizeof *value);
  for (size_t i = 0; i < width; i++)
    history->rank_value[history->count * width + i] = NAN;
  history->count++;
}

comity_status comity_history_miss(comity_history *history, const comity_missed *missed) {
  COMITY_TRY(comity_array_grow(&history->missed, &history->missed_room, history->missed_count + 1,
                               sizeof *history->missed));
  comity_missed kept = *missed;
  kept.name = comity_text("%s", missed->name == NULL ? "" : missed->name);
  kept.reason = comity_text("%s", missed->reason == NULL ? "" : missed->reason);
  if (kept.name == NULL || kept.reason == NULL) {
    comity_free(kept.name);
    comity_free(kept.reason);
    return COMITY_ERR_MEMORY;
  }
  history->missed[history->missed_count++] = kept;
  return COMITY_OK;
}

comity_status comity_history_score(comity_history *history, const comity_record *record) {
  if (record->score_count == 0)
    return COMITY_OK;
  if (record->score_count != history->score_count) {
    comity_client_score *score;
    COMITY_TRY(COMITY_NEW(score, record->score_count));
    comity_free(history->score);
    history->score = score;
    history->score_count = record->score_count;
  }
  memcpy(history->score, record->score, record->score_count * sizeof *record->score);
  history->score_round = record->round;
  return COMITY_OK;
}

static const char *const score_columns[] = {"round", "client", "examples", "accuracy", "loss", "auc", NULL};

const char *comity_score_name(size_t column) { return score_columns[column]; }

double comity_score_at(const comity_history *history, size_t i, size_t column) {
  const comity_client_score *score = &history->score[i];
  const double value[] = {(double)history->score_round,
                          (double)score->client,
                          (double)score->examples,
                          score->accuracy,
                          score->loss,
                          score->auc};
  return value[column];
}

void comity_score_put(comity_history *history, size_t i, size_t column, double value) {
  comity_client_score *score = &history->score[i];
  double *const real[] = {[3] = &score->accuracy, [4] = &score->loss, [5] = &score->auc};
  uint64_t *const whole[] = {&history->score_round, &score->client, &score->examples};
  if (column < 3)
    *whole[column] = value >= 0 && value < 0x1p63 ? (uint64_t)value : 0;
  else
    *real[column] = value;
}

void comity_history_clear(comity_history *history) {
  comity_free(history->score);
  for (size_t i = 0; i < history->missed_count; i++) {
    comity_free(history->missed[i].name);
    comity_free(history->missed[i].reason);
  }
  comity_free(history->missed);
  comity_free(history->events.ring);
  comity_free(history->value);
  comity_free(history->rank_value);
  *history = (comity_history){0};
}

bool comity_history_best(const comity_history *history, comity_curve *curve, size_t *row) {
  static const struct {
    comity_curve curve;
    int sign;
  } order[] = {{COMITY_CURVE_TEST_ACCURACY, 1}, {COMITY_CURVE_TEST_AUC, 1},
               {COMITY_CURVE_ACCURACY_MEAN, 1}, {COMITY_CURVE_TEST_LOSS, -1},
               {COMITY_CURVE_CLIENT_LOSS, -1},  {COMITY_CURVE_TRAIN_LOSS, -1}};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    bool found = false;
    for (size_t r = 0; r < history->count; r++) {
      double here = order[i].sign * comity_history_at(history, r, order[i].curve);
      if (isfinite(here) &&
          (!found || here > order[i].sign * comity_history_at(history, *row, order[i].curve))) {
        *row = r;
        found = true;
      }
    }
    *curve = order[i].curve;
    if (found)
      return true;
  }
  return false;
}
