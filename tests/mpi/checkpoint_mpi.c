/* Checkpoints on any number of ranks: whole or not at all, the newest good one is found, and states come back
 * to whoever asks. */
#include "mpi_main.h"
#include "test.h"

#include <comity/checkpoint.h>

#include "checkpoint/checkpoint_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARAMETERS = 1000, SERVER = 7, LENGTH = 3, PER_RANK = 5 };

static comity_comm *comm;
static comity_logger *logger;
static char folder[64], log_path[80];
static float model[PARAMETERS], server_state[SERVER];

/* A folder that all ranks see, and a log of its own on the server. */
static int set_up(void **state) {
  (void)state;
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    snprintf(folder, sizeof folder, "/tmp/comity-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    assert_int_equal(comity_logger_new(NULL, log_path, COMITY_LOG_WARN, -1, &logger), COMITY_OK);
  }
  assert_int_equal(comity_comm_broadcast(comm, folder, sizeof folder), COMITY_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    comity_logger_destroy(&logger);
    char inner[80];
    snprintf(inner, sizeof inner, "%s/small", folder);
    umount(inner); /* one test mounts a small file system there */
    assert_int_equal(comity_folder_remove(folder), COMITY_OK);
  }
  comity_comm_destroy(&comm);
  return 0;
}

/* Clients are dealt round robin; PER_RANK to each rank. */
static comity_states *make_states(float plus, const char *spill) {
  comity_states *states;
  assert_int_equal(comity_states_new(LENGTH, spill, &states), COMITY_OK);
  for (int i = PER_RANK - 1; i >= 0; i--) {
    uint64_t client = (uint64_t)(i * comity_comm_size(comm) + comity_comm_rank(comm));
    float value[LENGTH] = {(float)client, plus, -(float)client};
    assert_int_equal(comity_states_write(states, client, value), COMITY_OK);
  }
  return states;
}

static comity_status write_to(const char *where, uint64_t round, size_t keep, const comity_states *states) {
  for (int i = 0; i < PARAMETERS; i++)
    model[i] = (float)round + (float)i;
  for (int i = 0; i < SERVER; i++)
    server_state[i] = -(float)round * (float)i;
  comity_checkpoint checkpoint = {.round = round,
                                  .parameters = PARAMETERS,
                                  .model = model,
                                  .server_length = SERVER,
                                  .server_state = server_state,
                                  .counter = {round, 2, 3, 4, 5, 6, 7, UINT64_MAX},
                                  .job = "server: {rounds: 9}\n"};
  return comity_checkpoint_write(comm, where, comity_comm_is_server(comm) ? &checkpoint : NULL, states, keep,
                                 logger);
}

static void write_round(uint64_t round, size_t keep, float plus) {
  comity_states *states = make_states(plus, NULL);
  assert_int_equal(write_to(folder, round, keep, states), COMITY_OK);
  comity_states_destroy(&states);
}

/* Check that the newest is of this round; 0 = that there is none. */
static char *expect_newest(const char *where, uint64_t round) {
  char *path = NULL, expected[128];
  assert_int_equal(comity_checkpoint_find(comm, where, logger, &path), COMITY_OK);
  if (round == 0) {
    assert_null(path);
    return NULL;
  }
  snprintf(expected, sizeof expected, "%s/checkpoint-%08d", where, (int)round);
  assert_non_null(path);
  assert_string_equal(path, expected);
  return path;
}

static void expect_contents(const char *path, uint64_t round) {
  static float read_model[PARAMETERS], read_state[SERVER];
  comity_checkpoint read = {
      .parameters = PARAMETERS, .model = read_model, .server_length = SERVER, .server_state = read_state};
  char *job;
  assert_int_equal(comity_checkpoint_read(path, &read, &job), COMITY_OK);
  assert_true(read.round == round && read.counter[0] == round && read.counter[7] == UINT64_MAX);
  for (int i = 0; i < PARAMETERS; i++)
    assert_true(read_model[i] == (float)round + (float)i);
  for (int i = 0; i < SERVER; i++)
    assert_true(read_state[i] == -(float)round * (float)i);
  assert_string_equal(job, "server: {rounds: 9}\n");
  comity_free(job);
}

static bool every_third(void *context, uint64_t client) {
  ++*(int *)context;
  return client % 3 == 0;
}

static void what_all_ranks_wrote_comes_back_to_each(void **state) {
  (void)state;
  write_round(5, 2, 0.5F);
  char *path = expect_newest(folder, 5);
  expect_contents(path, 5);
  comity_states *states;
  int asked = 0, clients = PER_RANK * comity_comm_size(comm);
  assert_int_equal(comity_states_new(LENGTH, NULL, &states), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, every_third, &asked, states), COMITY_OK);
  assert_true(asked >= clients);
  assert_int_equal(comity_states_list(states, NULL), (clients + 2) / 3);
  for (int client = 0; client < clients; client++) {
    float value[LENGTH];
    assert_int_equal(comity_states_read(states, (uint64_t)client, value), COMITY_OK);
    bool taken = client % 3 == 0;
    assert_true(value[0] == (taken ? (float)client : 0) && value[1] == (taken ? 0.5F : 0));
  }
  comity_states_destroy(&states);
  uint8_t expected[COMITY_HASH_BYTES], found[COMITY_HASH_BYTES];
  if (comity_comm_is_server(comm)) {
    assert_int_equal(comity_hash_bytes(model, sizeof model, expected), COMITY_OK);
    assert_int_equal(comity_model_hash(path, found), COMITY_OK);
    assert_memory_equal(found, expected, sizeof found);
  }
  comity_free(path);
}

static void states_larger_than_a_block_come_back(void **state) {
  (void)state;
  enum { LONG = 700000, COUNT = 4 }; /* 2.8 MB each, so a block holds two */
  comity_states *states, *again;
  float *value = comity_array(LONG, sizeof *value);
  int asked = 0, rank = comity_comm_rank(comm);
  assert_int_equal(comity_states_new(LONG, NULL, &states), COMITY_OK);
  for (uint64_t i = 0; rank == comity_comm_size(comm) - 1 && i < COUNT; i++) {
    value[0] = (float)i + 1;
    value[LONG - 1] = -(float)i;
    assert_int_equal(comity_states_write(states, 3 * i, value), COMITY_OK);
  }
  assert_int_equal(write_to(folder, 1, 1, states), COMITY_OK);
  comity_states_destroy(&states);
  char *path = expect_newest(folder, 1);
  assert_int_equal(comity_states_new(LONG, NULL, &again), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, every_third, &asked, again), COMITY_OK);
  assert_int_equal(comity_states_list(again, NULL), COUNT);
  for (uint64_t i = 0; i < COUNT; i++) {
    assert_int_equal(comity_states_read(again, 3 * i, value), COMITY_OK);
    assert_true(value[0] == (float)i + 1 && value[LONG - 1] == -(float)i && value[5] == 0);
  }
  comity_states_destroy(&again);
  comity_free(path);
  comity_free(value);
}

static void a_checkpoint_of_other_sizes_is_refused(void **state) {
  (void)state;
  write_round(5, 2, 0);
  char *path = expect_newest(folder, 5);
  comity_checkpoint read = {
      .parameters = PARAMETERS - 1, .model = model, .server_length = SERVER, .server_state = server_state};
  assert_int_equal(comity_checkpoint_read(path, &read, NULL), COMITY_ERR_CHECKPOINT);
  assert_non_null(strstr(comity_error_message(), "server.h5: dataset 'model' holds 1000 elements"));
  comity_states *states;
  int asked = 0;
  assert_int_equal(comity_states_new(LENGTH + 1, NULL, &states), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, every_third, &asked, states), COMITY_ERR_CHECKPOINT);
  assert_non_null(strstr(comity_error_message(), "states of 3 floats, but this job keeps 4"));
  comity_states_destroy(&states);
  comity_free(path);
}

static bool exists(uint64_t round, const char *suffix) {
  char path[128];
  snprintf(path, sizeof path, "%s/checkpoint-%08d%s", folder, (int)round, suffix);
  return access(path, F_OK) == 0;
}

static void only_the_newest_are_kept(void **state) {
  (void)state;
  for (uint64_t round = 1; round <= 4; round++)
    write_round(round, 2, 0);
  comity_free(expect_newest(folder, 4));
  assert_true(!exists(1, "") && !exists(2, "") && exists(3, "") && exists(4, ""));
  for (uint64_t round = 1; round <= 4; round++)
    assert_true(!exists(round, ".part") && !exists(round, ".old"));
}

static void a_checkpoint_of_the_same_round_is_replaced(void **state) {
  (void)state;
  write_round(3, 2, 1);
  write_round(3, 2, 2);
  char *path = expect_newest(folder, 3);
  comity_states *states;
  int asked = 0;
  float value[LENGTH];
  assert_int_equal(comity_states_new(LENGTH, NULL, &states), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, every_third, &asked, states), COMITY_OK);
  assert_int_equal(comity_states_read(states, 0, value), COMITY_OK);
  assert_true(value[1] == 2);
  assert_true(!exists(3, ".part") && !exists(3, ".old"));
  comity_states_destroy(&states);
  comity_free(path);
}

/* A run that goes on from round 1 because round 9 was refused must not find round 9 once more. */
static void a_later_checkpoint_gives_way_to_the_one_just_written(void **state) {
  (void)state;
  write_round(1, 3, 0);
  write_round(9, 3, 0);
  write_round(2, 3, 0);
  comity_free(expect_newest(folder, 2));
  assert_true(exists(1, "") && !exists(9, ""));
}

static void the_latest_is_found_by_any_rank_alone_and_never_from_a_later_round(void **state) {
  (void)state;
  char *path = NULL, expected[128];
  assert_int_equal(comity_checkpoint_latest(folder, 9, &path), COMITY_OK);
  assert_null(path);
  write_round(3, 3, 0);
  write_round(5, 3, 0);
  write_round(7, 3, 0);
  assert_int_equal(comity_checkpoint_latest(folder, 2, &path), COMITY_OK);
  assert_null(path);
  assert_int_equal(comity_checkpoint_latest(folder, 6, &path), COMITY_OK);
  snprintf(expected, sizeof expected, "%s/checkpoint-00000005", folder);
  assert_non_null(path);
  assert_string_equal(path, expected);
  comity_free(path);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm)) { /* torn: the one before counts */
    snprintf(expected, sizeof expected, "%s/checkpoint-00000005/server.h5", folder);
    assert_int_equal(truncate(expected, 100), 0);
  }
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  assert_int_equal(comity_checkpoint_latest(folder, 6, &path), COMITY_OK);
  snprintf(expected, sizeof expected, "%s/checkpoint-00000003", folder);
  assert_string_equal(path, expected);
  comity_free(path);
}

static void nowhere_is_no_checkpoint(void **state) {
  (void)state;
  char none[96];
  snprintf(none, sizeof none, "%s/none", folder);
  assert_null(expect_newest(folder, 0));
  assert_null(expect_newest(none, 0));
}

/* Cut the spilled states of this process to nothing, behind their owner's back. */
static void lose_spilled_states(void) {
  for (int handle = 3; handle < 256; handle++) {
    char link[64], target[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0)
      continue;
    target[length] = '\0';
    if (strstr(target, "comity-lost-states") != NULL)
      assert_int_equal(ftruncate(handle, 0), 0);
  }
}

static void a_failed_write_on_one_rank_fails_on_all_and_leaves_the_one_before(void **state) {
  (void)state;
  write_round(1, 1, 0);
  for (int bad = 0; bad < comity_comm_size(comm); bad++) {
    char spill[96], named[32];
    snprintf(spill, sizeof spill, "%s/comity-lost-states-%d", folder, comity_comm_rank(comm));
    comity_states *states = make_states(0, spill);
    if (comity_comm_rank(comm) == bad)
      lose_spilled_states();
    assert_int_equal(write_to(folder, 2, 1, states), COMITY_ERR_IO);
    snprintf(named, sizeof named, "rank %d: ", bad);
    assert_true(comity_comm_size(comm) == 1 || strstr(comity_error_message(), named) != NULL);
    assert_non_null(strstr(comity_error_message(), "comity-lost-states"));
    comity_states_destroy(&states);
    char *path = expect_newest(folder, 1);
    expect_contents(path, 1);
    comity_free(path);
    assert_true(!exists(2, "") && !exists(2, ".part"));
  }
}

static void an_impossible_folder_fails_on_all_ranks(void **state) {
  (void)state;
  char where[96];
  snprintf(where, sizeof where, "%s/file/run", folder);
  if (comity_comm_is_server(comm)) {
    char file[96];
    snprintf(file, sizeof file, "%s/file", folder);
    assert_int_equal(comity_file_write(file, "x", 1), COMITY_OK);
  }
  assert_int_not_equal(write_to(where, 1, 1, NULL), COMITY_OK);
  assert_non_null(strstr(comity_error_message(), "file"));
}

/* Leave room for 4 kB, 8 kB, ... of a small disk: writing fails at another place each time, until it fits. */
static void a_full_disk_leaves_the_checkpoint_before_wherever_it_strikes(void **state) {
  (void)state;
  char small[80], filler[96];
  snprintf(small, sizeof small, "%s/small", folder);
  snprintf(filler, sizeof filler, "%s/filler", small);
  bool server = comity_comm_is_server(comm);
  int mounted = 0;
  if (server) {
    assert_int_equal(mkdir(small, 0777), 0);
    mounted = mount("none", small, "tmpfs", 0, "size=512k") == 0;
  }
  assert_int_equal(comity_comm_broadcast(comm, &mounted, sizeof mounted), COMITY_OK);
  if (!mounted) {
    print_message("no small file system can be mounted here: skipped\n");
    skip();
  }
  comity_states *states = make_states(0, NULL);
  assert_int_equal(write_to(small, 1, 2, states), COMITY_OK);
  int failures = 0;
  comity_status status = COMITY_ERR_FULL;
  for (int room = 0; status != COMITY_OK; room += 4096) {
    assert_true(room < 200000);
    if (server) {
      static const char zeros[4096];
      int handle = open(filler, O_WRONLY | O_CREAT | O_TRUNC, 0600);
      off_t size = 0;
      for (ssize_t wrote; (wrote = write(handle, zeros, sizeof zeros)) > 0;)
        size += wrote;
      assert_int_equal(ftruncate(handle, size - room), 0);
      close(handle);
    }
    status = write_to(small, 2, 2, states);
    if (status != COMITY_OK) {
      assert_int_equal(status, COMITY_ERR_FULL);
      assert_non_null(strstr(comity_error_message(), "checkpoint-00000002"));
      failures++;
    }
    char *path = expect_newest(small, status == COMITY_OK ? 2 : 1);
    expect_contents(path, status == COMITY_OK ? 2 : 1);
    comity_free(path);
  }
  assert_true(failures >= 3);
  comity_states_destroy(&states);
}

static comity_part part_called(const char *name) {
  comity_part part = {.bytes = 10};
  memcpy(part.name, name, strnlen(name, sizeof part.name));
  return part;
}

/* The last rank takes part, but says of its files what is not so: it is left out, and the others write again. */
static void expect_liar_left_out(const void *lie, size_t bytes, uint64_t round) {
  int last = comity_comm_size(comm) - 1;
  comity_point point = {.round = round};
  comity_states *states = make_states(0, NULL);
  const comity_watcher watcher = {0};
  assert_int_equal(comity_comm_survive(comm, 5, &watcher), COMITY_OK);
  if (comity_comm_rank(comm) == last) {
    comity_gathered none;
    uint64_t told = 0;
    assert_int_equal(comity_comm_broadcast(comm, &told, sizeof told), COMITY_OK);
    for (int i = 0; i < 3; i++)
      assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
    assert_int_equal(comity_comm_gather(comm, lie, bytes, &none), COMITY_OK);
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_INTERRUPTED);
    assert_int_equal(comity_comm_regroup(comm, &point), COMITY_ERR_EXCLUDED);
  } else {
    assert_int_equal(write_to(folder, round, 5, states), COMITY_INTERRUPTED);
    assert_true(!comity_comm_is_server(comm) || (!exists(round, "") && !exists(round, ".part")));
    assert_int_equal(comity_comm_regroup(comm, &point), COMITY_OK);
    assert_int_equal(write_to(folder, round, 5, states), COMITY_OK);
    char *path = expect_newest(folder, round);
    expect_contents(path, round);
    comity_free(path);
  }
  comity_states_destroy(&states);
}

static void who_reports_files_that_are_none_of_its_own_is_left_out(void **state) {
  (void)state;
  static const char unended[] = "clients-1.h5/xxxxxxxxxxxxxxxxxxxxxxxxx";
  char own[32];
  int size = comity_comm_size(comm);
  snprintf(own, sizeof own, "clients-%d.h5", size - 1);
  const char *const names[] = {"", "server.h5", "clients-0.h5", "../log", unended, "manifest", own, own, own};
  size_t count = sizeof names / sizeof *names, bytes = sizeof(comity_part);
  for (size_t i = 0; i < count && size > 1;
       i++) { /* the own file is not there, is half reported, and twice */
    comity_part lies[] = {part_called(names[i]), part_called(names[i])};
    size_t told = i + 1 == count ? 2 * bytes : i + 2 == count ? bytes / 2 : bytes;
    expect_liar_left_out(lies, told, i + 1);
    comity_comm_destroy(&comm);
    assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  }
}

static const struct CMUnitTest tests[] = {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    IN_FOLDER(what_all_ranks_wrote_comes_back_to_each),
    IN_FOLDER(states_larger_than_a_block_come_back),
    IN_FOLDER(a_checkpoint_of_other_sizes_is_refused),
    IN_FOLDER(only_the_newest_are_kept),
    IN_FOLDER(a_checkpoint_of_the_same_round_is_replaced),
    IN_FOLDER(a_later_checkpoint_gives_way_to_the_one_just_written),
    IN_FOLDER(the_latest_is_found_by_any_rank_alone_and_never_from_a_later_round),
    IN_FOLDER(nowhere_is_no_checkpoint),
    IN_FOLDER(a_failed_write_on_one_rank_fails_on_all_and_leaves_the_one_before),
    IN_FOLDER(who_reports_files_that_are_none_of_its_own_is_left_out),
    IN_FOLDER(an_impossible_folder_fails_on_all_ranks),
    IN_FOLDER(a_full_disk_leaves_the_checkpoint_before_wherever_it_strikes),
};

MPI_MAIN(tests)
