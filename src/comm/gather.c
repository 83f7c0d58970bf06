/* Up to the server: every member's status and message, bundled on the way. A bundle is a row of entries,
 * ordered by member: a head, the text of the error message, the data. */
#include "comm_impl.h"

#include <string.h>

typedef struct entry {
  uint64_t member, status, text, data; /* text and data: bytes that follow */
} entry;

/* What one message of a bundle begins with: the seal of the bundle, which says its length. The bundle follows, as much
 * as there is room for in the head, then in pieces. */
enum { IN_HEAD = COMITY_COMM_HEAD - sizeof(comity_seal) };

typedef struct bundle {
  uint8_t *bytes;
  size_t length;
} bundle;

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

static comity_status send_bundle(const comity_call *call, const bundle *all) {
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

/* The own entry, with room for what is still to come. */
static comity_status begin_bundle(const comity_comm *comm, comity_status local, const void *data,
                                  size_t bytes, size_t more, bundle *made) {
  const char *text = local == COMITY_OK ? "" : comity_error_message();
  size_t length = strlen(text) < COMITY_COMM_MESSAGE_BYTES ? strlen(text) : COMITY_COMM_MESSAGE_BYTES - 1;
  entry own = {
      .member = (uint64_t)comm->members.rank, .status = (uint64_t)local, .text = length, .data = bytes};
  COMITY_REQUIRE(bytes <= SIZE_MAX / 2 && more <= SIZE_MAX / 2 - sizeof own - COMITY_COMM_MESSAGE_BYTES,
                 COMITY_ERR_MEMORY, "gather: more bytes than the address space has");
  COMITY_TRY(COMITY_NEW(made->bytes, sizeof own + length + bytes + more));
  memcpy(made->bytes, &own, sizeof own);
  memcpy(made->bytes + sizeof own, text, length);
  if (bytes > 0)
    memcpy(made->bytes + sizeof own + length, data, bytes);
  made->length = sizeof own + length + bytes;
  return COMITY_OK;
}

/* One child's bundle, behind those before it; without room for it, it is dropped. */
static comity_status receive_bundle(comity_call *call, int c, bool room, bundle *all) {
  comity_comm *comm = call->comm;
  comity_seal seal = seal_of(comm, c);
  size_t first = in_head(seal.length);
  uint8_t *into = room ? all->bytes + all->length : NULL;
  if (room)
    memcpy(into, comm->heads + (size_t)c * COMITY_COMM_HEAD + sizeof seal, first);
  COMITY_TRY(receive_rest(call, comm->wide.child[c], room ? into + first : NULL, seal.length - first));
  if (room)
    comity_call_damage(call, comm->wide.child[c], into, seal.length, 0);
  if (room && comity_digest(into, seal.length, 0) != seal.digest)
    return comity_call_corrupt(call, comm->wide.child[c]);
  all->length += room ? seal.length : 0;
  return COMITY_OK;
}

/* This member's entry and those of all behind it. Without the memory for them they are dropped, and the entry
 * says so. */
static comity_status collect(comity_call *call, comity_status local, const void *data, size_t bytes,
                             bundle *all) {
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
  status = begin_bundle(comm, local, data, bytes, more, all);
  bool room = status == COMITY_OK;
  if (!room)
    COMITY_TRY(begin_bundle(comm, local > status ? local : status, NULL, 0, 0, all));
  for (int c = 0; c < tree->count; c++)
    COMITY_TRY(receive_bundle(call, c, room, all));
  return COMITY_OK;
}

/* Where each rank's entry begins; ranks that are absent have none. */
static void find_entries(const bundle *all, size_t size, size_t *found) {
  entry next;
  for (size_t rank = 0; rank < size; rank++)
    found[rank] = SIZE_MAX;
  for (size_t at = 0; at < all->length; at += sizeof next + next.text + next.data) {
    memcpy(&next, all->bytes + at, sizeof next);
    if (next.member < size)
      found[next.member] = at;
  }
}

/* On the server: the data by rank, and the most severe failure in the error record. Where entries stand in the order of
 * ranks the data stay in the bundle's own memory, which may be large. */
static comity_status unpack(const comity_comm *comm, bundle *all, comity_gathered *gathered) {
  comity_status worst = COMITY_OK, status = COMITY_OK;
  bool in_order = comm->members.links == comm->members.count;
  size_t size = (size_t)comm->members.size, end = 0, *found;
  const uint8_t *from = all->bytes;
  COMITY_TRY(COMITY_NEW(found, size));
  COMITY_TRY_OR(done, COMITY_NEW(gathered->offset, size + 1));
  find_entries(all, size, found);
  if (in_order) {
    gathered->bytes = all->bytes;
    all->bytes = NULL;
  } else {
    COMITY_TRY_OR(done, COMITY_NEW(gathered->bytes, all->length));
  }
  for (size_t rank = 0; rank < size; rank++) {
    entry next;
    gathered->offset[rank] = gathered->offset[rank + 1] = end;
    if (found[rank] == SIZE_MAX)
      continue;
    const uint8_t *at = from + found[rank];
    memcpy(&next, at, sizeof next);
    at += sizeof next;
    if ((comity_status)next.status > worst) {
      worst = (comity_status)next.status;
      if (size > 1)
        comity_fail(worst, "rank %zu: %.*s", rank, (int)next.text, (const char *)at);
    }
    if (next.data > 0)
      memmove(gathered->bytes + end, at + next.text, next.data);
    end += next.data;
    gathered->offset[rank + 1] = end;
  }
  gathered->count = size;
done:
  comity_free(found);
  return status == COMITY_OK ? worst : status;
}

comity_status comity_call_report(comity_call *call, comity_status local, const void *data, size_t bytes,
                                 comity_gathered *all, comity_status *worst) {
  bundle mine = {0};
  *all = (comity_gathered){0};
  *worst = local;
  comity_status status = collect(call, local, data, local == COMITY_OK ? bytes : 0, &mine);
  if (status == COMITY_OK && !comity_comm_is_server(call->comm))
    status = send_bundle(call, &mine);
  else if (status == COMITY_OK) {
    *worst = unpack(call->comm, &mine, all);
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
