/* How long the others wait after a member was killed: from the moment of the kill to the end of the next operation that
 * completes. recovery.sh runs it:
 *
 *   COMITY_EXCHANGE=FILE mpirun -n 6 --enable-recovery bench_recovery SEED SILENCE
 *
 * All ranks meet as in a round (report and verdict, sum, broadcast); one after the other the members kill themselves at
 * moments drawn by the seed, until two are left. For each the server prints "killed RANK recovered SECONDS over SECONDS":
 * the seconds in all, and those beyond the silence. All processes are on one host, so they share a clock. */
#include <comity/comm.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <Random123/philox.h>

enum { LONG = 20000, RANKS = 64 };

typedef struct job {
  comity_comm *comm;
  double *killed; /* (RANKS) shared: when each rank killed itself; 0 = not yet */
  uint64_t *words;
  uint64_t round;
  unsigned seed;
  double silence, calm; /* when the last recovery was over */
} job;

static void die(const char *text) {
  fprintf(stderr, "FAILED %s: %s\n", text, comity_error_message());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static double uniform(unsigned seed, int rank) {
  philox4x32_ctr_t counter = {{(uint32_t)rank, 0, 0, 0}};
  philox4x32_key_t key = {{seed, 0x4ec0}};
  return philox4x32(counter, key).v[0] / 0x1p32;
}

/* The highest rank that is left goes next, some time after the last recovery. */
static void maybe_kill(const job *j) {
  int rank = comity_comm_rank(j->comm), present = comity_comm_present(j->comm);
  double now = comity_clock_now();
  if (rank == 0 || present <= 2 || rank != present - 1 ||
      now < j->calm + 0.05 + j->silence * uniform(j->seed, rank))
    return;
  j->killed[rank] = comity_clock_now();
  kill(getpid(), SIGKILL);
}

static comity_status meet(const job *j) {
  comity_gathered all;
  maybe_kill(j);
  comity_status status = comity_comm_report(j->comm, COMITY_OK, &j->round, sizeof j->round, &all);
  comity_gathered_clear(&all);
  COMITY_TRY(comity_comm_verdict(j->comm, status));
  COMITY_TRY(comity_comm_sum(j->comm, j->words, LONG));
  return comity_comm_broadcast(j->comm, j->words, LONG * sizeof *j->words);
}

static void tell(const job *j, int lost) {
  double seconds = comity_clock_now() - j->killed[lost];
  printf("killed %d recovered %.6f over %.6f\n", lost, seconds, seconds - j->silence);
}

/* The members go on; the server has seen the first operation complete. */
static comity_status recover(job *j) {
  comity_point point = {.round = j->round};
  int before = comity_comm_present(j->comm);
  COMITY_TRY(comity_comm_regroup(j->comm, &point));
  j->round = point.round;
  COMITY_TRY(comity_comm_agree(j->comm, COMITY_OK));
  if (comity_comm_is_server(j->comm) && comity_comm_present(j->comm) < before)
    tell(j, before - 1);
  j->calm = comity_clock_now();
  return COMITY_OK;
}

static void run(job *j) {
  while (comity_comm_present(j->comm) > 2) {
    comity_status status = meet(j);
    while (status == COMITY_INTERRUPTED)
      status = recover(j);
    if (status != COMITY_OK)
      die("a meeting");
    j->round++;
  }
}

int main(int argc, char **argv) {
  const char *exchange = getenv("COMITY_EXCHANGE");
  if (argc != 3 || exchange == NULL)
    return 64;
  MPI_Init(&argc, &argv);
  job j = {.seed = (unsigned)atoi(argv[1]), .silence = atof(argv[2])};
  int file = open(exchange, O_RDWR);
  if (file < 0)
    return 66;
  j.killed = mmap(NULL, RANKS * sizeof *j.killed, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  comity_status status = comity_comm_new(MPI_COMM_WORLD, NULL, &j.comm);
  if (status == COMITY_OK)
    status = COMITY_NEW(j.words, LONG);
  if (status == COMITY_OK)
    status = comity_comm_survive(j.comm, j.silence, NULL);
  if (status != COMITY_OK)
    die("the start");
  j.calm = comity_clock_now();
  run(&j);
  fflush(NULL);
  if (comity_comm_is_server(j.comm)) {
    comity_clock_sleep(0.1);
    MPI_Abort(MPI_COMM_WORLD, 0);
  }
  _exit(0);
}
