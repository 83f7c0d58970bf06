/* Connections before anybody can die. MPI connects two ranks when one first sends to the other, and Open MPI 4 over TCP may end or hang
 * when the other dies, or connects as well, in the middle of that. So members meet early, the lower rank always calling: the
 * server meets everybody, and everybody its neighbours, which are the ones that trees need, also when some of
 * them are lost. In a job of up to NEIGHBOURS + 1 ranks that is everybody. */
#include "comm_impl.h"

enum { NEIGHBOURS = 32 };

/* Rank `offset` below this one is heard, and that above is told. */
static comity_status greet(const comity_call *call, int offset, MPI_Request *heard, MPI_Request *told) {
  comity_comm *comm = call->comm;
  int below = comm->members.rank - offset, above = comm->members.rank + offset;
  uint8_t *byte = comm->slots; /* there is room for more than 2 * NEIGHBOURS */
  *heard = *told = MPI_REQUEST_NULL;
  if (below >= 0)
    COMITY_TRY(comity_call_receive(call, below, byte + NEIGHBOURS + offset, 1, heard));
  return above < comm->members.size ? comity_call_send(call, above, byte, 1, told) : COMITY_OK;
}

static comity_status wait_for(const comity_call *call, int rank, MPI_Request *request) {
  return *request == MPI_REQUEST_NULL ? COMITY_OK : comity_call_wait(call, request, rank, rank + 1);
}

/* The server and those who are not its neighbours. */
static comity_status greet_far(const comity_call *call) {
  const comity_members *members = &call->comm->members;
  uint8_t *byte = call->comm->slots;
  MPI_Request request;
  for (int rank = NEIGHBOURS + 1; rank < members->size && members->rank == COMITY_COMM_SERVER; rank++) {
    COMITY_TRY(comity_call_send(call, rank, byte, 1, &request));
    COMITY_TRY(comity_call_wait(call, &request, rank, rank + 1));
  }
  if (members->rank <= NEIGHBOURS)
    return COMITY_OK;
  COMITY_TRY(comity_call_receive(call, COMITY_COMM_SERVER, byte + NEIGHBOURS, 1, &request));
  return comity_call_wait(call, &request, COMITY_COMM_SERVER, COMITY_COMM_SERVER + 1);
}

comity_status comity_comm_acquaint(comity_comm *comm) {
  comity_call call;
  MPI_Request heard[NEIGHBOURS], told[NEIGHBOURS];
  int rank = comm->members.rank, known = comm->members.size - 1;
  known = known < NEIGHBOURS ? known : NEIGHBOURS;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_AGREE, &call));
  comity_status status = COMITY_OK;
  for (int i = 0; i < known && status == COMITY_OK; i++)
    status = greet(&call, i + 1, &heard[i], &told[i]);
  for (int i = 0; i < known && status == COMITY_OK; i++) {
    status = wait_for(&call, rank - i - 1, &heard[i]);
    if (status == COMITY_OK)
      status = wait_for(&call, rank + i + 1, &told[i]);
  }
  if (status == COMITY_OK)
    status = greet_far(&call);
  return comity_call_end(&call, 0, status);
}
