/* The comity command: finds the verb and ends with its exit code. */
#include "app_impl.h"

#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
} verb[] = {
    {"train", comity_app_train},     {"check", comity_app_check}, {"evaluate", comity_app_evaluate},
    {"inspect", comity_app_inspect}, {"data", comity_app_data},   {"version", comity_app_version},
};
enum { VERBS = sizeof verb / sizeof *verb };

int main(int argc, char **argv) {
  if (argc < 2) {
    comity_app_help(0, argv, stderr, stderr);
    return comity_status_exit_code(COMITY_ERR_USAGE);
  }
  const char *name = argv[1];
  if (strcmp(name, "help") == 0)
    return comity_app_help(argc - 2, argv + 2, stdout, stderr);
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
    return comity_app_help(0, argv, stdout, stderr);
  if (strcmp(name, "--version") == 0)
    return comity_app_version(argc - 1, argv + 1);
  for (size_t i = 0; i < VERBS; i++)
    if (strcmp(name, verb[i].name) == 0)
      return verb[i].run(argc - 1, argv + 1);
  const char *names[VERBS + 1] = {"help"};
  for (size_t i = 0; i < VERBS; i++)
    names[i + 1] = verb[i].name;
  return comity_app_fail(comity_fail(COMITY_ERR_USAGE,
                                     "there is no verb '%s'; did you mean '%s'? 'comity help' lists all",
                                     name, comity_nearest(name, names, VERBS + 1)));
}

int comity_app_fail(comity_status status) {
  fflush(stdout);
  fprintf(stderr, "comity: error: %s\n",
          comity_error_message()[0] != '\0' ? comity_error_message() : comity_status_text(status));
  return comity_status_exit_code(status);
}
