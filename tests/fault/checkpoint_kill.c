/* Writers are killed at random moments. Whatever is left, the newest checkpoint that is found is a whole one,
 * and at least as new as the last that a writer called finished. */
#include "test.h"

#include "checkpoint/checkpoint_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 40, PARAMETERS = 20000, LENGTH = 50, CLIENTS = 40 };

/* Everything in a checkpoint follows from its round. */
static comity_status write_round(comity_comm *comm, const char *folder, uint64_t round) {
  static float model[PARAMETERS];
  float value[LENGTH];
  comity_states *states;
  for (int i = 0; i < PARAMETERS; i++)
    model[i] = (float)round * 0.5F + (float)i;
  COMITY_TRY(comity_states_new(LENGTH, NULL, &states));
  comity_status status = COMITY_OK;
  for (uint64_t client = 0; client < CLIENTS && status == COMITY_OK; client++) {
    for (int i = 0; i < LENGTH; i++)
      value[i] = (float)(round + client);
    status = comity_states_write(states, client, value);
  }
  comity_checkpoint checkpoint = {.round = round, .parameters = PARAMETERS, .model = model, .job = "job\n"};
  if (status == COMITY_OK)
    status = comity_checkpoint_write(comm, folder, &checkpoint, states, 2, NULL);
  comity_states_destroy(&states);
  return status;
}

/* The child: write each round twice, so that replacing is interrupted as well, and report what is finished.
 */
static int write_until_killed(const char *folder, uint64_t round) {
  comity_comm *comm;
  if (MPI_Init(NULL, NULL) != MPI_SUCCESS || comity_comm_new(MPI_COMM_SELF, NULL, &comm) != COMITY_OK)
    return 2;
  uint64_t ready = 0;
  if (write(STDOUT_FILENO, &ready, sizeof ready) != (ssize_t)sizeof ready)
    return 3;
  for (;; round++)
    for (int again = 0; again < 2; again++) {
      if (write_round(comm, folder, round) != COMITY_OK) {
        fprintf(stderr, "%s\n", comity_error_message());
        return 4;
      }
      if (write(STDOUT_FILENO, &round, sizeof round) != (ssize_t)sizeof round)
        return 3;
    }
}

static bool everyone(void *context, uint64_t client) {
  (void)context;
  (void)client;
  return true;
}

static void expect_whole(const char *path, uint64_t at_least, uint64_t *round) {
  static float model[PARAMETERS];
  comity_checkpoint read = {.parameters = PARAMETERS, .model = model};
  comity_states *states;
  float value[LENGTH];
  assert_int_equal(comity_checkpoint_read(path, &read, NULL), COMITY_OK);
  assert_true(read.round >= at_least);
  for (int i = 0; i < PARAMETERS; i++)
    assert_true(model[i] == (float)read.round * 0.5F + (float)i);
  assert_int_equal(comity_states_new(LENGTH, NULL, &states), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, everyone, NULL, states), COMITY_OK);
  assert_int_equal(comity_states_list(states, NULL), CLIENTS);
  for (uint64_t client = 0; client < CLIENTS; client++) {
    assert_int_equal(comity_states_read(states, client, value), COMITY_OK);
    assert_true(value[0] == (float)(read.round + client) && value[LENGTH - 1] == value[0]);
  }
  comity_states_destroy(&states);
  *round = read.round;
}

/* Start a writer, kill it `delay` seconds after its start, and give back the last round that it finished. */
static uint64_t run_writer(const char *folder, uint64_t from, double delay) {
  int ends[2];
  char first[32];
  snprintf(first, sizeof first, "%llu", (unsigned long long)from);
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/proc/self/exe", "checkpoint_kill", folder, first, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  uint64_t finished = 0, message;
  assert_int_equal(read(ends[0], &message, sizeof message), sizeof message); /* ready */
  comity_clock_sleep(delay);
  assert_int_equal(kill(child, SIGKILL), 0);
  while (read(ends[0], &message, sizeof message) == (ssize_t)sizeof message)
    finished = message;
  close(ends[0]);
  int ended;
  assert_int_equal(waitpid(child, &ended, 0), child);
  assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
  return finished;
}

static void killed_writers_leave_the_old_or_the_new_checkpoint(void **state) {
  (void)state;
  char folder[64] = "/tmp/comity-kill-XXXXXX";
  assert_non_null(mkdtemp(folder));
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, 0, 0, 0);
  uint64_t known = 0;
  int torn = 0;
  for (int i = 0; i < KILLS; i++) {
    uint64_t finished = run_writer(folder, known + 1, 0.06 * comity_random_uniform(&random));
    known = finished > known ? finished : known;
    for (uint64_t round = known; round < known + 2; round++) {
      char *part = comity_checkpoint_path(folder, round, ".part");
      torn += access(part, F_OK) == 0;
      comity_free(part);
    }
    char *path = NULL;
    assert_int_equal(comity_checkpoint_newest(folder, NULL, &path), COMITY_OK);
    assert_true(known == 0 || path != NULL);
    if (path != NULL)
      expect_whole(path, known, &known);
    comity_free(path);
  }
  print_message("%d of %d writers were killed in the middle of a checkpoint, the last in round %llu\n", torn,
                KILLS, (unsigned long long)known);
  assert_true(torn > 0 && known > 0);
  assert_int_equal(comity_folder_remove(folder), COMITY_OK);
}

int main(int argc, char **argv) {
  if (argc == 3)
    return write_until_killed(argv[1], strtoull(argv[2], NULL, 10));
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 1); /* Open MPI: no daemon for each writer */
  const struct CMUnitTest tests[] = {cmocka_unit_test(killed_writers_leave_the_old_or_the_new_checkpoint)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
