/* A rank that does not come: the others give up in time, say so, and never hang. One rank sleeps through
 * operations on several communicators; then all meet once more outside of Comity and the job ends by
 * MPI_Abort, as real jobs do after a loss. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <string.h>
#include <unistd.h>

enum { LONG = 100000 };
static const double DEADLINE = 0.2, HANGS = 20;

typedef comity_status operation(comity_comm *comm, uint64_t *words);

static comity_status agree(comity_comm *comm, uint64_t *words) {
  (void)words;
  return comity_comm_agree(comm, COMITY_OK);
}

static comity_status gather(comity_comm *comm, uint64_t *words) {
  comity_gathered gathered;
  return comity_comm_gather(comm, words, 100, &gathered);
}

static comity_status short_sum(comity_comm *comm, uint64_t *words) { return comity_comm_sum(comm, words, 3); }

static comity_status long_sum(comity_comm *comm, uint64_t *words) {
  return comity_comm_sum(comm, words, LONG);
}

/* The server may be done before the last rank has come; then the next operation notices. */
static comity_status long_broadcast(comity_comm *comm, uint64_t *words) {
  COMITY_TRY(comity_comm_broadcast(comm, words, LONG * sizeof *words));
  return comity_comm_agree(comm, COMITY_OK);
}

static const struct {
  const char *name;
  operation *run;
} cases[] = {{"agree: ", agree},
             {"gather: ", gather},
             {"sum: ", short_sum},
             {"sum: ", long_sum},
             {"", long_broadcast}};
enum { CASES = sizeof cases / sizeof *cases };

/* The server is sure to notice that the last rank is missing; others only where they need the server's word.
 */
static void a_deadline_passes_on_ranks_that_wait(void **state) {
  (void)state;
  int missing = world_size() - 1;
  comity_comm *comms[CASES];
  comity_comm_options options = {.deadline = DEADLINE};
  for (int i = 0; i < CASES; i++)
    assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comms[i]), COMITY_OK);
  for (int i = 0; i < CASES; i++) {
    uint64_t *words;
    MPI_Barrier(MPI_COMM_WORLD); /* nobody's deadline begins before the others' */
    if (world_rank() == missing)
      continue;
    assert_int_equal(COMITY_NEW(words, LONG), COMITY_OK);
    double start = comity_clock_now();
    comity_status status = cases[i].run(comms[i], words);
    double waited = comity_clock_now() - start;
    comity_free(words); /* MPI must not touch it any more */
    assert_true(waited < HANGS);
    if (world_rank() != 0)
      continue;
    char name[32];
    snprintf(name, sizeof name, "%d did not arrive", missing);
    assert_int_equal(status, COMITY_ERR_TIMEOUT);
    assert_true(waited >= DEADLINE);
    assert_int_equal(strncmp(comity_error_message(), cases[i].name, strlen(cases[i].name)), 0);
    assert_non_null(strstr(comity_error_message(), "epoch 0"));
    assert_non_null(strstr(comity_error_message(), name));
    comity_comm_set_deadline(comms[i], 2 * HANGS); /* which is not waited for once more */
    start = comity_clock_now();
    assert_int_equal(comity_comm_agree(comms[i], comity_fail(COMITY_ERR_DATA, "own trouble")),
                     COMITY_ERR_TIMEOUT);
    assert_non_null(strstr(comity_error_message(), "own trouble"));
    assert_true(comity_clock_now() - start < HANGS);
    comity_comm_destroy(&comms[i]);
    assert_null(comms[i]);
  }
}

/* What a late rank still sends reaches nobody's memory but the communicator's. `late` comes when
 * the deadline of all others has passed; they have let go of their vector by then and use its place for
 * something else. */
static void check_late(int late, bool owned, const char *collectives, operation *run) {
  comity_comm_options options = {.deadline = DEADLINE, .collectives = collectives};
  comity_comm *comm, *other;
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &other), COMITY_OK);
  void *memory;
  uint64_t *words;
  if (owned)
    assert_int_equal(comity_comm_buffer_new(comm, LONG * sizeof *words, &memory), COMITY_OK);
  else
    assert_non_null(memory = comity_array(LONG, sizeof *words));
  memset(memory, 0x55, LONG * sizeof *words);
  if (world_rank() == late)
    MPI_Barrier(MPI_COMM_WORLD);
  comity_status status = run(comm, memory);
  if (world_rank() != late)
    MPI_Barrier(MPI_COMM_WORLD);
  if (world_rank() == late)
    assert_true(status == COMITY_OK || status == COMITY_ERR_TIMEOUT);
  else if (late == 0 || world_rank() == 0)
    assert_int_equal(status, COMITY_ERR_TIMEOUT);
  if (owned)
    comity_comm_buffer_free(comm, memory);
  else
    comity_free(memory);
  assert_int_equal(COMITY_NEW(words, LONG), COMITY_OK);
  memset(words, 0x77, LONG * sizeof *words);
  for (int i = 0; i < 20; i++) /* MPI gets its chance to move on what was given up */
    assert_int_equal(comity_comm_agree(other, COMITY_OK), COMITY_OK);
  for (int i = 0; i < LONG; i++)
    assert_true(words[i] == UINT64_C(0x7777777777777777));
  comity_free(words);
  comity_comm_destroy(&comm);
  comity_comm_destroy(&other);
}

static void what_comes_late_changes_nothing(void **state) {
  (void)state;
  static const char *const collectives[] = {"tree", "mpi"};
  for (int c = 0; c < 2; c++)
    for (int owned = 0; owned < 2; owned++) {
      check_late(0, owned == 1, collectives[c], long_broadcast);
      check_late(world_size() - 1, owned == 1, collectives[c], long_sum);
    }
}

static void a_longer_deadline_is_enough_for_a_slow_rank(void **state) {
  (void)state;
  comity_comm *comm;
  comity_comm_options options = {.deadline = 0.01};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  comity_comm_set_deadline(comm, 60);
  if (world_rank() == world_size() - 1)
    comity_clock_sleep(0.2);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  comity_comm_destroy(&comm);
}

int main(int argc, char **argv) {
  const struct CMUnitTest slow[] = {cmocka_unit_test(a_longer_deadline_is_enough_for_a_slow_rank)};
  const struct CMUnitTest lost[] = {cmocka_unit_test(a_deadline_passes_on_ranks_that_wait),
                                    cmocka_unit_test(what_comes_late_changes_nothing)};
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
    return 1;
  int failed = cmocka_run_group_tests(slow, NULL, NULL), worst = 1;
  if (world_size() > 1)
    failed += cmocka_run_group_tests(lost, NULL, NULL);
  MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (world_size() == 1)
    return MPI_Finalize() != MPI_SUCCESS || worst != 0;
  fflush(NULL);
  if (world_rank() == 0) /* MPI_Finalize could wait for what was given up */
    MPI_Abort(MPI_COMM_WORLD, worst);
  for (;;)
    pause();
}
