/* The folder of a run: made by the server before the first round, an earlier run put out of the way first. */
#include "round_impl.h"

#include "core/core_impl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* What makes a folder an earlier run; anything else in it is not ours and stays. */
static bool is_of_a_run(const char *name) {
  static const char *const known[] = {"job.yaml",   "metrics.jsonl", "metrics.csv", "clients.csv",
                                      "results.h5", "events.jsonl",  "model.h5"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name, known[i]) == 0)
      return true;
  return strncmp(name, "checkpoint-", 11) == 0 ||
         (strncmp(name, "log", 3) == 0 && strstr(name, ".txt") != NULL);
}

static comity_status look_for_run(const char *folder, bool *found) {
  *found = false;
  DIR *listing = opendir(folder);
  if (listing == NULL)
    return errno == ENOENT ? COMITY_OK : comity_fail_errno("run.dir %s: cannot look into the folder", folder);
  for (struct dirent *entry; !*found && (entry = readdir(listing)) != NULL;)
    *found = is_of_a_run(entry->d_name);
  closedir(listing);
  return COMITY_OK;
}

static comity_status move_away(const char *folder, char **moved_to) {
  for (int i = 1;; i++) {
    char *name = comity_text("%s.%d", folder, i);
    if (name == NULL)
      return COMITY_ERR_MEMORY;
    struct stat about;
    if (lstat(name, &about) == 0) {
      comity_free(name);
      continue;
    }
    if (rename(folder, name) != 0) {
      comity_status status =
          comity_fail_errno("run.dir %s: cannot rename the earlier run to %s", folder, name);
      comity_free(name);
      return status;
    }
    *moved_to = name;
    return COMITY_OK;
  }
}

static comity_status remove_run(const char *folder) {
  DIR *listing = opendir(folder);
  if (listing == NULL)
    return comity_fail_errno("run.dir %s: cannot look into the folder", folder);
  comity_status status = COMITY_OK;
  for (struct dirent *entry; status == COMITY_OK && (entry = readdir(listing)) != NULL;) {
    if (!is_of_a_run(entry->d_name))
      continue;
    char *path = comity_text("%s/%s", folder, entry->d_name);
    status = path == NULL ? COMITY_ERR_MEMORY : comity_folder_remove(path);
    comity_free(path);
  }
  closedir(listing);
  return status;
}

static char *without_slashes(const char *path) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/')
    length--;
  return comity_text("%.*s", (int)length, path);
}

comity_status comity_run_folder_open(const comity_config *config, bool resume, char **moved_to) {
  *moved_to = NULL;
  COMITY_REQUIRE(comity_config_text(config, "run.dir")[0] != '\0', COMITY_ERR_CONFIG,
                 "run.dir is empty: name a folder for the run");
  char *folder = without_slashes(comity_config_text(config, "run.dir"));
  if (folder == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status;
  bool found;
  COMITY_TRY_OR(done, look_for_run(folder, &found));
  if (found && !resume) {
    const char *existing = comity_config_text(config, "run.existing");
    if (strcmp(existing, "refuse") == 0)
      status = comity_fail(
          COMITY_ERR_CONFIG,
          "run.dir %s: holds an earlier run; continue it with --resume, or choose another run.dir", folder);
    else if (strcmp(existing, "overwrite") == 0)
      status = remove_run(folder);
    else
      status = move_away(folder, moved_to);
    COMITY_TRY_OR(done, status);
  }
  status = comity_folder_make(folder);
  if (status != COMITY_OK)
    status = comity_fail_context(status, "run.dir");
done:
  comity_free(folder);
  return status;
}
