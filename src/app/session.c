/* What every verb that runs under mpirun does around its work: MPI on and off, the job read once and told to
 * all, signals, and an exit code that all ranks agree on. */
#include "app_impl.h"

#include <cblas.h>
#include <mpi.h>
#include <signal.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int stop_requested; /* the signal handler's only way to say something */

const volatile int *comity_app_stop(void) { return &stop_requested; }

static void request_stop(int number) {
  (void)number;
  stop_requested = 1;
}

static void listen_to_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = request_stop;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  action.sa_flags |= (int)SA_RESETHAND; /* a second Ctrl-C ends the program at once */
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
}

/* Open MPI's mpirun hands rank 0 a terminal of its own whatever mpirun itself prints to, so its parent's
 * output counts. */
bool comity_app_on_terminal(void) {
  if (!isatty(STDOUT_FILENO))
    return false;
  if (getenv("OMPI_COMM_WORLD_RANK") == NULL)
    return true;
  char link[64], target[64];
  snprintf(link, sizeof link, "/proc/%ld/fd/1", (long)getppid());
  ssize_t length = readlink(link, target, sizeof target - 1);
  return length > 9 && strncmp(target, "/dev/pts/", 9) == 0;
}

static void note_start(void) {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  comity_app_note("started", "%s", host);
}

/* The server reads the job file and the overrides; the others get the resolved text, so that one copy of the
 * file is enough. */
static comity_status share_job(comity_comm *comm, const char *path, char *const *overrides, size_t count,
                               comity_config *config) {
  char *text = NULL;
  uint64_t length = 0;
  comity_status status = COMITY_OK;
  bool server = comity_comm_is_server(comm);
  if (server) {
    status = comity_config_load(config, path);
    for (size_t i = 0; i < count && status == COMITY_OK; i++)
      status = comity_config_override(config, overrides[i]);
    if (status == COMITY_OK)
      status = comity_config_check(config);
    if (status == COMITY_OK)
      status = comity_config_write(config, NULL, &text);
    if (status == COMITY_OK)
      length = strlen(text);
  }
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, &length, sizeof length));
  if (!server)
    status = COMITY_NEW(text, length + 1);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, text, length));
  if (!server)
    status = comity_config_parse(config, path, text, length);
  status = comity_comm_agree(comm, status);
done:
  comity_free(text);
  return status;
}

/* The job's own communicator takes the place of the one that the job was shared by. */
static comity_status use_job(comity_comm **comm, const comity_config *config) {
  comity_comm *own = NULL;
  comity_comm_options options = {.collectives = comity_config_text(config, "comm.collectives"),
                                 .deadline = comity_config_real(config, "comm.deadline"),
                                 .file_deadline = comity_config_real(config, "comm.file_deadline"),
                                 .piece_bytes =
                                     (size_t)(comity_config_real(config, "comm.piece") * 1048576.0),
                                 .unchecked = !comity_config_flag(config, "comm.checksum")};
  COMITY_TRY(comity_comm_new(MPI_COMM_WORLD, &options, &own));
  comity_comm_destroy(comm);
  *comm = own;
  return COMITY_OK;
}

static comity_status with_job(comity_comm **comm, const char *path, char *const *overrides, size_t count,
                              comity_app_work work, void *context) {
  comity_config *config = NULL;
  comity_status status = comity_comm_agree(*comm, comity_config_new(&config));
  if (status == COMITY_OK)
    status = share_job(*comm, path, overrides, count, config);
  if (status == COMITY_OK)
    status = use_job(comm, config);
  if (status == COMITY_OK)
    status = work(*comm, config, context);
  comity_config_destroy(&config);
  return status;
}

/* MPI_Abort ends all ranks at once, with SIGTERM first, so whoever comes first must have said why: the server,
 * or when that is the one that hangs, the first of the others. */
static void leave_without_others(int rank, comity_status status) {
  if (rank > 0)
    comity_clock_sleep(rank < 30 ? 1 + 0.1 * rank : 4);
  if (rank > 0 && !stop_requested)
    (void)comity_app_fail(status);
  fflush(NULL);
  MPI_Abort(MPI_COMM_WORLD, comity_status_exit_code(status));
}

/* One voice for all that the server has left behind. */
static bool speaks_without_server(const comity_comm *comm) {
  int first = 1;
  while (first < comity_comm_size(comm) && !comity_comm_is_present(comm, first))
    first++;
  return first == comity_comm_rank(comm);
}

/* Launchers wait for what hangs. */
static void clear_away(const comity_comm *comm) {
  for (int rank = 0; rank < comity_comm_size(comm); rank++) {
    int64_t process = comity_comm_remains(comm, rank);
    if (process > 0)
      kill((pid_t)process, SIGKILL);
  }
}

/* The others are well and have nothing more to do with this process. */
static bool is_shut_out(comity_status status) {
  return status == COMITY_ERR_EXCLUDED || status == COMITY_ERR_REFUSED;
}

/* Some members were lost, and MPI_Finalize may wait for them. What there was to do is done. The server's MPI_Abort
 * ends what still hangs, on its own host and elsewhere, after the others had a moment to end by themselves. Theirs would
 * end the server. */
static void leave_torn(comity_comm *comm, int code, comity_status status) {
  static const double MOMENT = 0.1;
  bool server = comity_comm_is_server(comm);
  if (!server && (is_shut_out(status) || (status == COMITY_ERR_SERVER && speaks_without_server(comm))))
    (void)comity_app_fail(status);
  fflush(NULL);
  if (server)
    comity_clock_sleep(MOMENT);
  if (!is_shut_out(status))
    clear_away(comm);
  if (server)
    MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

comity_status comity_app_begin(int *argc, char ***argv, bool threads) {
  int level = MPI_THREAD_SINGLE;
  openblas_set_num_threads(
      1); /* a rank is one thread of arithmetic; more ranks, not more threads, use more cores */
  /* Once a connection has failed, Open MPI looks at the others only now and then, and a round over TCP takes ten times
   * longer; this makes it look more often. Other MPIs do not know the variable. */
  setenv("OMPI_MCA_mpi_event_tick_rate", "100", 0);
  if (threads) /* seconds for which Open MPI waits for a process that dies while it is connected; else ten minutes */
    setenv("OMPI_MCA_pmix_base_exchange_timeout", "20", 0);
  COMITY_REQUIRE(MPI_Init_thread(argc, argv, threads ? MPI_THREAD_MULTIPLE : MPI_THREAD_FUNNELED, &level) ==
                     MPI_SUCCESS,
                 COMITY_ERR_COMM, "MPI cannot be started");
  listen_to_signals();
  note_start();
#if defined(__linux__)
  prctl(PR_SET_TIMERSLACK, 1000UL); /* waiting ranks sleep for microseconds, and Linux would add 50 to each */
#endif
  return COMITY_OK;
}

/* Whether this process may have to start others in the place of lost ones: only then MPI has to allow several threads, which
 * costs time. MPI wants to be told before the job is shared, so the server looks into it beforehand. */
static bool replaces(const char *path, char *const *overrides, size_t count) {
  comity_config *config = NULL;
  bool found = false;
  if (!comity_app_speaks_for_all() || comity_config_new(&config) != COMITY_OK)
    return false;
  comity_status status = comity_config_load(config, path);
  for (size_t i = 0; i < count && status == COMITY_OK; i++)
    status = comity_config_override(config, overrides[i]);
  if (status == COMITY_OK)
    found = comity_config_flag(config, "round.respawn");
  comity_error_clear(); /* what is wrong is said when the job is shared */
  comity_config_destroy(&config);
  return found;
}

_Noreturn void comity_app_leave(comity_status status) {
  int code = comity_status_exit_code(status);
  if (status == COMITY_REQUEUE)
    fprintf(stderr, "comity: %s\n", comity_error_message());
  else if (status != COMITY_OK)
    code = comity_app_fail(status);
  comity_app_note("ended", "%d", code);
  fflush(NULL);
  _exit(code);
}

int comity_app_session(int *argc, char ***argv, const char *path, char *const *overrides, size_t count,
                       comity_app_work work, void *context) {
  comity_comm *comm = NULL;
  comity_status status = comity_app_begin(argc, argv, replaces(path, overrides, count));
  if (status != COMITY_OK)
    return comity_app_fail(status);
  status = comity_comm_new(MPI_COMM_WORLD, NULL, &comm);
  if (status == COMITY_OK)
    status = with_job(&comm, path, overrides, count, work, context);
  bool speaks = comm == NULL || comity_comm_is_server(comm);
  int code = comity_status_exit_code(status);
  if (status == COMITY_REQUEUE && speaks)
    fprintf(stderr, "comity: %s\n", comity_error_message());
  else if (status != COMITY_OK && speaks)
    code = comity_app_fail(status);
  comity_app_note("ended", "%d", code); /* now: what follows may hang, or take the launcher down with it */
  if (comm != NULL && (comity_comm_is_torn(comm) || status == COMITY_ERR_SERVER || is_shut_out(status)) &&
      status != COMITY_ERR_TIMEOUT && status != COMITY_ERR_COMM)
    leave_torn(comm, code, status);
  /* After these, members may hang or be gone; MPI_Finalize would wait for them. */
  if (status == COMITY_ERR_TIMEOUT || status == COMITY_ERR_COMM)
    leave_without_others(speaks ? 0 : comity_comm_rank(comm), status);
  comity_comm_destroy(&comm);
  MPI_Finalize();
  return code;
}
