/* comity train and comity check: a job, run or only looked at. */
#include "app_impl.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: comity train JOB.yaml [KEY=VALUE ...] [--resume] [--force] [--quiet]\n"
    "       mpirun -n RANKS comity train JOB.yaml ...\n"
    "\n"
    "Run a job: rank 0 serves, the other ranks train; alone, rank 0 does both.\n"
    "KEY=VALUE overrides a setting of the job file ('comity help' lists them).\n"
    "\n"
    "  --resume   go on from the newest good checkpoint in run.dir; start anew when there is none\n"
    "  --force    with --resume: also when the job has changed\n"
    "  --quiet    print nothing but errors\n"
    "\n"
    "SIGTERM and SIGUSR1 write a checkpoint and end the job with exit code 75: submit it again with --resume.\n"
    "Ctrl-C does the same; a second one ends the job at once, and --resume goes on from the newest checkpoint.\n"
    "'comity help exit-codes' lists all exit codes.\n"
    "\n"
    "  comity train jobs/quickstart/job.yaml seed=7 server.rounds=20 run.dir=run/seed7\n";

static const char check_usage[] =
    "usage: comity check JOB.yaml [KEY=VALUE ...]\n"
    "\n"
    "Find everything that can be wrong with a job before it costs a queue slot: settings, files, shapes,\n"
    "permissions, memory. Writes nothing. Run it under mpirun with the job's number of ranks when data.path "
    "has a\n"
    "{rank} pattern without data.silos.\n";

static comity_status train(comity_comm *comm, const comity_config *config, void *context) {
  const comity_app_flags *given = context;
  char program[4096];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length < 0 ? 0 : length] = '\0';
  comity_run_options options = {.resume = given->resume,
                                .force = given->force,
                                .terminal = given->quiet ? NULL : stdout,
                                .in_place = comity_app_on_terminal(),
                                .stop = comity_app_stop(),
                                .program = program,
                                .alive = comity_app_note_alive};
  return comity_run(comm, config, &options, NULL);
}

static comity_status check(comity_comm *comm, const comity_config *config, void *context) {
  (void)context;
  COMITY_TRY(comity_run_check(comm, config, stdout));
  if (comity_comm_is_server(comm))
    printf("the job is ready to run\n");
  return COMITY_OK;
}

/* getopt has moved options to the front: the job file is next, overrides follow. */
static int run_with(int argc, char **argv, comity_app_work work, comity_app_flags *given) {
  char *path = argv[optind];
  return comity_app_session(&argc, &argv, path, argv + optind + 1, (size_t)(argc - optind - 1), work, given);
}

int comity_app_train(int argc, char **argv) {
  comity_app_flags given;
  int code = comity_app_run_flags(argc, argv, usage, &given);
  return code >= 0 ? code : run_with(argc, argv, train, &given);
}

int comity_app_check(int argc, char **argv) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    if (letter != 'h')
      return comity_app_misuse(NULL, "comity check: there is no option '%s'; --help lists them",
                               argv[optind - 1]);
    return printf("%s", check_usage) < 0;
  }
  if (optind >= argc)
    return comity_app_misuse(check_usage, "name a job file");
  return run_with(argc, argv, check, NULL);
}
