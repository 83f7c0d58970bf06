/* What Comity's communication costs beside MPI's own blocking collectives, alternating in one program.
 *
 *     mpirun -n RANKS bench_comm [PARAMETERS...]
 *
 * prints "ranks,parameters,what,seconds", medians on the server:
 *   mpi_round     MPI_Bcast and MPI_Reduce of float32 vectors
 *   comity_round  broadcast of the same floats and exact sum of as many 64-bit words, in the communicator's memory
 *   mpi_round, comity_round end when the server has the sum; mpi_down ... comity_up are their two parts
 *   agree, report_verdict  small synchronisations, the latter with 256 bytes from every rank */
#include <comity/comm.h>

#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 41, SMALL_REPETITIONS = 401, REPORT_BYTES = 256 };
enum { MPI_DOWN, MPI_UP, OUR_DOWN, OUR_UP, FLOAT_UP, SERIES };

/* As in a round: the server has no update to add. */
static const comity_summing ONLY_RECEIVES = {.only_receives = true};

typedef struct bench {
  comity_comm *comm;
  const char *collectives;
  size_t parameters;
  float *model, *update, *mean; /* (parameters) */
  uint64_t *sums;               /* (parameters) */
  double seconds[SERIES][REPETITIONS];
} bench;

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_size);
  return values[count / 2];
}

static void print(const bench *b, const char *what, double seconds) {
  if (comity_comm_is_server(b->comm))
    printf("%d,%zu,%s,%.9f\n", comity_comm_size(b->comm), b->parameters, what, seconds);
}

/* When this rank begins: together, after everybody has slept or yielded enough for the others to arrive. */
static double begin(void) {
  MPI_Barrier(MPI_COMM_WORLD);
  return comity_clock_now();
}

static void run_mpi(bench *b, int i) {
  int count = (int)b->parameters;
  double start = begin();
  MPI_Bcast(b->model, count, MPI_FLOAT, 0, MPI_COMM_WORLD);
  double middle = comity_clock_now();
  MPI_Reduce(b->update, b->mean, count, MPI_FLOAT, MPI_SUM, 0, MPI_COMM_WORLD);
  b->seconds[MPI_DOWN][i] = middle - start;
  b->seconds[MPI_UP][i] = comity_clock_now() - middle;
}

static comity_status run_comity(bench *b, int i) {
  double start = begin();
  COMITY_TRY(comity_comm_broadcast_status(b->comm, COMITY_OK, b->model, b->parameters * sizeof *b->model));
  double middle = comity_clock_now();
  COMITY_TRY(comity_comm_sum_by(b->comm, b->sums, b->parameters, &ONLY_RECEIVES));
  b->seconds[OUR_DOWN][i] = middle - start;
  b->seconds[OUR_UP][i] = comity_clock_now() - middle;
  start = begin();
  COMITY_TRY(comity_comm_sum_float_by(b->comm, b->model, b->parameters, &ONLY_RECEIVES));
  b->seconds[FLOAT_UP][i] = comity_clock_now() - start;
  return COMITY_OK;
}

static double sum_of_medians(bench *b, int down, int up) {
  double both[REPETITIONS];
  for (int i = 0; i < REPETITIONS; i++)
    both[i] = b->seconds[down][i] + b->seconds[up][i];
  return median(both, REPETITIONS);
}

static comity_status measure_long(bench *b) {
  void *memory[2];
  COMITY_TRY(comity_comm_buffer_new(b->comm, b->parameters * sizeof *b->model, &memory[0]));
  COMITY_TRY(comity_comm_buffer_new(b->comm, b->parameters * sizeof *b->sums, &memory[1]));
  b->model = memory[0];
  b->sums = memory[1];
  COMITY_TRY(COMITY_NEW(b->update, b->parameters));
  COMITY_TRY(COMITY_NEW(b->mean, b->parameters));
  for (int i = -5; i < REPETITIONS; i++) { /* the first ones warm up */
    run_mpi(b, i < 0 ? 0 : i);
    COMITY_TRY(run_comity(b, i < 0 ? 0 : i));
  }
  print(b, "mpi_round", sum_of_medians(b, MPI_DOWN, MPI_UP));
  print(b, "comity_round", sum_of_medians(b, OUR_DOWN, OUR_UP));
  static const char *const names[SERIES] = {"mpi_down", "mpi_up", "comity_down", "comity_up",
                                            "comity_up_float"};
  for (int s = 0; s < SERIES; s++)
    print(b, names[s], median(b->seconds[s], REPETITIONS));
  comity_comm_buffer_free(b->comm, b->model);
  comity_comm_buffer_free(b->comm, b->sums);
  comity_free(b->update);
  comity_free(b->mean);
  return COMITY_OK;
}

static comity_status report(comity_comm *comm) {
  uint8_t data[REPORT_BYTES] = {0};
  comity_gathered gathered;
  comity_status status = comity_comm_report(comm, COMITY_OK, data, sizeof data, &gathered);
  comity_gathered_clear(&gathered);
  return comity_comm_verdict(comm, status);
}

static comity_status agree(comity_comm *comm) { return comity_comm_agree(comm, COMITY_OK); }

static comity_status measure_short(bench *b, const char *what, comity_status (*run)(comity_comm *comm)) {
  double seconds[SMALL_REPETITIONS];
  for (int i = 0; i < SMALL_REPETITIONS; i++) {
    double start = comity_clock_now();
    COMITY_TRY(run(b->comm));
    seconds[i] = comity_clock_now() - start;
  }
  print(b, what, median(seconds, SMALL_REPETITIONS));
  return COMITY_OK;
}

static comity_status run_all(bench *b, int argc, char **argv) {
  comity_comm_options options = {.collectives = getenv("COMITY_BENCH_COLLECTIVES"), .deadline = 60};
  const char *piece = getenv("COMITY_BENCH_PIECE"); /* bytes */
  options.unchecked = getenv("COMITY_BENCH_UNCHECKED") != NULL;
  options.piece_bytes = piece == NULL ? 0 : strtoull(piece, NULL, 10);
  static char small[] = "199210", large[] = "1663370";
  char *both[] = {small, large};
  char **list = argc > 1 ? argv + 1 : both;
  int count = argc > 1 ? argc - 1 : 2;
  COMITY_TRY(comity_comm_new(MPI_COMM_WORLD, &options, &b->comm));
  COMITY_TRY(comity_comm_survive(b->comm, 10, NULL)); /* as every job does */
  if (comity_comm_is_server(b->comm))
    printf("ranks,parameters,what,seconds\n");
  COMITY_TRY(measure_short(b, "agree", agree));
  COMITY_TRY(measure_short(b, "report_verdict", report));
  for (int i = 0; i < count; i++) {
    b->parameters = strtoull(list[i], NULL, 10);
    COMITY_TRY(measure_long(b));
  }
  comity_comm_destroy(&b->comm);
  return COMITY_OK;
}

int main(int argc, char **argv) {
  static bench b; /* large */
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
    return 1;
  if (run_all(&b, argc, argv) != COMITY_OK) {
    fprintf(stderr, "%s\n", comity_error_message());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  return MPI_Finalize() != MPI_SUCCESS;
}
