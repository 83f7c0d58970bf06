/* Tables of text: reading records (csv_reader.c) and rows (csv_visit.c), what the columns are
 * (csv_columns.c), rows of numbers (import_csv.c). */
#ifndef COMITY_CSV_IMPL_H
#define COMITY_CSV_IMPL_H

#include "import_impl.h"

#include <comity/data.h>

/* One line of fields; quotes are gone, blanks around unquoted fields too. Borrowed until the next one. */
typedef struct csv_record {
  size_t line; /* where it starts, from 1 */
  size_t count;
  char **field;
} csv_record;

typedef struct csv_reader csv_reader;
/* separator: ',' and so on, ' ' for runs of blanks, 0 = found out. `path` is borrowed until destroy. */
COMITY_MUST_CHECK comity_status comity_csv_reader_new(const char *path, char separator, csv_reader **reader);
/* *record is NULL at the end of the file. */
COMITY_MUST_CHECK comity_status comity_csv_reader_next(csv_reader *reader, const csv_record **record);
void comity_csv_reader_destroy(csv_reader **reader);

typedef enum csv_role { CSV_FEATURE, CSV_LABEL, CSV_CLIENT, CSV_SPLIT, CSV_DROPPED } csv_role;

typedef struct csv_column {
  char *name;
  csv_role role;
  bool categorical, asked, fixed; /* one-hot; because somebody said so; with a given list of levels */
  comity_names *levels;           /* of a categorical column, the label or the client column */
  size_t first, width;            /* features that it becomes */
  size_t numbers, texts;          /* values of either kind seen */
  char *text;                     /* "file:line: 'value'" of the first text */
  double *sum;                    /* (width) over the train rows in which the value is known */
  size_t known;
} csv_column;

/* The files, their columns and what becomes of them. */
typedef struct csv_table {
  const comity_import_csv_options *options;
  bool header, drop_missing, mean_missing;
  size_t column_count, width, classes;
  csv_column *columns;         /* (column_count) */
  size_t label, client, split; /* columns; COMITY_NAME_NONE for none */
  size_t *held_out;            /* (held_out_count) sorted row numbers */
  size_t held_out_count;
  size_t positives[COMITY_SPLIT_COUNT], rows[COMITY_SPLIT_COUNT]; /* rows kept: of `paths` and `test_paths` */
} csv_table;

/* One record and where it stands. */
typedef struct csv_place {
  const char *path;
  const csv_record *record;
  size_t file, row; /* index in its list; number from 1 among the data rows of the file */
  bool central;     /* from test_paths */
} csv_place;

typedef comity_status (*csv_visit)(csv_table *table, const csv_place *place, void *context);
/* Call `visit` for each data row of test_paths (central) or of paths. */
COMITY_MUST_CHECK comity_status comity_csv_visit(csv_table *table, bool central, csv_visit visit,
                                                 void *context);

/* Read the first line and the options; then the kinds and levels of all columns. Clear also after failure. */
COMITY_MUST_CHECK comity_status comity_csv_table_fill(csv_table *table);
void comity_csv_table_clear(csv_table *table);

/* Whether the row is used: none of its values is missing, or the options say what to do then. */
COMITY_MUST_CHECK comity_status comity_csv_row_keep(const csv_table *table, const csv_place *place,
                                                    bool *keep);
/* Read the list of held-out rows that the options name. */
COMITY_MUST_CHECK comity_status comity_csv_held_out_read(csv_table *table);
bool comity_csv_row_held_out(const csv_table *table, const csv_place *place);
/* Whether the label is one of those that `positive` names. */
COMITY_MUST_CHECK comity_status comity_csv_positive(const csv_table *table, const csv_place *place,
                                                    bool *positive);
bool comity_csv_missing(const csv_table *table, const char *field);
/* The text under which a value is a level: numbers in their shortest form. Up to `size` bytes with the NUL.
 */
const char *comity_csv_level(const char *field, char *buffer, size_t size);
/* "file:line: column 'name'" and the reason. */
comity_status comity_csv_fail(const csv_table *table, const csv_place *place, size_t column,
                              const char *format, ...) COMITY_PRINTF(4, 5);

#endif
