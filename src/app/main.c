/* The comity command: finds the verb and ends with its exit code. */
#include "app_impl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
} verb[] = {
    {"train", comity_app_train},     {"check", comity_app_check}, {"evaluate", comity_app_evaluate},
    {"inspect", comity_app_inspect}, {"data", comity_app_data},   {"keygen", comity_app_keygen},
    {"serve", comity_app_serve},     {"join", comity_app_join},   {"version", comity_app_version},
};
enum { VERBS = sizeof verb / sizeof *verb };

/* Started without stdin, stdout or stderr, the next file to be opened would take its number, and what is
 * printed would land in a dataset or checkpoint. */
static void hold_standard_streams(void) {
  for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
    if (fcntl(file, F_GETFD) == -1)
      (void)open("/dev/null", O_RDWR);
}

/* Ranks that were started with the same wrong arguments fail before MPI could tell them apart, so the
 * launcher's variables do. */
bool comity_app_speaks_for_all(void) {
  static const char *const variable[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
  for (size_t i = 0; i < sizeof variable / sizeof *variable; i++)
    if (getenv(variable[i]) != NULL)
      return strcmp(getenv(variable[i]), "0") == 0;
  return true;
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    if (comity_app_speaks_for_all())
      comity_app_help(0, argv, stderr, stderr);
    return comity_app_misuse(NULL, "name a verb");
  }
  const char *name = argv[1];
  if (strcmp(name, "help") == 0)
    return comity_app_help(argc - 2, argv + 2, stdout, stderr);
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
    return comity_app_help(0, argv, stdout, stderr);
  if (strcmp(name, "--version") == 0)
    return comity_app_version(argc - 1, argv + 1);
  if (strcmp(name, "participate") == 0) /* not for people */
    return comity_app_participate(argc - 1, argv + 1);
  for (size_t i = 0; i < VERBS; i++)
    if (strcmp(name, verb[i].name) == 0)
      return verb[i].run(argc - 1, argv + 1);
  const char *names[VERBS + 1] = {"help"};
  for (size_t i = 0; i < VERBS; i++)
    names[i + 1] = verb[i].name;
  return comity_app_misuse(NULL, "there is no verb '%s'; did you mean '%s'? 'comity help' lists all", name,
                           comity_nearest(name, names, VERBS + 1));
}

/* What was asked for must arrive. A run's progress is not that: its results are in files. */
int main(int argc, char **argv) {
  hold_standard_streams();
  int code = run(argc, argv);
  bool lost = fflush(stdout) != 0 || ferror(stdout);
  if (code == 0 && lost && strcmp(argv[1], "train") != 0)
    code = comity_app_fail(comity_fail(COMITY_ERR_IO, "standard output cannot be written"));
  comity_app_note("ended", "%d", code);
  return code;
}

int comity_app_fail(comity_status status) {
  fflush(stdout);
  fprintf(stderr, "comity: error: %s\n",
          comity_error_message()[0] != '\0' ? comity_error_message() : comity_status_text(status));
  return comity_status_exit_code(status);
}

int comity_app_misuse(const char *usage, const char *format, ...) {
  if (!comity_app_speaks_for_all())
    return comity_status_exit_code(COMITY_ERR_USAGE);
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (usage != NULL)
    fprintf(stderr, "%s\n", usage);
  return comity_app_fail(comity_fail(COMITY_ERR_USAGE, "%s", text));
}
