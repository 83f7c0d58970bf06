/* Arrival: one word from every rank to the server, received one by one, so that a server that waits in vain
 * can say for whom. */
#include "comm_impl.h"

/* "rank 2, 5, 9 did not arrive", of those whose receive is still open. */
static comity_status name_missing(const comity_call *call) {
  char who[512] = "";
  size_t used = 0;
  int missing = 0;
  for (int i = 0; i < call->comm->members.size; i++) {
    int done = 0;
    COMITY_TRY(
        comity_call_check(call, MPI_Test(&call->comm->requests[i], &done, MPI_STATUS_IGNORE), "MPI_Test"));
    if (done)
      continue;
    if (used < sizeof who - 64)
      used += (size_t)snprintf(who + used, sizeof who - used, "%s%d", missing == 0 ? "" : ", ", i);
    else if (used < sizeof who - 32)
      used += (size_t)snprintf(who + used, sizeof who - used, " and more");
    missing++;
  }
  char text[600];
  snprintf(text, sizeof text, "%s %s did not arrive", missing == 1 ? "rank" : "ranks", who);
  return comity_call_timeout(call, missing == 0 ? "the last rank arrived too late" : text);
}

comity_status comity_call_collect(const comity_call *call, uint64_t word, int tag) {
  comity_comm *comm = call->comm;
  const comity_members *members = &comm->members;
  if (members->rank != COMITY_COMM_SERVER) {
    const comity_address *server = &members->address[COMITY_COMM_SERVER];
    comm->word = word;
    int code = MPI_Isend(&comm->word, 1, MPI_UINT64_T, server->rank, tag, server->comm, comm->requests);
    COMITY_TRY(comity_call_check(call, code, "MPI_Isend"));
    return comity_call_wait(call, comm->requests);
  }
  comm->words[COMITY_COMM_SERVER] = word;
  for (int i = 1; i < members->size; i++) {
    const comity_address *from = &members->address[i];
    int code = MPI_Irecv(&comm->words[i], 1, MPI_UINT64_T, from->rank, tag, from->comm, &comm->requests[i]);
    COMITY_TRY(comity_call_check(call, code, "MPI_Irecv"));
  }
  for (int i = 1; i < members->size; i++) {
    comity_status status = comity_call_wait(call, &comm->requests[i]);
    if (status == COMITY_ERR_TIMEOUT)
      return name_missing(call);
    COMITY_TRY(status);
  }
  return COMITY_OK;
}

comity_status comity_call_meet(comity_call *call) {
  uint64_t go = 0;
  COMITY_TRY(comity_call_collect(call, 0, COMITY_TAG_ARRIVAL));
  COMITY_TRY(comity_call_broadcast(call, &go, sizeof go));
  call->met = true;
  return COMITY_OK;
}
