/* bench_bare REPETITIONS FLOATS...: what a round costs at least. A blocking MPI_Bcast and a blocking MPI_Reduce of so many float32,
 * with nothing around them. Rank 0 prints "floats,ranks,seconds" per repetition. */
#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>

static void measure(int repetitions, int floats, int rank, int ranks) {
  float *model = calloc((size_t)floats, sizeof *model), *sum = calloc((size_t)floats, sizeof *sum);
  if (model == NULL || sum == NULL)
    MPI_Abort(MPI_COMM_WORLD, 1);
  for (int i = -2; i < repetitions; i++) { /* two to warm up */
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = MPI_Wtime();
    MPI_Bcast(model, floats, MPI_FLOAT, 0, MPI_COMM_WORLD);
    MPI_Reduce(model, sum, floats, MPI_FLOAT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0 && i >= 0)
      printf("%d,%d,%.9f\n", floats, ranks, MPI_Wtime() - begin);
  }
  free(model);
  free(sum);
}

int main(int argc, char **argv) {
  int rank, ranks;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int i = 2; i < argc; i++)
    measure(atoi(argv[1]), atoi(argv[i]), rank, ranks);
  MPI_Finalize();
  return 0;
}
