/* What a checkpoint holds: the server's part whole, client states one by one whoever wrote them. */
#include "checkpoint_impl.h"

#include <inttypes.h>
#include <string.h>

/* Bad contents of a checkpoint's file are a bad checkpoint. */
static comity_status as_checkpoint(comity_status status) {
  return status == COMITY_ERR_DATA || status == COMITY_ERR_NOT_FOUND
             ? comity_fail(COMITY_ERR_CHECKPOINT, "%s", comity_error_message())
             : status;
}

static comity_status check_head(const char *path, hid_t file, const char *format) {
  char *found = NULL;
  int64_t version = 0;
  COMITY_TRY(comity_h5_read_text(path, file, "format", &found));
  bool ours = strcmp(found, format) == 0;
  comity_free(found);
  COMITY_REQUIRE(ours, COMITY_ERR_CHECKPOINT, "%s: is not a file of a checkpoint", path);
  COMITY_TRY(comity_h5_read_integer(path, file, "version", &version));
  COMITY_REQUIRE(version == COMITY_CHECKPOINT_VERSION, COMITY_ERR_CHECKPOINT,
                 "%s: has version %" PRId64 ", but this Comity reads version %d", path, version,
                 COMITY_CHECKPOINT_VERSION);
  return COMITY_OK;
}

/* Open the server's part, after checking it against the manifest. */
static comity_status open_server(const char *folder, char **path, hid_t *file) {
  comity_manifest manifest;
  COMITY_TRY(comity_manifest_read(folder, &manifest));
  comity_status status = comity_part_check(folder, comity_manifest_find(&manifest, "server.h5"), true);
  comity_manifest_clear(&manifest);
  COMITY_TRY(status);
  char *name = comity_text("%s/server.h5", folder);
  if (name == NULL)
    return COMITY_ERR_MEMORY;
  status = as_checkpoint(comity_h5_open(name, file));
  if (status == COMITY_OK) {
    status = as_checkpoint(check_head(name, *file, "comity-checkpoint"));
    if (status != COMITY_OK)
      H5Fclose(*file);
  }
  if (status == COMITY_OK)
    *path = name;
  else
    comity_free(name);
  return status;
}

/* Vectors first, then what the caller sees change only when all went well. */
static comity_status read_server(const char *path, hid_t file, comity_checkpoint *checkpoint, char **job) {
  uint64_t counter[8];
  int64_t round;
  COMITY_TRY(comity_h5_read_integer(path, file, "round", &round));
  COMITY_REQUIRE(round >= 0, COMITY_ERR_CHECKPOINT, "%s: round %" PRId64, path, round);
  COMITY_TRY(comity_h5_read(path, file, "counter", H5T_NATIVE_UINT64, 8, counter));
  COMITY_TRY(
      comity_h5_read(path, file, "model", H5T_NATIVE_FLOAT, checkpoint->parameters, checkpoint->model));
  COMITY_TRY(comity_h5_read(path, file, "server_state", H5T_NATIVE_FLOAT, checkpoint->server_length,
                            checkpoint->server_state));
  if (job != NULL)
    COMITY_TRY(comity_h5_read_string(path, file, "job", job));
  checkpoint->round = (uint64_t)round;
  memcpy(checkpoint->counter, counter, sizeof counter);
  return COMITY_OK;
}

comity_status comity_checkpoint_read(const char *path, comity_checkpoint *checkpoint, char **job) {
  char *name;
  hid_t file;
  COMITY_TRY(open_server(path, &name, &file));
  comity_status status = as_checkpoint(read_server(name, file, checkpoint, job));
  H5Fclose(file);
  comity_free(name);
  return status;
}

comity_status comity_checkpoint_job(const char *path, char **job) {
  char *name;
  hid_t file;
  COMITY_TRY(open_server(path, &name, &file));
  comity_status status = as_checkpoint(comity_h5_read_string(name, file, "job", job));
  H5Fclose(file);
  comity_free(name);
  return status;
}

/* One clients-<rank>.h5 while it is read. */
typedef struct clients {
  const char *path;
  hid_t file, id_set, state_set;
  size_t count, length;
  uint64_t *id; /* (id_rows) a block of ids */
  float *row;   /* (state_rows, length) a block of states */
  size_t state_rows;
} clients;

enum { ID_ROWS = 1 << 16 };

static comity_status read_block(const clients *c, hid_t set, const char *name, hid_t type, size_t first,
                                size_t rows, size_t width, void *to) {
  int rank = width == 0 ? 1 : 2;
  hsize_t offset[2] = {first, 0}, extent[2] = {rows, width};
  hid_t in_file = H5Dget_space(set), in_memory = H5Screate_simple(rank, extent, NULL);
  comity_status status = COMITY_OK;
  if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, offset, NULL, extent, NULL) < 0 ||
      H5Dread(set, type, in_memory, in_file, H5P_DEFAULT, to) < 0)
    status = comity_h5_fail(COMITY_ERR_CHECKPOINT, "%s: cannot read rows %zu to %zu of dataset '%s'", c->path,
                            first, first + rows - 1, name);
  H5Sclose(in_memory);
  H5Sclose(in_file);
  return status;
}

/* Extents of both datasets, checked against each other. */
static comity_status open_sets(clients *c) {
  c->id_set = H5Lexists(c->file, "client", H5P_DEFAULT) > 0 ? H5Dopen2(c->file, "client", H5P_DEFAULT) : -1;
  c->state_set = H5Lexists(c->file, "state", H5P_DEFAULT) > 0 ? H5Dopen2(c->file, "state", H5P_DEFAULT) : -1;
  COMITY_REQUIRE(c->id_set >= 0 && c->state_set >= 0, COMITY_ERR_CHECKPOINT,
                 "%s: lacks the dataset 'client' or 'state'", c->path);
  hid_t id_space = H5Dget_space(c->id_set), state_space = H5Dget_space(c->state_set);
  hsize_t ids = 0, shape[2] = {0, 0};
  bool fits = H5Sget_simple_extent_ndims(id_space) == 1 && H5Sget_simple_extent_ndims(state_space) == 2;
  if (fits) {
    H5Sget_simple_extent_dims(id_space, &ids, NULL);
    H5Sget_simple_extent_dims(state_space, shape, NULL);
  }
  H5Sclose(id_space);
  H5Sclose(state_space);
  COMITY_REQUIRE(fits && ids == shape[0], COMITY_ERR_CHECKPOINT,
                 "%s: 'client' and 'state' do not fit together", c->path);
  COMITY_REQUIRE(shape[1] == c->length, COMITY_ERR_CHECKPOINT,
                 "%s: holds states of %zu floats, but this job keeps %zu for each client", c->path,
                 (size_t)shape[1], c->length);
  c->count = (size_t)ids;
  return COMITY_OK;
}

/* Rows first ... first+rows-1, of which all are wanted; `id` are their clients. */
static comity_status take_rows(const clients *c, size_t first, size_t rows, const uint64_t *id,
                               comity_states *states) {
  for (size_t done = 0; done < rows; done += c->state_rows) {
    size_t here = rows - done < c->state_rows ? rows - done : c->state_rows;
    COMITY_TRY(read_block(c, c->state_set, "state", H5T_NATIVE_FLOAT, first + done, here, c->length, c->row));
    for (size_t i = 0; i < here; i++)
      COMITY_TRY(comity_states_write(states, id[done + i], c->row + i * c->length));
  }
  return COMITY_OK;
}

static comity_status take_clients(clients *c, bool (*wanted)(void *, uint64_t), void *context,
                                  comity_states *states) {
  COMITY_TRY(check_head(c->path, c->file, "comity-clients"));
  COMITY_TRY(open_sets(c));
  c->state_rows = c->length == 0 ? 1 : COMITY_STATE_BLOCK_BYTES / sizeof(float) / c->length + 1;
  c->state_rows = c->state_rows > c->count ? c->count : c->state_rows;
  COMITY_TRY(COMITY_NEW(c->id, c->count < ID_ROWS ? c->count : ID_ROWS));
  COMITY_TRY(COMITY_NEW(c->row, c->state_rows * c->length));
  for (size_t first = 0; first < c->count; first += ID_ROWS) {
    size_t here = c->count - first < ID_ROWS ? c->count - first : ID_ROWS;
    COMITY_TRY(read_block(c, c->id_set, "client", H5T_NATIVE_UINT64, first, here, 0, c->id));
    for (size_t from = 0, to; from < here; from = to + 1) { /* runs of wanted neighbours */
      for (to = from; to < here && wanted(context, c->id[to]); to++)
        ;
      if (to > from)
        COMITY_TRY(take_rows(c, first + from, to - from, c->id + from, states));
    }
  }
  return COMITY_OK;
}

static comity_status read_clients(const char *folder, const char *name, bool (*wanted)(void *, uint64_t),
                                  void *context, comity_states *states) {
  char *path = comity_text("%s/%s", folder, name);
  clients c = {.path = path, .id_set = -1, .state_set = -1, .length = comity_states_length(states)};
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : as_checkpoint(comity_h5_open(path, &c.file));
  if (status == COMITY_OK) {
    status = as_checkpoint(take_clients(&c, wanted, context, states));
    if (c.id_set >= 0)
      H5Dclose(c.id_set);
    if (c.state_set >= 0)
      H5Dclose(c.state_set);
    H5Fclose(c.file);
  }
  comity_free(c.id);
  comity_free(c.row);
  comity_free(path);
  return status;
}

comity_status comity_checkpoint_states(const char *path, bool (*wanted)(void *context, uint64_t client),
                                       void *context, comity_states *states) {
  comity_manifest manifest;
  COMITY_TRY(comity_manifest_read(path, &manifest));
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < manifest.count && status == COMITY_OK; i++) {
    const comity_part *part = &manifest.part[i];
    if (strcmp(part->name, "server.h5") == 0)
      continue;
    status = comity_part_check(path, part, false);
    if (status == COMITY_OK)
      status = read_clients(path, part->name, wanted, context, states);
  }
  comity_manifest_clear(&manifest);
  return status;
}
