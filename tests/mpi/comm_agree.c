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

/* A message of rank r: r * 1000 bytes of r, so that some are empty and some are long. */
static uint8_t *fill(uint8_t *data, int rank) { return memset(data, rank + 1, (size_t)rank * 1000); }

static void check_gathered(const comity_gathered *gathered) {
  uint8_t expected[4000];
  assert_int_equal(gathered->count, comity_comm_is_server(comm) ? world_size() : 0);
  for (int r = 0; r < (int)gathered->count; r++) {
    assert_int_equal(gathered->offset[r + 1] - gathered->offset[r], r * 1000);
    assert_memory_equal(gathered->bytes + gathered->offset[r], fill(expected, r), (size_t)r * 1000);
  }
}

static void a_report_brings_messages_and_the_verdict_is_everybodys(void **state) {
  (void)state;
  uint8_t data[4000];
  join();
  for (int i = 0; i < 20; i++) {
    comity_gathered gathered;
    fill(data, world_rank());
    comity_status status = comity_comm_report(comm, COMITY_OK, data, (size_t)world_rank() * 1000, &gathered);
    assert_int_equal(status, COMITY_OK);
    check_gathered(&gathered);
    comity_gathered_clear(&gathered);
    if (comity_comm_is_server(comm) && i % 2 == 1)
      status = comity_fail(COMITY_ERR_QUORUM, "round %d: nobody left", i);
    assert_int_equal(comity_comm_verdict(comm, status), i % 2 == 1 ? COMITY_ERR_QUORUM : COMITY_OK);
    char text[64];
    snprintf(text, sizeof text, "round %d: nobody left", i);
    if (i % 2 == 1)
      assert_string_equal(comity_error_message(), text);
  }
  comity_comm_destroy(&comm);
}

static void a_report_of_a_failure_reaches_all_and_brings_no_data(void **state) {
  (void)state;
  join();
  for (int bad = 0; bad < world_size(); bad++) {
    uint8_t data[4000];
    comity_gathered gathered;
    comity_status local = world_rank() == bad ? comity_fail(COMITY_ERR_DATA, "row %d", bad) : COMITY_OK;
    comity_status status = comity_comm_report(comm, local, data, (size_t)world_rank() * 1000, &gathered);
    assert_int_equal(status, comity_comm_is_server(comm) ? COMITY_ERR_DATA : local);
    assert_int_equal(gathered.count, 0);
    assert_null(gathered.bytes);
    assert_int_equal(comity_comm_verdict(comm, status), COMITY_ERR_DATA);
    char text[64];
    snprintf(text, sizeof text, "row %d", bad);
    assert_string_equal(comity_error_message(), expected(bad, text));
  }
  comity_comm_destroy(&comm);
}

static void a_broadcast_with_a_failure_brings_the_failure_alone(void **state) {
  (void)state;
  join();
  for (size_t bytes = 0; bytes < 200000; bytes = 10 * bytes + 1)
    for (int fails = 0; fails < 2; fails++) {
      uint8_t *data;
      assert_int_equal(COMITY_NEW(data, bytes), COMITY_OK);
      bool server = comity_comm_is_server(comm);
      if (server)
        memset(data, 7, bytes);
      comity_status status = server && fails ? comity_fail(COMITY_ERR_FULL, "the disk") : COMITY_OK;
      assert_int_equal(comity_comm_broadcast_status(comm, status, data, bytes),
                       fails ? COMITY_ERR_FULL : COMITY_OK);
      if (fails)
        assert_string_equal(comity_error_message(), "the disk");
      for (size_t i = 0; i < bytes; i++)
        assert_int_equal(data[i], fails && !server ? 0 : 7);
      comity_free(data);
    }
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_well_is_agreed_on),
    cmocka_unit_test(a_failure_on_any_one_rank_reaches_all_with_its_message),
    cmocka_unit_test(the_most_severe_failure_wins),
    cmocka_unit_test(of_equal_failures_the_lowest_rank_wins),
    cmocka_unit_test(long_messages_arrive_in_tiny_pieces),
    cmocka_unit_test(a_report_brings_messages_and_the_verdict_is_everybodys),
    cmocka_unit_test(a_report_of_a_failure_reaches_all_and_brings_no_data),
    cmocka_unit_test(a_broadcast_with_a_failure_brings_the_failure_alone),
};

MPI_MAIN(tests)
