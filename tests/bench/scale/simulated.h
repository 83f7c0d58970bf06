/* What simulated time has to know of, put before every source of Comity that is compiled for SimGrid's SMPI (with
 * smpicc -include). A test that fails takes no time there, so a loop of tests would never end; nor does copying. */
#ifndef COMITY_SIMULATED_H
#define COMITY_SIMULATED_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mpi.h>

/* From now on long vectors are only pretended: nothing of them is touched, moved or added, and only time passes.
 * What 1024 ranks with 100 million parameters each need. No message is longer than `most` bytes. Messages are taken
 * to be of MPI_BYTE, as all of Comity's are. */
void comity_simulated_pretend(size_t most);

/* MPI_Isend. SimGrid lets all messages of two ranks share the link evenly, so that none of them arrives early; a
 * network lets them follow each other. So only as many are on their way to a rank as the path holds, and two more;
 * the others queue, as they do in MPI. COMITY_PATH_BYTES in the environment says how many bytes that is. */
int comity_simulated_isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                           MPI_Request *request);

/* MPI_Irecv. */
int comity_simulated_irecv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
                           MPI_Request *request);

/* MPI_Test, the only test that Comity uses. After one that failed, a short simulated time passes, which grows with
 * how long this rank has waited already: exact to 6 % of each wait, and 20 ms do not take 100,000 tests. */
int comity_simulated_test(MPI_Request *request, int *done, MPI_Status *status);

/* The simulation's clock, and a sleep after which tests are quick again. Where vectors are pretended sleeps last
 * as long as pauses do. */
int comity_simulated_clock(clockid_t clock, struct timespec *now);
int comity_simulated_sleep(const struct timespec *time, struct timespec *left);
/* memcpy that takes the time of main memory when it is long. */
void *comity_simulated_copy(void *to, const void *from, size_t bytes);
/* memset, but for new memory that stands for a pretended vector. */
void *comity_simulated_set(void *to, int byte, size_t bytes);

#ifndef COMITY_SIMULATED_INSIDE
#define MPI_Isend(data, count, type, to, tag, comm, request)                                                 \
  comity_simulated_isend(data, count, type, to, tag, comm, request)
#define MPI_Irecv(data, count, type, from, tag, comm, request)                                               \
  comity_simulated_irecv(data, count, type, from, tag, comm, request)
#define MPI_Test(request, done, status) comity_simulated_test(request, done, status)
#undef clock_gettime
#undef nanosleep
#define clock_gettime(clock, now) comity_simulated_clock(clock, now)
#define nanosleep(time, left) comity_simulated_sleep(time, left)
#define sched_yield() ((void)0)
#define memcpy(to, from, bytes) comity_simulated_copy(to, from, bytes)
#define memset(to, byte, bytes) comity_simulated_set(to, byte, bytes)
#endif

#endif
