/* Messages between two members: the one place that knows how they are told apart. */
#include "comm_impl.h"

comity_status comity_call_send(const comity_call *call, int peer, const void *memory, size_t bytes,
                               MPI_Request *request) {
  const comity_address *to = &call->comm->members.address[peer];
  int code = MPI_Isend(memory, (int)bytes, MPI_BYTE, to->rank, call->tag, to->comm, request);
  return comity_call_check(call, code, "MPI_Isend");
}

comity_status comity_call_receive(const comity_call *call, int peer, void *memory, size_t bytes,
                                  MPI_Request *request) {
  const comity_address *from = &call->comm->members.address[peer];
  int code = MPI_Irecv(memory, (int)bytes, MPI_BYTE, from->rank, call->tag, from->comm, request);
  return comity_call_check(call, code, "MPI_Irecv");
}

comity_status comity_call_tell(comity_call *call, void *data, size_t bytes) {
  return comity_collectives_tree.broadcast(call, data, bytes);
}
