/* Broadcast, sums and gather with pieces of all sizes: what comes out is what a loop on one rank computes. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <string.h>

static const size_t PIECES[] = {0, 1, 8, 100, 4096}; /* bytes; 0 = the default */
static const size_t COUNTS[] = {0, 1, 3, 1000, 40000};
enum { PIECES_COUNT = sizeof PIECES / sizeof *PIECES, COUNTS_COUNT = sizeof COUNTS / sizeof *COUNTS };

static comity_comm *join(size_t piece) {
  comity_comm *comm = NULL;
  comity_comm_options options = {.deadline = 60, .piece_bytes = piece};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  return comm;
}

/* What rank r hands in at place i: any 64 bits, so that sums wrap around. */
static uint64_t word_of(int rank, size_t i) {
  return UINT64_C(0x9e3779b97f4a7c15) * (i + 1) + UINT64_C(0xbf58476d1ce4e5b9) * (uint64_t)(rank + 1);
}

static void check_broadcast(comity_comm *comm, size_t bytes) {
  uint8_t *data = comity_array(bytes + 1, 1);
  assert_non_null(data);
  for (size_t i = 0; i < bytes; i++)
    data[i] = comity_comm_is_server(comm) ? (uint8_t)(word_of(0, i) >> 56) : 0;
  data[bytes] = 77;
  assert_int_equal(comity_comm_broadcast(comm, data, bytes), COMITY_OK);
  for (size_t i = 0; i < bytes; i++)
    assert_int_equal(data[i], (uint8_t)(word_of(0, i) >> 56));
  assert_int_equal(data[bytes], 77);
  comity_free(data);
}

static void check_sum(comity_comm *comm, size_t count) {
  uint64_t *words;
  assert_int_equal(COMITY_NEW(words, count + 1), COMITY_OK);
  for (size_t i = 0; i <= count; i++)
    words[i] = word_of(comity_comm_rank(comm), i);
  assert_int_equal(comity_comm_sum(comm, words, count), COMITY_OK);
  for (size_t i = 0; comity_comm_is_server(comm) && i < count; i++) {
    uint64_t expected = 0;
    for (int r = 0; r < comity_comm_size(comm); r++)
      expected += word_of(r, i);
    assert_true(words[i] == expected);
  }
  assert_true(words[count] == word_of(comity_comm_rank(comm), count));
  comity_free(words);
}

static void check_sum_float(comity_comm *comm, size_t count) {
  float *values;
  int size = comity_comm_size(comm);
  assert_int_equal(COMITY_NEW(values, count), COMITY_OK);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(i % 1000) + 0.5f * (float)comity_comm_rank(comm);
  assert_int_equal(comity_comm_sum_float(comm, values, count), COMITY_OK);
  for (size_t i = 0; comity_comm_is_server(comm) && i < count; i++)
    assert_true(values[i] == (float)(i % 1000) * (float)size + 0.25f * (float)(size * (size - 1)));
  comity_free(values);
}

static size_t length_of(int rank, size_t bytes) { return rank % 3 == 1 ? 0 : bytes + (size_t)rank; }

static void check_gather(comity_comm *comm, size_t bytes) {
  int rank = comity_comm_rank(comm);
  size_t mine = length_of(rank, bytes), at = 0;
  uint8_t *data = comity_array(mine, 1);
  assert_non_null(data);
  for (size_t i = 0; i < mine; i++)
    data[i] = (uint8_t)(word_of(rank, i) >> 56);
  comity_gathered gathered;
  assert_int_equal(comity_comm_gather(comm, data, mine, &gathered), COMITY_OK);
  comity_free(data);
  if (!comity_comm_is_server(comm))
    assert_int_equal(gathered.count, 0);
  else {
    assert_int_equal(gathered.count, comity_comm_size(comm));
    for (int r = 0; r < comity_comm_size(comm); r++) {
      assert_int_equal(gathered.offset[r], at);
      for (size_t i = 0; i < length_of(r, bytes); i++)
        assert_int_equal(gathered.bytes[at + i], (uint8_t)(word_of(r, i) >> 56));
      at += length_of(r, bytes);
    }
    assert_int_equal(gathered.offset[gathered.count], at);
  }
  comity_gathered_clear(&gathered);
}

static void for_all_sizes(void (*check)(comity_comm *, size_t)) {
  for (size_t p = 0; p < PIECES_COUNT; p++) {
    comity_comm *comm = join(PIECES[p]);
    bool tiny = PIECES[p] > 0 && PIECES[p] < 100;
    for (size_t c = 0; c < (tiny ? COUNTS_COUNT - 1 : COUNTS_COUNT); c++)
      check(comm, COUNTS[c]);
    comity_comm_destroy(&comm);
    assert_null(comm);
  }
}

static void broadcast_brings_the_servers_bytes_to_all(void **state) {
  (void)state;
  for_all_sizes(check_broadcast);
}

static void sum_is_the_same_modulo_2_64_as_a_loop(void **state) {
  (void)state;
  for_all_sizes(check_sum);
}

static void sum_float_adds_what_every_rank_brings(void **state) {
  (void)state;
  for_all_sizes(check_sum_float);
}

static void gather_orders_messages_of_any_length_by_rank(void **state) {
  (void)state;
  for_all_sizes(check_gather);
}

static void forty_megabytes_arrive(void **state) {
  (void)state;
  comity_comm *comm = join(0);
  check_sum(comm, 5000000);
  check_broadcast(comm, 40000001);
  check_gather(comm, 10000000);
  comity_comm_destroy(&comm);
}

static void operations_follow_each_other_without_a_barrier(void **state) {
  (void)state;
  comity_comm *comm = join(64);
  for (size_t i = 0; i < 200; i++) {
    check_broadcast(comm, i);
    check_sum(comm, i);
    check_gather(comm, i);
  }
  comity_comm_destroy(&comm);
}

/* 12 bits of a tag are the operation's number. Those who only send down run ahead of those who receive. */
static void operations_go_on_when_their_tags_come_again(void **state) {
  (void)state;
  comity_comm *comm = join(0);
  for (uint64_t i = 0; i < 9000; i++) {
    uint64_t word = comity_comm_is_server(comm) ? i : 0;
    assert_int_equal(comity_comm_broadcast(comm, &word, sizeof word), COMITY_OK);
    assert_true(word == i);
    if (i % 1500 == 1499)
      assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  }
  comity_comm_destroy(&comm);
}

static void members_know_their_part(void **state) {
  (void)state;
  comity_comm *comm = join(0);
  int rank = world_rank(), size = world_size();
  assert_int_equal(comity_comm_rank(comm), rank);
  assert_int_equal(comity_comm_size(comm), size);
  assert_int_equal(comity_comm_is_server(comm), rank == 0);
  assert_int_equal(comity_comm_participants(comm), size == 1 ? 1 : size - 1);
  assert_int_equal(comity_comm_participant(comm), size == 1 ? 0 : rank - 1);
  assert_int_equal(comity_comm_epoch(comm), 0);
  comity_comm_destroy(&comm);
}

static void costs_are_counted_by_operation(void **state) {
  (void)state;
  comity_comm *comm = join(0);
  uint64_t words[10] = {0};
  for (int i = 0; i < 3; i++)
    assert_int_equal(comity_comm_broadcast(comm, words, sizeof words), COMITY_OK);
  assert_int_equal(comity_comm_sum(comm, words, 10), COMITY_OK);
  comity_gathered gathered;
  assert_int_equal(comity_comm_gather(comm, words, 5, &gathered), COMITY_OK);
  comity_gathered_clear(&gathered);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  comity_operation_cost broadcast = comity_comm_cost(comm, COMITY_OPERATION_BROADCAST);
  assert_int_equal(broadcast.calls, 3);
  assert_int_equal(broadcast.bytes, 240);
  assert_true(broadcast.seconds > 0 && broadcast.seconds < 60);
  assert_int_equal(comity_comm_cost(comm, COMITY_OPERATION_SUM).bytes, 80);
  assert_int_equal(comity_comm_cost(comm, COMITY_OPERATION_GATHER).bytes,
                   comity_comm_is_server(comm) ? 5 * comity_comm_size(comm) : 5);
  assert_int_equal(comity_comm_cost(comm, COMITY_OPERATION_AGREE).calls, 1);
  comity_comm_destroy(&comm);
}

static void bad_options_on_one_rank_fail_on_all(void **state) {
  (void)state;
  comity_comm *comm = NULL;
  comity_comm_options options = {.deadline = world_rank() == world_size() - 1 ? -1 : 1};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_ERR_ARG);
  options = (comity_comm_options){.piece_bytes = world_rank() == 0 ? (size_t)1 << 40 : 64};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_ERR_ARG);
  options = (comity_comm_options){.piece_bytes = world_rank() == 0 ? 128 : 64};
  if (world_size() > 1) {
    assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_ERR_ARG);
    assert_non_null(strstr(comity_error_message(), "must match"));
  }
  assert_int_equal(comity_comm_new(MPI_COMM_NULL, NULL, &comm), COMITY_ERR_ARG);
  assert_null(comm);
  comity_comm_destroy(&comm);
  comity_comm_destroy(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(broadcast_brings_the_servers_bytes_to_all),
    cmocka_unit_test(sum_is_the_same_modulo_2_64_as_a_loop),
    cmocka_unit_test(sum_float_adds_what_every_rank_brings),
    cmocka_unit_test(gather_orders_messages_of_any_length_by_rank),
    cmocka_unit_test(forty_megabytes_arrive),
    cmocka_unit_test(operations_follow_each_other_without_a_barrier),
    cmocka_unit_test(operations_go_on_when_their_tags_come_again),
    cmocka_unit_test(members_know_their_part),
    cmocka_unit_test(costs_are_counted_by_operation),
    cmocka_unit_test(bad_options_on_one_rank_fail_on_all),
};

MPI_MAIN(tests)
