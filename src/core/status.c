/* Status codes and the error record: the one per-thread object in the library, as errno is in libc. */
#include <comity/core.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];

static const struct {
  comity_status status;
  int exit_code;
  const char *name, *text;
} list[] = {
#define ENTRY(name, value, exit_code, text) {COMITY_##name, exit_code, #name, text},
    COMITY_STATUS_LIST(ENTRY)
#undef ENTRY
};
enum { LIST_COUNT = sizeof list / sizeof *list };

const char *comity_status_name(comity_status status) {
  for (size_t i = 0; i < LIST_COUNT; i++)
    if (list[i].status == status)
      return list[i].name;
  return "unknown";
}

const char *comity_status_text(comity_status status) {
  for (size_t i = 0; i < LIST_COUNT; i++)
    if (list[i].status == status)
      return list[i].text;
  return "unknown status";
}

int comity_status_exit_code(comity_status status) {
  for (size_t i = 0; i < LIST_COUNT; i++)
    if (list[i].status == status)
      return list[i].exit_code;
  return comity_status_exit_code(COMITY_ERR_INTERNAL);
}

comity_status comity_fail(comity_status status, const char *format, ...) {
  char text[MESSAGE_BYTES]; /* the arguments may point into the old message */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(message, text, sizeof message);
  return status;
}

static comity_status status_of_errno(int number) {
  switch (number) {
  case ENOENT:
  case ENOTDIR:
    return COMITY_ERR_NOT_FOUND;
  case EACCES:
  case EPERM:
  case EROFS:
    return COMITY_ERR_PERMISSION;
  case ENOSPC:
  case EDQUOT:
    return COMITY_ERR_FULL;
  case ENOMEM:
    return COMITY_ERR_MEMORY;
  default:
    return COMITY_ERR_IO;
  }
}

comity_status comity_fail_errno(const char *format, ...) {
  int number = errno;
  char text[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return comity_fail(status_of_errno(number), "%s: %s", text, strerror(number));
}

comity_status comity_fail_context(comity_status status, const char *format, ...) {
  char text[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return comity_fail(status, "%s: %s", text, message);
}

const char *comity_error_message(void) { return message; }

void comity_error_clear(void) { message[0] = '\0'; }

void comity_assert_failed(const char *condition, const char *file, int line) {
  fprintf(stderr, "comity: %s:%d: broken invariant: %s\n", file, line, condition);
  abort();
}
