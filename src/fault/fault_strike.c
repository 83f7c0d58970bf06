/* Striking this process: at once, or at a moment inside of a stage.
 *
 * A moment comes by a timer of the system that sends the signal itself, so that nothing of ours has to run for it: it
 * comes inside of MPI, of a library, or of a training step. A timer also continues a process that is stopped, which no
 * code in it could do; it asks again every 20 ms, should the stop come late. */
#include "fault_impl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double ask_again = 0.02;

static struct timespec to_timespec(double seconds) {
  struct timespec time = {.tv_sec = (time_t)seconds};
  time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
  return time;
}

/* On a thread that the timer makes. */
static void leave_process(union sigval value) {
  (void)value;
  _exit(1);
}

/* A timer that strikes after so many seconds, and then each `again` (0 = once). */
static bool set_timer(comity_strike_kind kind, int number, double after, double again, timer_t *timer) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = kind == COMITY_STRIKE_EXIT ? SIGEV_THREAD : SIGEV_SIGNAL;
  if (kind == COMITY_STRIKE_EXIT)
    event.sigev_notify_function = leave_process;
  else
    event.sigev_signo = number;
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
    return false;
  struct itimerspec moment = {.it_value = to_timespec(after > 1e-9 ? after : 1e-9),
                              .it_interval = to_timespec(again)};
  if (timer_settime(*timer, 0, &moment, NULL) == 0)
    return true;
  timer_delete(*timer);
  return false;
}

static int signal_of(comity_strike_kind kind) {
  return kind == COMITY_STRIKE_KILL ? SIGKILL : kind == COMITY_STRIKE_ABORT ? SIGABRT : SIGSTOP;
}

/* Nobody is stopped whom nothing would continue. */
static void stop_now(double lasting) {
  timer_t go_on;
  if (lasting > 0 && !set_timer(COMITY_STRIKE_STOP, SIGCONT, lasting, ask_again, &go_on))
    return;
  kill(getpid(), SIGSTOP);
  if (lasting > 0)
    timer_delete(go_on);
}

static void strike_now(const comity_fault *fault) {
  switch ((comity_strike_kind)fault->kind) {
  case COMITY_STRIKE_KILL:
    kill(getpid(), SIGKILL);
    break;
  case COMITY_STRIKE_ABORT:
    abort();
  case COMITY_STRIKE_EXIT:
    _exit(1);
  case COMITY_STRIKE_STOP:
    stop_now(fault->lasting);
    break;
  }
}

/* False when the system has no more timers: then the strike comes at once. */
static bool arm(comity_fault *fault) {
  comity_strike_kind kind = (comity_strike_kind)fault->kind;
  bool goes_on = kind == COMITY_STRIKE_STOP && fault->lasting > 0;
  if (goes_on && !set_timer(kind, SIGCONT, fault->after + fault->lasting, ask_again, &fault->go_on))
    return false;
  if (set_timer(kind, signal_of(kind), fault->after, 0, &fault->timer))
    return true;
  if (goes_on)
    timer_delete(fault->go_on);
  return false;
}

/* Whether it had not struck yet. */
static bool disarm(comity_fault *fault) {
  struct itimerspec never, left;
  memset(&never, 0, sizeof never);
  memset(&left, 0, sizeof left);
  timer_settime(fault->timer, 0, &never, &left);
  timer_delete(fault->timer);
  if (fault->kind == FAULT_STOP && fault->lasting > 0)
    timer_delete(fault->go_on);
  fault->armed = false;
  return left.it_value.tv_sec > 0 || left.it_value.tv_nsec > 0;
}

double comity_faults_enter(comity_faults *faults, int rank, uint64_t round, comity_fault_stage stage) {
  if (faults == NULL)
    return 0;
  comity_faults_leave(faults); /* should the last stage not have been left */
  faults->round = round;
  for (int now = 0; now < 2; now++) /* timers first: all count from here */
    for (size_t i = 0; i < faults->count; i++) {
      comity_fault *fault = &faults->fault[i];
      if (round <= faults->reached || fault->struck == round || !comity_fault_hits(fault, rank, round, stage))
        continue;
      if (now == 0 && fault->after > 0)
        fault->armed = arm(fault);
      if (now == 1 || fault->armed)
        fault->struck = round;
      if (now == 1)
        strike_now(fault);
    }
  bool again = faults->begun[stage] == round;
  faults->begun[stage] = round;
  return again ? 0 : comity_faults_delay(faults, rank, round, stage);
}

void comity_faults_leave(comity_faults *faults) {
  for (size_t i = 0; i < comity_faults_count(faults); i++)
    if (faults->fault[i].armed && disarm(&faults->fault[i]))
      strike_now(&faults->fault[i]);
}

void comity_faults_destroy(comity_faults **faults) {
  if (faults == NULL || *faults == NULL)
    return;
  comity_faults *old = *faults;
  for (size_t i = 0; i < old->count; i++) {
    if (old->fault[i].armed)
      (void)disarm(&old->fault[i]);
    comity_free(old->fault[i].text);
  }
  comity_free(old->fault);
  comity_free(old);
  *faults = NULL;
}
