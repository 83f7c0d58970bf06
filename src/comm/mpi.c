/* MPI's own nonblocking collectives, for sites whose network does them in hardware. They know no addresses: all
 * must be ranks of one communicator. */
#include "comm_impl.h"

#include <string.h>

/* One vector in pieces, several of them in flight. */
typedef struct stream {
  comity_call *call;
  const comity_sum *sum; /* NULL: a broadcast */
  uint8_t *data;         /* (bytes) */
  size_t bytes, piece;
  bool direct; /* MPI may work in the caller's memory */
} stream;

/* MPI moves these messages on only while it is called, often, which is too costly for waiting for somebody who
 * still trains: so all meet before. */
static comity_status meet(comity_call *call) {
  comity_gathered none;
  comity_status well;
  COMITY_TRY(comity_call_report(call, COMITY_OK, NULL, 0, &none, &well));
  comity_gathered_clear(&none);
  COMITY_TRY(comity_call_verdict(call, well));
  call->moving = true;
  return COMITY_OK;
}

static uint8_t *place_of(const stream *s, size_t i) {
  size_t at = s->direct ? i : i % COMITY_COMM_RING;
  return (s->direct ? s->data : s->call->comm->slots) + at * s->piece;
}

static size_t length(const stream *s, size_t i) {
  size_t left = s->bytes - i * s->piece;
  return left < s->piece ? left : s->piece;
}

static comity_status begin(const stream *s, size_t i, MPI_Request *request) {
  const comity_members *members = &s->call->comm->members;
  bool server = members->rank == COMITY_COMM_SERVER;
  uint8_t *place = place_of(s, i);
  if (s->sum == NULL) {
    if (!s->direct && server)
      memcpy(place, s->data + i * s->piece, length(s, i));
    int code = MPI_Ibcast(place, (int)length(s, i), MPI_BYTE, COMITY_COMM_SERVER, members->whole, request);
    return comity_call_check(s->call, code, "MPI_Ibcast", -1);
  }
  if (server && s->sum->how->only_receives)
    memset(place, 0, length(s, i));
  else if (!s->direct)
    comity_sum_set(s->sum, i * s->piece, length(s, i), place);
  int count = (int)(length(s, i) / s->sum->number->bytes);
  int code = MPI_Ireduce(server ? MPI_IN_PLACE : place, server ? place : NULL, count,
                         s->sum->number == &comity_number_word ? MPI_UINT64_T : MPI_FLOAT, MPI_SUM,
                         COMITY_COMM_SERVER, members->whole, request);
  return comity_call_check(s->call, code, "MPI_Ireduce", -1);
}

static void finish(const stream *s, size_t i) {
  bool server = s->call->comm->members.rank == COMITY_COMM_SERVER;
  if (server && s->sum != NULL)
    comity_sum_take(s->sum, i * s->piece, length(s, i), place_of(s, i));
  else if (!server && s->sum == NULL && !s->direct)
    memcpy(s->data + i * s->piece, place_of(s, i), length(s, i));
}

static comity_status run(comity_call *call, const comity_sum *sum, void *data, size_t bytes) {
  const comity_comm *comm = call->comm;
  stream s = {.call = call,
              .sum = sum,
              .data = data,
              .bytes = bytes,
              .piece = comm->piece,
              .direct = comity_comm_owns(comm, data, bytes) &&
                        (sum == NULL || (sum->how->add == NULL && sum->how->take == NULL))};
  MPI_Request requests[COMITY_COMM_RING];
  size_t pieces = bytes / s.piece + (bytes % s.piece != 0);
  if (bytes > COMITY_COMM_SHORT)
    COMITY_TRY(meet(call));
  for (size_t begun = 0, done = 0; done < pieces;)
    if (begun < pieces && begun - done < COMITY_COMM_RING) {
      COMITY_TRY(begin(&s, begun, &requests[begun % COMITY_COMM_RING]));
      begun++;
    } else {
      COMITY_TRY(comity_call_wait(call, &requests[done % COMITY_COMM_RING], 0, comm->members.size));
      finish(&s, done++);
    }
  return COMITY_OK;
}

/* MPI's collectives cannot be called back. */
static comity_status finished(const comity_call *call, comity_status status) {
  if (status != COMITY_OK)
    call->comm->torn = call->comm->tainted = true;
  return status;
}

static comity_status broadcast(comity_call *call, void *data, size_t bytes) {
  return finished(call, run(call, NULL, data, bytes));
}

static comity_status sum(comity_call *call, const comity_sum *sum) {
  return finished(call, run(call, sum, sum->data, sum->count * sum->number->bytes));
}

const comity_collectives comity_collectives_mpi = {.name = "mpi", .broadcast = broadcast, .sum = sum};
