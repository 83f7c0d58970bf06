/* One row after the other: which rows are used or held out, and what their values mean. */
#include "csv_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------------------------------------------- values */

comity_status comity_csv_fail(const csv_table *table, const csv_place *place, size_t column,
                              const char *format, ...) {
  va_list arguments;
  char reason[512];
  va_start(arguments, format);
  vsnprintf(reason, sizeof reason, format, arguments);
  va_end(arguments);
  return comity_fail(COMITY_ERR_DATA, "%s:%zu: column '%s': %s", place->path, place->record->line,
                     table->columns[column].name, reason);
}

bool comity_csv_missing(const csv_table *table, const char *field) {
  const char *missing = table->options->missing == NULL ? "?" : table->options->missing;
  return field[0] == '\0' || strcmp(field, missing) == 0;
}

const char *comity_csv_level(const char *field, char *buffer, size_t size) {
  double value;
  if (!comity_number_parse(field, &value) || !isfinite(value))
    return field;
  snprintf(buffer, size, "%.15g", value);
  return buffer;
}

comity_status comity_csv_row_keep(const csv_table *table, const csv_place *place, bool *keep) {
  *keep = true;
  for (size_t c = 0; c < table->column_count; c++) {
    const csv_column *column = &table->columns[c];
    if (column->role == CSV_DROPPED || !comity_csv_missing(table, place->record->field[c]))
      continue;
    *keep = false;
    if (table->drop_missing)
      return COMITY_OK;
    if (!table->mean_missing)
      return comity_csv_fail(
          table, place, c,
          "the value is missing; drop such rows or fill in the mean (--on-missing drop or mean)");
    if (column->role != CSV_FEATURE)
      return comity_csv_fail(table, place, c, "the value is missing, and there is no mean of %s",
                             column->role == CSV_LABEL ? "labels" : "names");
    *keep = true;
  }
  return COMITY_OK;
}

static int by_size(const void *a, const void *b) {
  size_t left = *(const size_t *)a, right = *(const size_t *)b;
  return left < right ? -1 : left > right;
}

bool comity_csv_row_held_out(const csv_table *table, const csv_place *place) {
  if (place->central)
    return true;
  if (table->split != COMITY_NAME_NONE)
    return strcasecmp(place->record->field[table->split], "test") == 0;
  return table->held_out_count > 0 &&
         bsearch(&place->row, table->held_out, table->held_out_count, sizeof place->row, by_size) != NULL;
}

comity_status comity_csv_positive(const csv_table *table, const csv_place *place, bool *positive) {
  const char *field = place->record->field[table->label], *wanted = table->options->positive;
  double value;
  if (strcmp(wanted, ">0") == 0) {
    if (!comity_number_parse(field, &value))
      return comity_csv_fail(table, place, table->label, "the label '%s' is no number, but positive is '>0'",
                             field);
    *positive = value > 0;
    return COMITY_OK;
  }
  char one[256], two[64], three[64];
  *positive = false;
  while (!*positive && *wanted != '\0') {
    size_t length = strcspn(wanted, "|");
    snprintf(one, sizeof one, "%.*s", (int)(length < sizeof one ? length : sizeof one - 1), wanted);
    *positive =
        strcmp(comity_csv_level(one, two, sizeof two), comity_csv_level(field, three, sizeof three)) == 0;
    wanted += length + (wanted[length] == '|');
  }
  return COMITY_OK;
}

/* Row numbers of the held-out rows, one or more per line. */
comity_status comity_csv_held_out_read(csv_table *table) {
  const char *path = table->options->test_rows;
  csv_reader *reader = NULL;
  const csv_record *record = NULL;
  comity_status status;
  size_t room = 0;
  COMITY_TRY(comity_csv_reader_new(path, ' ', &reader));
  for (;;) {
    COMITY_TRY_OR(done, comity_csv_reader_next(reader, &record));
    if (record == NULL)
      break;
    for (size_t i = 0; i < record->count; i++) {
      char *end;
      errno = 0;
      unsigned long long row = strtoull(record->field[i], &end, 10);
      if (record->field[i][0] < '0' || record->field[i][0] > '9' || *end != '\0' || row == 0 || errno != 0) {
        status = comity_fail(COMITY_ERR_DATA, "%s:%zu: '%s' is no row number; rows count from 1", path,
                             record->line, record->field[i]);
        goto done;
      }
      COMITY_TRY_OR(done,
                    comity_array_grow(&table->held_out, &room, table->held_out_count + 1, sizeof(size_t)));
      table->held_out[table->held_out_count++] = (size_t)row;
    }
  }
  if (table->held_out_count > 0)
    qsort(table->held_out, table->held_out_count, sizeof(size_t), by_size);
done:
  comity_csv_reader_destroy(&reader);
  return status;
}

/* ------------------------------------------------------------------------------------------ reading files */

static comity_status check_names(const csv_table *table, const csv_place *place) {
  for (size_t c = 0; c < table->column_count; c++)
    if (place->record->field[c][0] != '\0' && strcmp(place->record->field[c], table->columns[c].name) != 0)
      return comity_fail(
          COMITY_ERR_DATA,
          "%s:%zu: column %zu is called '%s', but '%s' in the first file; all files need the same "
          "columns in the same order",
          place->path, place->record->line, c + 1, place->record->field[c], table->columns[c].name);
  return COMITY_OK;
}

static comity_status visit_file(csv_table *table, csv_place *place, csv_visit visit, void *context) {
  csv_reader *reader = NULL;
  comity_status status;
  bool header = table->header;
  COMITY_TRY(comity_csv_reader_new(place->path, table->options->separator, &reader));
  for (;;) {
    COMITY_TRY_OR(done, comity_csv_reader_next(reader, &place->record));
    if (place->record == NULL)
      break;
    if (place->record->count != table->column_count) {
      status = comity_fail(COMITY_ERR_DATA, "%s:%zu: has %zu fields where the first line has %zu",
                           place->path, place->record->line, place->record->count, table->column_count);
      goto done;
    }
    place->row += !header;
    COMITY_TRY_OR(done, header ? check_names(table, place) : visit(table, place, context));
    header = false;
  }
  if (place->row == 0)
    status = comity_fail(COMITY_ERR_DATA, "%s: has no rows", place->path);
done:
  comity_csv_reader_destroy(&reader);
  return status;
}

comity_status comity_csv_visit(csv_table *table, bool central, csv_visit visit, void *context) {
  const comity_import_csv_options *o = table->options;
  const char *const *paths = central ? o->test_paths : o->paths;
  size_t count = central ? o->test_count : o->path_count;
  for (size_t i = 0; i < count; i++) {
    csv_place place = {.path = paths[i], .file = i, .central = central};
    COMITY_TRY(visit_file(table, &place, visit, context));
  }
  return COMITY_OK;
}
