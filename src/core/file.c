/* Files and folders that appear whole or not at all. */
#include "core_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static comity_status flush_path(const char *path, int flags) {
  int handle = open(path, flags | O_CLOEXEC);
  if (handle < 0)
    return comity_fail_errno("%s: cannot open to flush", path);
  comity_status status = COMITY_OK;
  if (fsync(handle) != 0 && errno != EINVAL &&
      errno != EROFS) /* EINVAL: file systems without fsync on folders */
    status = comity_fail_errno("%s: cannot flush to the disk", path);
  close(handle);
  return status;
}

comity_status comity_folder_flush(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL   ? comity_text(".")
                 : slash == path ? comity_text("/")
                                 : comity_text("%.*s", (int)(slash - path), path);
  if (folder == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = flush_path(folder, O_RDONLY | O_DIRECTORY);
  comity_free(folder);
  return status;
}

comity_status comity_file_commit(const char *aside, const char *path) {
  COMITY_TRY(flush_path(aside, O_RDONLY));
  if (rename(aside, path) != 0)
    return comity_fail_errno("%s: cannot give this name to the finished file %s", path, aside);
  return comity_folder_flush(path);
}

comity_status comity_folder_make(const char *path) {
  char *part = comity_text("%s", path);
  if (part == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = COMITY_OK;
  for (char *end = part + 1; status == COMITY_OK; end++) {
    if (*end != '/' && *end != '\0')
      continue;
    char kept = *end;
    *end = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
      status = comity_fail_errno("%s: cannot create the folder", part);
    *end = kept;
    if (kept == '\0')
      break;
  }
  struct stat about;
  if (status == COMITY_OK && (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)))
    status = comity_fail(COMITY_ERR_IO, "%s: is a file, but a folder is needed here", path);
  comity_free(part);
  return status;
}

comity_status comity_folder_remove(const char *path) {
  struct stat about;
  if (lstat(path, &about) != 0)
    return errno == ENOENT ? COMITY_OK : comity_fail_errno("%s: cannot look at", path);
  if (!S_ISDIR(about.st_mode))
    return unlink(path) == 0 || errno == ENOENT ? COMITY_OK : comity_fail_errno("%s: cannot remove", path);
  DIR *folder = opendir(path);
  if (folder == NULL)
    return comity_fail_errno("%s: cannot open the folder", path);
  comity_status status = COMITY_OK;
  for (struct dirent *entry; status == COMITY_OK && (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    char *inner = comity_text("%s/%s", path, entry->d_name);
    status = inner == NULL ? COMITY_ERR_MEMORY : comity_folder_remove(inner);
    comity_free(inner);
  }
  closedir(folder);
  if (status == COMITY_OK && rmdir(path) != 0 && errno != ENOENT)
    status = comity_fail_errno("%s: cannot remove the folder", path);
  return status;
}

comity_status comity_file_read(const char *path, char **text, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return comity_fail_errno("%s: cannot open", path);
  comity_status status = COMITY_OK;
  char *read = NULL;
  size_t used = 0, room = 0;
  for (;;) {
    if (used + 1 >= room)
      COMITY_TRY_OR(done, comity_array_grow(&read, &room, used + 4096, 1));
    errno = 0;
    size_t got = fread(read + used, 1, room - used - 1, file);
    used += got;
    if (got == 0)
      break;
  }
  if (ferror(file))
    status = comity_fail_errno("%s: cannot read", path);
done:
  fclose(file);
  if (status != COMITY_OK) {
    comity_free(read);
    return status;
  }
  read[used] = '\0';
  *text = read;
  *length = used;
  return COMITY_OK;
}

comity_status comity_file_write(const char *path, const char *text, size_t length) {
  char *aside = comity_text("%s.part", path);
  if (aside == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = COMITY_OK;
  errno = 0;
  FILE *file = fopen(aside, "wb");
  if (file == NULL)
    status = comity_fail_errno("%s: cannot create", aside);
  else {
    bool wrote = fwrite(text, 1, length, file) == length;
    int number = errno;
    bool closed = fclose(file) == 0;
    errno = wrote ? errno : number;
    if (!wrote || !closed)
      status = comity_fail_errno("%s: cannot write", aside);
    if (status == COMITY_OK)
      status = comity_file_commit(aside, path);
    if (status != COMITY_OK)
      unlink(aside);
  }
  comity_free(aside);
  return status;
}
