/* The options of the verbs that run a job. */
#include "app_impl.h"

#include <getopt.h>

int comity_app_run_flags(int argc, char **argv, const char *usage, comity_app_flags *given) {
  static const struct option options[] = {{"resume", no_argument, NULL, 'r'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
  const char *verb = argv[0];
  *given = (comity_app_flags){0};
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, "hq", options, NULL)) != -1;)
    switch (letter) {
    case 'r':
      given->resume = true;
      break;
    case 'f':
      given->force = true;
      break;
    case 'q':
      given->quiet = true;
      break;
    case 'h':
      return printf("%s", usage) < 0;
    default:
      return comity_app_misuse(NULL, "comity %s: there is no option '%s'; --help lists them", verb,
                               argv[optind - 1]);
    }
  return optind < argc ? -1 : comity_app_misuse(usage, "name a job file");
}
