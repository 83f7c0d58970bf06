/* scale IMPLEMENTATION PIECE_BYTES PARAMETERS...: how long the communication of a round takes, for each number of
 * parameters, in the time of the machine that smpirun simulates. IMPLEMENTATION is one of Comity's collectives, or
 * "blocking" for MPI_Bcast and MPI_Reduce alone. 0 PARAMETERS, first, are the small messages of a round. The server
 * prints one line of CSV per measurement: operation, parameters, bytes, seconds from the common start (or the last
 * arrival) until the last rank is through. */
#include <comity/comm.h>

#include <stdio.h>
#include <time.h>

/* What a rank reports to the server twice a round, about: round/report.c. */
enum { REPORT_BYTES = 192 };
enum { MOST_MODELS = 8 };
enum { LARGE = 10000000 }; /* parameters beyond which a round is taken to be the sum of its parts */
enum { SENT = 1 };         /* whose part the server broadcasts */
/* Ranks whose vectors need no more than this together have them for real, and their sums are checked. */
static const double REAL_BYTES = 1 << 30;
static const double REST = 1, LATE = 0.05; /* seconds between measurements; that one rank comes late */

typedef struct bench {
  comity_comm *comm; /* NULL: bare MPI */
  int rank, ranks;
  size_t parameters;
  bool real;
  uint64_t *vector; /* (parameters) */
} bench;

typedef comity_status operation(const bench *bench);

static comity_status mpi(int code) { return code == MPI_SUCCESS ? COMITY_OK : COMITY_ERR_COMM; }

/* What each rank adds at i; the server nothing. */
static uint64_t part(int rank, size_t i) { return rank == 0 ? 0 : (uint64_t)rank * 7 + i % 1013; }

/* ------------------------------------------------------------------------------------------------ operations */

static comity_status broadcast(const bench *bench) {
  size_t bytes = bench->parameters * sizeof(float);
  if (bench->comm == NULL)
    return mpi(MPI_Bcast(bench->vector, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD));
  return comity_comm_broadcast(bench->comm, bench->vector, bytes);
}

static comity_status sum(const bench *bench) {
  if (bench->comm != NULL)
    return comity_comm_sum_by(bench->comm, bench->vector, bench->parameters,
                              &(comity_summing){.only_receives = true});
  void *from = bench->rank == 0 ? MPI_IN_PLACE : bench->vector;
  return mpi(
      MPI_Reduce(from, bench->vector, (int)bench->parameters, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD));
}

static comity_status agree(const bench *bench) { return comity_comm_agree(bench->comm, COMITY_OK); }

/* Everybody's report to the server and its answer. */
static comity_status report(const bench *bench) {
  static const uint8_t message[REPORT_BYTES];
  comity_gathered gathered = {0};
  comity_status status = comity_comm_report(bench->comm, COMITY_OK, message, sizeof message, &gathered);
  comity_gathered_clear(&gathered);
  return comity_comm_verdict(bench->comm, status);
}

/* All that a round does besides moving the model: report how training went, hear how the server's step went (ahead
 * of the new model), report how evaluation went, hear whether to go on. */
static comity_status synchronise(const bench *bench) {
  COMITY_TRY(report(bench));
  COMITY_TRY(comity_comm_verdict(bench->comm, COMITY_OK));
  return report(bench);
}

static comity_status whole_round(const bench *bench) {
  COMITY_TRY(report(bench));
  COMITY_TRY(sum(bench));
  COMITY_TRY(
      comity_comm_broadcast_status(bench->comm, COMITY_OK, bench->vector, bench->parameters * sizeof(float)));
  return report(bench);
}

/* ------------------------------------------------------------------------------------------------- measuring */

static double latest(double time) {
  double last = 0;
  MPI_Allreduce(&time, &last, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return last;
}

static void sleep_until(double time) {
  double seconds = time - MPI_Wtime();
  struct timespec rest = {.tv_sec = (time_t)seconds};
  rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
  nanosleep(&rest, NULL);
}

/* Simulated ranks share one clock: all start at the same moment, the last rank `late` seconds after the others. */
static comity_status measure(const bench *bench, const char *name, operation *run, size_t bytes,
                             double late) {
  double start = latest(MPI_Wtime()) + REST;
  sleep_until(start + (bench->rank == bench->ranks - 1 ? late : 0));
  comity_status status = run(bench);
  double seconds = latest(MPI_Wtime()) - start - late;
  if (bench->rank == 0)
    printf("%s,%zu,%zu,%.9f\n", name, bench->parameters, bytes, seconds);
  return status;
}

static void fill(const bench *bench, int rank) {
  for (size_t i = 0; bench->real && i < bench->parameters; i++)
    bench->vector[i] = part(rank, i);
}

/* Whether the server's vector is the sum of all others', when vectors are real. */
static comity_status check_sum(const bench *bench) {
  uint64_t others = (uint64_t)bench->ranks - 1;
  for (size_t i = 0; bench->real && bench->rank == 0 && i < bench->parameters; i++)
    COMITY_REQUIRE(bench->vector[i] == 7 * others * (others + 1) / 2 + others * (i % 1013),
                   COMITY_ERR_INTERNAL, "word %zu of the sum is wrong", i);
  return COMITY_OK;
}

/* Whether everybody has what the server had, in the half that was sent. */
static comity_status check_broadcast(const bench *bench) {
  for (size_t i = 0; bench->real && i < bench->parameters / 2; i++)
    COMITY_REQUIRE(bench->vector[i] == part(SENT, i), COMITY_ERR_INTERNAL,
                   "word %zu did not arrive on rank %d", i, bench->rank);
  return COMITY_OK;
}

static comity_status measure_model(bench *bench) {
  fill(bench, bench->rank);
  COMITY_TRY(measure(bench, "sum", sum, bench->parameters * sizeof(uint64_t), 0));
  COMITY_TRY(check_sum(bench));
  fill(bench, bench->rank == 0 ? SENT : 0);
  COMITY_TRY(measure(bench, "broadcast", broadcast, bench->parameters * sizeof(float), 0));
  COMITY_TRY(check_broadcast(bench));
  if (bench->comm == NULL || bench->parameters > LARGE)
    return COMITY_OK;
  return measure(bench, "round", whole_round, bench->parameters * 12, 0);
}

static comity_status measure_small(const bench *bench) {
  size_t reports = (size_t)bench->ranks * REPORT_BYTES;
  COMITY_TRY(measure(bench, "agree", agree, sizeof(uint64_t), 0));
  COMITY_TRY(measure(bench, "agree_late", agree, sizeof(uint64_t), LATE));
  COMITY_TRY(measure(bench, "report", report, reports, 0));
  return measure(bench, "synchronise", synchronise, 2 * reports, 0);
}

static comity_status open_comm(bench *bench, const char *implementation, size_t piece) {
  if (strcmp(implementation, "blocking") == 0)
    return COMITY_OK;
  comity_comm_options options = {.piece_bytes = piece, .collectives = implementation};
  return comity_comm_new(MPI_COMM_WORLD, &options, &bench->comm);
}

/* Memory for the longest vector: real where it fits, and where MPI's own collectives need it. */
static comity_status open_vector(bench *bench, const char *implementation, size_t piece, size_t most) {
  bench->real = (double)most * 8 * bench->ranks <= REAL_BYTES;
  if (!bench->real && strcmp(implementation, "tree") == 0)
    comity_simulated_pretend(piece);
  if (bench->comm == NULL)
    return COMITY_NEW(bench->vector, most);
  void *memory = NULL;
  COMITY_TRY(comity_comm_buffer_new(bench->comm, most * sizeof *bench->vector, &memory));
  bench->vector = memory;
  return COMITY_OK;
}

/* 0 parameters are the small messages of a round; they come first. */
static comity_status run(bench *bench, const char *implementation, size_t piece, const size_t *parameters) {
  COMITY_TRY(open_comm(bench, implementation, piece));
  if (*parameters == 0) {
    COMITY_TRY(measure_small(bench));
    parameters++;
  }
  size_t most = 0;
  for (int i = 0; parameters[i] > 0; i++)
    most = parameters[i] > most ? parameters[i] : most;
  COMITY_TRY(open_vector(bench, implementation, piece, most));
  for (; *parameters > 0; parameters++) {
    bench->parameters = *parameters;
    COMITY_TRY(measure_model(bench));
  }
  return COMITY_OK;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  setvbuf(stdout, NULL, _IOLBF, 0);
  bench bench = {0};
  MPI_Comm_rank(MPI_COMM_WORLD, &bench.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &bench.ranks);
  size_t parameters[MOST_MODELS + 2] = {0};
  for (int i = 3; i < argc && i - 3 <= MOST_MODELS; i++)
    parameters[i - 3] = strtoull(argv[i], NULL, 10);
  comity_status status = argc < 4 || argc - 3 > MOST_MODELS + 1
                             ? comity_fail(COMITY_ERR_USAGE, "scale IMPLEMENTATION PIECE PARAMETERS...")
                             : run(&bench, argv[1], strtoull(argv[2], NULL, 10), parameters);
  if (status != COMITY_OK)
    fprintf(stderr, "rank %d: %s\n", bench.rank, comity_error_message());
  MPI_Finalize();
  return status == COMITY_OK ? 0 : 1;
}
