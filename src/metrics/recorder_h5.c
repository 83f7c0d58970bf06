/* results.h5: the same curves as metrics.jsonl and every rank's ledger, for numerical tools. */
#include "metrics_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static comity_status write_curves(const char *path, hid_t group, const comity_history *history) {
  double *column;
  hsize_t count = history->count;
  COMITY_TRY(COMITY_NEW(column, history->count));
  comity_status status = COMITY_OK;
  for (int i = 0; i < COMITY_CURVE_COUNT && status == COMITY_OK; i++) {
    for (size_t r = 0; r < history->count; r++)
      column[r] = comity_history_at(history, r, (comity_curve)i);
    status = comity_h5_write(path, group, comity_curve_name((comity_curve)i), H5T_NATIVE_DOUBLE, 1, &count,
                             column);
  }
  comity_free(column);
  return status;
}

static comity_status write_ranks(const char *path, hid_t group, const comity_history *history) {
  float *column;
  hsize_t shape[2] = {history->count, history->ranks};
  size_t cells = history->count * history->ranks;
  COMITY_TRY(COMITY_NEW(column, cells));
  comity_status status = COMITY_OK;
  for (size_t k = 0; k < COMITY_COLUMN_COUNT && status == COMITY_OK; k++) {
    for (size_t i = 0; i < cells; i++)
      column[i] = history->rank_value[i * COMITY_COLUMN_COUNT + k];
    status = comity_h5_write(path, group, comity_column_name(k), H5T_NATIVE_FLOAT, 2, shape, column);
  }
  comity_free(column);
  return status;
}

comity_status comity_results_texts(const char *path, hid_t group, const char *name, hsize_t count,
                                   char *const *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  comity_status status = comity_h5_write(path, group, name, type, 1, &count, text);
  H5Tclose(type);
  return status;
}

static comity_status write_missed_texts(const char *path, hid_t group, const comity_history *history) {
  char **text;
  size_t count = history->missed_count;
  COMITY_TRY(COMITY_NEW(text, count));
  for (size_t i = 0; i < count; i++)
    text[i] = history->missed[i].name;
  comity_status status = comity_results_texts(path, group, "name", count, text);
  for (size_t i = 0; i < count; i++)
    text[i] = history->missed[i].reason;
  if (status == COMITY_OK)
    status = comity_results_texts(path, group, "reason", count, text);
  comity_free(text);
  return status;
}

static comity_status write_missed(const char *path, hid_t group, const comity_history *history) {
  static const char *const name[] = {"round", "client", "rank", "status"};
  int64_t *column;
  hsize_t count = history->missed_count;
  COMITY_TRY(COMITY_NEW(column, history->missed_count));
  comity_status status = COMITY_OK;
  for (int k = 0; k < 4 && status == COMITY_OK; k++) {
    for (size_t i = 0; i < history->missed_count; i++) {
      const comity_missed *missed = &history->missed[i];
      column[i] = k == 0   ? (int64_t)missed->round
                  : k == 1 ? (int64_t)missed->client
                  : k == 2 ? missed->rank
                           : missed->status;
    }
    status = comity_h5_write(path, group, name[k], H5T_NATIVE_INT64, 1, &count, column);
  }
  comity_free(column);
  return status == COMITY_OK ? write_missed_texts(path, group, history) : status;
}

static comity_status write_scores(const char *path, hid_t group, const comity_history *history) {
  double *column;
  hsize_t count = history->score_count;
  COMITY_TRY(COMITY_NEW(column, history->score_count));
  comity_status status = COMITY_OK;
  for (size_t k = 0; comity_score_name(k) != NULL && status == COMITY_OK; k++) {
    for (size_t i = 0; i < history->score_count; i++)
      column[i] = comity_score_at(history, i, k);
    status = comity_h5_write(path, group, comity_score_name(k), H5T_NATIVE_DOUBLE, 1, &count, column);
  }
  comity_free(column);
  return status;
}

typedef comity_status group_writer(const char *path, hid_t group, const comity_history *history);

static comity_status write_group(const char *path, hid_t file, const char *name, group_writer *writer,
                                 const comity_history *history) {
  errno = 0;
  hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  if (group < 0)
    return comity_h5_fail(COMITY_ERR_IO, "%s: cannot create the group '%s'", path, name);
  comity_status status = writer(path, group, history);
  H5Gclose(group);
  return status;
}

typedef struct results {
  const comity_history *history;
  const char *job;
} results;

static comity_status write_all(const char *path, hid_t file, const void *context) {
  const comity_history *history = ((const results *)context)->history;
  const char *job = ((const results *)context)->job;
  COMITY_TRY(comity_h5_write_text(path, file, "format", "comity-results"));
  COMITY_TRY(comity_h5_write_integer(path, file, "version", 1));
  COMITY_TRY(comity_h5_write_string(path, file, "job", job));
  COMITY_TRY(write_group(path, file, "curves", write_curves, history));
  COMITY_TRY(write_group(path, file, "ranks", write_ranks, history));
  COMITY_TRY(write_group(path, file, "clients", write_scores, history));
  COMITY_TRY(write_group(path, file, "events", comity_events_write, history));
  return write_group(path, file, "absent", write_missed, history);
}

comity_status comity_results_write(const char *path, const comity_history *history, const char *job) {
  return comity_h5_replace(path, write_all, &(results){history, job});
}

static size_t rows_of(hid_t file, const char *group, const char *name) {
  hid_t set = H5Lexists(file, group, H5P_DEFAULT) > 0 && H5Lexists(file, name, H5P_DEFAULT) > 0
                  ? H5Dopen2(file, name, H5P_DEFAULT)
                  : -1;
  if (set < 0)
    return 0;
  hid_t space = H5Dget_space(set);
  hssize_t points = H5Sget_simple_extent_npoints(space);
  H5Sclose(space);
  H5Dclose(set);
  return points < 0 ? 0 : (size_t)points;
}

static comity_status read_scores(const char *path, hid_t file, comity_history *history) {
  size_t rows = rows_of(file, "clients", "clients/round");
  if (rows == 0 || history->count == 0)
    return COMITY_OK;
  double *column, last = comity_history_at(history, history->count - 1, COMITY_CURVE_ROUND);
  COMITY_TRY(COMITY_NEW(column, rows));
  comity_status status = COMITY_NEW(history->score, rows);
  for (size_t k = 0; comity_score_name(k) != NULL && status == COMITY_OK; k++) {
    char name[48];
    snprintf(name, sizeof name, "clients/%s", comity_score_name(k));
    status = comity_h5_read(path, file, name, H5T_NATIVE_DOUBLE, rows, column);
    for (size_t i = 0; i < rows && status == COMITY_OK; i++)
      comity_score_put(history, i, k, column[i]);
  }
  comity_free(column);
  if (status == COMITY_OK && (double)history->score_round <= last)
    history->score_count = rows;
  else {
    comity_free(history->score);
    history->score = NULL;
  }
  return status;
}

/* Rounds ascend in both; `old` are those of the file. */
static void take_column(comity_history *history, size_t column, const double *old, size_t rows,
                        const float *value) {
  for (size_t r = 0, from = 0; r < history->count; r++) {
    double round = comity_history_at(history, r, COMITY_CURVE_ROUND);
    while (from < rows && old[from] < round)
      from++;
    if (from < rows && old[from] == round)
      for (size_t k = 0; k < history->ranks; k++)
        history->rank_value[(r * history->ranks + k) * COMITY_COLUMN_COUNT + column] =
            value[from * history->ranks + k];
  }
}

comity_status comity_results_read(const char *path, comity_history *history) {
  hid_t file;
  double *round = NULL;
  float *value = NULL;
  COMITY_TRY(comity_h5_open(path, &file));
  size_t rows = rows_of(file, "curves", "curves/round");
  comity_status status;
  COMITY_TRY_OR(done, read_scores(path, file, history));
  COMITY_TRY_OR(done, COMITY_NEW(round, rows));
  COMITY_TRY_OR(done, COMITY_NEW(value, rows * history->ranks));
  if (rows > 0)
    COMITY_TRY_OR(done, comity_h5_read(path, file, "curves/round", H5T_NATIVE_DOUBLE, rows, round));
  for (size_t k = 0; k < COMITY_COLUMN_COUNT && rows > 0; k++) {
    char name[48];
    snprintf(name, sizeof name, "ranks/%s", comity_column_name(k));
    COMITY_TRY_OR(done, comity_h5_read(path, file, name, H5T_NATIVE_FLOAT, rows * history->ranks, value));
    take_column(history, k, round, rows, value);
  }
done:
  comity_free(round);
  comity_free(value);
  H5Fclose(file);
  return status;
}
