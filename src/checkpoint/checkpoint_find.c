/* Coming back: which checkpoints there are, and which is the newest that can be trusted. */
#include "checkpoint_impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *comity_checkpoint_path(const char *folder, uint64_t round, const char *suffix) {
  return comity_text("%s/checkpoint-%08" PRIu64 "%s", folder, round, suffix);
}

/* Whether `name` is "checkpoint-<round><suffix>" as we would write it. */
static bool is_named(const char *name, const char *suffix, uint64_t *round) {
  char again[64];
  char *end;
  if (strncmp(name, "checkpoint-", 11) != 0 || name[11] < '0' || name[11] > '9')
    return false;
  errno = 0;
  *round = strtoull(name + 11, &end, 10);
  snprintf(again, sizeof again, "checkpoint-%08" PRIu64 "%s", *round, suffix);
  return errno == 0 && strcmp(name, again) == 0;
}

static int descending(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a < b) - (a > b);
}

static comity_status list(const char *folder, const char *suffix, comity_checkpoint_names *names) {
  comity_checkpoint_names found = {0};
  size_t room = 0;
  uint64_t round;
  DIR *entries = opendir(folder);
  if (entries == NULL && errno != ENOENT)
    return comity_fail_errno("%s: cannot look for checkpoints", folder);
  comity_status status = COMITY_OK;
  for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    if (!is_named(entry->d_name, suffix, &round))
      continue;
    status = comity_array_grow(&found.round, &room, found.count + 1, sizeof *found.round);
    if (status != COMITY_OK)
      break;
    found.round[found.count++] = round;
  }
  if (entries != NULL)
    closedir(entries);
  if (status != COMITY_OK) {
    comity_free(found.round);
    return status;
  }
  if (found.count > 0)
    qsort(found.round, found.count, sizeof *found.round, descending);
  *names = found;
  return COMITY_OK;
}

comity_status comity_checkpoint_list(const char *folder, comity_checkpoint_names *names) {
  return list(folder, "", names);
}

/* An ".old" is a checkpoint that was being replaced: when its successor took its name it is worth nothing,
 * otherwise it is the good one. */
static comity_status bring_back(const char *folder, uint64_t round, const char *old, comity_logger *logger) {
  char *path = comity_checkpoint_path(folder, round, "");
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK && access(path, F_OK) == 0)
    status = comity_folder_remove(old);
  else if (status == COMITY_OK && rename(old, path) != 0)
    status = comity_fail_errno("%s: cannot give the checkpoint its name back", old);
  else if (status == COMITY_OK)
    comity_log(logger, COMITY_LOG_WARN, "%s: brought back, since writing its successor was cut short", path);
  comity_free(path);
  return status;
}

static comity_status tidy(const char *folder, const char *suffix, comity_logger *logger) {
  comity_checkpoint_names names;
  COMITY_TRY(list(folder, suffix, &names));
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < names.count && status == COMITY_OK; i++) {
    char *path = comity_checkpoint_path(folder, names.round[i], suffix);
    if (path == NULL)
      status = COMITY_ERR_MEMORY;
    else if (strcmp(suffix, ".old") == 0)
      status = bring_back(folder, names.round[i], path, logger);
    else
      status = comity_folder_remove(path);
    comity_free(path);
  }
  comity_free(names.round);
  return status;
}

comity_status comity_checkpoint_tidy(const char *folder, comity_logger *logger) {
  COMITY_TRY(tidy(folder, ".old", logger));
  return tidy(folder, ".part", logger);
}

comity_status comity_checkpoint_newest(const char *folder, comity_logger *logger, char **path) {
  comity_checkpoint_names names;
  if (tidy(folder, ".old", logger) != COMITY_OK) /* no reason not to look: the folder may be read-only */
    comity_log(logger, COMITY_LOG_WARN, "%s", comity_error_message());
  COMITY_TRY(comity_checkpoint_list(folder, &names));
  comity_status status = COMITY_OK;
  char *good = NULL, *reason = NULL; /* why the newest is refused */
  for (size_t i = 0; i < names.count && good == NULL && status == COMITY_OK; i++) {
    char *candidate = comity_checkpoint_path(folder, names.round[i], "");
    if (candidate == NULL)
      status = COMITY_ERR_MEMORY;
    else if ((status = comity_checkpoint_verify(candidate, true)) == COMITY_OK)
      good = candidate;
    else {
      if (status != COMITY_ERR_MEMORY) { /* any other reason speaks against this checkpoint alone */
        comity_log(logger, COMITY_LOG_WARN, "checkpoint refused: %s", comity_error_message());
        status = COMITY_OK;
        if (reason == NULL && (reason = comity_text("%s", comity_error_message())) == NULL)
          status = COMITY_ERR_MEMORY;
      }
      comity_free(candidate);
    }
  }
  if (status == COMITY_OK && good == NULL &&
      names.count > 0) /* starting anew would throw a run away unasked */
    status =
        comity_fail(COMITY_ERR_CHECKPOINT,
                    "%s: none of its %zu checkpoints can be used; the newest: %s; to start anew, move them "
                    "away or leave out --resume",
                    folder, names.count, reason);
  comity_free(reason);
  comity_free(names.round);
  if (status == COMITY_OK)
    *path = good;
  return status;
}

comity_status comity_checkpoint_latest(const char *folder, uint64_t round, char **path) {
  comity_checkpoint_names names;
  COMITY_TRY(comity_checkpoint_list(folder, &names));
  comity_status status = COMITY_OK;
  char *found = NULL;
  for (size_t i = 0; i < names.count && found == NULL && status == COMITY_OK; i++) {
    if (names.round[i] > round)
      continue;
    found = comity_checkpoint_path(folder, names.round[i], "");
    if (found == NULL)
      status = COMITY_ERR_MEMORY;
    else if (comity_checkpoint_verify(found, false) != COMITY_OK) {
      comity_error_clear();
      comity_free(found);
      found = NULL;
    }
  }
  comity_free(names.round);
  if (status == COMITY_OK)
    *path = found;
  return status;
}

typedef struct search {
  const char *folder;
  comity_logger *logger;
  char *found;
} search;

/* Reads all of a checkpoint, maybe of several: work aside. */
static comity_status find_newest(void *self) {
  search *s = self;
  return comity_checkpoint_newest(s->folder, s->logger, &s->found);
}

comity_status comity_checkpoint_find(comity_comm *comm, const char *folder, comity_logger *logger,
                                     char **path) {
  bool server = comity_comm_is_server(comm);
  search s = {.folder = folder, .logger = logger};
  comity_status status = server ? comity_comm_aside(comm, find_newest, &s) : COMITY_OK;
  char *found = s.found;
  COMITY_TRY(comity_comm_agree(comm, status));
  uint64_t bytes = found == NULL ? 0 : strlen(found) + 1;
  COMITY_TRY_OR(failed, comity_comm_broadcast(comm, &bytes, sizeof bytes));
  if (bytes > 0) {
    if (!server)
      status = COMITY_NEW(found, bytes);
    COMITY_TRY_OR(failed, comity_comm_agree(comm, status));
    COMITY_TRY_OR(failed, comity_comm_broadcast(comm, found, bytes));
  }
  *path = found;
  return COMITY_OK;
failed:
  comity_free(found);
  return status;
}
