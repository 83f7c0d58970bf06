/* A text file that grows by whole lines: what a crash or a full disk leaves of another one is cut off. */
#include "recorder_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static comity_status open_at(comity_lines *lines, off_t length) {
  lines->handle = open(lines->path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (lines->handle < 0)
    return comity_fail_errno("%s: cannot open", lines->path);
  lines->length = length;
  return COMITY_OK;
}

static comity_status name_it(comity_lines *lines, const char *folder, const char *name) {
  lines->path = comity_text("%s/%s", folder, name);
  return lines->path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

comity_status comity_lines_open(comity_lines *lines, const char *folder, const char *name, const char *text,
                                size_t length) {
  COMITY_TRY(name_it(lines, folder, name));
  COMITY_TRY(comity_file_write(lines->path, text, length));
  return open_at(lines, (off_t)length);
}

comity_status comity_lines_reopen(comity_lines *lines, const char *folder, const char *name, uint64_t kept) {
  COMITY_TRY(name_it(lines, folder, name));
  COMITY_TRY(open_at(lines, (off_t)kept));
  return ftruncate(lines->handle, lines->length) == 0
             ? COMITY_OK
             : comity_fail_errno("%s: cannot cut off a torn line", lines->path);
}

comity_status comity_lines_write(const comity_lines *lines, const char *text, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t wrote = write(lines->handle, text + done, length - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return comity_fail_errno("%s: cannot write", lines->path);
    done += (size_t)wrote;
  }
  return COMITY_OK;
}

void comity_lines_keep(comity_lines *lines, size_t length) { lines->length += (off_t)length; }

void comity_lines_cut(const comity_lines *lines) {
  if (ftruncate(lines->handle, lines->length) != 0)
    return; /* the reader passes over a torn line as well */
}

comity_status comity_lines_flush(const comity_lines *lines) {
  return fsync(lines->handle) == 0 ? COMITY_OK
                                   : comity_fail_errno("%s: cannot flush to the disk", lines->path);
}

void comity_lines_close(comity_lines *lines) {
  if (lines->handle >= 0)
    close(lines->handle);
  lines->handle = -1;
  comity_free(lines->path);
}
