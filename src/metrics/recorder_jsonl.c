/* metrics.jsonl: a line of JSON for each round, written and read back. */
#include "json_impl.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static bool put_curves(yajl_gen json, const comity_record *record) {
  double value[COMITY_CURVE_COUNT];
  comity_curve_values(record, value);
  const char *open = NULL; /* the object that is open */
  bool fine = true;
  for (int i = 0; i < COMITY_CURVE_COUNT; i++) {
    const char *outer, *inner;
    comity_curve_place((comity_curve)i, &outer, &inner);
    bool inside = open != NULL && inner != NULL && strcmp(open, outer) == 0;
    if (open != NULL && !inside) {
      fine = fine && yajl_gen_map_close(json) == yajl_gen_status_ok;
      open = NULL;
    }
    if (inner != NULL && !inside) {
      fine = fine && comity_json_put_text(json, outer) && yajl_gen_map_open(json) == yajl_gen_status_ok;
      open = outer;
    }
    fine = fine && comity_json_put_pair(json, inner != NULL ? inner : outer, value[i]);
  }
  return fine && (open == NULL || yajl_gen_map_close(json) == yajl_gen_status_ok);
}

static bool put_ranks(yajl_gen json, const comity_record *record) {
  if (record->rank_ledger == NULL || record->ranks == 0)
    return true;
  size_t first = record->ranks > 1 ? 1 : 0; /* the participants */
  bool fine = comity_json_put_text(json, "ranks") && yajl_gen_map_open(json) == yajl_gen_status_ok;
  for (size_t column = 0; column < COMITY_COLUMN_COUNT && fine; column++) {
    double sum = 0, most = 0;
    for (size_t r = first; r < record->ranks; r++) {
      double here = comity_column_of(&record->rank_ledger[r], column);
      sum += here;
      most = here > most ? here : most;
    }
    fine = comity_json_put_text(json, comity_column_name(column)) &&
           yajl_gen_map_open(json) == yajl_gen_status_ok &&
           comity_json_put_pair(json, "mean", sum / (double)(record->ranks - first)) &&
           comity_json_put_pair(json, "max", most) && yajl_gen_map_close(json) == yajl_gen_status_ok;
  }
  return fine && yajl_gen_map_close(json) == yajl_gen_status_ok;
}

static bool put_absent(yajl_gen json, const comity_record *record) {
  bool fine = comity_json_put_text(json, "absent") && yajl_gen_array_open(json) == yajl_gen_status_ok;
  for (size_t i = 0; i < record->absent_count && fine; i++) {
    const comity_absence *absent = &record->absent[i];
    fine = yajl_gen_map_open(json) == yajl_gen_status_ok &&
           comity_json_put_pair(json, "client", (double)absent->client) &&
           comity_json_put_word(json, "name", absent->name) &&
           comity_json_put_pair(json, "rank", absent->rank) &&
           comity_json_put_word(json, "status", comity_status_name(absent->status)) &&
           comity_json_put_word(json, "reason", absent->reason) &&
           yajl_gen_map_close(json) == yajl_gen_status_ok;
  }
  return fine && yajl_gen_array_close(json) == yajl_gen_status_ok;
}

comity_status comity_jsonl_line(const comity_record *record, char **line, size_t *length) {
  yajl_gen json = yajl_gen_alloc(NULL);
  const unsigned char *text;
  if (json == NULL)
    return comity_fail(COMITY_ERR_MEMORY, "metrics.jsonl: out of memory");
  yajl_gen_config(json, yajl_gen_validate_utf8, 1);
  comity_status status = COMITY_OK;
  if (yajl_gen_map_open(json) != yajl_gen_status_ok || !put_curves(json, record) ||
      !put_ranks(json, record) || !put_absent(json, record) ||
      yajl_gen_map_close(json) != yajl_gen_status_ok ||
      yajl_gen_get_buf(json, &text, length) != yajl_gen_status_ok)
    status = comity_fail(COMITY_ERR_INTERNAL, "metrics.jsonl: a record that is no JSON");
  else if ((*line = comity_text("%s\n", (const char *)text)) == NULL)
    status = COMITY_ERR_MEMORY;
  ++*length;
  yajl_gen_free(json);
  return status;
}

static int64_t status_of_name(const char *name) {
#define ENTRY(id, value, exit_code, text)                                                                    \
  if (strcmp(name, #id) == 0)                                                                                \
    return value;
  COMITY_STATUS_LIST(ENTRY)
#undef ENTRY
  return COMITY_ERR_INTERNAL;
}

static comity_status take_absent(yajl_val tree, uint64_t round, comity_history *history) {
  yajl_val list = yajl_tree_get(tree, (const char *[]){"absent", NULL}, yajl_t_array);
  for (size_t i = 0; list != NULL && i < YAJL_GET_ARRAY(list)->len; i++) {
    yajl_val entry = YAJL_GET_ARRAY(list)->values[i];
    double client = comity_json_number(entry, "client", NULL), rank = comity_json_number(entry, "rank", NULL);
    comity_missed missed = {.round = round,
                            .client = client >= 0 && client < 0x1p63 ? (uint64_t)client : 0,
                            .rank = fabs(rank) < 0x1p31 ? (int64_t)rank : -1,
                            .status = status_of_name(comity_json_text(entry, "status")),
                            .name = (char *)(uintptr_t)comity_json_text(entry, "name"),
                            .reason = (char *)(uintptr_t)comity_json_text(entry, "reason")};
    COMITY_TRY(comity_history_miss(history, &missed));
  }
  return COMITY_OK;
}

/* One complete line. *past: the line is of a later round than `last` and was not taken. */
static comity_status take_line(const char *path, size_t number, const char *line, uint64_t last,
                               comity_history *history, bool *past) {
  char reason[256];
  yajl_val tree = yajl_tree_parse(line, reason, sizeof reason);
  double round = tree == NULL ? (double)NAN : comity_json_number(tree, "round", NULL);
  comity_status status = COMITY_OK;
  *past = false;
  if (!(round >= 0 && round < 0x1p53))
    status = comity_fail(COMITY_ERR_DATA,
                         "%s:%zu: is not the record of a round; mend the line or move the file away", path,
                         number);
  else if ((uint64_t)round > last)
    *past = true;
  else if ((status = comity_history_reserve(history)) == COMITY_OK) {
    double value[COMITY_CURVE_COUNT];
    for (int i = 0; i < COMITY_CURVE_COUNT; i++) {
      const char *outer, *inner;
      comity_curve_place((comity_curve)i, &outer, &inner);
      value[i] = comity_json_number(tree, outer, inner);
    }
    status = take_absent(tree, (uint64_t)round, history);
    if (status == COMITY_OK)
      comity_history_add(history, value);
  }
  yajl_tree_free(tree);
  return status;
}

comity_status comity_jsonl_read(const char *path, uint64_t last, comity_history *history, char **text,
                                size_t *kept) {
  char *read;
  size_t length, taken = 0, number = 1;
  COMITY_TRY(comity_file_read(path, &read, &length));
  comity_status status = COMITY_OK;
  bool past = false;
  while (status == COMITY_OK && !past) {
    char *line = read + taken, *end = memchr(line, '\n', length - taken);
    if (end == NULL)
      break; /* the end, or a line whose writer was killed */
    *end = '\0';
    status = take_line(path, number++, line, last, history, &past);
    if (status == COMITY_ERR_DATA && end + 1 == read + length)
      break; /* a last line of which a crash left only the length */
    *end = '\n';
    if (status == COMITY_OK && !past)
      taken = (size_t)(end + 1 - read);
  }
  if (status == COMITY_ERR_DATA && taken < length && memchr(read + taken, '\n', length - taken) == NULL)
    status = COMITY_OK;
  if (status != COMITY_OK) {
    comity_free(read);
    return status;
  }
  *text = read;
  *kept = taken;
  return COMITY_OK;
}
