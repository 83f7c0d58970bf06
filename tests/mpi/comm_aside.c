/* Whoever is at its files for longer than the silence is waited for; whoever hangs or is stopped there is not. The disk of this
 * program is slow: its fsync and opendir take the place of the system's. */
#include "comm/comm_impl.h"

#include "mpi_main.h"

#include <comity/checkpoint.h>

#include "core/core_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double SILENCE = 1;
enum { LONG = 2, PARAMETERS = 100 }; /* silences */

static double disk; /* seconds that it takes */

int fsync(int handle) {
  (void)handle;
  comity_clock_sleep(disk);
  return 0;
}

DIR *opendir(const char *name) {
  int handle = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  comity_clock_sleep(disk);
  return handle < 0 ? NULL : fdopendir(handle);
}

typedef struct seen {
  int lost, by_files, returned;
} seen;

static void note_change(void *self, int rank, comity_change change, const char *text) {
  seen *s = self;
  (void)rank, (void)text;
  s->lost += change == COMITY_CHANGE_LOST;
  s->returned += change == COMITY_CHANGE_RETURNED;
}

static void note_stall(void *self, int rank, const char *text) {
  seen *s = self;
  (void)rank;
  s->by_files += strstr(text, "has been at its files for") != NULL;
}

static comity_comm *new_comm(double file_deadline, seen *s) {
  comity_comm *comm;
  *s = (seen){0};
  comity_watcher watcher = {.self = s, .changed = note_change, .stalled = note_stall};
  comity_comm_options options = {.file_deadline = file_deadline};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_OK);
  assert_int_equal(comity_comm_survive(comm, SILENCE, &watcher), COMITY_OK);
  return comm;
}

static comity_status sleep_for(void *seconds) {
  comity_clock_sleep(*(const double *)seconds);
  return COMITY_OK;
}

static void whoever_is_at_its_files_for_long_is_waited_for(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(0, &s);
  double seconds = LONG * SILENCE;
  for (int i = 0; i < 2; i++) {
    int busy = i * (world_size() - 1);
    if (world_rank() == busy)
      assert_int_equal(comity_comm_aside(comm, sleep_for, &seconds), COMITY_OK);
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  }
  assert_int_equal(comity_comm_epoch(comm), 0);
  if (comity_comm_is_server(comm) && world_size() > 1) {
    assert_int_equal(s.lost, 0);
    /* Once each, also the server itself. Others may stall on a busy machine. */
    assert_int_equal(s.by_files, 2);
  }
  comity_comm_destroy(&comm);
}

static comity_status find_disk_full(void *self) {
  (void)self;
  return comity_fail(COMITY_ERR_FULL, "this disk is full");
}

static void what_the_work_says_comes_back(void **state) {
  (void)state;
  seen s;
  comity_comm *comm = new_comm(0, &s);
  assert_int_equal(comity_comm_aside(comm, find_disk_full, NULL), COMITY_ERR_FULL);
  assert_string_equal(comity_error_message(), "this disk is full");
  assert_int_equal(comity_comm_agree(comm, COMITY_ERR_FULL), COMITY_ERR_FULL);
  comity_comm_destroy(&comm);
}

static void a_checkpoint_on_a_slow_disk_costs_nobody_its_place(void **state) {
  (void)state;
  seen s;
  char folder[64] = "/tmp/comity-slow-XXXXXX";
  float model[PARAMETERS] = {0}, one = 1;
  comity_comm *comm = new_comm(0, &s);
  if (comity_comm_is_server(comm))
    assert_non_null(mkdtemp(folder));
  assert_int_equal(comity_comm_broadcast(comm, folder, sizeof folder), COMITY_OK);
  comity_states *states;
  assert_int_equal(comity_states_new(1, NULL, &states), COMITY_OK);
  assert_int_equal(comity_states_write(states, (uint64_t)world_rank(), &one), COMITY_OK);
  comity_checkpoint checkpoint = {.round = 1, .parameters = PARAMETERS, .model = model};
  disk = 1.3 * SILENCE;
  assert_int_equal(comity_checkpoint_write(comm, folder, &checkpoint, states, 1, NULL), COMITY_OK);
  char *path = NULL;
  assert_int_equal(comity_checkpoint_find(comm, folder, NULL, &path), COMITY_OK);
  disk = 0;
  assert_non_null(path);
  assert_int_equal(s.lost, 0);
  comity_free(path);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_folder_remove(folder), COMITY_OK);
  comity_states_destroy(&states);
  comity_comm_destroy(&comm);
}

/* The last rank is not fit while it is at its files: the others go on without it, and it comes back. */
static void assert_lost_and_back(double file_deadline, comity_work *work, void *self) {
  seen s;
  int last = world_size() - 1;
  comity_comm *comm = new_comm(file_deadline, &s);
  comity_point point = {.round = 1};
  double since = comity_clock_now();
  if (world_rank() == last)
    assert_int_equal(comity_comm_aside(comm, work, self), COMITY_OK);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
  if (world_rank() != last) {
    assert_in_range((int)(1e3 * (comity_clock_now() - since)), 0, (int)(1e3 * 3.9 * SILENCE));
    assert_int_equal(comity_comm_regroup(comm, &point), COMITY_OK);
    assert_int_equal(comity_comm_present(comm), last);
    if (!comity_comm_is_server(comm))
      assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
    while (comity_comm_is_server(comm) && !comity_comm_knocking(comm))
      comity_clock_sleep(1e-3);
    assert_int_equal(comity_comm_regroup(comm, &point), COMITY_OK);
  } else {
    assert_int_equal(comity_comm_regroup(comm, &point), COMITY_ERR_EXCLUDED);
    assert_int_equal(comity_comm_knock(comm, &point), COMITY_OK);
  }
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    assert_int_equal(s.lost, 1);
    assert_int_equal(s.returned, 1);
  }
  comity_comm_destroy(&comm);
}

static void whoever_is_there_for_longer_than_the_deadline_is_lost(void **state) {
  (void)state;
  double seconds = 4 * SILENCE;
  if (world_size() > 1)
    assert_lost_and_back(SILENCE / 2, sleep_for, &seconds);
}

/* Of the whole process, for as long as a schedule of faults says. */
static comity_status stop(void *faults) {
  assert_true(comity_faults_enter(faults, world_rank(), 1, COMITY_FAULT_SAVE) == 0);
  comity_clock_sleep(SILENCE / 4);
  comity_faults_leave(faults);
  return COMITY_OK;
}

static void whoever_is_stopped_there_is_missed_as_soon_as_anywhere(void **state) {
  (void)state;
  comity_faults *faults;
  comity_fault_scope scope = {.seed = 1, .rounds = 1, .ranks = world_size()};
  if (world_size() == 1)
    return;
  assert_int_equal(comity_faults_new(&scope, &faults), COMITY_OK);
  assert_int_equal(comity_faults_add(faults, NULL, "stop ranks 1- round 1 save after 0.01 s for 4 s"),
                   COMITY_OK);
  assert_lost_and_back(0, stop, faults);
  comity_faults_destroy(&faults);
}

static void a_server_that_hangs_there_is_left(void **state) {
  (void)state;
  seen s;
  double seconds = 4 * SILENCE;
  comity_comm *comm = new_comm(SILENCE / 2, &s);
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_comm_aside(comm, sleep_for, &seconds), COMITY_OK);
  else
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_ERR_SERVER);
  comm->torn = true; /* on all */
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(whoever_is_at_its_files_for_long_is_waited_for),
    cmocka_unit_test(what_the_work_says_comes_back),
    cmocka_unit_test(a_checkpoint_on_a_slow_disk_costs_nobody_its_place),
    cmocka_unit_test(whoever_is_there_for_longer_than_the_deadline_is_lost),
    cmocka_unit_test(whoever_is_stopped_there_is_missed_as_soon_as_anywhere),
    cmocka_unit_test(a_server_that_hangs_there_is_left),
};

MPI_MAIN(tests)
