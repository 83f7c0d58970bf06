/* What the columns of a table are: names and roles from the first line and the options, kinds, levels and
 * means from readings of the files. */
#include "csv_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AUTOMATIC_LEVELS_MAX = 256, LEVELS_MAX = 1 << 16, CLASSES_MAX = 1000, WIDTH_MAX = 1 << 20 };

/* ---------------------------------------------------------------------------------------- names and roles */

static comity_status name_columns(csv_table *table, const char *path, const csv_record *first) {
  const int wanted = table->options->header;
  double value;
  table->header = wanted != 0;
  for (size_t c = 0; wanted < 0 && c < first->count && table->header; c++)
    table->header = !comity_number_parse(first->field[c], &value);
  COMITY_TRY(COMITY_NEW(table->columns, first->count));
  table->column_count = first->count;
  comity_names *names;
  comity_status status = COMITY_OK;
  COMITY_TRY(comity_names_new(&names));
  for (size_t c = 0; c < first->count; c++) {
    size_t index;
    table->columns[c].name = table->header && first->field[c][0] != '\0' ? comity_text("%s", first->field[c])
                                                                         : comity_text("c%zu", c + 1);
    COMITY_TRY_OR(done, table->columns[c].name == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
    COMITY_TRY_OR(done, comity_names_add(names, table->columns[c].name, &index));
    if (index != c) {
      status =
          comity_fail(COMITY_ERR_DATA,
                      "%s:%zu: columns %zu and %zu are both called '%s'; rename one, or say that there is no "
                      "header",
                      path, first->line, index + 1, c + 1, table->columns[c].name);
      goto done;
    }
  }
done:
  comity_names_destroy(&names);
  return status;
}

static comity_status read_first_line(csv_table *table) {
  const comity_import_csv_options *o = table->options;
  const char *path = o->path_count > 0 ? o->paths[0] : o->test_paths[0];
  csv_reader *reader = NULL;
  const csv_record *first = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY(comity_csv_reader_new(path, o->separator, &reader));
  COMITY_TRY_OR(done, comity_csv_reader_next(reader, &first));
  if (first == NULL)
    status = comity_fail(COMITY_ERR_DATA, "%s: is empty", path);
  else
    status = name_columns(table, path, first);
done:
  comity_csv_reader_destroy(&reader);
  return status;
}

static comity_status find_column(const csv_table *table, const char *name, size_t *index) {
  for (size_t c = 0; c < table->column_count; c++)
    if (strcmp(table->columns[c].name, name) == 0) {
      *index = c;
      return COMITY_OK;
    }
  char *end;
  unsigned long number = strtoul(name, &end, 10);
  if (name[0] >= '0' && name[0] <= '9' && *end == '\0' && number >= 1 && number <= table->column_count) {
    *index = number - 1;
    return COMITY_OK;
  }
  char list[256] = "";
  for (size_t c = 0, used = 0; c < table->column_count && used < sizeof list - 1; c++)
    used +=
        (size_t)snprintf(list + used, sizeof list - used, "%s%s", c == 0 ? "" : ", ", table->columns[c].name);
  const comity_import_csv_options *o = table->options;
  return comity_fail(COMITY_ERR_USAGE, "%s: there is no column '%s'; columns are %s%s",
                     o->path_count > 0 ? o->paths[0] : o->test_paths[0], name, list,
                     table->header ? "" : ", as the first line is no header; columns may be numbers, too");
}

static comity_status give_role(csv_table *table, const char *name, csv_role role, size_t *index) {
  COMITY_TRY(find_column(table, name, index));
  COMITY_REQUIRE(table->columns[*index].role == CSV_FEATURE, COMITY_ERR_USAGE,
                 "column '%s' cannot be two of label, client, split and dropped", name);
  table->columns[*index].role = role;
  return COMITY_OK;
}

/* "cp" or "cp=1,2,3,4". */
static comity_status ask_categorical(csv_table *table, const char *text) {
  size_t index = 0, level, length = strcspn(text, "=");
  comity_status status = find_column(table, text, &index);
  if (status != COMITY_OK && text[length] == '=') {
    char *name = comity_text("%.*s", (int)length, text);
    if (name == NULL)
      return COMITY_ERR_MEMORY;
    status = find_column(table, name, &index);
    comity_free(name);
  } else
    length = strlen(text);
  COMITY_TRY(status);
  csv_column *column = &table->columns[index];
  column->asked = column->categorical = true;
  if (text[length] == '\0')
    return COMITY_OK;
  COMITY_REQUIRE(column->levels == NULL, COMITY_ERR_USAGE, "column '%s' gets its levels twice", column->name);
  COMITY_TRY(comity_names_new(&column->levels));
  column->fixed = true;
  for (const char *from = text + length + 1; status == COMITY_OK; from += length + 1) {
    char buffer[64];
    length = strcspn(from, ",");
    char *name = comity_text("%.*s", (int)length, from);
    if (name == NULL)
      return COMITY_ERR_MEMORY;
    status = comity_names_add(column->levels, comity_csv_level(name, buffer, sizeof buffer), &level);
    comity_free(name);
    if (from[length] == '\0')
      break;
  }
  return status;
}

static comity_status give_roles(csv_table *table) {
  const comity_import_csv_options *o = table->options;
  size_t unused;
  table->client = table->split = COMITY_NAME_NONE;
  if (o->label != NULL)
    COMITY_TRY(give_role(table, o->label, CSV_LABEL, &table->label));
  else {
    table->label = table->column_count - 1;
    table->columns[table->label].role = CSV_LABEL;
  }
  if (o->client != NULL)
    COMITY_TRY(give_role(table, o->client, CSV_CLIENT, &table->client));
  if (o->split != NULL)
    COMITY_TRY(give_role(table, o->split, CSV_SPLIT, &table->split));
  for (size_t i = 0; i < o->drop_count; i++)
    COMITY_TRY(give_role(table, o->drop[i], CSV_DROPPED, &unused));
  for (size_t i = 0; i < o->categorical_count; i++)
    COMITY_TRY(ask_categorical(table, o->categorical[i]));
  const csv_column *label = &table->columns[table->label];
  COMITY_REQUIRE(!label->asked || (!o->regression && o->positive == NULL), COMITY_ERR_USAGE,
                 "the label '%s' cannot have a list of classes and be %s", label->name,
                 o->regression ? "a real number" : "reduced to positive and others");
  return COMITY_OK;
}

static comity_status visit_all(csv_table *table, csv_visit visit) {
  COMITY_TRY(comity_csv_visit(table, false, visit, NULL));
  return comity_csv_visit(table, true, visit, NULL);
}

/* --------------------------------------------------------------------------------------- kinds and levels */

/* First reading: which columns hold numbers, which text. */
static comity_status see_kinds(csv_table *table, const csv_place *place, void *context) {
  (void)context;
  for (size_t c = 0; c < table->column_count; c++) {
    csv_column *column = &table->columns[c];
    const char *field = place->record->field[c];
    double value;
    if ((column->role != CSV_FEATURE && column->role != CSV_LABEL) || comity_csv_missing(table, field))
      continue;
    if (comity_number_parse(field, &value)) {
      if (!(fabs(value) <= 3.4028234e38))
        return comity_csv_fail(table, place, c, "%s is too large for a 32-bit float", field);
      column->numbers++;
    } else if (column->texts++ == 0) {
      column->text = comity_text("%s:%zu: '%.40s'", place->path, place->record->line, field);
      if (column->text == NULL)
        return COMITY_ERR_MEMORY;
    }
  }
  if (!place->central && table->held_out_count > 0 &&
      table->held_out[table->held_out_count - 1] == place->row)
    table->rows[COMITY_SPLIT_TEST] = 1; /* the last of the held-out rows exists */
  return COMITY_OK;
}

static comity_status decide_kinds(csv_table *table) {
  const comity_import_csv_options *o = table->options;
  for (size_t c = 0; c < table->column_count; c++) {
    csv_column *column = &table->columns[c];
    bool label = column->role == CSV_LABEL;
    if (label && o->regression && column->texts > 0)
      return comity_fail(COMITY_ERR_DATA, "%s: the label '%s' of a regression must be a number", column->text,
                         column->name);
    if (label)
      column->categorical = !o->regression && o->positive == NULL;
    if (column->role == CSV_FEATURE && !column->asked) {
      COMITY_REQUIRE(column->numbers > 0 || column->texts > 0, COMITY_ERR_DATA,
                     "column '%s' has no value in any row; drop it", column->name);
      COMITY_REQUIRE(
          column->numbers == 0 || column->texts == 0, COMITY_ERR_DATA,
          "%s: column '%s' has both numbers and text; name that text as `missing`, or the column as "
          "categorical or to be dropped",
          column->text, column->name);
      column->categorical = column->texts > 0;
    }
    bool named = column->categorical || label || column->role == CSV_CLIENT;
    if (named && column->role != CSV_DROPPED && column->levels == NULL)
      COMITY_TRY(comity_names_new(&column->levels));
    if (column->role == CSV_FEATURE && !column->categorical)
      COMITY_TRY(COMITY_NEW(column->sum, 1));
  }
  return COMITY_OK;
}

static comity_status see_level(csv_table *table, const csv_place *place, size_t c) {
  csv_column *column = &table->columns[c];
  const char *field = place->record->field[c];
  char buffer[64];
  const char *text = column->role == CSV_CLIENT ? field : comity_csv_level(field, buffer, sizeof buffer);
  size_t index = comity_names_find(column->levels, text), count = comity_names_count(column->levels);
  if (index != COMITY_NAME_NONE || (column->role == CSV_LABEL && table->options->regression))
    return COMITY_OK;
  if (column->fixed) {
    char list[128] = "";
    for (size_t i = 0, used = 0; i < count && used < sizeof list - 1; i++)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                               comity_names_get(column->levels, i));
    return comity_csv_fail(table, place, c, "'%s' is none of its levels %s", field, list);
  }
  if (column->role == CSV_LABEL && count >= CLASSES_MAX) {
    if (table->options->positive != NULL)
      return COMITY_OK; /* labels are only kept to be listed in a message */
    return comity_csv_fail(table, place, c, "there are more than %d classes; is this a regression?",
                           CLASSES_MAX);
  }
  /* Adult's test file spells its classes with a point at the end: four classes would be no mistake that shows. */
  if (column->role == CSV_LABEL && place->central && table->options->path_count > 0 &&
      table->options->positive == NULL)
    return comity_csv_fail(table, place, c,
                           "no train row has the class '%s'. Say what it means: another spelling (positive: "
                           "'a|b'), or a class of its own (categorical: '%s=' and all classes)",
                           text, column->name);
  if (column->role == CSV_FEATURE && count >= (size_t)(column->asked ? LEVELS_MAX : AUTOMATIC_LEVELS_MAX))
    return comity_csv_fail(table, place, c, "there are more than %zu different texts; drop the column%s",
                           count, column->asked ? "" : ", or name it as categorical if it is");
  return comity_names_add(column->levels, text, &index);
}

/* Second reading: levels and means of the rows that are kept. */
static comity_status see_levels(csv_table *table, const csv_place *place, void *context) {
  (void)context;
  bool keep = false, positive = false;
  COMITY_TRY(comity_csv_row_keep(table, place, &keep));
  if (!keep)
    return COMITY_OK;
  bool train = !comity_csv_row_held_out(table, place);
  for (size_t c = 0; c < table->column_count; c++) {
    csv_column *column = &table->columns[c];
    const char *field = place->record->field[c];
    double value = 0;
    if (column->role == CSV_DROPPED || comity_csv_missing(table, field))
      continue;
    if (column->levels != NULL)
      COMITY_TRY(see_level(table, place, c));
    else if (train && column->sum != NULL && comity_number_parse(field, &value)) {
      column->sum[0] += value;
      column->known++;
    }
  }
  table->rows[place->central]++;
  if (table->options->positive != NULL) {
    COMITY_TRY(comity_csv_positive(table, place, &positive));
    table->positives[place->central] += positive;
  }
  return COMITY_OK;
}

static comity_status check_positives(const csv_table *table) {
  const char *positive = table->options->positive;
  const comity_names *labels = table->columns[table->label].levels;
  if (positive == NULL || strcmp(positive, ">0") == 0)
    return COMITY_OK;
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    if (table->rows[s] == 0 || table->positives[s] > 0)
      continue;
    char list[256] = "";
    for (size_t i = 0, used = 0; i < comity_names_count(labels) && used < sizeof list - 1; i++)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", i == 0 ? "" : ", ",
                               comity_names_get(labels, i));
    return comity_fail(
        COMITY_ERR_DATA,
        "no row of the %s files has the positive label '%s'; labels are %s. Several values are "
        "given as 'a|b'; if the label is right and the file has none, list both classes instead: "
        "categorical '%s=negative,positive'",
        s == COMITY_SPLIT_TRAIN ? "train" : "test", positive, list, table->columns[table->label].name);
  }
  return COMITY_OK;
}

static comity_status place_features(csv_table *table) {
  for (size_t c = 0; c < table->column_count; c++) {
    csv_column *column = &table->columns[c];
    if (column->levels != NULL && !column->fixed)
      comity_names_sort(column->levels);
    if (column->role != CSV_FEATURE)
      continue;
    column->first = table->width;
    column->width = column->categorical ? comity_names_count(column->levels) : 1;
    if (column->categorical && table->options->drop_first && column->width > 0)
      column->width--;
    table->width += column->width;
    COMITY_REQUIRE(table->width <= WIDTH_MAX, COMITY_ERR_DATA,
                   "there are more than %d features; drop columns", WIDTH_MAX);
    if (column->categorical)
      COMITY_TRY(COMITY_NEW(column->sum, column->width));
  }
  COMITY_REQUIRE(table->width > 0, COMITY_ERR_DATA, "no feature is left besides the label");
  table->classes = table->options->regression ? 0
                   : table->options->positive != NULL
                       ? 2
                       : comity_names_count(table->columns[table->label].levels);
  return COMITY_OK;
}

/* Third reading, for on-missing: mean: how frequent each level is. */
static comity_status see_shares(csv_table *table, const csv_place *place, void *context) {
  (void)context;
  bool keep = false;
  COMITY_TRY(comity_csv_row_keep(table, place, &keep));
  for (size_t c = 0; keep && !comity_csv_row_held_out(table, place) && c < table->column_count; c++) {
    csv_column *column = &table->columns[c];
    const char *field = place->record->field[c];
    if (column->role != CSV_FEATURE || !column->categorical || comity_csv_missing(table, field))
      continue;
    char buffer[64];
    size_t level = comity_names_find(column->levels, comity_csv_level(field, buffer, sizeof buffer)) -
                   table->options->drop_first;
    if (level < column->width)
      column->sum[level] += 1;
    column->known++;
  }
  return COMITY_OK;
}

comity_status comity_csv_table_fill(csv_table *table) {
  COMITY_TRY(read_first_line(table));
  COMITY_TRY(give_roles(table));
  if (table->options->test_rows != NULL)
    COMITY_TRY(comity_csv_held_out_read(table));
  COMITY_TRY(visit_all(table, see_kinds));
  COMITY_REQUIRE(table->held_out_count == 0 || table->rows[COMITY_SPLIT_TEST] > 0, COMITY_ERR_DATA,
                 "%s: row %zu is beyond the last row of %s", table->options->test_rows,
                 table->held_out[table->held_out_count - 1], table->options->paths[0]);
  table->rows[COMITY_SPLIT_TEST] = 0;
  COMITY_TRY(decide_kinds(table));
  COMITY_TRY(visit_all(table, see_levels));
  COMITY_REQUIRE(
      table->rows[0] + table->rows[1] > 0, COMITY_ERR_DATA,
      "%s: no row is left after dropping those with missing values; drop the columns that lack them",
      table->options->path_count > 0 ? table->options->paths[0] : table->options->test_paths[0]);
  COMITY_TRY(check_positives(table));
  COMITY_TRY(place_features(table));
  return table->mean_missing ? comity_csv_visit(table, false, see_shares, NULL) : COMITY_OK;
}

void comity_csv_table_clear(csv_table *table) {
  for (size_t c = 0; c < table->column_count; c++) {
    comity_free(table->columns[c].name);
    comity_free(table->columns[c].text);
    comity_free(table->columns[c].sum);
    comity_names_destroy(&table->columns[c].levels);
  }
  comity_free(table->columns);
  comity_free(table->held_out);
  *table = (csv_table){0};
}
