/* Messages of a run: one line each, to a terminal, to a file, or to both. */
#include <comity/core.h>

#include <errno.h>
#include <time.h>

struct comity_logger {
  FILE *terminal; /* borrowed */
  FILE *file;     /* owned */
  comity_log_level level;
  int rank;
};

comity_status comity_logger_new(FILE *terminal, const char *path, comity_log_level level, int rank,
                                comity_logger **logger) {
  comity_logger *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  *made = (comity_logger){.terminal = terminal, .level = level, .rank = rank};
  if (path != NULL && (made->file = fopen(path, "a")) == NULL) {
    comity_status status = comity_fail_errno("%s: cannot open the log file", path);
    comity_free(made);
    return status;
  }
  *logger = made;
  return COMITY_OK;
}

static const char *const level_name[] = {"error", "warning", "info", "debug"};

static void write_line(FILE *stream, const comity_logger *logger, comity_log_level level, const char *text) {
  if (logger->rank >= 0)
    fprintf(stream, "[rank %d] ", logger->rank);
  if (level != COMITY_LOG_INFO)
    fprintf(stream, "%s: ", level_name[level]);
  fprintf(stream, "%s\n", text);
  fflush(stream);
}

void comity_log(comity_logger *logger, comity_log_level level, const char *format, ...) {
  if (logger == NULL || level > logger->level)
    return;
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (logger->terminal != NULL)
    write_line(logger->terminal, logger, level, text);
  if (logger->file != NULL) {
    char stamp[32] = "";
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) != NULL)
      strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ ", &parts);
    fputs(stamp, logger->file);
    write_line(logger->file, logger, level, text);
  }
}

void comity_logger_destroy(comity_logger **logger) {
  if (logger == NULL || *logger == NULL)
    return;
  if ((*logger)->file != NULL)
    fclose((*logger)->file);
  comity_free(*logger);
  *logger = NULL;
}
