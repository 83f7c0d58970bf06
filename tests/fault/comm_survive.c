/* The communicator while its members are killed, stopped and continued at random moments: every round's sum is that of
 * those who are present, the vector that comes down is whole, and the server ends with whoever is left.
 *
 *   mpirun -n 5 --enable-recovery comm_survive SEED VICTIMS SECONDS [FAULT]
 *
 * VICTIMS ranks are struck, each once: killed, aborted, or stopped, and of those some are continued. FAULT is an entry
 * of a schedule, such as "corrupt 0.01". */
#include <comity/comm.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <Random123/philox.h>

enum { LONG = 150000, SHORT = 40, STEP_REPORT = 0, STEP_DOWN = 1 };
static const double SILENCE = 1.0;

static int signal_of_mine;

static void strike(int number) {
  (void)number;
  if (signal_of_mine == SIGCONT) { /* stopped, and continued by a child */
    if (fork() == 0) {
      usleep(2000000);
      kill(getppid(), SIGCONT);
      _exit(0);
    }
    kill(getpid(), SIGSTOP);
    return;
  }
  kill(getpid(), signal_of_mine);
}

/* Four numbers of (seed, rank). */
static philox4x32_ctr_t draw(unsigned seed, int rank) {
  philox4x32_ctr_t counter = {{(uint32_t)rank, 7, 0, 0}};
  philox4x32_key_t key = {{seed, 0x5107}};
  return philox4x32(counter, key);
}

/* Whether `rank` is one of the `victims` ranks with the smallest draws. */
static bool is_victim(unsigned seed, int rank, int size, int victims) {
  int before = 0;
  for (int other = 1; other < size; other++)
    before += draw(seed, other).v[0] < draw(seed, rank).v[0];
  return rank > 0 && before < victims;
}

static void arm(unsigned seed, int rank, double seconds) {
  static const int signals[] = {SIGKILL, SIGABRT, SIGSTOP, SIGCONT, SIGKILL};
  philox4x32_ctr_t random = draw(seed, rank);
  signal_of_mine = signals[random.v[1] % 5];
  double after = 0.02 + seconds * random.v[2] / 0x1p32;
  signal(SIGABRT, SIG_DFL);
  signal(SIGALRM, strike);
  struct itimerval timer = {{0, 0}, {(time_t)after, (suseconds_t)((after - (time_t)after) * 1e6)}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

typedef struct job {
  comity_comm *comm;
  uint64_t *words, *model;
  uint64_t round;
  uint32_t step;
  int regrouped, returned;
} job;

static void changed(void *self, int rank, comity_change change, const char *text) {
  static const char *const names[] = {"lost", "corrupt", "slow", "left", "returned", "joined"};
  job *j = self;
  j->returned += change == COMITY_CHANGE_RETURNED;
  printf("rank %d %s: %s\n", rank, names[change], text);
}

static void said(void *self, int rank, const char *text) {
  (void)self;
  printf("about rank %d: %s\n", rank, text);
}

static void die(const char *text, comity_status status) {
  fprintf(stderr, "FAILED %s: %s: %s\n", text, comity_status_name(status), comity_error_message());
  fflush(NULL);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* The sum of what those who are present have put in: rank + round, and 1 in the last word of each. */
static void check_sum(const job *j) {
  uint64_t expected = 0, members = 0;
  for (int rank = 1; rank < comity_comm_size(j->comm); rank++)
    if (comity_comm_is_present(j->comm, rank)) {
      expected += (uint64_t)rank + j->round;
      members++;
    }
  for (size_t i = 0; i + 1 < LONG; i++)
    if (j->words[i] != expected)
      die("the sum is that of those who are present", COMITY_ERR_INTERNAL);
  if (j->words[LONG - 1] != members)
    die("everybody is counted once", COMITY_ERR_INTERNAL);
}

static comity_status go_up(job *j) {
  comity_gathered all;
  uint64_t mine[SHORT] = {(uint64_t)comity_comm_rank(j->comm), j->round};
  comity_status status = comity_comm_report(j->comm, COMITY_OK, mine, sizeof mine, &all);
  comity_gathered_clear(&all);
  status = comity_comm_verdict(j->comm, status);
  if (status != COMITY_OK)
    return status;
  bool server = comity_comm_is_server(j->comm);
  for (size_t i = 0; i < LONG; i++)
    j->words[i] = (uint64_t)comity_comm_rank(j->comm) + j->round;
  j->words[LONG - 1] = 1;
  comity_summing how = {.only_receives = server};
  COMITY_TRY(comity_comm_sum_by(j->comm, j->words, LONG, &how));
  if (server) {
    check_sum(j);
    memset(j->model, (int)(j->round & 0x7f), LONG * sizeof *j->model);
  }
  j->step = STEP_DOWN;
  return COMITY_OK;
}

static comity_status go_down(job *j) {
  COMITY_TRY(comity_comm_broadcast(j->comm, j->model, LONG * sizeof *j->model));
  const uint8_t *bytes = (const uint8_t *)j->model;
  for (size_t i = 0; i < LONG * sizeof *j->model; i++)
    if (bytes[i] != (j->round & 0x7f))
      die("the vector that came down is whole", COMITY_ERR_INTERNAL);
  j->step = STEP_REPORT;
  j->round++;
  return COMITY_OK;
}

static comity_status follow(job *j, bool knock) {
  comity_point point = {.round = j->round, .stage = j->step};
  comity_status status = knock ? comity_comm_knock(j->comm, &point) : comity_comm_regroup(j->comm, &point);
  if (status == COMITY_ERR_EXCLUDED && !knock)
    return follow(j, true);
  void *words = j->words, *model = j->model;
  if (status == COMITY_OK)
    status = comity_comm_buffer_renew(j->comm, &words);
  if (status == COMITY_OK)
    status = comity_comm_buffer_renew(j->comm, &model);
  j->words = words;
  j->model = model;
  j->round = point.round;
  j->step = point.stage;
  j->regrouped++;
  return status;
}

static comity_status run(job *j, double seconds) {
  double end = comity_clock_now() + seconds;
  uint64_t done = 0;
  while (done == 0) {
    comity_comm_doing(j->comm, &(comity_doing){.round = j->round, .stage = j->step, .client = UINT64_MAX});
    comity_status status = j->step == STEP_REPORT ? go_up(j) : go_down(j);
    if (status == COMITY_OK && j->step == STEP_REPORT) {
      if (comity_comm_is_server(j->comm) && comity_comm_knocking(j->comm)) {
        j->round--;
        j->step = STEP_DOWN;
        status = COMITY_INTERRUPTED;
      } else {
        done = comity_clock_now() > end;
        status = comity_comm_broadcast(j->comm, &done, sizeof done);
        if (status == COMITY_INTERRUPTED && comity_comm_is_server(j->comm)) {
          done = 0;
          j->round--;
          j->step = STEP_DOWN;
        }
      }
    }
    if (status == COMITY_INTERRUPTED)
      status = follow(j, false);
    if (status != COMITY_OK)
      return status;
  }
  return COMITY_OK;
}

int main(int argc, char **argv) {
  int rank, size;
  signal(SIGPIPE, SIG_IGN);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
  int victims = argc > 2 ? atoi(argv[2]) : 1;
  double seconds = argc > 3 ? atof(argv[3]) : 1;
  job j = {.round = 1};
  comity_watcher watcher = {.self = &j, .changed = changed, .stalled = said, .repeats = said};
  comity_status status = comity_comm_new(MPI_COMM_WORLD, NULL, &j.comm);
  void *words = NULL, *model = NULL;
  if (status == COMITY_OK)
    status = comity_comm_buffer_new(j.comm, LONG * sizeof *j.words, &words);
  if (status == COMITY_OK)
    status = comity_comm_buffer_new(j.comm, LONG * sizeof *j.model, &model);
  j.words = words;
  j.model = model;
  if (status == COMITY_OK)
    status = comity_comm_survive(j.comm, SILENCE, &watcher);
  if (status != COMITY_OK)
    die("beginning", status);
  comity_faults *faults = NULL;
  comity_fault_scope scope = {.seed = seed, .ranks = size};
  status = comity_faults_new(&scope, &faults);
  if (status == COMITY_OK && argc > 4)
    status = comity_faults_add(faults, NULL, argv[4]);
  if (status != COMITY_OK)
    die("the schedule", status);
  comity_comm_set_faults(j.comm, faults);
  if (is_victim(seed, rank, size, victims))
    arm(seed, rank, seconds);
  status = run(&j, seconds + 1.5);
  if (status == COMITY_ERR_SERVER && rank > 0) /* the others have ended while this one was stopped */
    _exit(0);
  if (status != COMITY_OK)
    die("the rounds", status);
  for (int other = 1; other < size; other++)
    if (comity_comm_remains(j.comm, other) > 0)
      kill((pid_t)comity_comm_remains(j.comm, other), SIGKILL);
  if (rank == 0) {
    printf("%llu rounds, %d regroupings, %d of %d left, %d came back\n", (unsigned long long)j.round,
           j.regrouped, comity_comm_present(j.comm), size, j.returned);
    fflush(NULL);
    usleep(100000);
    MPI_Abort(MPI_COMM_WORLD, 0);
  }
  _exit(0);
}
