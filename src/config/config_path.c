/* Where relative paths start: those of a job file at its folder, those of the command line at the working
 * directory. They are made absolute when they are set, so that a job means the same files wherever its
 * resolved copy is read again. */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool comity_setting_is_path(const comity_setting *setting) {
  static const char *const keys[] = {"data.path", "data.test", "silos.keys", "silos.server_key"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(setting->key, keys[i]) == 0)
      return true;
  return false;
}

/* Drop empty parts and "."; let ".." drop the part before it. Works in place: the result is never longer. */
static void normalize(char *path) {
  size_t used = 0;
  for (const char *part = path; *part != '\0';) {
    size_t length = strcspn(part, "/");
    const char *next = part + length + (part[length] == '/');
    if (length == 2 && part[0] == '.' && part[1] == '.') {
      while (used > 0 && path[--used] != '/')
        ;
    } else if (length > 0 && !(length == 1 && part[0] == '.')) {
      path[used] = '/';
      memmove(path + used + 1, part, length);
      used += length + 1;
    }
    part = next;
  }
  if (used == 0)
    path[used++] = '/';
  path[used] = '\0';
}

comity_status comity_path_absolute(const char *base, const char *path, char **absolute) {
  char *here = NULL;
  if (path[0] != '/' && base == NULL) {
    here = getcwd(NULL, 0);
    if (here == NULL)
      return comity_fail_errno("%s: cannot tell the working directory", path);
    base = here;
  }
  char *joined = path[0] == '/' ? comity_text("%s", path) : comity_text("%s/%s", base, path);
  free(here);
  if (joined == NULL)
    return COMITY_ERR_MEMORY;
  normalize(joined);
  *absolute = joined;
  return COMITY_OK;
}

comity_status comity_path_folder(const char *path, char **folder) {
  const char *slash = strrchr(path, '/');
  char *part = slash == NULL ? comity_text(".") : comity_text("%.*s", (int)(slash - path) + 1, path);
  if (part == NULL)
    return COMITY_ERR_MEMORY;
  char *real = realpath(part, NULL);
  comity_status status = COMITY_OK;
  if (real == NULL)
    status = comity_fail_errno("%s: cannot find its folder", path);
  else if ((*folder = comity_text("%s", real)) == NULL)
    status = COMITY_ERR_MEMORY;
  free(real);
  comity_free(part);
  return status;
}

comity_status comity_config_resolve_path(const comity_config *config, const char *key, const char *path,
                                         char **resolved) {
  size_t i = comity_setting_index(key);
  COMITY_REQUIRE(i < comity_setting_count(), COMITY_ERR_ARG, "no setting '%s'", key);
  return comity_path_absolute(config->values[i].base, path, resolved);
}
