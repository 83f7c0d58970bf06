/* comity serve and comity join are started like any program, but need an mpirun of their own around them, and the server also
 * the ompi-server by which MPI finds the others: this starts both, passes signals on, and ends with the exit code of the process
 * inside, which mpirun does not hand on (see note.c). */
#include "app_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds: for the ompi-server to say where it is, for mpirun to end after the process inside, for that to go on when it
 * hangs. */
static const double RENDEZVOUS_WAIT = 20, END_WAIT = 5, HANG_WAIT = 30, LOOK = 0.02;

bool comity_app_is_launched(void) {
  return getenv("OMPI_COMM_WORLD_RANK") != NULL || getenv("PMIX_RANK") != NULL || getenv("PMI_RANK") != NULL;
}

static volatile sig_atomic_t signals; /* that came */

bool comity_app_was_signalled(void) { return signals > 0; }

static void count_signal(int number) {
  (void)number;
  signals = signals + 1;
}

void comity_app_catch_signals(void) {
  static const int caught[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = count_signal;
  for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
    sigaction(caught[i], &action, NULL);
}

/* A program in a process group of its own, so that Ctrl-C reaches it through us alone; it does not outlive us. */
static pid_t start(char *const *arguments) {
  pid_t child = fork();
  if (child != 0)
    return child;
  setpgid(0, 0);
#if defined(__linux__)
  prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
  signal(SIGPIPE, SIG_DFL);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing > 0)
    dup2(nothing, STDIN_FILENO);
  execvp(arguments[0], arguments);
  fprintf(stderr, "comity: error: %s cannot be started: %s\n", arguments[0], strerror(errno));
  _exit(127);
}

static void end(pid_t child) {
  if (child <= 0)
    return;
  kill(-child, SIGTERM);
  for (double until = comity_clock_now() + 1; comity_clock_now() < until; comity_clock_sleep(LOOK))
    if (waitpid(child, NULL, WNOHANG) == child)
      return;
  kill(-child, SIGKILL);
  waitpid(child, NULL, 0);
}

static comity_status start_rendezvous(const char *folder, pid_t *server, char **uri) {
  char *path = comity_text("%s/rendezvous", folder), *line;
  size_t length;
  if (path == NULL)
    return COMITY_ERR_MEMORY;
  char *arguments[] = {"ompi-server", "--no-daemonize", "-r", path, NULL};
  comity_status status = COMITY_ERR_NOT_FOUND;
  *server = start(arguments);
  for (double until = comity_clock_now() + RENDEZVOUS_WAIT;
       *server > 0 && status != COMITY_OK && comity_clock_now() < until; comity_clock_sleep(LOOK)) {
    if (waitpid(*server, NULL, WNOHANG) == *server) {
      *server = 0;
      break;
    }
    if (comity_file_read(path, &line, &length) != COMITY_OK) {
      comity_error_clear();
      continue;
    }
    char *newline = strchr(line, '\n');
    if (newline != NULL) { /* all of it is there */
      *newline = '\0';
      *uri = line;
      status = COMITY_OK;
    } else {
      comity_free(line);
    }
  }
  unlink(path);
  comity_free(path);
  return status == COMITY_OK
             ? status
             : comity_fail(COMITY_ERR_COMM, "ompi-server, by which silos find the server, did not "
                                            "start; it comes with Open MPI (Debian: openmpi-bin)");
}

/* What the process inside said last of this event; -1 = nothing. */
static double noted(const char *path, const char *event) {
  char *text, *at = NULL;
  size_t length;
  double value = -1;
  if (comity_file_read(path, &text, &length) != COMITY_OK) {
    comity_error_clear();
    return -1;
  }
  for (char *found = text; (found = strstr(found, event)) != NULL; found++)
    at = found;
  if (at != NULL && sscanf(at + strlen(event), " %*s %lf", &value) != 1)
    value = -1;
  comity_free(text);
  return value;
}

static int noted_code(const char *path) { return (int)noted(path, "ended"); }

/* When the process inside last said that it lives. Counted in looks: a machine that slept says nothing of it. */
typedef struct pulse {
  struct timespec touched;
  double looks;
} pulse;

/* Whether it has begun to, and then not for so long that everybody else has left it: MPI may never return. */
static bool hangs(const char *note, pulse *last) {
  struct stat about;
  double silence;
  last->looks++;
  if (stat(note, &about) != 0)
    return false;
  if (about.st_mtim.tv_sec != last->touched.tv_sec || about.st_mtim.tv_nsec != last->touched.tv_nsec)
    *last = (pulse){.touched = about.st_mtim};
  return last->looks * LOOK > HANG_WAIT && (silence = noted(note, "alive")) >= 0 &&
         last->looks * LOOK > HANG_WAIT + 2 * silence;
}

/* Until mpirun has ended, or should have. */
static int wait_for(pid_t mpirun, const char *note) {
  int passed = 0, state = 0;
  double ended = 0;
  pulse last = {0};
  while (waitpid(mpirun, &state, WNOHANG) == 0) {
    double now = comity_clock_now();
    for (; passed < signals; passed++) /* mpirun hands SIGUSR1 on; the second time it is to end everything */
      kill(mpirun, passed == 0 ? SIGUSR1 : SIGTERM);
    if (ended == 0 && noted_code(note) >= 0)
      ended = now;
    bool stuck = ended == 0 && hangs(note, &last);
    if (stuck)
      fprintf(stderr, "comity: the process that mpirun started hangs; ending it\n");
    if (stuck || (ended > 0 && now - ended > END_WAIT)) {
      end(mpirun);
      break;
    }
    comity_clock_sleep(LOOK);
  }
  int code = noted_code(note);
  if (code >= 0)
    return code;
  if (WIFEXITED(state) && WEXITSTATUS(state) != 0) /* its own complaint: it did not get so far */
    return WEXITSTATUS(state);
  return comity_app_fail(comity_fail(COMITY_ERR_COMM, "the process that mpirun started was lost"));
}

static int launch(const char *folder, const char *uri, int argc, char **argv) {
  static const char *const options[] = {"mpirun",
                                        "-n",
                                        "1",
                                        "--host",    /* or its daemons are on all hosts of an allocation, */
                                        "localhost", /* and the crash of any of them ends this mpirun */
                                        "--enable-recovery",
                                        "--oversubscribe",
                                        "--bind-to", /* or all that are on one host share its first core */
                                        "none",
                                        "--mca",
                                        "oob_tcp_keepalive_time",
                                        "0",
                                        "--ompi-server"};
  enum { OPTIONS = sizeof options / sizeof *options };
  char program[4096], **arguments = NULL, *note = comity_text("%s/note", folder);
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  int code = comity_status_exit_code(COMITY_ERR_MEMORY), count = 0;
  if (note == NULL || length < 0 || COMITY_NEW(arguments, OPTIONS + 3 + (size_t)argc) != COMITY_OK)
    goto done;
  program[length] = '\0';
  for (; count < OPTIONS; count++)
    arguments[count] = (char *)options[count];
  arguments[count++] = (char *)uri;
  arguments[count++] = program;
  for (int i = 0; i < argc; i++)
    arguments[count++] = argv[i];
  close(open(note, O_CREAT | O_WRONLY, 0600));
  setenv("COMITY_EXIT_FILE", note, 1);
  setenv("COMITY_RENDEZVOUS", uri, 1);
  pid_t mpirun = start(arguments);
  code = mpirun > 0 ? wait_for(mpirun, note)
                    : comity_app_fail(comity_fail(COMITY_ERR_COMM, "mpirun cannot be started"));
  unlink(note);
done:
  unsetenv("COMITY_EXIT_FILE");
  comity_free(arguments);
  comity_free(note);
  return code;
}

int comity_app_launch(const char *uri, int argc, char **argv) {
  char folder[] = "/tmp/comity-launch.XXXXXX", version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  char *own = NULL;
  pid_t rendezvous = 0;
  int length;
  if (MPI_Get_library_version(version, &length) != MPI_SUCCESS || strstr(version, "Open MPI") == NULL)
    return comity_app_fail(comity_fail(COMITY_ERR_USAGE,
                                       "comity %s needs Open MPI; this comity is built with another "
                                       "MPI",
                                       argv[0]));
  if (mkdtemp(folder) == NULL)
    return comity_app_fail(comity_fail_errno("%s: cannot make a folder", folder));
  comity_app_catch_signals();
  comity_status status = uri != NULL ? COMITY_OK : start_rendezvous(folder, &rendezvous, &own);
  int code =
      status == COMITY_OK ? launch(folder, uri != NULL ? uri : own, argc, argv) : comity_app_fail(status);
  end(rendezvous);
  comity_free(own);
  rmdir(folder);
  return code;
}
