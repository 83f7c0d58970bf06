/* LEAF's JSON, streamed: a first reading finds users, sizes and classes, a second one writes client by
 * client. In memory are one client of the train files, and the whole test file, whose users may come in
 * another order. */
#include "import_impl.h"

#include <comity/data.h>

#include <yajl/yajl_parse.h>

#include <locale.h>
#include <math.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16, DEPTH_MAX = 32, FEATURES_MAX = 1 << 24, CLASSES_MAX = 1 << 20 };

/* Where in the document the parser is; inside of what is not read, only the depth counts. */
typedef enum leaf_place {
  TOP,       /* before the document's map */
  DOCUMENT,  /* its keys */
  USERS,     /* the array of names */
  SIZES,     /* num_samples */
  OPENING,   /* behind the key user_data */
  USER_DATA, /* its keys are users */
  USER,      /* the keys of one user */
  FEATURES,  /* x */
  LABELS,    /* y */
  SKIPPED
} leaf_place;

typedef struct float_list {
  float *values;
  size_t count, room;
} float_list;

/* The rows of one user, as long as it is read. */
typedef struct leaf_user {
  size_t index; /* in the names of the import */
  float_list x, y;
  size_t rows, width; /* of x */
  bool has_x, has_y;
} leaf_user;

/* The rows of the test file: user k has rows first[k] ... first[k] + count[k] - 1. */
typedef struct leaf_test {
  float_list x, y;
  size_t *first, *count;
} leaf_test;

typedef struct leaf_import {
  comity_names *users; /* of the train files, in order of their data */
  size_t width, classes;
  bool real;                     /* some label is no class */
  comity_dataset_writer *writer; /* NULL in the first reading */
  leaf_test test;
} leaf_import;

typedef struct leaf_file {
  leaf_import *import;
  const char *path;
  bool test;
  yajl_handle parser;
  size_t offset; /* of the chunk under way */
  comity_status status;
  leaf_place place, skipped_in;
  size_t depth;      /* of arrays inside x, or inside what is skipped */
  size_t row_values; /* of the row of x under way */
  comity_names *listed, *seen;
  size_t *sizes, size_count, size_room; /* num_samples */
  size_t *rows, row_count, row_room;    /* of each user seen */
  leaf_user user;
} leaf_file;

/* ------------------------------------------------------------------------------------------------- errors */

/* Keeps the failure for later and stops the parser. */
static int stop(leaf_file *f, comity_status status) {
  f->status = status;
  return status == COMITY_OK;
}

static int stop_at(leaf_file *f, const char *reason) {
  size_t byte = f->offset + yajl_get_bytes_consumed(f->parser);
  if (f->place >= USER && f->place <= LABELS)
    return stop(f, comity_fail(COMITY_ERR_DATA, "%s: byte %zu: user '%s': %s", f->path, byte,
                               comity_names_get(f->seen, comity_names_count(f->seen) - 1), reason));
  return stop(f, comity_fail(COMITY_ERR_DATA, "%s: byte %zu: %s", f->path, byte, reason));
}

static comity_status push(float_list *list, float value) {
  COMITY_TRY(comity_array_grow(&list->values, &list->room, list->count + 1, sizeof value));
  list->values[list->count++] = value;
  return COMITY_OK;
}

/* -------------------------------------------------------------------------------------------------- users */

static comity_status start_user(leaf_file *f, const char *name) {
  size_t before = comity_names_count(f->seen), index = 0, users = comity_names_count(f->import->users);
  COMITY_TRY(comity_names_add(f->seen, name, &index));
  COMITY_REQUIRE(index == before, COMITY_ERR_DATA, "%s: user '%s' has data twice", f->path, name);
  f->user.x.count = f->user.y.count = f->user.rows = f->user.width = 0;
  f->user.has_x = f->user.has_y = false;
  if (f->test) {
    f->user.index = comity_names_find(f->import->users, name);
    COMITY_REQUIRE(f->user.index != COMITY_NAME_NONE, COMITY_ERR_DATA,
                   "%s: user '%s' has test data but is in no train file", f->path, name);
    return COMITY_OK;
  }
  if (f->import->writer != NULL) { /* second reading */
    f->user.index = comity_names_find(f->import->users, name);
    COMITY_REQUIRE(f->user.index != COMITY_NAME_NONE, COMITY_ERR_DATA, "%s: changed while it was read",
                   f->path);
    return COMITY_OK;
  }
  COMITY_TRY(comity_names_add(f->import->users, name, &f->user.index));
  COMITY_REQUIRE(f->user.index == users, COMITY_ERR_DATA, "%s: user '%s' is in two train files", f->path,
                 name);
  return COMITY_OK;
}

/* First reading: what the dataset will look like. */
static void note_labels(leaf_import *import, const leaf_user *user) {
  for (size_t i = 0; i < user->y.count; i++) {
    float y = user->y.values[i];
    if (!(y >= 0 && y < CLASSES_MAX && floorf(y) == y))
      import->real = true;
    else if ((size_t)y >= import->classes)
      import->classes = (size_t)y + 1;
  }
}

static comity_status keep_test(leaf_import *import, const leaf_user *user) {
  leaf_test *test = &import->test;
  test->first[user->index] = test->y.count;
  test->count[user->index] = user->rows;
  for (size_t i = 0; i < user->x.count; i++)
    COMITY_TRY(push(&test->x, user->x.values[i]));
  for (size_t i = 0; i < user->y.count; i++)
    COMITY_TRY(push(&test->y, user->y.values[i]));
  return COMITY_OK;
}

static comity_status write_user(leaf_import *import, const leaf_user *user) {
  COMITY_TRY(comity_dataset_writer_client(import->writer, comity_names_get(import->users, user->index)));
  COMITY_TRY(comity_dataset_writer_add(import->writer, COMITY_SPLIT_TRAIN, user->rows, user->x.values,
                                       user->y.values));
  const leaf_test *test = &import->test;
  if (test->count == NULL || test->count[user->index] == 0)
    return COMITY_OK;
  size_t first = test->first[user->index];
  return comity_dataset_writer_add(import->writer, COMITY_SPLIT_TEST, test->count[user->index],
                                   test->x.values + first * import->width, test->y.values + first);
}

static comity_status end_user(leaf_file *f) {
  leaf_user *user = &f->user;
  leaf_import *import = f->import;
  const char *name = comity_names_get(import->users, user->index);
  COMITY_REQUIRE(user->has_x && user->has_y, COMITY_ERR_DATA, "%s: user '%s' has no '%s'", f->path, name,
                 user->has_x ? "y" : "x");
  COMITY_REQUIRE(user->rows == user->y.count, COMITY_ERR_DATA, "%s: user '%s' has %zu rows of x but %zu of y",
                 f->path, name, user->rows, user->y.count);
  if (user->rows > 0) {
    import->width = import->width == 0 ? user->width : import->width;
    COMITY_REQUIRE(user->width == import->width, COMITY_ERR_DATA,
                   "%s: user '%s' has rows of %zu numbers, others of %zu", f->path, name, user->width,
                   import->width);
  }
  COMITY_TRY(comity_array_grow(&f->rows, &f->row_room, f->row_count + 1, sizeof *f->rows));
  f->rows[f->row_count++] = user->rows;
  if (import->writer != NULL)
    return write_user(import, user);
  note_labels(import, user);
  return f->test ? keep_test(import, user) : COMITY_OK;
}

/* ------------------------------------------------------------------------------------------ parser events */

static int end_row(leaf_file *f) {
  if (f->row_values == 0)
    return stop_at(f, "a row of x is empty");
  if (f->user.rows > 0 && f->row_values != f->user.width)
    return stop_at(f, "the rows of x differ in length");
  f->user.width = f->row_values;
  f->user.rows++;
  f->row_values = 0;
  return 1;
}

static int on_value(leaf_file *f, const char *what) {
  char reason[128];
  if (f->place == SKIPPED) {
    if (f->depth == 0)
      f->place = f->skipped_in;
    return 1;
  }
  snprintf(reason, sizeof reason, "unexpected %s%s", what,
           f->place == FEATURES ? " in x; text features must be turned into numbers first"
           : f->place == LABELS ? " in y; labels are numbers"
                                : "");
  return stop_at(f, reason);
}

static int on_null(void *context) { return on_value(context, "null"); }
static int on_boolean(void *context, int value) { return on_value(context, value ? "true" : "false"); }

static int on_number(void *context, const char *text, size_t length) {
  leaf_file *f = context;
  char buffer[512];
  double value = 0;
  if ((f->place != FEATURES && f->place != LABELS && f->place != SIZES) || f->depth == 0)
    return on_value(f, "number");
  if (length >= sizeof buffer)
    return stop_at(f, "a number has too many digits");
  snprintf(buffer, sizeof buffer, "%.*s", (int)length, text);
  if (!comity_number_parse(buffer, &value) || !(fabs(value) <= 3.4028234e38))
    return stop_at(f, "a number is too large for a 32-bit float");
  if (f->place == SIZES) {
    if (!(value >= 0 && value < 0x1p53 && floor(value) == value))
      return stop_at(f, "num_samples holds counts");
    comity_status status = comity_array_grow(&f->sizes, &f->size_room, f->size_count + 1, sizeof *f->sizes);
    if (status == COMITY_OK)
      f->sizes[f->size_count++] = (size_t)value;
    return stop(f, status);
  }
  if (f->place == LABELS)
    return stop(f, push(&f->user.y, (float)value));
  if (++f->row_values > FEATURES_MAX)
    return stop_at(f, "a row of x is too long");
  if (!stop(f, push(&f->user.x, (float)value)))
    return 0;
  return f->depth == 1 ? end_row(f) : 1; /* x: [1, 2, 3]: rows of one number */
}

static int on_string(void *context, const unsigned char *text, size_t length) {
  leaf_file *f = context;
  size_t index, before = comity_names_count(f->listed);
  if (f->place != USERS || f->depth == 0)
    return on_value(f, "text");
  char *name = comity_text("%.*s", (int)length, (const char *)text);
  comity_status status = name == NULL ? COMITY_ERR_MEMORY : comity_names_add(f->listed, name, &index);
  if (status == COMITY_OK && index != before)
    status = comity_fail(COMITY_ERR_DATA, "%s: user '%s' is listed twice", f->path, name);
  comity_free(name);
  return stop(f, status);
}

static int on_start_map(void *context) {
  leaf_file *f = context;
  switch (f->place) {
  case TOP:
    f->place = DOCUMENT;
    return 1;
  case OPENING:
    f->place = USER_DATA;
    return 1;
  case USER_DATA: /* of the user whose key was just read */
    f->place = USER;
    return 1;
  case SKIPPED:
    return ++f->depth <= DEPTH_MAX ? 1 : stop_at(f, "is nested too deeply");
  default:
    return on_value(f, "map");
  }
}

static int skip(leaf_file *f) {
  f->skipped_in = f->place;
  f->place = SKIPPED;
  f->depth = 0;
  return 1;
}

/* The value of a key of interest is an array, except for user_data: what follows opens it. */
static int on_document_key(leaf_file *f, const char *key) {
  f->depth = 0;
  if (strcmp(key, "users") == 0)
    f->place = USERS;
  else if (strcmp(key, "num_samples") == 0)
    f->place = SIZES;
  else if (strcmp(key, "user_data") == 0)
    f->place = OPENING;
  else
    return skip(f);
  return 1;
}

static int on_user_key(leaf_file *f, const char *key) {
  bool x = strcmp(key, "x") == 0, y = strcmp(key, "y") == 0;
  if (!x && !y)
    return skip(f);
  if (x ? f->user.has_x : f->user.has_y)
    return stop_at(f, x ? "has two x" : "has two y");
  f->place = x ? FEATURES : LABELS;
  f->depth = 0;
  f->user.has_x |= x;
  f->user.has_y |= y;
  return 1;
}

static int on_key(void *context, const unsigned char *text, size_t length) {
  leaf_file *f = context;
  if (f->place == SKIPPED)
    return 1;
  char *key = comity_text("%.*s", (int)length, (const char *)text);
  if (key == NULL)
    return stop(f, COMITY_ERR_MEMORY);
  int go_on = f->place == DOCUMENT    ? on_document_key(f, key)
              : f->place == USER_DATA ? stop(f, start_user(f, key))
                                      : on_user_key(f, key);
  comity_free(key);
  return go_on;
}

static int on_end_map(void *context) {
  leaf_file *f = context;
  if (f->place == SKIPPED) {
    if (--f->depth == 0)
      f->place = f->skipped_in;
    return 1;
  }
  if (f->place == USER) {
    f->place = USER_DATA;
    return stop(f, end_user(f));
  }
  f->place = DOCUMENT; /* the end of user_data, or of the document */
  return 1;
}

static int on_start_array(void *context) {
  leaf_file *f = context;
  bool list = f->place == USERS || f->place == SIZES || f->place == LABELS;
  if (f->place == SKIPPED || f->place == FEATURES)
    return ++f->depth <= DEPTH_MAX ? 1 : stop_at(f, "is nested too deeply");
  if (!list || f->depth > 0)
    return on_value(f, "array");
  f->depth = 1;
  return 1;
}

static int on_end_array(void *context) {
  leaf_file *f = context;
  f->depth--;
  if (f->place == FEATURES && f->depth == 1)
    return end_row(f);
  if (f->depth > 0)
    return 1;
  if (f->place == SKIPPED)
    f->place = f->skipped_in;
  else
    f->place = f->place == FEATURES || f->place == LABELS ? USER : DOCUMENT;
  return 1;
}

static const yajl_callbacks events = {.yajl_null = on_null,
                                      .yajl_boolean = on_boolean,
                                      .yajl_number = on_number,
                                      .yajl_string = on_string,
                                      .yajl_start_map = on_start_map,
                                      .yajl_map_key = on_key,
                                      .yajl_end_map = on_end_map,
                                      .yajl_start_array = on_start_array,
                                      .yajl_end_array = on_end_array};

/* ------------------------------------------------------------------------------------------------- a file */

static comity_status syntax_error(leaf_file *f, const unsigned char *chunk, size_t size) {
  if (f->status != COMITY_OK)
    return f->status;
  unsigned char *reason = yajl_get_error(f->parser, 0, chunk, size);
  size_t length = reason == NULL ? 0 : strcspn((const char *)reason, "\n");
  comity_status status =
      comity_fail(COMITY_ERR_DATA, "%s: byte %zu: is no valid JSON (%.*s)", f->path,
                  f->offset + yajl_get_bytes_consumed(f->parser), (int)length, (const char *)reason);
  yajl_free_error(f->parser, reason);
  return status;
}

static comity_status parse(leaf_file *f) {
  gzFile gz = NULL;
  unsigned char *chunk = NULL;
  comity_status status;
  COMITY_TRY_OR(done, comity_gz_open(f->path, &gz));
  COMITY_TRY_OR(done, COMITY_NEW(chunk, CHUNK_BYTES));
  for (size_t got = CHUNK_BYTES; got == CHUNK_BYTES; f->offset += got) {
    COMITY_TRY_OR(done, comity_gz_read(f->path, gz, chunk, CHUNK_BYTES, &got));
    if (yajl_parse(f->parser, chunk, got) != yajl_status_ok) {
      status = syntax_error(f, chunk, got);
      goto done;
    }
  }
  if (yajl_complete_parse(f->parser) != yajl_status_ok)
    status = syntax_error(f, NULL, 0);
done:
  comity_gz_close(&gz);
  comity_free(chunk);
  return status;
}

/* users, num_samples and user_data must tell the same story. */
static comity_status check_lists(const leaf_file *f) {
  size_t users = comity_names_count(f->listed), with_data = comity_names_count(f->seen);
  COMITY_REQUIRE(users == with_data, COMITY_ERR_DATA, "%s: lists %zu users but has the data of %zu", f->path,
                 users, with_data);
  COMITY_REQUIRE(f->size_count == users, COMITY_ERR_DATA, "%s: has %zu entries of num_samples for %zu users",
                 f->path, f->size_count, users);
  for (size_t i = 0; i < users; i++) {
    const char *name = comity_names_get(f->listed, i);
    size_t at = comity_names_find(f->seen, name);
    COMITY_REQUIRE(at != COMITY_NAME_NONE, COMITY_ERR_DATA, "%s: user '%s' is listed but has no data",
                   f->path, name);
    COMITY_REQUIRE(f->rows[at] == f->sizes[i], COMITY_ERR_DATA,
                   "%s: user '%s' has %zu rows where num_samples says %zu; the file is damaged", f->path,
                   name, f->rows[at], f->sizes[i]);
  }
  return COMITY_OK;
}

static comity_status read_leaf(leaf_import *import, const char *path, bool test) {
  leaf_file f = {.import = import, .path = path, .test = test};
  comity_status status;
  COMITY_TRY_OR(done, comity_names_new(&f.listed));
  COMITY_TRY_OR(done, comity_names_new(&f.seen));
  f.parser = yajl_alloc(&events, NULL, &f);
  if (f.parser == NULL) {
    status = comity_fail(COMITY_ERR_MEMORY, "%s: out of memory", path);
    goto done;
  }
  COMITY_TRY_OR(done, parse(&f));
  COMITY_TRY_OR(done, check_lists(&f));
done:
  if (f.parser != NULL)
    yajl_free(f.parser);
  comity_names_destroy(&f.listed);
  comity_names_destroy(&f.seen);
  comity_free(f.sizes);
  comity_free(f.rows);
  comity_free(f.user.x.values);
  comity_free(f.user.y.values);
  return status;
}

/* --------------------------------------------------------------------------------------------- the import */

static comity_status read_all(leaf_import *import, const char *const *train, size_t train_count,
                              const char *test, const char *out) {
  for (size_t i = 0; i < train_count; i++)
    COMITY_TRY(read_leaf(import, train[i], false));
  size_t users = comity_names_count(import->users);
  if (test != NULL) {
    COMITY_TRY(COMITY_NEW(import->test.first, users));
    COMITY_TRY(COMITY_NEW(import->test.count, users));
    COMITY_TRY(read_leaf(import, test, true));
  }
  COMITY_REQUIRE(import->width > 0, COMITY_ERR_DATA, "%s: there is no example in it", train[0]);
  char *origin = comity_text("imported from LEAF file %s%s", comity_path_base(train[0]),
                             train_count > 1 ? " and others" : "");
  if (origin == NULL)
    return COMITY_ERR_MEMORY;
  comity_dataset_writer_options form = {.type = COMITY_F32,
                                        .shape_rank = 1,
                                        .shape = {import->width},
                                        .scale = 1.0,
                                        .targets = 1,
                                        .classes = import->real ? 0 : import->classes,
                                        .origin = origin};
  comity_status status = comity_dataset_writer_new(out, &form, &import->writer);
  comity_free(origin);
  COMITY_TRY(status);
  for (size_t i = 0; i < train_count; i++)
    COMITY_TRY(read_leaf(import, train[i], false));
  return comity_dataset_writer_commit(import->writer);
}

comity_status comity_import_leaf(const char *const *train, size_t train_count, const char *test,
                                 const char *out) {
  leaf_import import = {0};
  COMITY_REQUIRE(train_count > 0, COMITY_ERR_USAGE, "a LEAF import needs at least one train file");
  COMITY_TRY(comity_names_new(&import.users));
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale((locale_t)0);
  if (plain != (locale_t)0)
    uselocale(plain);
  comity_status status = plain == (locale_t)0 ? comity_fail(COMITY_ERR_MEMORY, "out of memory")
                                              : read_all(&import, train, train_count, test, out);
  uselocale(before);
  if (plain != (locale_t)0)
    freelocale(plain);
  comity_dataset_writer_destroy(&import.writer);
  comity_names_destroy(&import.users);
  comity_free(import.test.first);
  comity_free(import.test.count);
  comity_free(import.test.x.values);
  comity_free(import.test.y.values);
  return status;
}
