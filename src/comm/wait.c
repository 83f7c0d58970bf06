/* Waiting: test until done or too late, and leave the core to others meanwhile. */
#include "comm_impl.h"

#include <sched.h>

/* Somebody who trains for seconds is waited for asleep, and never longer than a part of the time that was waited
 * already. Once others have come, what is missing is on its way, and MPI moves it on only while it is called:
 * then we test for longer before we sleep, but offer the core to other ranks in between. */
static const double SPIN = 30e-6, SPIN_WHEN_MOVING = 20e-3;
static const double SHORTEST_SLEEP = 10e-6, LONGEST_SLEEP = 200e-6, SLEEP_SHARE = 1.0 / 64;
enum { TESTS_PER_WAKE = 8 };

/* All later operations return this at once. */
static comity_status give_up(const comity_call *call, comity_status status) {
  comity_comm *comm = call->comm;
  comm->failure = status;
  snprintf(comm->failure_message, sizeof comm->failure_message, "%s", comity_error_message());
  return status;
}

/* The place `peer` cannot be reached any more; -1 = nobody knows who. */
static comity_status broken(const comity_call *call, int peer, const char *text) {
  comity_comm *comm = call->comm;
  int rank = peer < 0 ? comm->members.rank : comm->members.list[peer];
  if (comm->members.rank != COMITY_COMM_SERVER && rank == COMITY_COMM_SERVER)
    return comity_fail(COMITY_ERR_SERVER, "rank %d: the server cannot be reached any more: %s",
                       comm->members.rank, text);
  if (!comity_comm_is_server(comm))
    return comity_watch_complain(comm, COMITY_NOTICE_BROKEN, rank, text);
  comity_watch_leave(comm, rank, COMITY_CHANGE_LOST, text);
  return COMITY_INTERRUPTED;
}

comity_status comity_call_check(const comity_call *call, int code, const char *function, int peer) {
  if (code == MPI_SUCCESS)
    return COMITY_OK;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  if (call->comm->watch.on)
    return broken(call, peer, text);
  comity_fail(COMITY_ERR_COMM, "%s: %s failed in epoch %llu on rank %d: %s",
              comity_operation_name(call->operation), function, (unsigned long long)call->comm->members.epoch,
              call->comm->members.rank, text);
  return give_up(call, COMITY_ERR_COMM);
}

comity_status comity_call_timeout(const comity_call *call, const char *who) {
  comity_fail(COMITY_ERR_TIMEOUT,
              "%s: rank %d waited %.3g s in epoch %llu, but %s; look at what hangs there, or allow "
              "more time with comm.deadline",
              comity_operation_name(call->operation), call->comm->members.rank,
              comity_clock_now() - call->start, (unsigned long long)call->comm->members.epoch, who);
  return give_up(call, COMITY_ERR_TIMEOUT);
}

comity_status comity_call_corrupt(const comity_call *call, int peer) {
  comity_comm *comm = call->comm;
  int rank = comm->members.list[peer];
  if (comm->watch.on)
    return comity_watch_complain(comm, COMITY_NOTICE_CORRUPT, rank, comity_operation_name(call->operation));
  comity_fail(COMITY_ERR_COMM, "%s: a message from rank %d did not arrive at rank %d as it was sent",
              comity_operation_name(call->operation), rank, comm->members.rank);
  return give_up(call, COMITY_ERR_COMM);
}

comity_status comity_call_abandon_sends(const comity_call *call, const MPI_Request *requests, size_t count,
                                        comity_status status) {
  for (size_t i = 0; i < count && status != COMITY_OK; i++)
    call->comm->torn = call->comm->torn || requests[i] != MPI_REQUEST_NULL;
  return status;
}

/* A receive can be called back unless its message has begun to arrive. */
comity_status comity_call_abandon_receives(const comity_call *call, MPI_Request *requests, size_t count,
                                           comity_status status) {
  comity_comm *comm = call->comm;
  for (size_t i = 0; i < count && status != COMITY_OK; i++) {
    int done = 0;
    if (requests[i] == MPI_REQUEST_NULL)
      continue;
    comm->torn = true;
    if (MPI_Cancel(&requests[i]) != MPI_SUCCESS ||
        MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done)
      comm->tainted = true;
  }
  return status;
}

static comity_status nobody_came(const comity_call *call, int first, int end) {
  char who[80];
  if (end - first == 1)
    snprintf(who, sizeof who, "rank %d did not arrive", first);
  else
    snprintf(who, sizeof who, "one of ranks %d to %d did not arrive", first, end - 1);
  return comity_call_timeout(call, who);
}

/* Where losses are survived: whether to go on waiting. Somebody who was stopped for less than the silence is not yet
 * missed after twice as long. */
static comity_status watch(const comity_call *call, double begun, double now, int first) {
  comity_comm *comm = call->comm;
  if (now >= comm->watch.next)
    comity_watch_tend(comm, now);
  COMITY_TRY(comity_watch_status(comm));
  if (now - begun >= 2 * comm->watch.silence)
    comity_watch_miss(comm, comm->members.list[first], comity_operation_name(call->operation));
  return comity_watch_status(comm);
}

comity_status comity_call_wait(const comity_call *call, MPI_Request *request, int first, int end) {
  double begun = 0;
  for (;;) {
    for (int i = 0; i < TESTS_PER_WAKE; i++) {
      int done = 0;
      COMITY_TRY(comity_call_check(call, MPI_Test(request, &done, MPI_STATUS_IGNORE), "MPI_Test", first));
      if (done) {
        call->comm->watch.misses = -1;
        return COMITY_OK;
      }
    }
    double now = comity_clock_now(), left = call->deadline - now;
    if (begun == 0)
      begun = now;
    if (call->comm->watch.on)
      COMITY_TRY(watch(call, begun, now, first));
    else if (left <= 0)
      return nobody_came(call, first, end);
    if (now - begun < (call->moving ? SPIN_WHEN_MOVING : SPIN)) {
      sched_yield();
      continue;
    }
    double sleep = SLEEP_SHARE * (now - begun);
    sleep = sleep < SHORTEST_SLEEP ? SHORTEST_SLEEP : sleep > LONGEST_SLEEP ? LONGEST_SLEEP : sleep;
    comity_clock_sleep(sleep < left || call->comm->watch.on ? sleep : left);
  }
}
