/* Torn, altered, incomplete and foreign checkpoints are refused by name and reason, and the one before is
 * used. */
#include "mpi_main.h"
#include "test.h"

#include <comity/checkpoint.h>

#include "core/core_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static comity_comm *comm;
static comity_logger *logger;
static char folder[64], log_path[80], newest[96];

static void write_round(uint64_t round) {
  float model[100] = {(float)round}, value[2] = {1, 2};
  comity_checkpoint checkpoint = {.round = round, .parameters = 100, .model = model, .job = "a: job\n"};
  comity_states *states;
  assert_int_equal(comity_states_new(2, NULL, &states), COMITY_OK);
  assert_int_equal(comity_states_write(states, (uint64_t)comity_comm_rank(comm), value), COMITY_OK);
  assert_int_equal(comity_checkpoint_write(comm, folder, &checkpoint, states, 5, logger), COMITY_OK);
  comity_states_destroy(&states);
}

/* Checkpoints of rounds 1 and 2. */
static int set_up(void **state) {
  (void)state;
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    snprintf(folder, sizeof folder, "/tmp/comity-damage-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    assert_int_equal(comity_logger_new(NULL, log_path, COMITY_LOG_WARN, -1, &logger), COMITY_OK);
  }
  assert_int_equal(comity_comm_broadcast(comm, folder, sizeof folder), COMITY_OK);
  snprintf(newest, sizeof newest, "%s/checkpoint-00000002", folder);
  write_round(1);
  write_round(2);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    comity_logger_destroy(&logger);
    assert_int_equal(comity_folder_remove(folder), COMITY_OK);
  }
  comity_comm_destroy(&comm);
  return 0;
}

static void expect(uint64_t round) {
  char expected[96], *path = NULL;
  assert_int_equal(comity_checkpoint_find(comm, folder, logger, &path), COMITY_OK);
  snprintf(expected, sizeof expected, "%s/checkpoint-%08d", folder, (int)round);
  if (round == 0)
    assert_null(path);
  else
    assert_string_equal(path, expected);
  comity_free(path);
}

/* The log names the checkpoint's file and what is wrong with it. */
static void expect_logged(const char *name, const char *reason) {
  if (!comity_comm_is_server(comm))
    return;
  char *text;
  size_t length;
  assert_int_equal(comity_file_read(log_path, &text, &length), COMITY_OK);
  const char *line = strstr(text, name);
  assert_non_null(line);
  assert_non_null(strstr(line, reason));
  comity_free(text);
}

static const char *in_newest(const char *name) {
  static char path[160];
  snprintf(path, sizeof path, "%s/%s", newest, name);
  return path;
}

static void flip_byte(const char *path, off_t at) {
  int handle = open(path, O_RDWR);
  uint8_t byte;
  assert_true(handle >= 0);
  assert_int_equal(pread(handle, &byte, 1, at), 1);
  byte ^= 0x10;
  assert_int_equal(pwrite(handle, &byte, 1, at), 1);
  close(handle);
}

static off_t size_of(const char *path) {
  struct stat about;
  assert_int_equal(stat(path, &about), 0);
  return about.st_size;
}

static void undamaged_the_newest_is_found(void **state) {
  (void)state;
  expect(2);
}

static void a_truncated_file_is_refused(void **state) {
  (void)state;
  if (comity_comm_is_server(comm))
    assert_int_equal(truncate(in_newest("server.h5"), 700), 0);
  expect(1);
  expect_logged("checkpoint-00000002/server.h5", "is torn: 700 bytes instead of");
}

static void a_flipped_bit_anywhere_is_refused(void **state) {
  (void)state;
  static const char *const name[] = {"server.h5", "clients-0.h5", "manifest"};
  for (size_t i = 0; i < 3; i++)
    for (off_t part = 0; part < 8; part++) {
      const char *path = in_newest(name[i]);
      off_t at = part * (size_of(path) - 1) / 7;
      assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
      if (comity_comm_is_server(comm))
        flip_byte(path, at);
      expect(1);
      if (comity_comm_is_server(comm))
        flip_byte(path, at);
      expect(2);
    }
  expect_logged("checkpoint-00000002/clients-0.h5", "was altered: its digest differs");
}

static void a_missing_file_is_refused(void **state) {
  (void)state;
  if (comity_comm_is_server(comm))
    assert_int_equal(unlink(in_newest("clients-0.h5")), 0);
  expect(1);
  expect_logged("checkpoint-00000002/clients-0.h5", "is missing");
}

static void a_manifest_that_is_empty_cut_or_gone_is_refused(void **state) {
  (void)state;
  for (off_t size = 255, last = -1; size >= last; size = size > 0 ? size / 2 : size - 1) {
    if (comity_comm_is_server(comm))
      assert_int_equal(size >= 0 ? truncate(in_newest("manifest"), size) : unlink(in_newest("manifest")), 0);
    expect(1);
    if (size == 0)
      expect_logged("checkpoint-00000002/manifest", "is empty");
  }
  expect_logged("checkpoint-00000002/manifest", "is cut short");
  expect_logged("checkpoint-00000002/manifest", "is no complete checkpoint");
}

static void lines_after_the_manifest_are_refused(void **state) {
  (void)state;
  if (comity_comm_is_server(comm)) {
    FILE *file = fopen(in_newest("manifest"), "a");
    assert_true(fputs("more\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
  }
  expect(1);
}

static void foreign_folders_and_files_are_refused(void **state) {
  (void)state;
  if (comity_comm_is_server(comm)) {
    char path[128];
    snprintf(path, sizeof path, "%s/checkpoint-00000009", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/checkpoint-00000009/manifest", folder);
    assert_int_equal(comity_file_write(path, "name: pod\nkind: v1\n", 19), COMITY_OK);
    snprintf(path, sizeof path, "%s/checkpoint-00000008", folder);
    assert_int_equal(comity_file_write(path, "x", 1), COMITY_OK);
    snprintf(path, sizeof path, "%s/checkpoint-77", folder);
    assert_int_equal(mkdir(path, 0777), 0);
  }
  expect(2);
  expect_logged("checkpoint-00000009/manifest", "is not one of Comity's");
  expect_logged("checkpoint-00000008", "complete checkpoint");
  write_round(3); /* and what is not ours is left alone */
  expect(3);
  char foreign[96];
  snprintf(foreign, sizeof foreign, "%s/checkpoint-00000009", folder);
  assert_int_equal(access(foreign, F_OK), 0);
}

static void a_checkpoint_under_the_name_of_another_round_is_refused(void **state) {
  (void)state;
  char other[96];
  snprintf(other, sizeof other, "%s/checkpoint-00000007", folder);
  if (comity_comm_is_server(comm))
    assert_int_equal(rename(newest, other), 0);
  expect(1);
  expect_logged("checkpoint-00000007/manifest", "is of round 2");
}

static void a_replacement_that_was_cut_in_two_is_undone(void **state) {
  (void)state;
  char old[128];
  snprintf(old, sizeof old, "%s.old", newest);
  if (comity_comm_is_server(comm))
    assert_int_equal(rename(newest, old), 0);
  expect(2);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm))
    assert_int_equal(rename(newest, old), 0);
  write_round(2);
  expect(2);
  assert_int_equal(access(old, F_OK), -1);
}

static void leftovers_of_killed_writers_are_removed_by_the_next_write(void **state) {
  (void)state;
  char part[96], inner[128];
  snprintf(part, sizeof part, "%s/checkpoint-00000005.part", folder);
  snprintf(inner, sizeof inner, "%s/server.h5", part);
  if (comity_comm_is_server(comm)) {
    assert_int_equal(mkdir(part, 0777), 0);
    assert_int_equal(comity_file_write(inner, "half", 4), COMITY_OK);
  }
  expect(2);
  write_round(3);
  assert_int_equal(access(part, F_OK), -1);
}

static void where_all_are_bad_the_newest_is_named(void **state) {
  (void)state;
  if (comity_comm_is_server(comm)) {
    assert_int_equal(unlink(in_newest("server.h5")), 0);
    newest[strlen(newest) - 1] = '1';
    assert_int_equal(truncate(in_newest("server.h5"), 0), 0);
  }
  char *path = NULL;
  assert_int_equal(comity_checkpoint_find(comm, folder, logger, &path), COMITY_ERR_CHECKPOINT);
  assert_null(path);
  assert_non_null(strstr(comity_error_message(), "none of its 2 checkpoints can be used"));
  assert_non_null(strstr(comity_error_message(), "checkpoint-00000002/server.h5"));
}

/* A bad checkpoint does not count as one of those to keep. */
static void bad_ones_do_not_push_out_good_ones(void **state) {
  (void)state;
  if (comity_comm_is_server(comm))
    assert_int_equal(unlink(in_newest("manifest")), 0);
  float model[1] = {0};
  comity_checkpoint checkpoint = {.round = 3, .parameters = 1, .model = model};
  assert_int_equal(comity_checkpoint_write(comm, folder, &checkpoint, NULL, 2, logger), COMITY_OK);
  expect(3);
  if (comity_comm_is_server(comm)) {
    newest[strlen(newest) - 1] = '3';
    assert_int_equal(unlink(in_newest("manifest")), 0);
  }
  expect(1);
}

static const struct CMUnitTest tests[] = {
#define DAMAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    DAMAGED(undamaged_the_newest_is_found),
    DAMAGED(a_truncated_file_is_refused),
    DAMAGED(a_flipped_bit_anywhere_is_refused),
    DAMAGED(a_missing_file_is_refused),
    DAMAGED(a_manifest_that_is_empty_cut_or_gone_is_refused),
    DAMAGED(lines_after_the_manifest_are_refused),
    DAMAGED(foreign_folders_and_files_are_refused),
    DAMAGED(a_checkpoint_under_the_name_of_another_round_is_refused),
    DAMAGED(a_replacement_that_was_cut_in_two_is_undone),
    DAMAGED(leftovers_of_killed_writers_are_removed_by_the_next_write),
    DAMAGED(where_all_are_bad_the_newest_is_named),
    DAMAGED(bad_ones_do_not_push_out_good_ones),
};

MPI_MAIN(tests)
