/* Gather: the sizes first, then, when the server has the room, the bytes, rank by rank. */
#include "comm_impl.h"

#include <string.h>

/* Room for all contributions; comm->words holds their sizes. */
static comity_status make_room(const comity_comm *comm, comity_gathered *gathered) {
  size_t size = (size_t)comm->members.size;
  COMITY_TRY(COMITY_NEW(gathered->offset, size + 1));
  for (size_t i = 0; i < size; i++)
    if (__builtin_add_overflow(gathered->offset[i], comm->words[i], &gathered->offset[i + 1]))
      return comity_fail(COMITY_ERR_MEMORY, "gather: more bytes than the address space has");
  gathered->count = size;
  return COMITY_NEW(gathered->bytes, gathered->offset[size]);
}

/* The server says whether it has the room before anybody sends: otherwise all leave together. */
static comity_status agree_on_room(comity_call *call, comity_status room) {
  uint64_t verdict = (uint64_t)room;
  COMITY_TRY(comity_call_broadcast(call, &verdict, sizeof verdict));
  call->met = true;
  COMITY_TRY(room);
  COMITY_REQUIRE(verdict == COMITY_OK, (comity_status)verdict,
                 "gather: the server has no memory for what the ranks want to send it");
  return COMITY_OK;
}

static comity_status serve(comity_call *call, const void *data, size_t bytes, comity_gathered *gathered) {
  int size = call->comm->members.size;
  if (size == 1)
    call->comm->words[0] = bytes;
  else
    COMITY_TRY(comity_call_collect(call, bytes, COMITY_TAG_SIZE));
  comity_status room = make_room(call->comm, gathered);
  if (size == 1)
    COMITY_TRY(room);
  else
    COMITY_TRY(agree_on_room(call, room));
  if (bytes > 0)
    memcpy(gathered->bytes, data, bytes);
  for (int i = 1; i < size; i++)
    COMITY_TRY(comity_call_receive(call, i, gathered->bytes + gathered->offset[i],
                                   gathered->offset[i + 1] - gathered->offset[i]));
  return COMITY_OK;
}

comity_status comity_comm_gather(comity_comm *comm, const void *data, size_t bytes,
                                 comity_gathered *gathered) {
  comity_call call;
  comity_gathered made = {0};
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_GATHER, &call));
  comity_status status;
  if (comity_comm_is_server(comm))
    COMITY_TRY_OR(done, serve(&call, data, bytes, &made));
  else {
    COMITY_TRY_OR(done, comity_call_collect(&call, bytes, COMITY_TAG_SIZE));
    COMITY_TRY_OR(done, agree_on_room(&call, COMITY_OK));
    COMITY_TRY_OR(done, comity_call_send(&call, COMITY_COMM_SERVER, data, bytes));
  }
done:
  if (status == COMITY_OK)
    *gathered = made;
  else
    comity_gathered_clear(&made);
  return comity_call_end(&call, made.count > 0 ? made.offset[made.count] : bytes, status);
}

void comity_gathered_clear(comity_gathered *gathered) {
  comity_free(gathered->offset);
  comity_free(gathered->bytes);
  *gathered = (comity_gathered){0};
}
