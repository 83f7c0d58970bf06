/* The main function of MPI tests: all ranks run the same tests, and all end with the same exit code. */
#ifndef COMITY_MPI_MAIN_H
#define COMITY_MPI_MAIN_H

#include "test.h"

#include <mpi.h>

/* MPI libraries leave memory behind, much of it in plugins that are unloaded at exit and cannot be named in a
 * list of known leaks. Tests without MPI look for ours. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

/* Run `group` between MPI_Init and MPI_Finalize. A failure on one rank is the failure of all. */
#define MPI_MAIN(group)                                                                                      \
  int main(int argc, char **argv) {                                                                          \
    int failed, worst = 1;                                                                                   \
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &failed) != MPI_SUCCESS)                          \
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
