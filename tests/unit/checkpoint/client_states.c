/* The memory of stateful algorithms, in memory and spilled: both must behave alike. */
#include "test.h"

#include <comity/checkpoint.h>

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char folder[64], spill_path[96];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/comity-states-XXXXXX");
  if (mkdtemp(folder) == NULL)
    return 1;
  snprintf(spill_path, sizeof spill_path, "%s/states", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  umount(folder); /* one test mounts a small file system there */
  return comity_folder_remove(folder) != COMITY_OK;
}

static comity_states *make(size_t length, bool spill) {
  comity_states *states;
  assert_int_equal(comity_states_new(length, spill ? spill_path : NULL, &states), COMITY_OK);
  return states;
}

static void states_are_zero_until_written_and_then_what_was_written(void **state) {
  (void)state;
  for (int spill = 0; spill < 2; spill++) {
    comity_states *states = make(3, spill);
    float read[3] = {9, 9, 9};
    assert_int_equal(comity_states_read(states, 5, read), COMITY_OK);
    assert_true(read[0] == 0 && read[1] == 0 && read[2] == 0);
    assert_int_equal(comity_states_list(states, NULL), 0);
    assert_int_equal(comity_states_write(states, 5, (float[]){1, 2, 3}), COMITY_OK);
    assert_int_equal(comity_states_write(states, 0, (float[]){4, 5, 6}), COMITY_OK);
    assert_int_equal(comity_states_write(states, 5, (float[]){7, 8, 9}), COMITY_OK);
    assert_int_equal(comity_states_read(states, 5, read), COMITY_OK);
    assert_true(read[0] == 7 && read[1] == 8 && read[2] == 9);
    assert_int_equal(comity_states_read(states, 0, read), COMITY_OK);
    assert_true(read[0] == 4 && read[1] == 5 && read[2] == 6);
    assert_int_equal(comity_states_list(states, NULL), 2);
    comity_states_destroy(&states);
    assert_null(states);
    comity_states_destroy(&states);
  }
}

static void moved_states_replace_older_ones_and_leave_room_for_the_next(void **state) {
  (void)state;
  for (int spill = 0; spill < 2; spill++) {
    comity_states *from = make(2, spill), *to = make(2, false);
    float read[2];
    assert_int_equal(comity_states_write(to, 1, (float[]){1, 1}), COMITY_OK);
    assert_int_equal(comity_states_write(to, 2, (float[]){2, 2}), COMITY_OK);
    for (int round = 0; round < 2; round++) {
      for (uint64_t client = 2; client < 100; client++)
        assert_int_equal(comity_states_write(from, client, (float[]){(float)client, (float)round}),
                         COMITY_OK);
      assert_int_equal(comity_states_move(from, to), COMITY_OK);
      assert_int_equal(comity_states_list(from, NULL), 0);
      assert_int_equal(comity_states_read(from, 2, read), COMITY_OK);
      assert_true(read[0] == 0 && read[1] == 0);
      assert_int_equal(comity_states_list(to, NULL), 99);
      for (uint64_t client = 2; client < 100; client++) {
        assert_int_equal(comity_states_read(to, client, read), COMITY_OK);
        assert_true(read[0] == (float)client && read[1] == (float)round);
      }
    }
    assert_int_equal(comity_states_read(to, 1, read), COMITY_OK);
    assert_true(read[0] == 1 && read[1] == 1);
    comity_states_destroy(&from);
    comity_states_destroy(&to);
  }
}

static void a_hundred_thousand_clients_keep_their_states(void **state) {
  (void)state;
  enum { CLIENTS = 100000, LENGTH = 4 };
  uint64_t *listed = malloc(CLIENTS * sizeof *listed);
  for (int spill = 0; spill < 2; spill++) {
    comity_states *states = make(LENGTH, spill);
    for (uint64_t i = 0; i < CLIENTS; i++) {
      uint64_t client = i * 7919 % CLIENTS * 3; /* 7919 is prime: every multiple of 3 once */
      float value[LENGTH] = {(float)client, 1, 2, -(float)client};
      assert_int_equal(comity_states_write(states, client, value), COMITY_OK);
    }
    assert_int_equal(comity_states_list(states, listed), CLIENTS);
    for (uint64_t i = 0; i < CLIENTS; i++) {
      float value[LENGTH];
      assert_true(listed[i] == 3 * i);
      assert_int_equal(comity_states_read(states, 3 * i, value), COMITY_OK);
      assert_true(value[0] == (float)(3 * i) && value[3] == -(float)(3 * i));
    }
    comity_states_destroy(&states);
  }
  free(listed);
}

static bool is_third(void *context, uint64_t client) {
  (void)context;
  return client % 3 == 0;
}

static void forgotten_clients_start_anew_and_the_others_keep_theirs(void **state) {
  (void)state;
  enum { CLIENTS = 1000, LENGTH = 5 };
  for (int spill = 0; spill < 2; spill++) {
    comity_states *states = make(LENGTH, spill);
    float value[LENGTH] = {0};
    uint64_t left[CLIENTS];
    for (uint64_t client = 0; client < CLIENTS; client++) {
      value[0] = value[LENGTH - 1] = (float)client + 1;
      assert_int_equal(comity_states_write(states, client, value), COMITY_OK);
    }
    assert_int_equal(comity_states_forget(states, is_third, NULL), COMITY_OK);
    assert_int_equal(comity_states_list(states, left), CLIENTS - (CLIENTS + 2) / 3);
    for (uint64_t client = 0; client < CLIENTS; client++) {
      assert_int_equal(comity_states_read(states, client, value), COMITY_OK);
      assert_true(value[0] == (client % 3 == 0 ? 0 : (float)client + 1) && value[LENGTH - 1] == value[0]);
    }
    assert_int_equal(comity_states_write(states, 3, (float[LENGTH]){7}), COMITY_OK);
    assert_int_equal(comity_states_read(states, 3, value), COMITY_OK);
    assert_true(value[0] == 7 && value[1] == 0);
    comity_states_destroy(&states);
  }
}

static void extreme_ids_are_ids_like_others(void **state) {
  (void)state;
  comity_states *states = make(1, false);
  uint64_t listed[3];
  float value;
  assert_int_equal(comity_states_write(states, UINT64_MAX, &(float){1}), COMITY_OK);
  assert_int_equal(comity_states_write(states, 0, &(float){2}), COMITY_OK);
  assert_int_equal(comity_states_write(states, UINT64_C(1) << 63, &(float){3}), COMITY_OK);
  assert_int_equal(comity_states_list(states, listed), 3);
  assert_true(listed[0] == 0 && listed[1] == UINT64_C(1) << 63 && listed[2] == UINT64_MAX);
  assert_int_equal(comity_states_read(states, UINT64_MAX, &value), COMITY_OK);
  assert_true(value == 1);
  comity_states_destroy(&states);
}

static void states_of_no_length_cost_nothing(void **state) {
  (void)state;
  comity_states *states = make(0, true);
  assert_int_equal(comity_states_write(states, 1, NULL), COMITY_OK);
  assert_int_equal(comity_states_read(states, 1, NULL), COMITY_OK);
  assert_int_equal(comity_states_list(states, NULL), 0);
  assert_int_equal(access(spill_path, F_OK), -1);
  comity_states_destroy(&states);
}

static void a_spill_file_is_nobody_elses_and_leaves_nothing(void **state) {
  (void)state;
  comity_states *states = make(2, true);
  assert_int_equal(comity_states_write(states, 1, (float[]){1, 2}), COMITY_OK);
  assert_int_equal(access(spill_path, F_OK), -1);
  comity_states_destroy(&states);
  assert_int_equal(comity_states_new(2, "/nowhere/at/all", &states), COMITY_ERR_NOT_FOUND);
  assert_non_null(strstr(comity_error_message(), "/nowhere/at/all"));
}

static void a_full_disk_leaves_a_client_without_a_state_rather_than_half_of_one(void **state) {
  (void)state;
  if (mount("none", folder, "tmpfs", 0, "size=64k") != 0) {
    print_message("no small file system can be mounted here: skipped\n");
    skip();
  }
  enum { LENGTH = 5000 }; /* 20 kB: three fit */
  static float value[LENGTH], read[LENGTH];
  comity_states *states = make(LENGTH, true);
  size_t fitted = 0;
  comity_status status = COMITY_OK;
  for (; status == COMITY_OK && fitted < 10; fitted += status == COMITY_OK) {
    for (int i = 0; i < LENGTH; i++)
      value[i] = (float)(fitted + 1);
    status = comity_states_write(states, fitted, value);
  }
  assert_int_equal(status, COMITY_ERR_FULL);
  assert_int_equal(fitted, 3);
  assert_int_equal(comity_states_list(states, NULL), fitted);
  for (size_t client = 0; client <= fitted; client++) {
    assert_int_equal(comity_states_read(states, client, read), COMITY_OK);
    for (int i = 0; i < LENGTH; i++)
      assert_true(read[i] == (client < fitted ? (float)(client + 1) : 0));
  }
  comity_states_destroy(&states);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(states_are_zero_until_written_and_then_what_was_written),
      IN_FOLDER(moved_states_replace_older_ones_and_leave_room_for_the_next),
      IN_FOLDER(a_hundred_thousand_clients_keep_their_states),
      IN_FOLDER(forgotten_clients_start_anew_and_the_others_keep_theirs),
      IN_FOLDER(extreme_ids_are_ids_like_others),
      IN_FOLDER(states_of_no_length_cost_nothing),
      IN_FOLDER(a_spill_file_is_nobody_elses_and_leaves_nothing),
      IN_FOLDER(a_full_disk_leaves_a_client_without_a_state_rather_than_half_of_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
