/* Waiting for a rank that still trains costs hardly any processor time. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <time.h>

enum { MILLION = 1000000 };

static const double LATE = 0.5;

static double processor_time(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

typedef comity_status operation(comity_comm *comm, uint64_t *words);

static comity_status agree(comity_comm *comm, uint64_t *words) {
  (void)words;
  return comity_comm_agree(comm, COMITY_OK);
}

static comity_status sum(comity_comm *comm, uint64_t *words) { return comity_comm_sum(comm, words, 1000); }

static comity_status broadcast(comity_comm *comm, uint64_t *words) {
  return comity_comm_broadcast(comm, words, MILLION);
}

static comity_status gather(comity_comm *comm, uint64_t *words) {
  comity_gathered gathered;
  COMITY_TRY(comity_comm_gather(comm, words, MILLION, &gathered));
  comity_gathered_clear(&gathered);
  return COMITY_OK;
}

static void waiting_leaves_the_core_to_others(void **state) {
  (void)state;
  operation *const operations[] = {agree, sum, broadcast, gather};
  comity_comm *comm;
  uint64_t *words;
  assert_int_equal(COMITY_NEW(words, MILLION / sizeof *words), COMITY_OK);
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    for (int late = 0; late<world_size(); late += world_size()> 1 ? world_size() - 1 : 1) {
      assert_int_equal(agree(comm, words), COMITY_OK);
      double before = processor_time(), start = comity_clock_now();
      if (world_rank() == late)
        comity_clock_sleep(LATE);
      assert_int_equal(operations[i](comm, words), COMITY_OK);
      assert_int_equal(agree(comm, words), COMITY_OK);
      double waited = comity_clock_now() - start; /* less on who was late itself to begin with */
      assert_true(waited > LATE / 2);
      assert_true(processor_time() - before < 0.3 * waited);
    }
  comity_comm_destroy(&comm);
  comity_free(words);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(waiting_leaves_the_core_to_others)};

MPI_MAIN(tests)
