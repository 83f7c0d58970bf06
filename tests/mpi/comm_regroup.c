/* Regrouping without anybody dying: who is present, from where all go on, who is excluded and comes back, who is hurried, and who
 * takes a slot over from another process. */
#include "comm/comm_impl.h"

#include "mpi_main.h"

#include <string.h>

enum { WORDS = 40000 }; /* more than travels as one message */
static const double SILENCE = 2, SHORT_SILENCE = 0.5;

typedef struct seen {
  int changes, stalls, repeats, alarms;
  comity_change last;
} seen;

static void note_change(void *self, int rank, comity_change change, const char *text) {
  seen *s = self;
  (void)rank, (void)text;
  s->changes++;
  s->last = change;
}

static void note_stall(void *self, int rank, const char *text) {
  (void)rank, (void)text;
  ((seen *)self)->stalls++;
}

static void note_repeat(void *self, int rank, const char *text) {
  (void)rank, (void)text;
  ((seen *)self)->repeats++;
}

static comity_comm *new_comm(double silence, seen *s) {
  comity_comm *comm;
  *s = (seen){0};
  comity_watcher watcher = {.self = s, .changed = note_change, .stalled = note_stall, .repeats = note_repeat};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  assert_int_equal(comity_comm_survive(comm, silence, &watcher), COMITY_OK);
  return comm;
}

/* The server may be done with an operation, and would interrupt it by a regrouping, before all others are. */
static void meet(void) { MPI_Barrier(MPI_COMM_WORLD); }

/* Sum and broadcast: everybody who is present counts once and gets the result. */
static void assert_round(comity_comm *comm) {
  uint64_t *words;
  assert_int_equal(COMITY_NEW(words, WORDS), COMITY_OK);
  for (size_t i = 0; i < WORDS; i++)
    words[i] = 1;
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  assert_int_equal(comity_comm_sum(comm, words, WORDS), COMITY_OK);
  assert_int_equal(comity_comm_broadcast(comm, words, WORDS * sizeof *words), COMITY_OK);
  for (size_t i = 0; i < WORDS; i++)
    assert_int_equal(words[i], comity_comm_present(comm));
  comity_free(words);
}

/* The server regroups in the place of the operation that the others are in. */
static comity_point lead_on(comity_comm *comm, uint64_t round) {
  comity_point point = {0};
  if (comity_comm_is_server(comm))
    point = (comity_point){.round = round, .stage = 3, .value = 7};
  else
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
  assert_int_equal(comity_comm_regroup(comm, &point), COMITY_OK);
  return point;
}

static void all_go_on_from_the_servers_point_in_a_new_epoch(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(SILENCE, &s);
  assert_false(comity_comm_is_torn(comm));
  for (uint64_t round = 1; round <= 20; round++) {
    comity_point point = lead_on(comm, round);
    assert_int_equal(point.round, round);
    assert_int_equal(point.stage, 3);
    assert_int_equal(point.value, 7);
    assert_int_equal(comity_comm_epoch(comm), round);
    assert_int_equal(comity_comm_present(comm), world_size());
    assert_round(comm);
    meet();
  }
  assert_true(comity_comm_is_torn(comm)); /* on all, or some would finalize and others not */
  assert_int_equal(s.changes, 0);
  comity_comm_destroy(&comm);
}

static void an_excluded_rank_hears_of_it_and_comes_back(void **state) {
  (void)state;
  seen s;
  int last = world_size() - 1;
  comity_comm *comm = new_comm(SILENCE, &s);
  comity_point point = {.round = 1};
  comity_comm_exclude(comm, last, COMITY_CHANGE_SLOW, "too slow"); /* the server's alone to say */
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), last > 0 ? COMITY_INTERRUPTED : COMITY_OK);
  comity_status status = comity_comm_regroup(comm, &point);
  if (world_rank() == last && last > 0) {
    assert_int_equal(status, COMITY_ERR_EXCLUDED);
    assert_false(comity_comm_is_present(comm, last));
    meet();
    assert_int_equal(comity_comm_knock(comm, &point), COMITY_OK);
    assert_int_equal(point.round, 2);
  } else {
    assert_int_equal(status, COMITY_OK);
    assert_int_equal(comity_comm_present(comm), last > 0 ? last : 1);
    assert_round(comm);
    meet();
    while (comity_comm_is_server(comm) && last > 0 && !comity_comm_knocking(comm))
      comity_clock_sleep(1e-3);
    assert_int_equal(lead_on(comm, 2).round, 2);
  }
  assert_int_equal(comity_comm_present(comm), world_size());
  assert_round(comm);
  if (comity_comm_is_server(comm) && last > 0) {
    assert_int_equal(s.changes, 2);
    assert_int_equal(s.last, COMITY_CHANGE_RETURNED);
  }
  comity_comm_destroy(&comm);
}

static void work_for_longer_than_the_silence(comity_comm *comm) {
  for (double end = comity_clock_now() + 1.5 * SHORT_SILENCE; comity_clock_now() < end;
       comity_clock_sleep(2e-3))
    assert_int_equal(comity_comm_tend(comm), COMITY_OK);
}

/* Whoever is at work elsewhere and gives signs of life is waited for, by all and in any operation. */
static void nobody_gives_up_on_who_still_works(void **state) {
  (void)state;
  seen s;
  uint64_t *words;
  assert_int_equal(COMITY_NEW(words, WORDS), COMITY_OK);
  comity_comm *comm = new_comm(SHORT_SILENCE, &s);
  for (int i = 0; i < (world_size() > 1 ? 2 : 1); i++) {
    int late = i * (world_size() - 1);
    if (world_rank() == late)
      work_for_longer_than_the_silence(comm);
    assert_int_equal(comity_comm_broadcast(comm, words, WORDS * sizeof *words), COMITY_OK);
    if (world_rank() == late)
      work_for_longer_than_the_silence(comm);
    assert_int_equal(comity_comm_sum(comm, words, WORDS), COMITY_OK);
    if (world_rank() == late)
      work_for_longer_than_the_silence(comm);
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  }
  assert_int_equal(comity_comm_epoch(comm), 0);
  assert_int_equal(s.repeats, 0);
  comity_comm_destroy(&comm);
  comity_free(words);
}

/* Rank 1 finds a message corrupt while the server is busy, and says so again and again. */
static void the_same_complaint_counts_once(void **state) {
  (void)state;
  seen s;
  comity_faults *faults;
  comity_point point = {.round = 1};
  comity_comm *comm = new_comm(SILENCE, &s);
  uint64_t *words;
  assert_int_equal(COMITY_NEW(words, WORDS), COMITY_OK);
  comity_fault_scope scope = {.seed = 1, .ranks = world_size()};
  assert_int_equal(comity_faults_new(&scope, &faults), COMITY_OK);
  assert_int_equal(comity_faults_add(faults, NULL, "corrupt 1"), COMITY_OK);
  comity_comm_set_faults(comm, comity_comm_rank(comm) == 1 ? faults : NULL);
  comity_status status = comity_comm_broadcast(comm, words, 100);
  if (comity_comm_is_server(comm)) {
    comity_clock_sleep(SILENCE / 2);
    comity_comm_set_faults(comm, NULL);
    if (world_size() > 1)
      assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
  } else if (status == COMITY_OK) {
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
  }
  comity_comm_set_faults(comm, NULL);
  if (comity_comm_is_server(comm) && world_size() > 1)
    assert_int_equal(comm->watch.peer[1].strikes, 1);
  assert_int_equal(comity_comm_regroup(comm, &point), COMITY_OK);
  assert_int_equal(comity_comm_present(comm), world_size());
  assert_round(comm);
  comity_comm_destroy(&comm);
  comity_faults_destroy(&faults);
  comity_free(words);
}

static void hurried_members_hear_of_it_until_the_verdict(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(SILENCE, &s);
  assert_false(comity_comm_hurried(comm));
  if (comity_comm_is_server(comm))
    comity_comm_hurry(comm);
  while (!comity_comm_hurried(comm))
    assert_int_equal(comity_comm_tend(comm), COMITY_OK);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (world_size() > 1)
    assert_false(comity_comm_hurried(comm));
  comity_comm_destroy(&comm);
}

static void ring(void *self, bool due) { ((seen *)self)->alarms += due; }

static void the_alarm_rings_once_while_the_server_waits(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(SILENCE, &s);
  if (comity_comm_is_server(comm))
    comity_comm_set_alarm(comm, 0.05, ring, &s);
  if (world_rank() == world_size() - 1)
    for (double end = comity_clock_now() + 0.6; comity_clock_now() < end; comity_clock_sleep(1e-3))
      assert_int_equal(comity_comm_tend(comm), COMITY_OK);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm))
    assert_int_equal(s.alarms, 1);
  comity_comm_destroy(&comm);
}

/* Memory that MPI may still write to is left behind, with a copy of what it held. */
static void a_vector_moves_when_an_operation_may_still_write_to_it(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(SILENCE, &s);
  void *memory;
  assert_int_equal(comity_comm_buffer_new(comm, 1000, &memory), COMITY_OK);
  memset(memory, 42, 1000);
  void *before = memory, *slots = comm->slots;
  (void)lead_on(comm, 1);
  assert_int_equal(comity_comm_buffer_renew(comm, &memory), COMITY_OK);
  assert_ptr_equal(memory, before);
  comm->tainted = true;
  meet();
  (void)lead_on(comm, 2);
  assert_int_equal(comity_comm_buffer_renew(comm, &memory), COMITY_OK);
  assert_ptr_not_equal(memory, before);
  assert_ptr_not_equal(comm->slots, slots);
  assert_true(comity_comm_owns(comm, memory, 1000));
  for (size_t i = 0; i < 1000; i++)
    assert_int_equal(((uint8_t *)memory)[i], 42);
  assert_round(comm);
  comity_comm_destroy(&comm);
}

/* ------------------------------------------------------------------------------------------- other processes */

/* A way between the server and the last rank, as MPI_Comm_accept and MPI_Comm_spawn make it. */
static MPI_Comm make_link(void) {
  int rank = world_rank(), last = world_size() - 1;
  MPI_Comm link = MPI_COMM_NULL;
  if (rank == 0 || rank == last)
    assert_int_equal(MPI_Intercomm_create(MPI_COMM_SELF, 0, MPI_COMM_WORLD, rank == 0 ? last : 0, 17, &link),
                     MPI_SUCCESS);
  return link;
}

/* The last rank comes a second time, as if it were another process: `comm` is what it had. */
static comity_comm *come_by_link(comity_comm *comm, double silence, uint64_t round) {
  MPI_Comm link = make_link();
  int last = world_size() - 1;
  comity_comm *newcomer = NULL;
  comity_point point = {0};
  if (world_rank() == last) {
    assert_int_equal(comity_comm_arrive(link, last, last + 1, &(comity_comm_options){0}, silence, &newcomer),
                     COMITY_OK);
    assert_int_equal(comity_comm_knock(newcomer, &point), COMITY_OK);
    assert_int_equal(point.round, round);
    return newcomer;
  }
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_comm_offer(comm, last, link, "elsewhere"), COMITY_OK);
  assert_int_equal(lead_on(comm, round).round, round);
  return comm;
}

static void another_process_takes_a_slot_and_stays_through_many_epochs(void **state) {
  (void)state;
  if (world_size() == 1)
    return;
  seen s;
  comity_comm *original = new_comm(SILENCE, &s), *comm = come_by_link(original, SILENCE, 1);
  if (comity_comm_is_server(comm)) {
    assert_int_equal(s.changes, 1);
    assert_int_equal(s.last, COMITY_CHANGE_JOINED);
    assert_string_equal(comity_comm_host(comm, world_size() - 1), "elsewhere");
  }
  assert_round(comm);
  meet();
  for (uint64_t round = 2; round <= 12; round++) { /* more than 15 bits of a tag tell apart */
    (void)lead_on(comm, round);
    assert_int_equal(comity_comm_epoch(comm), round);
    assert_round(comm);
    meet();
  }
  /* Whoever had the slot before hears of it, not only that it is silent around. */
  bool replaced = comm != original;
  MPI_Request all_know;
  int know = 0;
  for (double end = comity_clock_now() + SILENCE;
       replaced && comity_clock_now() < end && !original->watch.taken;) {
    assert_int_equal(comity_comm_tend(comm), COMITY_OK);
    if (comity_comm_tend(original) != COMITY_OK)
      break;
  }
  MPI_Ibarrier(MPI_COMM_WORLD, &all_know);
  while (!know) {
    assert_int_equal(comity_comm_tend(comm), COMITY_OK);
    MPI_Test(&all_know, &know, MPI_STATUS_IGNORE);
  }
  comity_point point;
  if (replaced)
    assert_int_equal(comity_comm_regroup(original, &point), COMITY_ERR_REFUSED);
  assert_round(comm);
  comity_comm_destroy(&original);
}

/* A process that came by a link is replaced by a third one. */
static void whoever_came_by_a_link_can_be_replaced_too(void **state) {
  (void)state;
  if (world_size() == 1)
    return;
  seen s;
  comity_comm *original = new_comm(SILENCE, &s), *second = come_by_link(original, SILENCE, 1);
  assert_round(second);
  meet();
  comity_comm *third = come_by_link(second, SILENCE, 2);
  assert_round(third);
  comity_point point;
  if (third != second)
    assert_int_equal(comity_comm_regroup(second, &point), COMITY_ERR_REFUSED);
  assert_round(third);
  comity_comm_destroy(&original);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_go_on_from_the_servers_point_in_a_new_epoch),
    cmocka_unit_test(an_excluded_rank_hears_of_it_and_comes_back),
    cmocka_unit_test(nobody_gives_up_on_who_still_works),
    cmocka_unit_test(the_same_complaint_counts_once),
    cmocka_unit_test(hurried_members_hear_of_it_until_the_verdict),
    cmocka_unit_test(the_alarm_rings_once_while_the_server_waits),
    cmocka_unit_test(a_vector_moves_when_an_operation_may_still_write_to_it),
    cmocka_unit_test(another_process_takes_a_slot_and_stays_through_many_epochs),
    cmocka_unit_test(whoever_came_by_a_link_can_be_replaced_too),
};

MPI_MAIN(tests)
