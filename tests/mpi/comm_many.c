/* More ranks than one can hear directly: reports pass through others on their way up. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <string.h>

/* Some ranks send nothing, some more than fits into one message. */
static size_t length_of(int rank) { return rank % 5 == 2 ? 0 : (size_t)rank * 97; }

static void reports_come_through_others_ordered_by_rank(void **state) {
  (void)state;
  comity_comm *comm;
  comity_comm_options options = {.deadline = 60, .piece_bytes = 1000};
  uint8_t data[97 * 64];
  assert_in_range(world_size(), 34, 64);
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  memset(data, world_rank(), sizeof data);
  for (int i = 0; i < 3; i++) {
    comity_gathered gathered;
    comity_status status = comity_comm_report(comm, COMITY_OK, data, length_of(world_rank()), &gathered);
    assert_int_equal(status, COMITY_OK);
    assert_int_equal(gathered.count, comity_comm_is_server(comm) ? world_size() : 0);
    for (int r = 0; r < (int)gathered.count; r++) {
      assert_int_equal(gathered.offset[r + 1] - gathered.offset[r], length_of(r));
      for (size_t k = gathered.offset[r]; k < gathered.offset[r + 1]; k++)
        assert_int_equal(gathered.bytes[k], r);
    }
    comity_gathered_clear(&gathered);
    assert_int_equal(comity_comm_verdict(comm, status), COMITY_OK);
  }
  comity_comm_destroy(&comm);
}

static void a_failure_behind_others_reaches_all(void **state) {
  (void)state;
  comity_comm *comm;
  char expected[64];
  int bad = world_size() - 1;
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  for (; bad > 0; bad -= 7) {
    comity_status local = world_rank() == bad ? comity_fail(COMITY_ERR_FULL, "disk %d", bad) : COMITY_OK;
    assert_int_equal(comity_comm_agree(comm, local), COMITY_ERR_FULL);
    snprintf(expected, sizeof expected, "rank %d: disk %d", bad, bad);
    assert_string_equal(comity_error_message(), expected);
  }
  comity_comm_destroy(&comm);
}

static void vectors_reach_and_leave_everybody(void **state) {
  (void)state;
  enum { COUNT = 20000 };
  comity_comm *comm;
  uint64_t *words;
  comity_comm_options options = {.deadline = 60, .piece_bytes = 16 << 10};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  assert_int_equal(COMITY_NEW(words, COUNT), COMITY_OK);
  for (size_t i = 0; i < COUNT; i++)
    words[i] = i;
  assert_int_equal(comity_comm_broadcast(comm, words, COUNT * sizeof *words), COMITY_OK);
  assert_int_equal(comity_comm_sum(comm, words, COUNT), COMITY_OK);
  for (size_t i = 0; comity_comm_is_server(comm) && i < COUNT; i++)
    assert_true(words[i] == i * (uint64_t)world_size());
  comity_free(words);
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reports_come_through_others_ordered_by_rank),
    cmocka_unit_test(a_failure_behind_others_reaches_all),
    cmocka_unit_test(vectors_reach_and_leave_everybody),
};

MPI_MAIN(tests)
