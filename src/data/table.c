/* A stored table: x and y of some examples, checked when opened, read by row numbers. */
#include "data_impl.h"

#include <math.h>
#include <string.h>

/* HDF5 clears its whole conversion buffer for each read: of a small client that took most of the time with
 * the default of 1 MiB. */
enum { FILTERED_CACHE_BYTES = 32 << 20, SCAN_ROWS = 1 << 16, CONVERSION_BYTES = 16 << 10 };

/* Chunks that are stored as they are need no cache: HDF5 then reads just the bytes that are asked for.
 * Compressed ones do, or each client would unpack its whole chunk again. */
static hid_t reopen(hid_t parent, const char *name, hid_t set) {
  hid_t how = H5Dget_create_plist(set);
  bool chunked = how >= 0 && H5Pget_layout(how) == H5D_CHUNKED;
  bool filtered = chunked && H5Pget_nfilters(how) > 0;
  if (how >= 0)
    H5Pclose(how);
  if (!chunked)
    return set;
  hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access, 12421, filtered ? FILTERED_CACHE_BYTES : 0, 1.0);
  H5Dclose(set);
  set = H5Dopen2(parent, name, access);
  H5Pclose(access);
  return set;
}

static comity_status open_set(const comity_table *t, hid_t parent, const char *name, hid_t *set, hid_t *space,
                              int *rank, hsize_t *extent, int rank_most) {
  if (H5Lexists(parent, name, H5P_DEFAULT) <= 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: no dataset '%s%s'", t->path, t->folder, name);
  hid_t opened = H5Dopen2(parent, name, H5P_DEFAULT);
  if (opened >= 0)
    opened = reopen(parent, name, opened);
  *set = opened;
  if (opened < 0 || (*space = H5Dget_space(opened)) < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: '%s%s' is no dataset that can be opened", t->path, t->folder,
                          name);
  *rank = H5Sget_simple_extent_ndims(*space);
  COMITY_REQUIRE(*rank >= 1 && *rank <= rank_most, COMITY_ERR_DATA,
                 "%s: dataset '%s%s' has %d dimensions; 1 to %d are expected, the first one for the examples",
                 t->path, t->folder, name, *rank, rank_most);
  H5Sget_simple_extent_dims(*space, extent, NULL);
  return COMITY_OK;
}

static comity_status check_type(const comity_table *t, const char *name, hid_t set, comity_dtype *type,
                                bool *whole) {
  hid_t stored = H5Dget_type(set);
  H5T_class_t class = H5Tget_class(stored);
  bool number = comity_dtype_from_h5(stored, type);
  H5Tclose(stored);
  *whole = class == H5T_INTEGER;
  COMITY_REQUIRE(class != H5T_STRING, COMITY_ERR_DATA,
                 "%s: dataset '%s%s' holds text; text is not supported, turn it into numbers first", t->path,
                 t->folder, name);
  COMITY_REQUIRE(number, COMITY_ERR_DATA, "%s: dataset '%s%s' holds neither integers nor real numbers",
                 t->path, t->folder, name);
  return COMITY_OK;
}

static comity_status open_features(comity_table *t, hid_t parent, const char *name, bool foreign) {
  bool whole;
  COMITY_TRY(open_set(t, parent, name, &t->x, &t->x_space, &t->x_rank, t->x_row, 1 + COMITY_SHAPE_MAX));
  COMITY_TRY(check_type(t, name, t->x, &t->type, &whole));
  t->rows = t->x_row[0];
  t->width = 1;
  for (int i = 1; i < t->x_rank; i++)
    COMITY_REQUIRE(t->x_row[i] > 0 && !__builtin_mul_overflow(t->width, (size_t)t->x_row[i], &t->width) &&
                       t->width <= UINT32_MAX / 8,
                   COMITY_ERR_DATA, "%s: dimension %d of dataset '%s%s' is 0, or too large for one example",
                   t->path, i, t->folder, name);
  size_t rank = (size_t)t->x_rank - 1;
  for (size_t i = 0; i < rank; i++)
    t->shape[i] = t->x_row[1 + i];
  t->shape_rank = rank;
  if (rank == 0) {
    t->shape[t->shape_rank++] = 1;
  } else if (foreign && rank == 2) { /* (h, w) */
    memcpy(t->shape, (size_t[]){1, t->x_row[1], t->x_row[2]}, 3 * sizeof(size_t));
    t->shape_rank = 3;
  } else if (foreign && rank == 3 && t->shape[2] <= 4 && t->shape[0] > 4) { /* (h, w, channels) */
    memcpy(t->shape, (size_t[]){t->x_row[3], t->x_row[1], t->x_row[2]}, 3 * sizeof(size_t));
    t->channels_last = t->shape[0] > 1;
  }
  t->scale = 1;
  if (comity_h5_has(t->x, "scale")) {
    comity_status status = comity_h5_read_real(t->path, t->x, "scale", &t->scale);
    if (status != COMITY_OK)
      return comity_fail_context(status, "dataset '%s%s'", t->folder, name);
  }
  COMITY_REQUIRE(isfinite(t->scale) && t->scale != 0, COMITY_ERR_DATA,
                 "%s: attribute 'scale' of dataset '%s%s' is %g; it must be a finite number other than 0",
                 t->path, t->folder, name, t->scale);
  return COMITY_OK;
}

static comity_status open_labels(comity_table *t, hid_t parent, const char *name, const char *x_name) {
  comity_dtype type;
  COMITY_TRY(open_set(t, parent, name, &t->y, &t->y_space, &t->y_rank, t->y_row, 2));
  COMITY_TRY(check_type(t, name, t->y, &type, &t->whole));
  COMITY_REQUIRE(t->y_row[0] == t->rows, COMITY_ERR_DATA,
                 "%s: dataset '%s%s' has %llu rows, but '%s%s' has %llu; each example needs both", t->path,
                 t->folder, x_name, (unsigned long long)t->rows, t->folder, name,
                 (unsigned long long)t->y_row[0]);
  t->targets = t->y_rank == 2 ? (size_t)t->y_row[1] : 1;
  COMITY_REQUIRE(t->targets >= 1 && t->targets <= UINT32_MAX / 8, COMITY_ERR_DATA,
                 "%s: dataset '%s%s' has rows of %zu targets", t->path, t->folder, name, t->targets);
  t->whole = t->whole && t->targets == 1;
  return COMITY_OK;
}

comity_status comity_table_open(const char *path, const char *folder, hid_t parent, const char *x_name,
                                const char *y_name, bool foreign, comity_table *table) {
  comity_status status;
  *table = (comity_table){.path = path, .folder = folder, .x = -1, .y = -1, .x_space = -1, .y_space = -1};
  table->transfer = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_buffer(table->transfer, CONVERSION_BYTES, NULL, NULL);
  COMITY_TRY_OR(fail, open_features(table, parent, x_name, foreign));
  COMITY_TRY_OR(fail, open_labels(table, parent, y_name, x_name));
  return COMITY_OK;
fail:
  comity_table_close(table);
  return status;
}

void comity_table_close(comity_table *table) {
  hid_t spaces[] = {table->x_space, table->y_space}, sets[] = {table->x, table->y};
  for (int i = 0; i < 2; i++) {
    if (spaces[i] >= 0)
      H5Sclose(spaces[i]);
    if (sets[i] >= 0)
      H5Dclose(sets[i]);
  }
  if (table->transfer > 0)
    H5Pclose(table->transfer);
  table->x = table->y = table->x_space = table->y_space = table->transfer = -1;
}

static comity_status read_rows(const comity_table *t, const char *what, hid_t set, hid_t space, int rank,
                               const hsize_t *row, uint64_t first, size_t count, hid_t type, void *values) {
  hsize_t start[1 + COMITY_SHAPE_MAX] = {first}, extent[1 + COMITY_SHAPE_MAX];
  memcpy(extent, row, (size_t)rank * sizeof *row);
  extent[0] = count;
  hid_t memory = H5Screate_simple(rank, extent, NULL);
  comity_status status = COMITY_OK;
  if (memory < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
      H5Dread(set, type, memory, space, t->transfer, values) < 0)
    status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read %s of rows %llu to %llu in '%s'", t->path, what,
                            (unsigned long long)first, (unsigned long long)(first + count - 1),
                            t->folder[0] == '\0' ? "/" : t->folder);
  if (memory >= 0)
    H5Sclose(memory);
  return status;
}

/* (h, w, channels) -> (channels, h, w) for each example. */
static void turn_channels(const comity_table *t, size_t count, const char *from, char *to) {
  size_t size = comity_dtype_size(t->type), channels = t->shape[0], pixels = t->shape[1] * t->shape[2];
  for (size_t i = 0; i < count; i++)
    for (size_t c = 0; c < channels; c++)
      for (size_t p = 0; p < pixels; p++)
        memcpy(to + ((i * channels + c) * pixels + p) * size, from + ((i * pixels + p) * channels + c) * size,
               size);
}

static comity_status read_features(const comity_table *t, uint64_t first, size_t count, void *x) {
  hid_t type = comity_dtype_h5(t->type);
  if (!t->channels_last)
    return read_rows(t, "the features", t->x, t->x_space, t->x_rank, t->x_row, first, count, type, x);
  char *stored;
  COMITY_TRY(COMITY_NEW(stored, count * t->width * comity_dtype_size(t->type)));
  comity_status status =
      read_rows(t, "the features", t->x, t->x_space, t->x_rank, t->x_row, first, count, type, stored);
  if (status == COMITY_OK)
    turn_channels(t, count, stored, x);
  comity_free(stored);
  return status;
}

comity_status comity_table_read(const comity_table *table, uint64_t first, size_t count, void *x, float *y) {
  if (count == 0)
    return COMITY_OK;
  if (x != NULL)
    COMITY_TRY(read_features(table, first, count, x));
  if (y != NULL)
    COMITY_TRY(read_rows(table, "the labels", table->y, table->y_space, table->y_rank, table->y_row, first,
                         count, H5T_NATIVE_FLOAT, y));
  return COMITY_OK;
}

comity_status comity_table_classes(const comity_table *table, size_t *classes) {
  int64_t *labels;
  COMITY_TRY(COMITY_NEW(labels, table->rows < SCAN_ROWS ? table->rows : SCAN_ROWS));
  comity_status status = COMITY_OK;
  for (uint64_t first = 0; status == COMITY_OK && first < table->rows; first += SCAN_ROWS) {
    size_t count = table->rows - first < SCAN_ROWS ? (size_t)(table->rows - first) : SCAN_ROWS;
    status = read_rows(table, "the labels", table->y, table->y_space, table->y_rank, table->y_row, first,
                       count, H5T_NATIVE_INT64, labels);
    for (size_t i = 0; status == COMITY_OK && i < count; i++) {
      if (labels[i] < 0 || labels[i] >= 1 << 24)
        status = comity_fail(COMITY_ERR_DATA,
                             "%s: label %lld of row %llu in '%s' is no class; classes are numbered from 0",
                             table->path, (long long)labels[i], (unsigned long long)(first + i),
                             table->folder[0] == '\0' ? "/" : table->folder);
      else if ((size_t)labels[i] >= *classes)
        *classes = (size_t)labels[i] + 1;
    }
  }
  comity_free(labels);
  return status;
}

comity_status comity_table_match(const comity_table *table, const comity_table *other) {
  bool same_shape = table->x_rank == other->x_rank;
  for (int i = 1; same_shape && i < table->x_rank; i++)
    same_shape = table->x_row[i] == other->x_row[i];
  COMITY_REQUIRE(same_shape, COMITY_ERR_DATA,
                 "%s: the features in '%s' have another shape than those in '%s'", table->path, other->folder,
                 table->folder[0] == '\0' ? "/" : table->folder);
  COMITY_REQUIRE(table->type == other->type && table->scale == other->scale, COMITY_ERR_DATA,
                 "%s: the features in '%s' are %s with scale %g, but those in '%s' are %s with scale %g",
                 table->path, other->folder, comity_dtype_name(other->type), other->scale,
                 table->folder[0] == '\0' ? "/" : table->folder, comity_dtype_name(table->type),
                 table->scale);
  COMITY_REQUIRE(table->targets == other->targets && table->whole == other->whole, COMITY_ERR_DATA,
                 "%s: the labels in '%s' are of another kind than those in '%s'", table->path, other->folder,
                 table->folder[0] == '\0' ? "/" : table->folder);
  return COMITY_OK;
}

/* -------------------------------------------------------------------------------------------------- texts */

static bool read_variable(hid_t set, hid_t type, hid_t memory, hid_t space, size_t count, char *slots,
                          size_t slot) {
  char **lent = comity_array(count, sizeof *lent);
  if (lent == NULL)
    return false;
  bool read = H5Dread(set, type, memory, space, H5P_DEFAULT, lent) >= 0;
  for (size_t i = 0; read && i < count; i++)
    snprintf(slots + i * slot, slot, "%s", lent[i] == NULL ? "" : lent[i]);
  if (read)
    H5Dvlen_reclaim(type, memory, H5P_DEFAULT, lent);
  comity_free(lent);
  return read;
}

comity_status comity_texts_read(hid_t set, uint64_t first, size_t count, char *slots, size_t slot) {
  hsize_t start = first, extent = count;
  hid_t type = H5Dget_type(set), space = H5Dget_space(set), memory = H5Screate_simple(1, &extent, NULL);
  bool read = H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &extent, NULL) >= 0;
  if (read && H5Tis_variable_str(type) > 0)
    read = read_variable(set, type, memory, space, count, slots, slot);
  else if (read) {
    hid_t kept = H5Tcopy(type); /* HDF5 does not convert between character sets, so keep the file's */
    H5Tset_size(kept, slot);
    H5Tset_strpad(kept, H5T_STR_NULLTERM);
    read = H5Dread(set, kept, memory, space, H5P_DEFAULT, slots) >= 0;
    H5Tclose(kept);
  }
  H5Sclose(memory);
  H5Sclose(space);
  H5Tclose(type);
  return read ? COMITY_OK : comity_h5_fail(COMITY_ERR_DATA, "cannot read names");
}
