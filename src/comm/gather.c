/* Up to the server: every member's status and message. A subtree's entries travel as one bundle, and each member puts those
 * of its children behind its own. */
#include "comm_impl.h"

#include <string.h>

/* What one message of a bundle begins with: the seal of the bundle, which says its length. The bundle follows, as much
 * as there is room for in the head, then in pieces. */
enum { IN_HEAD = COMITY_COMM_HEAD - sizeof(comity_seal) };

static size_t in_head(size_t length) { return length < IN_HEAD ? length : IN_HEAD; }

/* "rank 2, ranks 5-9 did not arrive", of those whose receive is still open. */
static comity_status name_missing(const comity_call *call, const MPI_Request *requests) {
  const comity_tree *tree = &call->comm->wide;
  char who[512] = "";
  size_t used = 0;
  int missing = 0;
  bool all = true;
  for (int c = 0; c < tree->count; c++) {
    if (requests[c] == MPI_REQUEST_NULL)
      continue;
    int first = call->comm->members.list[tree->child[c]],
        last = call->comm->members.list[tree->child[c + 1] - 1];
    all = used < sizeof who - 64;
    if (all)
      used += (size_t)snprintf(who + used, sizeof who - used,
                               first == last ? "%s%d" : "%s%d or one of %d to %d behind it",
                               missing == 0 ? "" : ", ", first, first + 1, last);
    missing++;
  }
  char text[600];
  snprintf(text, sizeof text, "%s %s%s did not arrive", missing == 1 ? "rank" : "ranks", who,
           all ? "" : " and more");
  return comity_call_timeout(call, missing == 0 ? "the last rank arrived too late" : text);
}

/* The heads of all children. Those that are waited for in vain are all named. */
static comity_status receive_heads(comity_call *call, MPI_Request *requests) {
  comity_comm *comm = call->comm;
  const comity_tree *tree = &comm->wide;
  for (int c = 0; c < tree->count; c++)
    COMITY_TRY(comity_call_receive(call, tree->child[c], comm->heads + (size_t)c * COMITY_COMM_HEAD,
                                   COMITY_COMM_HEAD, &requests[c]));
  for (int c = 0; c < tree->count; c++) {
    comity_status status = comity_call_wait(call, &requests[c], tree->child[c], tree->child[c + 1]);
    for (int later = c + 1; later < tree->count && status == COMITY_ERR_TIMEOUT; later++) {
      int done;
      COMITY_TRY(comity_call_check(call, MPI_Test(&requests[later], &done, MPI_STATUS_IGNORE), "MPI_Test",
                                   tree->child[later]));
    }
    if (status == COMITY_ERR_TIMEOUT)
      return name_missing(call, requests);
    COMITY_TRY(status);
    call->moving = true;
  }
  return COMITY_OK;
}

static comity_seal seal_of(const comity_comm *comm, int child) {
  comity_seal seal;
  memcpy(&seal, comm->heads + (size_t)child * COMITY_COMM_HEAD, sizeof seal);
  return seal;
}

/* Before a length is believed. */
static comity_status check_seals(const comity_call *call) {
  const comity_comm *comm = call->comm;
  for (int c = 0; c < comm->wide.count; c++) {
    comity_seal seal = seal_of(comm, c);
    if (!comity_call_sealed(call, &seal, seal.digest, seal.length))
      return comity_call_corrupt(call, comm->wide.child[c]);
  }
  return COMITY_OK;
}

/* What did not fit into the head, piece by piece through a slot; `into` NULL drops it. */
static comity_status receive_rest(const comity_call *call, int peer, uint8_t *into, size_t length) {
  comity_comm *comm = call->comm;
  for (size_t at = 0; at < length; at += comm->piece) {
    size_t bytes = length - at < comm->piece ? length - at : comm->piece;
    MPI_Request request;
    COMITY_TRY(comity_call_receive(call, peer, comm->slots, bytes, &request));
    comity_status status = comity_call_wait(call, &request, peer, peer + 1);
    COMITY_TRY(comity_call_abandon_receives(call, &request, 1, status));
    if (into != NULL)
      memcpy(into + at, comm->slots, bytes);
  }
  return COMITY_OK;
}

static comity_status send_to_parent(const comity_call *call, const uint8_t *memory, size_t bytes) {
  int parent = call->comm->wide.parent;
  MPI_Request request;
  COMITY_TRY(comity_call_send(call, parent, memory, bytes, &request));
  return comity_call_abandon_sends(call, &request, 1, comity_call_wait(call, &request, parent, parent + 1));
}

static comity_status send_bundle(const comity_call *call, const comity_bundle *all) {
  comity_comm *comm = call->comm;
  comity_seal seal = comity_call_seal(call, comity_digest(all->bytes, all->length, 0), all->length);
  memcpy(comm->head, &seal, sizeof seal);
  memcpy(comm->head + sizeof seal, all->bytes, in_head(all->length));
  COMITY_TRY(send_to_parent(call, comm->head, sizeof seal + in_head(all->length)));
  for (size_t at = in_head(all->length); at < all->length; at += comm->piece) {
    size_t bytes = all->length - at < comm->piece ? all->length - at : comm->piece;
    memcpy(comm->slots, all->bytes + at, bytes);
    COMITY_TRY(send_to_parent(call, comm->slots, bytes));
  }
  return COMITY_OK;
}

/* One child's bundle, behind those before it; without room for it, it is dropped. */
static comity_status receive_bundle(comity_call *call, int c, bool room, comity_bundle *all) {
  comity_comm *comm = call->comm;
  comity_seal seal = seal_of(comm, c);
  size_t first = in_head(seal.length);
  uint8_t *into = room ? all->bytes + all->length : NULL;
  if (room)
    memcpy(into, comm->heads + (size_t)c * COMITY_COMM_HEAD + sizeof seal, first);
  COMITY_TRY(receive_rest(call, comm->wide.child[c], room ? into + first : NULL, seal.length - first));
  if (room)
    comity_call_damage(call, comm->wide.child[c], into, seal.length, 0);
  const int *place = &comm->wide.child[c];
  if (room && (comity_digest(into, seal.length, 0) != seal.digest ||
               !comity_bundle_is_sound(&comm->members, place[0], place[1], into, seal.length)))
    return comity_call_corrupt(call, place[0]);
  all->length += room ? seal.length : 0;
  return COMITY_OK;
}

/* This member's entry and those of all behind it. Without the memory for them they are dropped, and the entry
 * says so. */
static comity_status collect(comity_call *call, comity_status local, const void *data, size_t bytes,
                             comity_bundle *all) {
  comity_comm *comm = call->comm;
  const comity_tree *tree = &comm->wide;
  MPI_Request requests[COMITY_TREE_CHILDREN];
  size_t more = 0;
  for (int c = 0; c < tree->count; c++)
    requests[c] = MPI_REQUEST_NULL;
  comity_status status = receive_heads(call, requests);
  COMITY_TRY(comity_call_abandon_receives(call, requests, (size_t)tree->count, status));
  COMITY_TRY(check_seals(call));
  for (int c = 0; c < tree->count; c++)
    if (__builtin_add_overflow(more, seal_of(comm, c).length, &more))
      more = SIZE_MAX;
  status = comity_bundle_begin(&comm->members, local, data, bytes, more, all);
  bool room = status == COMITY_OK;
  if (!room)
    COMITY_TRY(comity_bundle_begin(&comm->members, local > status ? local : status, NULL, 0, 0, all));
  for (int c = 0; c < tree->count; c++)
    COMITY_TRY(receive_bundle(call, c, room, all));
  return COMITY_OK;
}

comity_status comity_call_report(comity_call *call, comity_status local, const void *data, size_t bytes,
                                 comity_gathered *all, comity_status *worst) {
  comity_bundle mine = {0};
  *all = (comity_gathered){0};
  *worst = local;
  comity_status status = collect(call, local, data, local == COMITY_OK ? bytes : 0, &mine);
  if (status == COMITY_OK && !comity_comm_is_server(call->comm))
    status = send_bundle(call, &mine);
  else if (status == COMITY_OK) {
    *worst = comity_bundle_unpack(&call->comm->members, &mine, all);
    if (*worst != COMITY_OK)
      comity_gathered_clear(all);
  }
  comity_free(mine.bytes);
  return status;
}

comity_status comity_comm_gather(comity_comm *comm, const void *data, size_t bytes,
                                 comity_gathered *gathered) {
  comity_call call;
  comity_status worst;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_GATHER, &call));
  comity_status status = comity_call_report(&call, COMITY_OK, data, bytes, gathered, &worst);
  if (status == COMITY_OK)
    status = comity_call_verdict(&call, worst);
  if (status != COMITY_OK)
    comity_gathered_clear(gathered);
  return comity_call_end(&call, gathered->count > 0 ? gathered->offset[gathered->count] : bytes, status);
}

void comity_gathered_clear(comity_gathered *gathered) {
  comity_free(gathered->offset);
  comity_free(gathered->bytes);
  *gathered = (comity_gathered){0};
}
