/* Writes flat datasets: rows are gathered in buffers and written a chunk at a time, into a file that gets its
 * name only when it is complete. */
#include "data_impl.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };

/* One dataset that grows. What never fills a buffer is stored in one piece, of exactly its size. */
typedef struct column {
  const char *name;
  hid_t type, set;
  int rank;
  hsize_t shape[1 + COMITY_SHAPE_MAX]; /* [0] = rows of a chunk */
  size_t row_bytes, used;
  hsize_t written;
  char *buffer; /* (shape[0], row_bytes) */
} column;

enum { X, Y, COLUMN_COUNT };

/* Numbers that become a dataset at the end. */
typedef struct offset_list {
  uint64_t *values;
  size_t count, room;
} offset_list;

struct comity_dataset_writer {
  char *path, *aside;
  hid_t file, test;
  size_t row_values, targets, classes;
  double scale;
  column columns[COMITY_SPLIT_COUNT][COLUMN_COUNT];
  uint64_t rows[COMITY_SPLIT_COUNT];
  offset_list offsets[COMITY_SPLIT_COUNT]; /* where each started client begins */
  char *names;                             /* NUL after each */
  size_t names_used, names_room, name_longest;
  bool named, central_test, failed, committed;
};

/* ------------------------------------------------------------------------------------------------ columns */

static comity_status column_create(comity_dataset_writer *w, hid_t parent, column *c) {
  hsize_t none[1 + COMITY_SHAPE_MAX], most[1 + COMITY_SHAPE_MAX];
  memcpy(none, c->shape, sizeof none);
  memcpy(most, c->shape, sizeof most);
  none[0] = 0;
  most[0] = H5S_UNLIMITED;
  hid_t space = H5Screate_simple(c->rank, none, most), how = H5Pcreate(H5P_DATASET_CREATE);
  hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
  H5Pset_chunk(how, c->rank, c->shape);
  H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
  H5Pset_chunk_cache(access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, 0, H5D_CHUNK_CACHE_W0_DEFAULT);
  c->set = H5Dcreate2(parent, c->name, c->type, space, H5P_DEFAULT, how, access);
  comity_status status =
      c->set < 0 ? comity_h5_fail(COMITY_ERR_IO, "%s: cannot create dataset '%s'", w->path, c->name)
                 : COMITY_OK;
  H5Pclose(access);
  H5Pclose(how);
  H5Sclose(space);
  return status;
}

static comity_status column_flush(comity_dataset_writer *w, hid_t parent, column *c) {
  if (c->set < 0)
    COMITY_TRY(column_create(w, parent, c));
  hsize_t start[1 + COMITY_SHAPE_MAX] = {c->written}, count[1 + COMITY_SHAPE_MAX],
                    extent[1 + COMITY_SHAPE_MAX];
  memcpy(count, c->shape, sizeof count);
  memcpy(extent, c->shape, sizeof extent);
  count[0] = c->used;
  extent[0] = c->written + c->used;
  comity_status status = COMITY_OK;
  hid_t space = -1, memory = H5Screate_simple(c->rank, count, NULL);
  if (H5Dset_extent(c->set, extent) < 0 || (space = H5Dget_space(c->set)) < 0 ||
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
      H5Dwrite(c->set, c->type, memory, space, H5P_DEFAULT, c->buffer) < 0)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", w->path, c->name);
  if (space >= 0)
    H5Sclose(space);
  H5Sclose(memory);
  c->written += c->used;
  c->used = 0;
  return status;
}

/* Room for as many more of `rows` as fit into the buffer. */
static comity_status column_room(comity_dataset_writer *w, hid_t parent, column *c, size_t rows,
                                 size_t *room) {
  if (c->buffer == NULL)
    COMITY_TRY(COMITY_NEW(c->buffer, (size_t)c->shape[0] * c->row_bytes));
  if (c->used == c->shape[0])
    COMITY_TRY(column_flush(w, parent, c));
  size_t left = (size_t)c->shape[0] - c->used;
  *room = rows < left ? rows : left;
  return COMITY_OK;
}

static comity_status column_finish(comity_dataset_writer *w, hid_t parent, column *c) {
  comity_status status = COMITY_OK;
  if (c->set < 0) {
    hsize_t shape[1 + COMITY_SHAPE_MAX];
    memcpy(shape, c->shape, sizeof shape);
    shape[0] = c->used;
    return comity_h5_write(w->path, parent, c->name, c->type, c->rank, shape, c->buffer);
  }
  if (c->used > 0)
    status = column_flush(w, parent, c);
  if (H5Dclose(c->set) < 0 && status == COMITY_OK)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", w->path, c->name);
  c->set = -1;
  return status;
}

/* -------------------------------------------------------------------------------------------------- start */

static comity_status check_options(const char *path, const comity_dataset_writer_options *o, size_t *width) {
  COMITY_REQUIRE(comity_dtype_size(o->type) > 0, COMITY_ERR_ARG, "%s: unknown feature type %d", path,
                 (int)o->type);
  COMITY_REQUIRE(o->shape_rank >= 1 && o->shape_rank <= COMITY_SHAPE_MAX, COMITY_ERR_ARG,
                 "%s: the shape of an example has 1 to %d dimensions, not %zu", path, COMITY_SHAPE_MAX,
                 o->shape_rank);
  *width = 1;
  for (size_t i = 0; i < o->shape_rank; i++)
    COMITY_REQUIRE(
        o->shape[i] > 0 && !__builtin_mul_overflow(*width, o->shape[i], width) && *width <= UINT32_MAX / 8,
        COMITY_ERR_ARG, "%s: dimension %zu of an example is 0 or the example is too large", path, i);
  COMITY_REQUIRE(isfinite(o->scale) && o->scale != 0, COMITY_ERR_ARG,
                 "%s: the scale %g is not a finite number other than 0", path, o->scale);
  COMITY_REQUIRE(o->targets >= 1 && o->targets <= UINT32_MAX / 8, COMITY_ERR_ARG,
                 "%s: an example needs at least one target", path);
  COMITY_REQUIRE(o->classes == 0 || o->targets == 1, COMITY_ERR_ARG,
                 "%s: class labels are one number per example, not %zu", path, o->targets);
  COMITY_REQUIRE(o->classes <= 1u << 24, COMITY_ERR_ARG,
                 "%s: %zu classes are more than a float32 label can tell apart", path, o->classes);
  return COMITY_OK;
}

static void prepare_columns(comity_dataset_writer *w, const comity_dataset_writer_options *o) {
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    column *x = &w->columns[s][X], *y = &w->columns[s][Y];
    *x = (column){.name = "x", .type = comity_dtype_h5(o->type), .set = -1, .rank = 1 + (int)o->shape_rank};
    for (size_t i = 0; i < o->shape_rank; i++)
      x->shape[1 + i] = o->shape[i];
    x->row_bytes = w->row_values * comity_dtype_size(o->type);
    *y = (column){.name = "y",
                  .type = o->classes > 0 ? H5T_NATIVE_INT32 : H5T_NATIVE_FLOAT,
                  .set = -1,
                  .rank = o->targets > 1 ? 2 : 1,
                  .row_bytes = o->targets * sizeof(float)};
    y->shape[1] = o->targets;
    for (int c = 0; c < COLUMN_COUNT; c++) {
      column *one = &w->columns[s][c];
      one->shape[0] = one->row_bytes < CHUNK_BYTES ? CHUNK_BYTES / one->row_bytes : 1;
    }
  }
}

/* Fixed-length text, padded with NULs: read at any place without walking a heap, also a million of them. */
static comity_status write_texts(comity_dataset_writer *w, const char *name, const char *texts, size_t count,
                                 size_t longest) {
  size_t size = longest + 1, slab = 1 + CHUNK_BYTES / size;
  comity_status status = COMITY_OK;
  char *buffer = NULL;
  hsize_t total = count;
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &total, NULL), set = -1;
  H5Tset_size(type, size);
  H5Tset_cset(type, H5T_CSET_UTF8);
  COMITY_TRY_OR(done, COMITY_NEW(buffer, slab * size));
  set = H5Dcreate2(w->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  bool wrote = set >= 0;
  for (hsize_t first = 0; wrote && first < total; first += slab) {
    hsize_t part = total - first < slab ? total - first : slab;
    memset(buffer, 0, slab * size);
    for (hsize_t i = 0; i < part; i++) {
      size_t length = strlen(texts);
      memcpy(buffer + i * size, texts, length);
      texts += length + 1;
    }
    hid_t memory = H5Screate_simple(1, &part, NULL);
    wrote = H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &part, NULL) >= 0 &&
            H5Dwrite(set, type, memory, space, H5P_DEFAULT, buffer) >= 0;
    H5Sclose(memory);
  }
  if (!wrote)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", w->path, name);
done:
  if (set >= 0 && H5Dclose(set) < 0 && status == COMITY_OK)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", w->path, name);
  H5Sclose(space);
  H5Tclose(type);
  comity_free(buffer);
  return status;
}

static comity_status write_feature_names(comity_dataset_writer *w, const char *const *names) {
  size_t bytes = 0, longest = 0;
  for (size_t i = 0; i < w->row_values; i++) {
    size_t length = strlen(names[i]);
    bytes += length + 1;
    longest = length > longest ? length : longest;
  }
  char *texts, *end;
  COMITY_TRY(COMITY_NEW(texts, bytes));
  end = texts;
  for (size_t i = 0; i < w->row_values; i++)
    end = stpcpy(end, names[i]) + 1;
  comity_status status = write_texts(w, "feature_names", texts, w->row_values, longest);
  comity_free(texts);
  return status;
}

static comity_status write_head(comity_dataset_writer *w, const comity_dataset_writer_options *o) {
  COMITY_TRY(comity_h5_write_text(w->path, w->file, "layout", "comity-flat"));
  COMITY_TRY(comity_h5_write_integer(w->path, w->file, "version", 1));
  COMITY_TRY(comity_h5_write_integer(w->path, w->file, "classes", (int64_t)o->classes));
  COMITY_TRY(comity_h5_write_integer(w->path, w->file, "targets", (int64_t)o->targets));
  if (o->origin != NULL)
    COMITY_TRY(comity_h5_write_text(w->path, w->file, "origin", o->origin));
  return o->feature_names == NULL ? COMITY_OK : write_feature_names(w, o->feature_names);
}

comity_status comity_dataset_writer_new(const char *path, const comity_dataset_writer_options *options,
                                        comity_dataset_writer **writer) {
  size_t width = 0;
  COMITY_TRY(check_options(path, options, &width));
  comity_dataset_writer *w;
  comity_status status;
  COMITY_TRY(COMITY_NEW(w, 1));
  w->file = w->test = -1;
  w->row_values = width;
  w->targets = options->targets;
  w->classes = options->classes;
  w->scale = options->scale;
  prepare_columns(w, options);
  w->path = comity_text("%s", path);
  w->aside = comity_text("%s.part", path);
  COMITY_TRY_OR(fail, w->path == NULL || w->aside == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  COMITY_TRY_OR(fail, comity_h5_create(w->aside, &w->file));
  COMITY_TRY_OR(fail, write_head(w, options));
  *writer = w;
  return COMITY_OK;
fail:
  comity_dataset_writer_destroy(&w);
  return status;
}

/* --------------------------------------------------------------------------------------------------- rows */

static comity_status check_open(const comity_dataset_writer *w) {
  COMITY_REQUIRE(!w->failed && !w->committed, COMITY_ERR_ARG, "%s: the writer %s", w->path,
                 w->failed ? "failed before and cannot go on" : "has committed its file");
  return COMITY_OK;
}

static comity_status offset_push(offset_list *list, uint64_t value) {
  if (list->count == list->room) {
    size_t room = list->room == 0 ? 1024 : 2 * list->room;
    uint64_t *values;
    COMITY_TRY(COMITY_NEW(values, room));
    if (list->count > 0)
      memcpy(values, list->values, list->count * sizeof *values);
    comity_free(list->values);
    list->values = values;
    list->room = room;
  }
  list->values[list->count++] = value;
  return COMITY_OK;
}

static comity_status name_push(comity_dataset_writer *w, const char *name) {
  size_t length = strlen(name), bytes = length + 1;
  if (w->names_room - w->names_used < bytes) {
    size_t room = 2 * w->names_room + bytes + 4096;
    char *names;
    COMITY_TRY(COMITY_NEW(names, room));
    if (w->names_used > 0)
      memcpy(names, w->names, w->names_used);
    comity_free(w->names);
    w->names = names;
    w->names_room = room;
  }
  memcpy(w->names + w->names_used, name, bytes);
  w->names_used += bytes;
  w->name_longest = length > w->name_longest ? length : w->name_longest;
  return COMITY_OK;
}

comity_status comity_dataset_writer_client(comity_dataset_writer *w, const char *name) {
  COMITY_TRY(check_open(w));
  size_t client = w->offsets[COMITY_SPLIT_TRAIN].count;
  COMITY_REQUIRE(client > 0 || w->rows[COMITY_SPLIT_TRAIN] == 0, COMITY_ERR_ARG,
                 "%s: train rows were added before the first client; start it first", w->path);
  COMITY_REQUIRE(client == 0 || w->named == (name != NULL), COMITY_ERR_ARG,
                 "%s: client %zu has %s name unlike those before; name all clients or none", w->path, client,
                 name == NULL ? "no" : "a");
  if (client == 0) {
    w->named = name != NULL;
    w->central_test = w->rows[COMITY_SPLIT_TEST] > 0;
  }
  w->failed = true;
  if (name != NULL)
    COMITY_TRY(name_push(w, name));
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    COMITY_TRY(offset_push(&w->offsets[s], w->rows[s]));
  w->failed = false;
  return COMITY_OK;
}

static comity_status check_labels(const comity_dataset_writer *w, comity_split split, size_t count,
                                  const float *y) {
  for (size_t i = 0; i < count * w->targets; i++) {
    bool good =
        w->classes == 0 ? isfinite(y[i]) : y[i] >= 0 && y[i] < (float)w->classes && truncf(y[i]) == y[i];
    if (!good && w->classes == 0)
      return comity_fail(COMITY_ERR_DATA, "%s: the target %g of %s row %zu is not finite", w->path,
                         (double)y[i], split == COMITY_SPLIT_TRAIN ? "train" : "test",
                         (size_t)w->rows[split] + i / w->targets);
    if (!good)
      return comity_fail(COMITY_ERR_DATA, "%s: the label %g of %s row %zu is no class; classes are 0 to %zu",
                         w->path, (double)y[i], split == COMITY_SPLIT_TRAIN ? "train" : "test",
                         (size_t)w->rows[split] + i, w->classes - 1);
  }
  return COMITY_OK;
}

static hid_t split_parent(const comity_dataset_writer *w, comity_split split) {
  return split == COMITY_SPLIT_TRAIN ? w->file : w->test;
}

static comity_status add_features(comity_dataset_writer *w, comity_split split, size_t count, const char *x) {
  column *c = &w->columns[split][X];
  for (size_t room; count > 0; count -= room) {
    COMITY_TRY(column_room(w, split_parent(w, split), c, count, &room));
    memcpy(c->buffer + c->used * c->row_bytes, x, room * c->row_bytes);
    x += room * c->row_bytes;
    c->used += room;
  }
  return COMITY_OK;
}

static comity_status add_labels(comity_dataset_writer *w, comity_split split, size_t count, const float *y) {
  column *c = &w->columns[split][Y];
  for (size_t room; count > 0; count -= room) {
    COMITY_TRY(column_room(w, split_parent(w, split), c, count, &room));
    char *to = c->buffer + c->used * c->row_bytes;
    if (w->classes == 0)
      memcpy(to, y, room * c->row_bytes);
    else
      for (size_t i = 0; i < room; i++)
        ((int32_t *)(void *)to)[i] = (int32_t)y[i];
    y += room * w->targets;
    c->used += room;
  }
  return COMITY_OK;
}

comity_status comity_dataset_writer_add(comity_dataset_writer *w, comity_split split, size_t count,
                                        const void *x, const float *y) {
  COMITY_TRY(check_open(w));
  COMITY_REQUIRE(split == COMITY_SPLIT_TRAIN || split == COMITY_SPLIT_TEST, COMITY_ERR_ARG,
                 "%s: unknown split %d", w->path, (int)split);
  COMITY_REQUIRE(split == COMITY_SPLIT_TRAIN || !w->central_test || w->offsets[split].count == 0,
                 COMITY_ERR_ARG, "%s: has a central test set already, so clients cannot have their own",
                 w->path);
  if (count == 0)
    return COMITY_OK;
  w->failed = true;
  COMITY_TRY(check_labels(w, split, count, y));
  if (split == COMITY_SPLIT_TEST && w->test < 0) {
    w->test = H5Gcreate2(w->file, "test", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (w->test < 0)
      return comity_h5_fail(COMITY_ERR_IO, "%s: cannot create group 'test'", w->path);
  }
  COMITY_TRY(add_features(w, split, count, x));
  COMITY_TRY(add_labels(w, split, count, y));
  w->rows[split] += count;
  w->failed = false;
  return COMITY_OK;
}

/* ---------------------------------------------------------------------------------------------------- end */

static comity_status write_scale(comity_dataset_writer *w, hid_t parent) {
  hid_t set = H5Dopen2(parent, "x", H5P_DEFAULT);
  if (set < 0)
    return comity_h5_fail(COMITY_ERR_IO, "%s: cannot reopen dataset 'x'", w->path);
  comity_status status = comity_h5_write_real(w->path, set, "scale", w->scale);
  H5Dclose(set);
  return status;
}

static comity_status write_split(comity_dataset_writer *w, comity_split split) {
  hid_t parent = split_parent(w, split);
  for (int c = 0; c < COLUMN_COUNT; c++)
    COMITY_TRY(column_finish(w, parent, &w->columns[split][c]));
  COMITY_TRY(write_scale(w, parent));
  offset_list *offsets = &w->offsets[split];
  if (offsets->count == 0 || (split == COMITY_SPLIT_TEST && w->central_test))
    return COMITY_OK;
  COMITY_TRY(offset_push(offsets, w->rows[split]));
  hsize_t count = offsets->count;
  return comity_h5_write(w->path, parent, "offsets", H5T_NATIVE_UINT64, 1, &count, offsets->values);
}

comity_status comity_dataset_writer_commit(comity_dataset_writer *w) {
  COMITY_TRY(check_open(w));
  COMITY_REQUIRE(w->rows[COMITY_SPLIT_TRAIN] + w->rows[COMITY_SPLIT_TEST] > 0, COMITY_ERR_DATA,
                 "%s: there is no example to write", w->path);
  w->failed = true;
  size_t clients = w->offsets[COMITY_SPLIT_TRAIN].count;
  COMITY_TRY(write_split(w, COMITY_SPLIT_TRAIN));
  if (w->test >= 0)
    COMITY_TRY(write_split(w, COMITY_SPLIT_TEST));
  if (w->named)
    COMITY_TRY(write_texts(w, "client_names", w->names, clients, w->name_longest));
  if (w->test >= 0)
    H5Gclose(w->test);
  w->test = -1;
  hid_t file = w->file;
  w->file = -1;
  comity_status status = comity_h5_close(w->path, file);
  if (status == COMITY_OK)
    status = comity_file_commit(w->aside, w->path);
  if (status != COMITY_OK) {
    unlink(w->aside);
    return status;
  }
  w->failed = false;
  w->committed = true;
  return COMITY_OK;
}

void comity_dataset_writer_destroy(comity_dataset_writer **writer) {
  comity_dataset_writer *w = *writer;
  if (w == NULL)
    return;
  if (w->file >= 0) { /* first of all: closing a dataset would write to the disk, which may be full */
    comity_h5_discard(w->file);
    unlink(w->aside);
  }
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    for (int c = 0; c < COLUMN_COUNT; c++) {
      if (w->columns[s][c].set >= 0)
        H5Dclose(w->columns[s][c].set);
      comity_free(w->columns[s][c].buffer);
    }
    comity_free(w->offsets[s].values);
  }
  if (w->test >= 0)
    H5Gclose(w->test);
  H5Eclear2(H5E_DEFAULT);
  comity_free(w->names);
  comity_free(w->path);
  comity_free(w->aside);
  comity_free(w);
  *writer = NULL;
}
