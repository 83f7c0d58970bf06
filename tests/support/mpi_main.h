/* The main function of MPI tests: all ranks run the same tests, and all end with the same exit code. */
#ifndef COMITY_MPI_MAIN_H
#define COMITY_MPI_MAIN_H

#include "test.h"

#include <mpi.h>

/* Run `group` between MPI_Init and MPI_Finalize. A failure on one rank is the failure of all. */
#define MPI_MAIN(group)                                                                                      \
  int main(int argc, char **argv) {                                                                          \
    int failed, worst = 1;                                                                                   \
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)                                                               \
      return 1;                                                                                              \
    failed = cmocka_run_group_tests(group, NULL, NULL);                                                      \
    MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);                                     \
    MPI_Finalize();                                                                                          \
    return worst != 0;                                                                                       \
  }

static inline int world_rank(void) {
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

static inline int world_size(void) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

#endif
