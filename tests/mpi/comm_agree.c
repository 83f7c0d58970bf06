/* Agreement: whoever fails, all leave with the same status and the same sentence. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <string.h>

static comity_comm *comm;

static const char *expected(int rank, const char *text) {
  static char message[4096];
  if (world_size() == 1)
    snprintf(message, sizeof message, "%s", text);
  else
    snprintf(message, sizeof message, "rank %d: %s", rank, text);
  return message;
}

static void join(void) { assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK); }

static void all_well_is_agreed_on(void **state) {
  (void)state;
  join();
  for (int i = 0; i < 100; i++)
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  comity_comm_destroy(&comm);
}

static void a_failure_on_any_one_rank_reaches_all_with_its_message(void **state) {
  (void)state;
  join();
  for (int bad = 0; bad < world_size(); bad++) {
    comity_status local = COMITY_OK;
    comity_error_clear();
    if (world_rank() == bad)
      local = comity_fail(COMITY_ERR_DATA, "a.h5: row %d is torn", bad);
    char text[64];
    snprintf(text, sizeof text, "a.h5: row %d is torn", bad);
    assert_int_equal(comity_comm_agree(comm, local), COMITY_ERR_DATA);
    assert_string_equal(comity_error_message(), expected(bad, text));
  }
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  comity_comm_destroy(&comm);
}

static void the_most_severe_failure_wins(void **state) {
  (void)state;
  join();
  int last = world_size() - 1;
  comity_status local = world_rank() == last ? comity_fail(COMITY_ERR_FULL, "the disk of %d", last)
                                             : comity_fail(COMITY_ERR_DATA, "data of %d", world_rank());
  assert_int_equal(comity_comm_agree(comm, local), COMITY_ERR_FULL);
  char text[64];
  snprintf(text, sizeof text, "the disk of %d", last);
  assert_string_equal(comity_error_message(), expected(last, text));
  comity_comm_destroy(&comm);
}

static void of_equal_failures_the_lowest_rank_wins(void **state) {
  (void)state;
  join();
  int lowest = world_size() > 1 ? 1 : 0;
  comity_status local =
      world_rank() >= lowest ? comity_fail(COMITY_ERR_IO, "disk %d", world_rank()) : COMITY_OK;
  assert_int_equal(comity_comm_agree(comm, local), COMITY_ERR_IO);
  assert_string_equal(comity_error_message(), expected(lowest, lowest == 1 ? "disk 1" : "disk 0"));
  comity_comm_destroy(&comm);
}

static void long_messages_arrive_in_tiny_pieces(void **state) {
  (void)state;
  comity_comm_options options = {.piece_bytes = 8};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  char text[1500];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  int last = world_size() - 1;
  comity_status local = world_rank() == last ? comity_fail(COMITY_REQUEUE, "%s", text) : COMITY_OK;
  assert_int_equal(comity_comm_agree(comm, local), COMITY_REQUEUE);
  assert_string_equal(comity_error_message(), expected(last, text));
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_well_is_agreed_on),
    cmocka_unit_test(a_failure_on_any_one_rank_reaches_all_with_its_message),
    cmocka_unit_test(the_most_severe_failure_wins),
    cmocka_unit_test(of_equal_failures_the_lowest_rank_wins),
    cmocka_unit_test(long_messages_arrive_in_tiny_pieces),
};

MPI_MAIN(tests)
