/* What every aggregator of the list must do, run over all of them. Numbers are such that floats are exact. */
#include "mpi_main.h"

#include <comity/aggregate.h>

#include <float.h>
#include <math.h>
#include <string.h>

enum { LENGTH = 5, ALL = LENGTH + 1 };

/* One accumulator for "update" (LENGTH, mean) and "steps" (1, sum), and a communicator of one. */
typedef struct fixture {
  comity_aggregate *aggregate;
  comity_comm *comm;
} fixture;

static fixture open_fixture(const comity_aggregator *aggregator) {
  fixture made;
  comity_layout layout = {0};
  assert_int_equal(comity_layout_add(&layout, "update", LENGTH, COMITY_COMBINE_MEAN), COMITY_OK);
  assert_int_equal(comity_layout_add(&layout, "steps", 1, COMITY_COMBINE_SUM), COMITY_OK);
  assert_int_equal(comity_comm_new(MPI_COMM_SELF, NULL, &made.comm), COMITY_OK);
  assert_int_equal(comity_aggregate_new(aggregator, made.comm, &layout, &made.aggregate), COMITY_OK);
  return made;
}

static void close_fixture(fixture *made) {
  comity_aggregate_destroy(&made->aggregate);
  assert_null(made->aggregate);
  comity_aggregate_destroy(&made->aggregate);
  comity_comm_destroy(&made->comm);
}

static void expect(fixture *made, size_t present, const float *expected) {
  float combined[ALL];
  size_t found = 99;
  assert_int_equal(comity_aggregate_sum(made->aggregate, combined), COMITY_OK);
  assert_int_equal(comity_aggregate_present(made->aggregate, &found), COMITY_OK);
  assert_int_equal(found, present);
  for (int i = 0; i < ALL; i++)
    assert_true(combined[i] == expected[i]);
}

static void add(fixture *made, const float *fields, double weight) {
  assert_int_equal(comity_aggregate_add(made->aggregate, fields, weight), COMITY_OK);
}

static const float A[ALL] = {1, -2, 0.5f, 0, 1024, 3}, B[ALL] = {3, 2, 0.25f, 0, -1024, 4};
static const float NOTHING[ALL] = {0};

static void fields_are_combined_as_the_layout_says(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  const float mean[ALL] = {1.5f, -1, 0.4375f, 0, 512, 7}; /* 3/4 A + 1/4 B; steps 3 + 4 */
  comity_aggregate_begin(made.aggregate, 2, 4);
  add(&made, A, 3);
  add(&made, B, 1);
  expect(&made, 2, mean);
  close_fixture(&made);
}

static void those_who_are_absent_do_not_weigh(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  comity_aggregate_begin(made.aggregate, 3, 8);
  add(&made, A, 2);
  expect(&made, 1, A);
  close_fixture(&made);
}

static void a_round_without_clients_gives_zeros(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  comity_aggregate_begin(made.aggregate, 3, 8);
  expect(&made, 0, NOTHING);
  close_fixture(&made);
}

static void weight_0_counts_in_sums_alone(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  const float sum_alone[ALL] = {0, 0, 0, 0, 0, 3};
  comity_aggregate_begin(made.aggregate, 2, 8);
  add(&made, A, 0);
  expect(&made, 1, sum_alone);
  close_fixture(&made);
}

static void begin_forgets_the_round_before(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  comity_aggregate_begin(made.aggregate, 2, 4);
  add(&made, B, 1);
  comity_aggregate_begin(made.aggregate, 1, 1);
  add(&made, A, 1);
  expect(&made, 1, A);
  close_fixture(&made);
}

static void bad_numbers_leave_no_trace(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  const float bad[] = {NAN, INFINITY, -INFINITY, FLT_MAX};
  comity_aggregate_begin(made.aggregate, 4, 4);
  add(&made, A, 1);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (int at = 2; at < ALL; at += ALL - 3) { /* in the mean's third value, in the sum */
      float fields[ALL];
      memcpy(fields, B, sizeof fields);
      fields[at] = bad[i];
      assert_int_equal(comity_aggregate_add(made.aggregate, fields, 1), COMITY_ERR_NUMERIC);
      assert_non_null(
          strstr(comity_error_message(), at == 2 ? "'update': value 2 is" : "'steps': value 0 is"));
    }
  expect(&made, 1, A);
  close_fixture(&made);
}

/* More clients than wait at once, each made in the room that it is added from; some spoil theirs. */
static void a_room_that_a_client_spoiled_is_the_next_ones(const comity_aggregator *aggregator) {
  enum { CLIENTS = 32 }; /* shares are exact */
  fixture made = open_fixture(aggregator);
  const float mean[ALL] = {1, -2, 0.5f, 0, 1024, 3 * CLIENTS};
  comity_aggregate_begin(made.aggregate, CLIENTS, CLIENTS);
  for (int i = 0; i < CLIENTS; i++) {
    float *room = comity_aggregate_room(made.aggregate);
    if (i % 3 == 0) {
      memcpy(room, B, sizeof B);
      room[ALL - 1] = NAN;
      assert_int_equal(comity_aggregate_add(made.aggregate, room, 1), COMITY_ERR_NUMERIC);
      assert_ptr_equal(comity_aggregate_room(made.aggregate), room);
    }
    memcpy(room, A, sizeof A);
    add(&made, room, 1);
  }
  expect(&made, CLIENTS, mean);
  close_fixture(&made);
}

static void weights_that_break_the_promise_are_refused(const comity_aggregator *aggregator) {
  fixture made = open_fixture(aggregator);
  const double bad[] = {-1, 0.5, NAN, INFINITY, 5, 0x1p60};
  comity_aggregate_begin(made.aggregate, 1, 4);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(comity_aggregate_add(made.aggregate, B, bad[i]), COMITY_ERR_ARG);
  add(&made, A, 4);
  assert_int_equal(comity_aggregate_add(made.aggregate, B, 0), COMITY_ERR_ARG);
  expect(&made, 1, A);
  close_fixture(&made);
}

static void every_aggregator_keeps_the_contract(void **state) {
  (void)state;
  void (*const clauses[])(const comity_aggregator *) = {
      fields_are_combined_as_the_layout_says,
      those_who_are_absent_do_not_weigh,
      a_round_without_clients_gives_zeros,
      weight_0_counts_in_sums_alone,
      begin_forgets_the_round_before,
      bad_numbers_leave_no_trace,
      a_room_that_a_client_spoiled_is_the_next_ones,
      weights_that_break_the_promise_are_refused,
  };
  size_t count;
  const comity_aggregator *const *list = comity_aggregator_list(&count);
  assert_true(count >= 2);
  for (size_t i = 0; i < count; i++) {
    const comity_aggregator *found = NULL;
    assert_int_equal(comity_aggregator_find(list[i]->name, &found), COMITY_OK);
    assert_ptr_equal(found, list[i]);
    assert_true(strlen(list[i]->summary) > 0);
    for (size_t j = 0; j < sizeof clauses / sizeof *clauses; j++)
      clauses[j](list[i]);
  }
}

static void an_unknown_name_is_answered_with_the_known_ones(void **state) {
  (void)state;
  const comity_aggregator *found = NULL;
  assert_int_equal(comity_aggregator_find("median", &found), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "'median'"));
  assert_non_null(strstr(comity_error_message(), "exact, float32"));
  assert_null(found);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_aggregator_keeps_the_contract),
    cmocka_unit_test(an_unknown_name_is_answered_with_the_known_ones),
};

MPI_MAIN(tests)
