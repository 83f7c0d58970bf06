/* Down and up: broadcast from the server, sums onto it. */
#include "comm_impl.h"

#include <string.h>

/* Shorter messages are in the receiver's memory before anybody could meet. */
enum { LONG_MESSAGE = 16 << 10 };

static comity_status meet_if_long(comity_call *call, size_t bytes) {
  return bytes > LONG_MESSAGE ? comity_call_meet(call) : COMITY_OK;
}

static comity_status broadcast(comity_call *call, void *data, size_t bytes) {
  if (call->comm->members.size == 1)
    return COMITY_OK;
  COMITY_TRY(meet_if_long(call, bytes));
  return comity_call_broadcast(call, data, bytes);
}

comity_status comity_comm_broadcast(comity_comm *comm, void *data, size_t bytes) {
  comity_call call;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_BROADCAST, &call));
  return comity_call_end(&call, bytes, broadcast(&call, data, bytes));
}

comity_status comity_comm_broadcast_status(comity_comm *comm, comity_status status, void *data,
                                           size_t bytes) {
  comity_call call;
  if (status != COMITY_OK && status == comm->failure)
    return status;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_BROADCAST, &call));
  status = comity_call_verdict(&call, status);
  if (status == COMITY_OK)
    status = broadcast(&call, data, bytes);
  return comity_call_end(&call, bytes, status);
}

static comity_status start_sum(const comity_stream *stream, size_t offset, int units, void *slot,
                               MPI_Request *request) {
  const comity_members *members = &stream->call->comm->members;
  bool server = members->rank == COMITY_COMM_SERVER;
  MPI_Datatype type = stream->unit_bytes == sizeof(uint64_t) ? MPI_UINT64_T : MPI_FLOAT;
  memcpy(slot, (const uint8_t *)stream->data + offset, (size_t)units * stream->unit_bytes);
  int code = MPI_Ireduce(server ? MPI_IN_PLACE : slot, server ? slot : NULL, units, type, MPI_SUM,
                         COMITY_COMM_SERVER, members->whole, request);
  return comity_call_check(stream->call, code, "MPI_Ireduce");
}

static void finish_sum(const comity_stream *stream, size_t offset, int units, const void *slot) {
  memcpy((uint8_t *)stream->data + offset, slot, (size_t)units * stream->unit_bytes);
}

static comity_status reduce(comity_call *call, void *data, size_t count, size_t unit_bytes) {
  if (call->comm->members.size == 1)
    return COMITY_OK;
  COMITY_TRY(meet_if_long(call, count * unit_bytes));
  comity_stream stream = {.call = call,
                          .data = data,
                          .units = count,
                          .unit_bytes = unit_bytes,
                          .start = start_sum,
                          .finish = comity_comm_is_server(call->comm) ? finish_sum : NULL};
  return comity_stream_run(&stream);
}

static comity_status sum(comity_comm *comm, void *data, size_t count, size_t unit_bytes) {
  comity_call call;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_SUM, &call));
  comity_status status = reduce(&call, data, count, unit_bytes);
  return comity_call_end(&call, (uint64_t)count * unit_bytes, status);
}

comity_status comity_comm_sum(comity_comm *comm, uint64_t *words, size_t count) {
  return sum(comm, words, count, sizeof *words);
}

comity_status comity_comm_sum_float(comity_comm *comm, float *values, size_t count) {
  return sum(comm, values, count, sizeof *values);
}
