/* Leaving: every rank writes its part into checkpoint-<round>.part, the server lists the parts and renames.
 */
#include "checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After writing went well: close, and flush to the disk. After a failure: let go of the file. */
static comity_status finish(const char *path, hid_t file, comity_status status) {
  if (status != COMITY_OK) {
    comity_h5_discard(file);
    return status;
  }
  COMITY_TRY(comity_h5_close(path, file));
  int handle = open(path, O_RDONLY | O_CLOEXEC);
  if (handle < 0 || fsync(handle) != 0)
    status = comity_fail_errno("%s: cannot flush to the disk", path);
  if (handle >= 0)
    close(handle);
  return status;
}

static comity_status write_head(const char *path, hid_t file, const char *format, uint64_t round) {
  COMITY_TRY(comity_h5_write_text(path, file, "format", format));
  COMITY_TRY(comity_h5_write_integer(path, file, "version", COMITY_CHECKPOINT_VERSION));
  return comity_h5_write_integer(path, file, "round", (int64_t)round);
}

static comity_status write_server_sets(const char *path, hid_t file, const comity_checkpoint *checkpoint) {
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", COMITY_VERSION_MAJOR, COMITY_VERSION_MINOR,
           COMITY_VERSION_PATCH);
  COMITY_TRY(write_head(path, file, "comity-checkpoint", checkpoint->round));
  COMITY_TRY(comity_h5_write_text(path, file, "comity", version));
  COMITY_TRY(comity_h5_write(path, file, "model", H5T_NATIVE_FLOAT, 1, (hsize_t[]){checkpoint->parameters},
                             checkpoint->model));
  COMITY_TRY(comity_h5_write(path, file, "server_state", H5T_NATIVE_FLOAT, 1,
                             (hsize_t[]){checkpoint->server_length}, checkpoint->server_state));
  COMITY_TRY(
      comity_h5_write(path, file, "counter", H5T_NATIVE_UINT64, 1, (hsize_t[]){8}, checkpoint->counter));
  return comity_h5_write_string(path, file, "job", checkpoint->job == NULL ? "" : checkpoint->job);
}

static comity_status write_server(const char *path, const comity_checkpoint *checkpoint) {
  hid_t file;
  COMITY_TRY(comity_h5_create(path, &file));
  return finish(path, file, write_server_sets(path, file, checkpoint));
}

/* States in blocks of rows, so that they are never in memory twice. */
static comity_status write_rows(const char *path, hid_t set, const comity_states *states,
                                const uint64_t *client, size_t count) {
  size_t length = comity_states_length(states), rows = COMITY_STATE_BLOCK_BYTES / sizeof(float) / length + 1;
  rows = rows > count ? count : rows;
  float *block;
  COMITY_TRY(COMITY_NEW(block, rows * length));
  comity_status status = COMITY_OK;
  hid_t file_space = H5Dget_space(set);
  for (size_t first = 0; first < count && status == COMITY_OK; first += rows) {
    size_t here = count - first < rows ? count - first : rows;
    for (size_t i = 0; i < here && status == COMITY_OK; i++)
      status = comity_states_read(states, client[first + i], block + i * length);
    if (status != COMITY_OK)
      break;
    hid_t memory_space = H5Screate_simple(2, (hsize_t[]){here, length}, NULL);
    H5Sselect_hyperslab(file_space, H5S_SELECT_SET, (hsize_t[]){first, 0}, NULL, (hsize_t[]){here, length},
                        NULL);
    errno = 0;
    if (H5Dwrite(set, H5T_NATIVE_FLOAT, memory_space, file_space, H5P_DEFAULT, block) < 0)
      status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset 'state'", path);
    H5Sclose(memory_space);
  }
  H5Sclose(file_space);
  comity_free(block);
  return status;
}

static comity_status write_clients_sets(const char *path, hid_t file, uint64_t round,
                                        const comity_states *states, const uint64_t *client, size_t count) {
  size_t length = comity_states_length(states);
  COMITY_TRY(write_head(path, file, "comity-clients", round));
  COMITY_TRY(comity_h5_write_integer(path, file, "length", (int64_t)length));
  COMITY_TRY(comity_h5_write(path, file, "client", H5T_NATIVE_UINT64, 1, (hsize_t[]){count}, client));
  errno = 0;
  hid_t space = H5Screate_simple(2, (hsize_t[]){count, length}, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_fill_time(how, H5D_FILL_TIME_NEVER); /* every row is written below */
  hid_t set = H5Dcreate2(file, "state", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, how, H5P_DEFAULT);
  comity_status status = set < 0 ? comity_h5_fail(COMITY_ERR_IO, "%s: cannot create dataset 'state'", path)
                                 : write_rows(path, set, states, client, count);
  if (set >= 0 && H5Dclose(set) < 0 && status == COMITY_OK)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset 'state'", path);
  H5Pclose(how);
  H5Sclose(space);
  return status;
}

static comity_status write_clients(const char *path, uint64_t round, const comity_states *states) {
  hid_t file;
  uint64_t *client;
  size_t count = comity_states_list(states, NULL);
  COMITY_TRY(COMITY_NEW(client, count));
  comity_states_list(states, client);
  comity_status status = comity_h5_create(path, &file);
  if (status == COMITY_OK)
    status = finish(path, file, write_clients_sets(path, file, round, states, client, count));
  comity_free(client);
  return status;
}

/* What there is to write, on this rank. Each step may block for as long as a disk likes, so it is work aside. */
typedef struct writing {
  const char *folder, *aside;
  uint64_t round;
  bool server;
  int rank;
  const comity_checkpoint *checkpoint;
  const comity_states *states;
  size_t keep;
  comity_logger *logger;
  comity_part part[2]; /* (count) this rank's files */
  size_t count;
  comity_gathered reports; /* on the server: all files */
  int suspect;             /* the rank whose report of its files does not hold; 0 = none */
} writing;

/* This rank's files, and what to report of them. */
static comity_status write_parts(void *self) {
  writing *w = self;
  if (w->server) {
    char *path = comity_text("%s/server.h5", w->aside);
    comity_status status = path == NULL ? COMITY_ERR_MEMORY : write_server(path, w->checkpoint);
    comity_free(path);
    COMITY_TRY(status);
    snprintf(w->part[0].name, sizeof w->part[0].name, "server.h5");
    COMITY_TRY(comity_part_measure(w->aside, &w->part[0]));
    w->count = 1;
  }
  if (w->states != NULL && comity_states_list(w->states, NULL) > 0) {
    comity_part *mine = &w->part[w->count];
    snprintf(mine->name, sizeof mine->name, "clients-%d.h5", w->rank);
    char *path = comity_text("%s/%s", w->aside, mine->name);
    comity_status status = path == NULL ? COMITY_ERR_MEMORY : write_clients(path, w->round, w->states);
    comity_free(path);
    if (status == COMITY_ERR_NOT_FOUND)
      status = comity_fail_context(status, "the run folder must lie on a file system that all ranks share");
    COMITY_TRY(status);
    COMITY_TRY(comity_part_measure(w->aside, mine));
    w->count++;
  }
  return COMITY_OK;
}

/* Give the finished folder its name. An older checkpoint of the same round makes way: in the same instant
 * where the file system can swap names, and otherwise by way of a name from which comity_checkpoint_tidy
 * brings it back. */
static comity_status take_name(const char *folder, uint64_t round, const char *aside) {
  char *path = comity_checkpoint_path(folder, round, ""),
       *old = comity_checkpoint_path(folder, round, ".old");
  comity_status status = path == NULL || old == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK && rename(aside, path) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
      status = comity_fail_errno("%s: cannot give this name to the finished checkpoint", path);
    else if (renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
      status = COMITY_OK;
    else if (rename(path, old) != 0 || rename(aside, path) != 0)
      status = comity_fail_errno("%s: cannot replace the checkpoint of the same round", path);
  }
  if (status == COMITY_OK)
    status = comity_folder_flush(path);
  comity_free(path);
  comity_free(old);
  return status;
}

/* One file that a rank reports: it has the one name that there is for it, and is there. */
static comity_status check_part(const writing *w, int rank, size_t index, const comity_part *part) {
  char name[sizeof part->name];
  bool first = rank == 0 && index == 0;
  if (first)
    snprintf(name, sizeof name, "server.h5");
  else
    snprintf(name, sizeof name, "clients-%d.h5", rank);
  COMITY_REQUIRE(strncmp(part->name, name, sizeof name) == 0, COMITY_ERR_CHECKPOINT,
                 "%s: a file that is not called %s", w->aside, name);
  comity_status status = comity_part_check(w->aside, part, false);
  return status == COMITY_OK
             ? COMITY_OK
             : comity_fail_context(status, "the run folder must lie on a file system that all ranks share");
}

/* At most one file of each rank, and before that the server's own part: no reader takes a checkpoint with any other. */
static comity_status take_reports(writing *w, comity_manifest *manifest) {
  COMITY_TRY(COMITY_NEW(manifest->part, w->reports.count + 1));
  for (int rank = 0; rank < (int)w->reports.count; rank++) {
    size_t at = w->reports.offset[rank], bytes = w->reports.offset[rank + 1] - at;
    size_t count = bytes / sizeof(comity_part), most = rank == 0 ? 2 : 1;
    w->suspect = rank;
    COMITY_REQUIRE(bytes % sizeof(comity_part) == 0 && count <= most, COMITY_ERR_CHECKPOINT,
                   "%s: a report of %zu bytes about %zu files at most", w->aside, bytes, most);
    for (size_t i = 0; i < count; i++) {
      comity_part *part = &manifest->part[manifest->count++];
      memcpy(part, w->reports.bytes + at + i * sizeof *part, sizeof *part);
      COMITY_TRY(check_part(w, rank, i, part));
    }
  }
  w->suspect = 0;
  return COMITY_OK;
}

/* What all ranks reported becomes the manifest, and the folder a checkpoint. */
static comity_status commit(void *self) {
  writing *w = self;
  comity_manifest manifest = {.round = w->round};
  comity_status status = take_reports(w, &manifest);
  if (status != COMITY_OK && status != COMITY_ERR_CHECKPOINT) /* that is no rank's fault */
    w->suspect = 0;
  if (status == COMITY_OK)
    status = comity_manifest_write(w->aside, &manifest); /* flushes the folder's entries, too */
  if (status == COMITY_OK)
    status = take_name(w->folder, w->round, w->aside);
  comity_manifest_clear(&manifest);
  return status;
}

/* Take a checkpoint out of the way under a name that no reader looks at, and then apart. */
static comity_status remove_one(const char *folder, uint64_t round) {
  char *path = comity_checkpoint_path(folder, round, ""),
       *aside = comity_checkpoint_path(folder, round, ".part");
  comity_status status = path == NULL || aside == NULL ? COMITY_ERR_MEMORY : comity_folder_remove(aside);
  if (status == COMITY_OK && rename(path, aside) != 0)
    status = comity_fail_errno("%s: cannot remove", path);
  if (status == COMITY_OK)
    status = comity_folder_remove(aside);
  comity_free(path);
  comity_free(aside);
  return status;
}

/* Remove all but the newest `keep`. Later rounds than the one just written belong to a run that was given up,
 * and would be found before it. What does not look whole is left for a person to judge and counts for
 * nothing. */
static comity_status prune(const char *folder, uint64_t round, size_t keep) {
  comity_checkpoint_names names;
  COMITY_TRY(comity_checkpoint_list(folder, &names));
  comity_status status = COMITY_OK;
  size_t kept = 1;
  for (size_t i = 0; i < names.count && status == COMITY_OK; i++) {
    if (names.round[i] == round)
      continue;
    char *path = comity_checkpoint_path(folder, names.round[i], "");
    if (path == NULL)
      status = COMITY_ERR_MEMORY;
    else if (comity_checkpoint_verify(path, false) != COMITY_OK)
      comity_error_clear();
    else if (names.round[i] < round && kept < keep)
      kept++;
    else
      status = remove_one(folder, names.round[i]);
    comity_free(path);
  }
  comity_free(names.round);
  return status;
}

static comity_status prepare(void *self) {
  const writing *w = self;
  COMITY_TRY(comity_folder_make(w->folder));
  COMITY_TRY(comity_checkpoint_tidy(w->folder, w->logger));
  COMITY_TRY(comity_folder_remove(w->aside));
  return comity_folder_make(w->aside);
}

/* What is under the name aside is half of a checkpoint, or what the new one replaced, if anything. */
static comity_status remove_aside(void *self) {
  const writing *w = self;
  return comity_folder_remove(w->aside);
}

static comity_status remove_old(void *self) {
  const writing *w = self;
  COMITY_TRY(comity_folder_remove(w->aside));
  COMITY_TRY(comity_checkpoint_tidy(w->folder, w->logger));
  return prune(w->folder, w->round, w->keep);
}

/* Whatever does not go is only in the way. Returns `status`, with its message. */
static comity_status clear_up(comity_comm *comm, writing *w, comity_status status) {
  char *kept = comity_text("%s", comity_error_message());
  if (comity_comm_aside(comm, status == COMITY_OK ? remove_old : remove_aside, w) != COMITY_OK)
    comity_log(w->logger, COMITY_LOG_WARN, "%s", comity_error_message());
  if (status != COMITY_OK && kept != NULL)
    status = comity_fail(status, "%s", kept);
  comity_free(kept);
  return status;
}

/* The collective part; on failure the folder may be half full. */
static comity_status write_and_commit(comity_comm *comm, writing *w) {
  COMITY_TRY(comity_comm_agree(comm, w->server ? comity_comm_aside(comm, prepare, w) : COMITY_OK));
  COMITY_TRY(comity_comm_agree(comm, comity_comm_aside(comm, write_parts, w)));
  COMITY_TRY(comity_comm_gather(comm, w->part, w->count * sizeof w->part[0], &w->reports));
  comity_status status = w->server ? comity_comm_aside(comm, commit, w) : COMITY_OK;
  status = comity_comm_reject(comm, w->suspect, status);
  comity_gathered_clear(&w->reports);
  bool written = w->server && status == COMITY_OK;
  status = comity_comm_agree(comm, status);
  return written && status == COMITY_INTERRUPTED ? COMITY_OK : status;
}

comity_status comity_checkpoint_write(comity_comm *comm, const char *folder,
                                      const comity_checkpoint *checkpoint, const comity_states *states,
                                      size_t keep, comity_logger *logger) {
  bool server = comity_comm_is_server(comm);
  uint64_t round = server ? checkpoint->round : 0;
  COMITY_TRY(comity_comm_broadcast(comm, &round, sizeof round));
  char *aside = comity_checkpoint_path(folder, round, ".part");
  writing w = {.folder = folder,
               .aside = aside,
               .round = round,
               .server = server,
               .rank = comity_comm_rank(comm),
               .checkpoint = checkpoint,
               .states = states,
               .keep = keep,
               .logger = logger};
  comity_status status = comity_comm_agree(comm, aside == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  if (status == COMITY_OK)
    status = write_and_commit(comm, &w);
  if (server && aside != NULL)
    status = clear_up(comm, &w, status);
  comity_free(aside);
  return status;
}
