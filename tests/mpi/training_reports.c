/* Reports of training: who was trained where, and what becomes of a report that has to be sent again. */
#include "mpi_main.h"

#include "round/round_impl.h"

#include <string.h>

enum { MEMBERS = 21 };

typedef struct reports {
  comity_comm *comm;
  comity_report mine, all;
} reports;

static int begin(void **state) {
  static reports here;
  here = (reports){0};
  if (comity_comm_new(MPI_COMM_WORLD, NULL, &here.comm) != COMITY_OK ||
      comity_report_reset(&here.mine, MEMBERS) != COMITY_OK)
    return 1;
  *state = &here;
  return 0;
}

static int end(void **state) {
  reports *here = *state;
  comity_report_clear(&here->mine);
  comity_report_clear(&here->all);
  comity_comm_destroy(&here->comm);
  return 0;
}

/* Everybody has its turn. */
static comity_status report(reports *here) {
  uint32_t cohort[MEMBERS];
  int rank[MEMBERS];
  for (uint32_t i = 0; i < MEMBERS; i++) {
    cohort[i] = 100 - i;
    rank[i] = (int)i % world_size();
  }
  return comity_report_send(here->comm, &here->mine, COMITY_OK, &(comity_dealt){cohort, rank}, &here->all);
}

static comity_status send(reports *here) {
  comity_status status = report(here);
  return comity_comm_verdict(here->comm, status);
}

/* Every rank has its turn; one member in seven is left out, and every fifth is absent. */
static void train(reports *here) {
  for (size_t i = 0; i < MEMBERS; i++) {
    if ((int)(i % (size_t)world_size()) != world_rank() || i % 7 == 6)
      continue;
    comity_report_done(&here->mine, i);
    here->mine.loss += i;
    if (i % 5 == 4)
      assert_int_equal(comity_report_absence(&here->mine, 100 - i, "n", world_rank(),
                                             comity_fail(COMITY_ERR_DATA, "because")),
                       COMITY_OK);
  }
}

static void check(const reports *here) {
  uint64_t loss = 0;
  for (size_t i = 0; i < MEMBERS; i++) {
    assert_int_equal(comity_report_is_done(&here->all, i), i % 7 != 6);
    loss += i % 7 == 6 ? 0 : i;
  }
  assert_int_equal(here->all.loss, loss);
  assert_int_equal(here->all.absences, 4); /* 4, 9, 14, 19; not 20 */
  for (size_t i = 1; i < here->all.absences; i++)
    assert_true(here->all.absent[i - 1].client < here->all.absent[i].client);
}

static void a_report_sent_again_says_the_same(void **state) {
  reports *here = *state;
  train(here);
  for (int times = 0; times < 3; times++) {
    assert_int_equal(send(here), COMITY_OK);
    if (world_rank() == 0)
      check(here);
  }
}

static void what_is_trained_later_is_added(void **state) {
  reports *here = *state;
  train(here);
  assert_int_equal(send(here), COMITY_OK);
  for (size_t i = 6; i < MEMBERS && world_rank() == world_size() - 1; i += 7)
    comity_report_done(&here->mine, i);
  assert_int_equal(send(here), COMITY_OK);
  for (size_t i = 0; i < MEMBERS && world_rank() == 0; i++)
    assert_true(comity_report_is_done(&here->all, i));
}

static void a_client_that_two_ranks_trained_is_refused(void **state) {
  reports *here = *state;
  comity_report_done(&here->mine, 3);
  assert_int_equal(send(here), world_size() > 1 ? COMITY_ERR_INTERNAL : COMITY_OK);
}

/* The last rank sends what is no report: it is left out, and the others report again. */
static void whose_report_makes_no_sense_is_left_out(void **state) {
  reports *here = *state;
  int last = world_size() - 1;
  comity_point point = {.round = 1};
  const comity_watcher watcher = {0};
  assert_int_equal(comity_comm_survive(here->comm, 2, &watcher), COMITY_OK);
  train(here);
  if (world_rank() == last && last > 0) {
    comity_gathered none;
    assert_int_equal(comity_comm_report(here->comm, COMITY_OK, "no report", 9, &none), COMITY_OK);
    comity_gathered_clear(&none);
    assert_int_equal(comity_comm_verdict(here->comm, COMITY_OK), COMITY_INTERRUPTED);
    assert_int_equal(comity_comm_regroup(here->comm, &point), COMITY_ERR_EXCLUDED);
    return;
  }
  if (last > 0) {
    comity_status status = report(here);
    assert_int_equal(status, world_rank() == 0 ? COMITY_INTERRUPTED : COMITY_OK);
    if (world_rank() > 0)
      assert_int_equal(comity_comm_verdict(here->comm, status), COMITY_INTERRUPTED);
    assert_int_equal(comity_comm_regroup(here->comm, &point), COMITY_OK);
  }
  assert_int_equal(send(here), COMITY_OK);
  assert_int_equal(comity_comm_present(here->comm), last > 0 ? last : 1);
  for (size_t i = 0; i < MEMBERS && world_rank() == 0; i++)
    assert_int_equal(comity_report_is_done(&here->all, i),
                     i % 7 != 6 && ((int)(i % (size_t)world_size()) != last || last == 0));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_report_sent_again_says_the_same, begin, end),
    cmocka_unit_test_setup_teardown(what_is_trained_later_is_added, begin, end),
    cmocka_unit_test_setup_teardown(a_client_that_two_ranks_trained_is_refused, begin, end),
    cmocka_unit_test_setup_teardown(whose_report_makes_no_sense_is_left_out, begin, end),
};

MPI_MAIN(tests)
