/* Waiting: test until done or too late, and leave the core to others meanwhile. */
#include "comm_impl.h"

#include <sched.h>

/* Somebody who trains for seconds is waited for asleep. Once all have met, what is missing is on its way, and
 * MPI moves it on only while it is called: then we test for longer before we sleep, but offer the core to
 * other ranks in between. */
static const double SPIN = 30e-6, SPIN_WHEN_MET = 20e-3;
static const double SHORTEST_SLEEP = 10e-6, LONGEST_SLEEP = 1e-3, SLEEP_GROWTH = 1.3;
enum { TESTS_PER_WAKE = 8 };

comity_status comity_call_check(const comity_call *call, int code, const char *function) {
  if (code == MPI_SUCCESS)
    return COMITY_OK;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  return comity_fail(COMITY_ERR_COMM, "%s: %s failed in epoch %llu on rank %d: %s",
                     comity_operation_name(call->operation), function,
                     (unsigned long long)call->comm->members.epoch, call->comm->members.rank, text);
}

comity_status comity_call_timeout(const comity_call *call, const char *who) {
  return comity_fail(COMITY_ERR_TIMEOUT,
                     "%s: rank %d waited %.3g s in epoch %llu, but %s; look at what hangs there, or allow "
                     "more time with comm.deadline",
                     comity_operation_name(call->operation), call->comm->members.rank,
                     comity_clock_now() - call->start, (unsigned long long)call->comm->members.epoch, who);
}

comity_status comity_call_wait(const comity_call *call, MPI_Request *request) {
  double begun = 0, sleep = SHORTEST_SLEEP;
  for (;;) {
    for (int i = 0; i < TESTS_PER_WAKE; i++) {
      int done = 0;
      COMITY_TRY(comity_call_check(call, MPI_Test(request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
      if (done)
        return COMITY_OK;
    }
    double now = comity_clock_now();
    if (now >= call->deadline)
      return comity_call_timeout(call, "not every rank took part in time");
    if (begun == 0)
      begun = now;
    if (now - begun < (call->met ? SPIN_WHEN_MET : SPIN)) {
      sched_yield();
      continue;
    }
    comity_clock_sleep(sleep < call->deadline - now ? sleep : call->deadline - now);
    sleep = sleep * SLEEP_GROWTH < LONGEST_SLEEP ? sleep * SLEEP_GROWTH : LONGEST_SLEEP;
  }
}
