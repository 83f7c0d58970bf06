/* The verbs of the comity command, and what they share. */
#ifndef COMITY_APP_IMPL_H
#define COMITY_APP_IMPL_H

#include <comity/comity.h>

#include "core/core_impl.h"

/* Each verb takes its own name as argv[0] and returns the exit code. */
int comity_app_train(int argc, char **argv);
int comity_app_check(int argc, char **argv);
int comity_app_evaluate(int argc, char **argv);
int comity_app_inspect(int argc, char **argv);
int comity_app_data(int argc, char **argv);
int comity_app_keygen(int argc, char **argv);
int comity_app_serve(int argc, char **argv);
int comity_app_join(int argc, char **argv);
/* What the server starts in the place of a lost participant. */
int comity_app_participate(int argc, char **argv);
int comity_app_version(int argc, char **argv);
/* Gets only what stands behind its name: KEY, GROUP or exit-codes, any number. Explanations go to `out`,
 * complaints to `err`. */
int comity_app_help(int argc, char **argv, FILE *out, FILE *err);

/* Whether this process is rank 0 of those that were started together, as the launcher's variables say, or alone. */
bool comity_app_speaks_for_all(void);
/* Tell the launch script: a line "EVENT PID ..." at the end of the file that COMITY_EXIT_FILE names, if there is one,
 * by rank 0. */
void comity_app_note(const char *event, const char *format, ...) COMITY_PRINTF(2, 3);
/* Tell it that this process lives: the first time by a line "alive PID SILENCE", from then on by the time of the file. */
void comity_app_note_alive(double silence, bool first);

/* Print this thread's error message and return the exit code of `status`. */
int comity_app_fail(comity_status status);
/* A wrong command line: say so, after `usage` unless that is NULL, once for all ranks that mpirun started
 * with it; returns the exit code. */
int comity_app_misuse(const char *usage, const char *format, ...) COMITY_PRINTF(2, 3);

/* How a job is to be run. */
typedef struct comity_app_flags {
  bool resume, force, quiet;
} comity_app_flags;
/* Read them; argv[optind] is then the job file, and overrides follow.
 * \return -1, or the exit code where there is nothing to run */
int comity_app_run_flags(int argc, char **argv, const char *usage, comity_app_flags *given);

/* What a verb does with its job, on every rank. */
typedef comity_status (*comity_app_work)(comity_comm *comm, const comity_config *config, void *context);
/* Start MPI, share the job, work, end MPI; returns the exit code, the same on every rank. */
int comity_app_session(int *argc, char ***argv, const char *path, char *const *overrides, size_t count,
                       comity_app_work work, void *context);
/* Whether mpirun or the like has started this process. */
bool comity_app_is_launched(void);
/* Start this verb again under an mpirun of its own; returns the exit code of the process inside.
 * \param[in] uri  of the ompi-server; NULL = start one */
int comity_app_launch(const char *uri, int argc, char **argv);
/* Count signals, in a process that launches others; comity_app_launch does so too. */
void comity_app_catch_signals(void);
/* Whether one has come since. */
bool comity_app_was_signalled(void);
/* MPI, signals and all else that a session needs. \param[in] threads  MPI shall allow calls from several threads */
COMITY_MUST_CHECK comity_status comity_app_begin(int *argc, char ***argv, bool threads);
/* Say how it ended, and end the process without MPI_Finalize, which would wait for those that have gone. */
_Noreturn void comity_app_leave(comity_status status);
/* Whether what is printed appears on a terminal, seen through mpirun. */
bool comity_app_on_terminal(void);
/* Becomes non-zero when a signal asks the job to checkpoint and leave. */
const volatile int *comity_app_stop(void);

#endif
