/* A sum that was interrupted runs again, also after more clients were added, and comes to the bits of one that was not. */
#include "mpi_main.h"

#include <comity/aggregate.h>

#include <string.h>

enum { CLIENTS = 23, LENGTH = 3001 };

static const comity_aggregator *exact;
static int cuts; /* sums that are still to be interrupted */

/* What an operation may have done until it was given up: read some clients, changed the head, told some sums. */
static comity_status cut_sum(comity_comm *comm, uint64_t *head, size_t count, const comity_summing *how) {
  static uint64_t words[LENGTH];
  if (cuts == 0)
    return exact->sum(comm, head, count, how);
  size_t some = count / (size_t)(1 + cuts--);
  for (size_t i = 0; i < COMITY_AGGREGATE_HEAD; i++)
    head[i] += 77;
  if (!how->only_receives)
    how->add(how->self, 0, some, words);
  if (comity_comm_is_server(comm))
    how->take(how->self, 0, some, words);
  return COMITY_INTERRUPTED;
}

static double fill(size_t client, float *fields) {
  comity_random random;
  comity_random_open(&random, 5, COMITY_RANDOM_TEST, client, 0, 0);
  for (size_t i = 0; i < LENGTH; i++)
    fields[i] = (float)(comity_random_normal(&random) * (i % 5 == 0 ? 300 : 0.02));
  return (double)(2 + client);
}

/* This rank's part of the clients [first, end): those that every one but an idle server takes in turn. */
static void add(comity_comm *comm, comity_aggregate *aggregate, size_t first, size_t end) {
  float fields[LENGTH];
  size_t others = (size_t)comity_comm_participants(comm);
  for (size_t k = first; k < end; k++)
    if ((int)(k % others) == comity_comm_participant(comm)) {
      double weight = fill(k, fields);
      assert_int_equal(comity_aggregate_add(aggregate, fields, weight), COMITY_OK);
    }
}

static void combine(int interruptions, float *combined) {
  comity_aggregator fake = *exact;
  comity_layout layout = {0};
  comity_aggregate *aggregate;
  comity_comm *comm;
  size_t present = 0, ends[] = {CLIENTS / 3, CLIENTS / 2, CLIENTS};
  double total = 0;
  float fields[LENGTH];
  fake.sum = cut_sum;
  assert_int_equal(comity_layout_add(&layout, "update", LENGTH, COMITY_COMBINE_MEAN), COMITY_OK);
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  assert_int_equal(comity_aggregate_new(&fake, comm, &layout, &aggregate), COMITY_OK);
  for (size_t k = 0; k < CLIENTS; k++)
    total += fill(k, fields);
  comity_aggregate_begin(aggregate, CLIENTS, total);
  for (size_t i = 0, first = 0; i < 3; first = ends[i++]) {
    add(comm, aggregate, first, ends[i]);
    cuts = interruptions;
    while (cuts > 0)
      assert_int_equal(comity_aggregate_sum(aggregate, combined), COMITY_INTERRUPTED);
  }
  assert_int_equal(comity_aggregate_sum(aggregate, combined), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    assert_int_equal(comity_aggregate_present(aggregate, &present), COMITY_OK);
    assert_int_equal(present, CLIENTS);
  }
  comity_aggregate_destroy(&aggregate);
  comity_comm_destroy(&comm);
}

static void an_interrupted_sum_counts_everybody_once(void **state) {
  (void)state;
  static float undisturbed[LENGTH], disturbed[LENGTH];
  assert_int_equal(comity_aggregator_find("exact", &exact), COMITY_OK);
  combine(0, undisturbed);
  combine(2, disturbed);
  if (world_rank() == 0)
    assert_memory_equal(undisturbed, disturbed, sizeof disturbed);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_interrupted_sum_counts_everybody_once),
};

MPI_MAIN(tests)
