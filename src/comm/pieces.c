/* Messages of any length, cut into pieces, several of them in flight, each in a slot that the communicator
 * owns. */
#include "comm_impl.h"

#include <string.h>

comity_status comity_stream_run(const comity_stream *stream) {
  comity_comm *comm = stream->call->comm;
  size_t piece = comm->piece / stream->unit_bytes; /* units */
  size_t pieces = stream->units / piece + (stream->units % piece != 0);
  for (size_t started = 0, done = 0; done < pieces;) {
    bool start = started < pieces && started - done < COMITY_COMM_WINDOW;
    size_t i = start ? started : done, first = i * piece;
    int units = (int)(stream->units - first < piece ? stream->units - first : piece);
    void *slot = comm->slots + i % COMITY_COMM_WINDOW * comm->piece;
    MPI_Request *request = &comm->in_flight[i % COMITY_COMM_WINDOW];
    if (start) {
      COMITY_TRY(stream->start(stream, first * stream->unit_bytes, units, slot, request));
      started++;
    } else {
      COMITY_TRY(comity_call_wait(stream->call, request));
      if (stream->finish != NULL)
        stream->finish(stream, first * stream->unit_bytes, units, slot);
      done++;
    }
  }
  return COMITY_OK;
}

static void copy_out(const comity_stream *stream, size_t offset, int units, const void *slot) {
  memcpy((uint8_t *)stream->data + offset, slot, (size_t)units * stream->unit_bytes);
}

static void copy_in(const comity_stream *stream, size_t offset, int units, void *slot) {
  memcpy(slot, (const uint8_t *)stream->data + offset, (size_t)units * stream->unit_bytes);
}

static comity_status start_broadcast(const comity_stream *stream, size_t offset, int units, void *slot,
                                     MPI_Request *request) {
  const comity_members *members = &stream->call->comm->members;
  if (members->rank == COMITY_COMM_SERVER)
    copy_in(stream, offset, units, slot);
  int code = MPI_Ibcast(slot, units, MPI_BYTE, COMITY_COMM_SERVER, members->whole, request);
  return comity_call_check(stream->call, code, "MPI_Ibcast");
}

comity_status comity_call_broadcast(const comity_call *call, void *data, size_t bytes) {
  bool server = call->comm->members.rank == COMITY_COMM_SERVER;
  comity_stream stream = {.call = call,
                          .data = data,
                          .units = bytes,
                          .unit_bytes = 1,
                          .start = start_broadcast,
                          .finish = server ? NULL : copy_out};
  return comity_stream_run(&stream);
}

static comity_status start_send(const comity_stream *stream, size_t offset, int units, void *slot,
                                MPI_Request *request) {
  const comity_address *peer = &stream->call->comm->members.address[stream->peer];
  copy_in(stream, offset, units, slot);
  int code = MPI_Isend(slot, units, MPI_BYTE, peer->rank, COMITY_TAG_PIECE, peer->comm, request);
  return comity_call_check(stream->call, code, "MPI_Isend");
}

comity_status comity_call_send(const comity_call *call, int peer, const void *data, size_t bytes) {
  comity_stream stream = {.call = call,
                          .data = (void *)data, /* only read: there is no finish */
                          .units = bytes,
                          .unit_bytes = 1,
                          .peer = peer,
                          .start = start_send};
  return comity_stream_run(&stream);
}

static comity_status start_receive(const comity_stream *stream, size_t offset, int units, void *slot,
                                   MPI_Request *request) {
  (void)offset;
  const comity_address *peer = &stream->call->comm->members.address[stream->peer];
  int code = MPI_Irecv(slot, units, MPI_BYTE, peer->rank, COMITY_TAG_PIECE, peer->comm, request);
  return comity_call_check(stream->call, code, "MPI_Irecv");
}

comity_status comity_call_receive(const comity_call *call, int peer, void *data, size_t bytes) {
  comity_stream stream = {.call = call,
                          .data = data,
                          .units = bytes,
                          .unit_bytes = 1,
                          .peer = peer,
                          .start = start_receive,
                          .finish = copy_out};
  return comity_stream_run(&stream);
}
