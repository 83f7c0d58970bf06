/* The exact aggregate on any number of ranks, clients dealt in any way, has the bits of the serial one. */
#include "mpi_main.h"

#include <comity/aggregate.h>

#include <string.h>

enum { CLIENTS = 13, LENGTH = 5003, PIECE = 1000 };
static const size_t ABSENT = 5;

/* Client k's fields: a mean vector and a summed scalar, with magnitudes that make float sums order-dependent.
 */
static double fill(size_t client, float *fields) {
  comity_random random;
  comity_random_open(&random, 11, COMITY_RANDOM_TEST, client, 0, 0);
  for (size_t i = 0; i <= LENGTH; i++)
    fields[i] = (float)(comity_random_normal(&random) * (i % 7 == 0 ? 1000 : 0.01));
  return (double)(1 + client * client);
}

static comity_layout message(void) {
  comity_layout layout = {0};
  assert_int_equal(comity_layout_add(&layout, "update", LENGTH, COMITY_COMBINE_MEAN), COMITY_OK);
  assert_int_equal(comity_layout_add(&layout, "loss", 1, COMITY_COMBINE_SUM), COMITY_OK);
  return layout;
}

/* Combine all clients but one; this rank folds in those that `shift` deals to it. */
static void combine(const char *method, MPI_Comm base, int shift, float *combined) {
  const comity_aggregator *aggregator;
  comity_layout layout = message();
  comity_aggregate *aggregate;
  comity_comm *comm;
  comity_comm_options options = {.deadline = 60, .piece_bytes = PIECE};
  size_t present = 0;
  double total = 0;
  float *fields;
  assert_int_equal(COMITY_NEW(fields, layout.length), COMITY_OK);
  assert_int_equal(comity_aggregator_find(method, &aggregator), COMITY_OK);
  assert_int_equal(comity_comm_new(base, &options, &comm), COMITY_OK);
  assert_int_equal(comity_aggregate_new(aggregator, comm, &layout, &aggregate), COMITY_OK);
  for (size_t k = 0; k < CLIENTS; k++)
    total += fill(k, fields);
  comity_aggregate_begin(aggregate, CLIENTS, total);
  for (size_t k = 0; k < CLIENTS; k++) {
    bool mine = (int)(k + (size_t)shift) % comity_comm_size(comm) == comity_comm_rank(comm);
    if (k == ABSENT || !mine)
      continue;
    double weight = fill(k, fields);
    assert_int_equal(comity_aggregate_add(aggregate, fields, weight), COMITY_OK);
  }
  assert_int_equal(comity_aggregate_sum(aggregate, combined), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    assert_int_equal(comity_aggregate_present(aggregate, &present), COMITY_OK);
    assert_int_equal(present, CLIENTS - 1);
  }
  comity_aggregate_destroy(&aggregate);
  comity_comm_destroy(&comm);
  comity_free(fields);
}

static void exact_means_have_the_bits_of_the_serial_ones(void **state) {
  (void)state;
  static float serial[LENGTH + 1], spread[LENGTH + 1];
  combine("exact", MPI_COMM_SELF, 0, serial);
  for (int shift = 0; shift < 3; shift++) {
    combine("exact", MPI_COMM_WORLD, shift, spread);
    if (world_rank() == 0)
      assert_memory_equal(serial, spread, sizeof serial);
  }
}

static void float_means_are_close_to_the_exact_ones(void **state) {
  (void)state;
  static float serial[LENGTH + 1], spread[LENGTH + 1];
  combine("exact", MPI_COMM_SELF, 0, serial);
  combine("float32", MPI_COMM_WORLD, 0, spread);
  for (size_t i = 0; world_rank() == 0 && i <= LENGTH; i++)
    assert_float_equal(serial[i], spread[i], 1e-2f);
}

static void more_weight_than_announced_is_refused_on_the_server(void **state) {
  (void)state;
  const comity_aggregator *aggregator;
  comity_layout layout = {0};
  comity_aggregate *aggregate;
  comity_comm *comm;
  float one = 1, combined;
  size_t present = 0;
  assert_int_equal(comity_layout_add(&layout, "update", 1, COMITY_COMBINE_MEAN), COMITY_OK);
  assert_int_equal(comity_aggregator_find("exact", &aggregator), COMITY_OK);
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  assert_int_equal(comity_aggregate_new(aggregator, comm, &layout, &aggregate), COMITY_OK);
  comity_aggregate_begin(aggregate, (size_t)world_size(), 3);
  assert_int_equal(comity_aggregate_add(aggregate, &one, 3), COMITY_OK);
  assert_int_equal(comity_aggregate_sum(aggregate, &combined), COMITY_OK);
  if (world_rank() == 0)
    assert_int_equal(comity_aggregate_present(aggregate, &present),
                     world_size() > 1 ? COMITY_ERR_ARG : COMITY_OK);
  comity_aggregate_destroy(&aggregate);
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(exact_means_have_the_bits_of_the_serial_ones),
    cmocka_unit_test(float_means_are_close_to_the_exact_ones),
    cmocka_unit_test(more_weight_than_announced_is_refused_on_the_server),
};

MPI_MAIN(tests)
