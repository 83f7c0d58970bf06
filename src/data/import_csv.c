/* Tables to datasets: each row becomes float32 features and a label, and goes to the client of its file or of
 * its client column. */
#include "csv_impl.h"

#include <locale.h>
#include <string.h>

enum { BLOCK_ROWS = 512 };

/* Rows on their way into the file. */
typedef struct row_sink {
  comity_dataset_writer *writer;
  size_t width;
  size_t file;                         /* that the current client comes from, from 1 */
  float *x[COMITY_SPLIT_COUNT];        /* (room, width) */
  float *y[COMITY_SPLIT_COUNT];        /* (room) */
  uint32_t *owner[COMITY_SPLIT_COUNT]; /* (room) with a client column, where all rows wait for the end */
  size_t count[COMITY_SPLIT_COUNT], x_room[COMITY_SPLIT_COUNT], y_room[COMITY_SPLIT_COUNT],
      owner_room[COMITY_SPLIT_COUNT];
} row_sink;

/* ----------------------------------------------------------------------------------------------- encoding */

static void fill_missing(const csv_column *column, float *x) {
  for (size_t i = 0; i < column->width; i++)
    x[column->first + i] = column->known == 0 ? 0.0f : (float)(column->sum[i] / (double)column->known);
}

static comity_status encode(const csv_table *table, const csv_place *place, float *x, float *y) {
  char buffer[64];
  double value = 0;
  for (size_t c = 0; c < table->column_count; c++) {
    const csv_column *column = &table->columns[c];
    const char *field = place->record->field[c];
    if (column->role != CSV_FEATURE)
      continue;
    if (comity_csv_missing(table, field))
      fill_missing(column, x);
    else if (!column->categorical) {
      COMITY_REQUIRE(comity_number_parse(field, &value), COMITY_ERR_DATA, "%s: changed while it was read",
                     place->path);
      x[column->first] = (float)value;
    } else {
      size_t level = comity_names_find(column->levels, comity_csv_level(field, buffer, sizeof buffer));
      memset(x + column->first, 0, column->width * sizeof *x);
      if (level >= table->options->drop_first && level - table->options->drop_first < column->width)
        x[column->first + level - table->options->drop_first] = 1.0f;
    }
  }
  const char *label = place->record->field[table->label];
  if (table->options->positive != NULL) {
    bool positive = false;
    COMITY_TRY(comity_csv_positive(table, place, &positive));
    *y = positive;
  } else if (table->options->regression) {
    (void)comity_number_parse(label, &value);
    *y = (float)value;
  } else
    *y = (float)comity_names_find(table->columns[table->label].levels,
                                  comity_csv_level(label, buffer, sizeof buffer));
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------- writing rows */

static comity_status flush(row_sink *sink) {
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    if (sink->count[s] > 0)
      COMITY_TRY(
          comity_dataset_writer_add(sink->writer, (comity_split)s, sink->count[s], sink->x[s], sink->y[s]));
    sink->count[s] = 0;
  }
  return COMITY_OK;
}

/* "data/hospital-1.csv.gz" -> "hospital-1". Owned by the caller. */
static char *base_name(const char *path) {
  const char *base = comity_path_base(path);
  size_t length = strlen(base);
  if (length > 3 && strcmp(base + length - 3, ".gz") == 0)
    length -= 3;
  size_t stem = length > 0 ? length - 1 : 0;
  while (stem > 0 && base[stem] != '.')
    stem--;
  return comity_text("%.*s", (int)(stem > 0 ? stem : length), base);
}

/* Without a client column each file is a client, which starts at its first row. */
static comity_status start_client(const csv_table *table, row_sink *sink, const csv_place *place) {
  COMITY_REQUIRE(place->file == sink->file, COMITY_ERR_DATA,
                 "%s: no row is left after dropping those with missing values; leave the file out",
                 table->options->paths[sink->file]);
  COMITY_TRY(flush(sink));
  char *name = base_name(place->path);
  if (name == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = comity_dataset_writer_client(sink->writer, name);
  comity_free(name);
  sink->file = place->file + 1;
  return status;
}

static comity_status add_row(csv_table *table, const csv_place *place, void *context) {
  row_sink *sink = context;
  bool keep = false, grouped = table->client != COMITY_NAME_NONE && !place->central;
  COMITY_TRY(comity_csv_row_keep(table, place, &keep));
  if (!keep)
    return COMITY_OK;
  if (!place->central && !grouped && sink->file != place->file + 1)
    COMITY_TRY(start_client(table, sink, place));
  int s = comity_csv_row_held_out(table, place) ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN;
  size_t at = sink->count[s];
  COMITY_TRY(comity_array_grow(&sink->x[s], &sink->x_room[s], (at + 1) * sink->width, sizeof(float)));
  COMITY_TRY(comity_array_grow(&sink->y[s], &sink->y_room[s], at + 1, sizeof(float)));
  COMITY_TRY(encode(table, place, sink->x[s] + at * sink->width, sink->y[s] + at));
  if (grouped) {
    COMITY_TRY(comity_array_grow(&sink->owner[s], &sink->owner_room[s], at + 1, sizeof(uint32_t)));
    size_t client =
        comity_names_find(table->columns[table->client].levels, place->record->field[table->client]);
    COMITY_REQUIRE(client < UINT32_MAX, COMITY_ERR_DATA, "%s: changed while it was read", place->path);
    sink->owner[s][at] = (uint32_t)client;
  }
  sink->count[s]++;
  return grouped || sink->count[s] < BLOCK_ROWS ? COMITY_OK : flush(sink);
}

/* ------------------------------------------------------------------------------------------ client column */

/* The rows of a split in order of client: start[k] ... start[k+1]-1 of order are client k's. */
static comity_status group(const row_sink *sink, int s, size_t clients, size_t *start, size_t *order) {
  size_t *next;
  COMITY_TRY(COMITY_NEW(next, clients));
  for (size_t i = 0; i < sink->count[s]; i++)
    start[sink->owner[s][i] + 1]++;
  for (size_t k = 0; k < clients; k++) {
    start[k + 1] += start[k];
    next[k] = start[k];
  }
  for (size_t i = 0; i < sink->count[s]; i++)
    order[next[sink->owner[s][i]]++] = i;
  comity_free(next);
  return COMITY_OK;
}

static comity_status write_groups(csv_table *table, row_sink *sink) {
  const comity_names *names = table->columns[table->client].levels;
  size_t clients = comity_names_count(names);
  size_t *start[COMITY_SPLIT_COUNT] = {NULL, NULL}, *order[COMITY_SPLIT_COUNT] = {NULL, NULL};
  comity_status status = COMITY_OK;
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    COMITY_TRY_OR(done, COMITY_NEW(start[s], clients + 1));
    COMITY_TRY_OR(done, COMITY_NEW(order[s], sink->count[s]));
    COMITY_TRY_OR(done, group(sink, s, clients, start[s], order[s]));
  }
  for (size_t k = 0; k < clients; k++) {
    COMITY_TRY_OR(done, comity_dataset_writer_client(sink->writer, comity_names_get(names, k)));
    for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
      for (size_t i = start[s][k]; i < start[s][k + 1]; i++)
        COMITY_TRY_OR(done, comity_dataset_writer_add(sink->writer, (comity_split)s, 1,
                                                      sink->x[s] + order[s][i] * sink->width,
                                                      sink->y[s] + order[s][i]));
  }
done:
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_free(start[s]);
    comity_free(order[s]);
  }
  return status;
}

/* --------------------------------------------------------------------------------------------- the import */

static comity_status check_options(const comity_import_csv_options *o, csv_table *table) {
  const char *missing = o->on_missing == NULL ? "error" : o->on_missing;
  COMITY_REQUIRE(o->path_count + o->test_count > 0, COMITY_ERR_USAGE, "a CSV import needs at least one file");
  table->drop_missing = strcmp(missing, "drop") == 0;
  table->mean_missing = strcmp(missing, "mean") == 0;
  COMITY_REQUIRE(table->drop_missing || table->mean_missing || strcmp(missing, "error") == 0,
                 COMITY_ERR_USAGE, "on-missing is drop, mean or error, not '%s'", missing);
  COMITY_REQUIRE(!table->mean_missing || o->path_count > 0, COMITY_ERR_USAGE,
                 "on-missing: mean takes the mean of train rows, but only test files are given");
  COMITY_REQUIRE((o->test_count > 0) + (o->split != NULL) + (o->test_rows != NULL) <= 1, COMITY_ERR_USAGE,
                 "test files, a split column and a list of test rows exclude each other");
  COMITY_REQUIRE(o->test_rows == NULL || o->path_count == 1, COMITY_ERR_USAGE,
                 "a list of test rows belongs to one file, and there are %zu", o->path_count);
  COMITY_REQUIRE(!o->regression || o->positive == NULL, COMITY_ERR_USAGE,
                 "a regression has no positive label; leave one of the two options out");
  return COMITY_OK;
}

/* (width) names of the features, owned by the caller, also after failure. */
static comity_status name_features(const csv_table *table, char ***names) {
  char **made;
  COMITY_TRY(COMITY_NEW(made, table->width));
  *names = made;
  for (size_t c = 0; c < table->column_count; c++) {
    const csv_column *column = &table->columns[c];
    for (size_t i = 0; i < column->width; i++) {
      made[column->first + i] =
          column->categorical ? comity_text("%s=%s", column->name,
                                            comity_names_get(column->levels, i + table->options->drop_first))
                              : comity_text("%s", column->name);
      if (made[column->first + i] == NULL)
        return COMITY_ERR_MEMORY;
    }
  }
  return COMITY_OK;
}

static comity_status write_rows(csv_table *table, const char *out) {
  const comity_import_csv_options *o = table->options;
  row_sink sink = {.width = table->width};
  char **names = NULL, *origin = NULL;
  comity_status status;
  COMITY_TRY_OR(done, name_features(table, &names));
  const char *first = o->path_count > 0 ? o->paths[0] : o->test_paths[0];
  origin = comity_text("imported from CSV file %s%s", comity_path_base(first),
                       o->path_count > 1 ? " and others" : "");
  COMITY_TRY_OR(done, origin == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  comity_dataset_writer_options form = {.type = COMITY_F32,
                                        .shape_rank = 1,
                                        .shape = {table->width},
                                        .scale = 1.0,
                                        .targets = 1,
                                        .classes = table->classes,
                                        .feature_names = (const char *const *)names,
                                        .origin = origin};
  COMITY_TRY_OR(done, comity_dataset_writer_new(out, &form, &sink.writer));
  COMITY_TRY_OR(done, comity_csv_visit(table, true, add_row, &sink));
  COMITY_TRY_OR(done, flush(&sink)); /* before the first client: the central test set */
  COMITY_TRY_OR(done, comity_csv_visit(table, false, add_row, &sink));
  if (table->client == COMITY_NAME_NONE && sink.file < o->path_count) {
    status = comity_fail(COMITY_ERR_DATA,
                         "%s: no row is left after dropping those with missing values; leave the file out",
                         o->paths[sink.file]);
    goto done;
  }
  COMITY_TRY_OR(done, table->client == COMITY_NAME_NONE ? flush(&sink) : write_groups(table, &sink));
  COMITY_TRY_OR(done, comity_dataset_writer_commit(sink.writer));
done:
  comity_dataset_writer_destroy(&sink.writer);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_free(sink.x[s]);
    comity_free(sink.y[s]);
    comity_free(sink.owner[s]);
  }
  for (size_t i = 0; names != NULL && i < table->width; i++)
    comity_free(names[i]);
  comity_free(names);
  comity_free(origin);
  return status;
}

comity_status comity_import_csv(const comity_import_csv_options *options, const char *out) {
  csv_table table = {.options = options};
  COMITY_TRY(check_options(options, &table));
  /* Numbers are written with a point, whatever the language of the program that calls. */
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  COMITY_REQUIRE(plain != (locale_t)0, COMITY_ERR_MEMORY, "out of memory");
  locale_t before = uselocale(plain);
  comity_status status = comity_csv_table_fill(&table);
  if (status == COMITY_OK)
    status = write_rows(&table, out);
  uselocale(before);
  freelocale(plain);
  comity_csv_table_clear(&table);
  return status;
}
