/* Strikes: what becomes of a process that its schedule hits. Each case runs in a process of its own. */
#include "test.h"

#include <comity/fault.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANK = 2, ROUND = 4, SURVIVED = 42 };

typedef struct fate {
  bool stopped, continued;
  int signal, code; /* 0, or how it ended */
  double seconds;   /* from the beginning of the stage to its end, or to the end of the process */
  double stop;      /* when it was stopped */
} fate;

/* A stage of so many seconds without a system call. */
static void work(double seconds) {
  double since = comity_clock_now();
  while (comity_clock_now() - since < seconds)
    ;
}

/* A process that enters the stages `from` ... `to` of one round, each of so many seconds, and then says that it survived.
 * One that is stopped for more than two seconds is killed. */
static fate live(const char *const *entries, size_t count, uint64_t reached, comity_fault_stage from,
                 comity_fault_stage to, double seconds) {
  const comity_fault_scope scope = {.ranks = 5};
  fflush(NULL);
  double since = comity_clock_now();
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGABRT, SIG_DFL); /* cmocka listens to it */
    comity_faults *faults = NULL;
    if (comity_faults_new(&scope, &faults) != COMITY_OK)
      _exit(3);
    for (size_t i = 0; i < count; i++)
      if (comity_faults_add(faults, NULL, entries[i]) != COMITY_OK)
        _exit(4);
    comity_faults_resume(faults, reached);
    for (int stage = (int)from; stage <= (int)to; stage++) {
      (void)comity_faults_enter(faults, RANK, ROUND, (comity_fault_stage)stage);
      work(seconds);
      comity_faults_leave(faults);
    }
    comity_faults_destroy(&faults);
    _exit(SURVIVED);
  }
  fate was = {0};
  for (;;) {
    int status;
    pid_t changed = waitpid(child, &status, WUNTRACED | WCONTINUED | WNOHANG);
    double now = comity_clock_now() - since;
    was.seconds = now;
    if (changed == 0) {
      if (was.stopped && !was.continued && now > was.stop + 2)
        kill(child, SIGKILL);
      comity_clock_sleep(0.001);
    } else if (WIFSTOPPED(status)) {
      was.stopped = true;
      was.stop = now;
    } else if (WIFCONTINUED(status)) {
      was.continued = true;
    } else {
      was.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
      was.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
      return was;
    }
  }
}

static fate live_by(const char *entry, double seconds) {
  return live(&entry, 1, 0, COMITY_FAULT_TRAIN, COMITY_FAULT_SUM, seconds);
}

static void a_rank_is_struck_when_it_begins_a_stage(void **state) {
  (void)state;
  assert_int_equal(live_by("kill rank 2 round 4 train", 0.1).signal, SIGKILL);
  assert_int_equal(live_by("abort rank 2 round 4 sum", 0.1).signal, SIGABRT);
  assert_int_equal(live_by("exit rank 2 round 4 sum", 0.1).code, 1);
  assert_true(live_by("kill rank 2 round 4 train", 20).seconds < 10);
}

static void others_are_not(void **state) {
  (void)state;
  const char *const entries[] = {"kill rank 1 round 4 train", "kill rank 2 round 3 train",
                                 "kill rank 2 round 5 sum", "kill rank 2 round 4 announce"};
  assert_int_equal(live(entries, 4, 0, COMITY_FAULT_TRAIN, COMITY_FAULT_SUM, 0).code, SURVIVED);
}

static void a_moment_lies_inside_of_the_stage(void **state) {
  (void)state;
  const struct {
    const char *entry;
    int signal, code;
  } cases[] = {{"kill rank 2 round 4 train after 0.2 s", SIGKILL, 0},
               {"abort rank 2 round 4 train after 0.2 s", SIGABRT, 0},
               {"exit rank 2 round 4 train after 0.2 s", 0, 1}};
  for (size_t i = 0; i < 3; i++) {
    fate was = live_by(cases[i].entry, 20);
    assert_int_equal(was.signal, cases[i].signal);
    assert_int_equal(was.code, cases[i].code);
    assert_true(was.seconds >= 0.2 && was.seconds < 10);
  }
}

static void a_moment_after_the_stage_is_its_end(void **state) {
  (void)state;
  fate was = live_by("kill rank 2 round 4 train after 30 s", 0.05);
  assert_int_equal(was.signal, SIGKILL);
  assert_true(was.seconds < 15);
}

static void a_stop_is_for_ever_or_ends(void **state) {
  (void)state;
  fate was = live_by("stop rank 2 round 4 train", 0);
  assert_true(was.stopped && !was.continued);
  assert_int_equal(was.signal, SIGKILL);
  const char *const entries[] = {"stop rank 2 round 4 train for 0.3 s",
                                 "stop rank 2 round 4 train after 0.1 s for 0.3 s",
                                 "stop rank 2 round 4 train after 30 s for 0.3 s"};
  for (size_t i = 0; i < 3; i++) {
    was = live_by(entries[i], 0.2);
    assert_true(was.stopped && was.continued);
    assert_int_equal(was.code, SURVIVED);
    assert_true(was.seconds > 0.4);
  }
}

static void an_entry_strikes_once_in_a_round(void **state) {
  (void)state;
  const comity_fault_scope scope = {.ranks = 5};
  comity_faults *faults;
  assert_int_equal(comity_faults_new(&scope, &faults), COMITY_OK);
  assert_int_equal(comity_faults_add(faults, NULL, "stop rank 2 rounds 4-5 train for 1 s"), COMITY_OK);
  double since = comity_clock_now(), took[4];
  for (int i = 0; i < 4; i++) { /* the stage runs twice in each round */
    (void)comity_faults_enter(faults, RANK, 4 + (uint64_t)i / 2, COMITY_FAULT_TRAIN);
    comity_faults_leave(faults);
    took[i] = comity_clock_now() - since;
    since = comity_clock_now();
  }
  assert_true(took[0] >= 0.99 && took[1] < 0.9 && took[2] >= 0.99 && took[3] < 0.9);
  comity_faults_destroy(&faults);
}

static void a_resumed_job_is_not_struck_again(void **state) {
  (void)state;
  const char *const entry = "kill rank 2 rounds 3-5 train";
  assert_int_equal(live(&entry, 1, 3, COMITY_FAULT_TRAIN, COMITY_FAULT_TRAIN, 0).signal, SIGKILL);
  assert_int_equal(live(&entry, 1, 4, COMITY_FAULT_TRAIN, COMITY_FAULT_TRAIN, 0).code, SURVIVED);
}

static void all_strikes_of_a_stage_come(void **state) {
  (void)state;
  const char *const entries[] = {"stop rank 2 round 4 train for 0.2 s",
                                 "exit rank 2 round 4 train after 0.1 s"};
  fate was = live(entries, 2, 0, COMITY_FAULT_TRAIN, COMITY_FAULT_TRAIN, 20);
  assert_true(was.stopped); /* it ends too soon after it was continued for that to be seen */
  assert_int_equal(was.code, 1);
  assert_true(was.seconds >= 0.2 && was.seconds < 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_rank_is_struck_when_it_begins_a_stage),
      cmocka_unit_test(others_are_not),
      cmocka_unit_test(a_moment_lies_inside_of_the_stage),
      cmocka_unit_test(a_moment_after_the_stage_is_its_end),
      cmocka_unit_test(a_stop_is_for_ever_or_ends),
      cmocka_unit_test(an_entry_strikes_once_in_a_round),
      cmocka_unit_test(a_resumed_job_is_not_struck_again),
      cmocka_unit_test(all_strikes_of_a_stage_come),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
