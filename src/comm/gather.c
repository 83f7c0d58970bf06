/* Up to the server: every member's status and message, bundled on the way. A bundle is a row of entries,
 * ordered by member: a head, the text of the error message, the data. */
#include "comm_impl.h"

#include <string.h>

typedef struct entry {
  uint64_t member, status, text, data; /* text and data: bytes that follow */
} entry;

/* What one message of a bundle begins with: the length of the bundle. The bundle follows, as much as there is
 * room for in the head, then in pieces. */
typedef uint64_t size_head;
enum { IN_HEAD = COMITY_COMM_HEAD - sizeof(size_head) };

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
    int first = tree->child[c], last = tree->child[c + 1] - 1;
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
      COMITY_TRY(comity_call_check(call, MPI_Test(&requests[later], &done, MPI_STATUS_IGNORE), "MPI_Test"));
    }
    if (status == COMITY_ERR_TIMEOUT)
      return name_missing(call, requests);
    COMITY_TRY(status);
    call->moving = true;
  }
  return COMITY_OK;
}

static size_head length_of(const comity_comm *comm, int child) {
  size_head length;
  memcpy(&length, comm->heads + (size_t)child * COMITY_COMM_HEAD, sizeof length);
  return length;
}

/* What did not fit into the head, piece by piece through a slot; `into` NULL drops it. */
static comity_status receive_rest(const comity_call *call, int peer, uint8_t *into, size_t length) {
  comity_comm *comm = call->comm;
  for (size_t at = 0; at < length; at += comm->piece) {
    size_t bytes = length - at < comm->piece ? length - at : comm->piece;
    MPI_Request request;
    COMITY_TRY(comity_call_receive(call, peer, comm->slots, bytes, &request));
    COMITY_TRY(comity_call_wait(call, &request, peer, peer + 1));
    if (into != NULL)
      memcpy(into + at, comm->slots, bytes);
  }
  return COMITY_OK;
}

static comity_status send_bundle(const comity_call *call, const bundle *all) {
  comity_comm *comm = call->comm;
  int parent = comm->wide.parent;
  size_head length = all->length;
  MPI_Request request;
  memcpy(comm->head, &length, sizeof length);
  memcpy(comm->head + sizeof length, all->bytes, in_head(all->length));
  COMITY_TRY(comity_call_send(call, parent, comm->head, sizeof length + in_head(all->length), &request));
  COMITY_TRY(comity_call_wait(call, &request, parent, parent + 1));
  for (size_t at = in_head(all->length); at < all->length; at += comm->piece) {
    size_t bytes = all->length - at < comm->piece ? all->length - at : comm->piece;
    memcpy(comm->slots, all->bytes + at, bytes);
    COMITY_TRY(comity_call_send(call, parent, comm->slots, bytes, &request));
    COMITY_TRY(comity_call_wait(call, &request, parent, parent + 1));
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

/* This member's entry and those of all behind it. Without the memory for them they are dropped, and the entry
 * says so. */
static comity_status collect(comity_call *call, comity_status local, const void *data, size_t bytes,
                             bundle *all) {
  comity_comm *comm = call->comm;
  const comity_tree *tree = &comm->wide;
  MPI_Request requests[COMITY_TREE_WIDE];
  size_t more = 0;
  COMITY_TRY(receive_heads(call, requests));
  for (int c = 0; c < tree->count; c++)
    if (__builtin_add_overflow(more, length_of(comm, c), &more))
      more = SIZE_MAX;
  comity_status status = begin_bundle(comm, local, data, bytes, more, all);
  bool room = status == COMITY_OK;
  if (!room)
    COMITY_TRY(begin_bundle(comm, local > status ? local : status, NULL, 0, 0, all));
  for (int c = 0; c < tree->count; c++) {
    size_t length = length_of(comm, c), first = in_head(length);
    uint8_t *into = room ? all->bytes + all->length : NULL;
    if (room)
      memcpy(into, comm->heads + (size_t)c * COMITY_COMM_HEAD + sizeof(size_head), first);
    COMITY_TRY(receive_rest(call, tree->child[c], room ? into + first : NULL, length - first));
    all->length += room ? length : 0;
  }
  return COMITY_OK;
}

/* On the server: leave only the data, by member, and the most severe failure in the error record. */
static comity_status unpack(const comity_comm *comm, bundle *all, comity_gathered *gathered) {
  comity_status worst = COMITY_OK;
  size_t size = (size_t)comm->members.size, end = 0;
  entry next;
  COMITY_TRY(COMITY_NEW(gathered->offset, size + 1));
  for (size_t at = 0, i = 0; at < all->length; i++) {
    memcpy(&next, all->bytes + at, sizeof next);
    at += sizeof next;
    if ((comity_status)next.status > worst) {
      worst = (comity_status)next.status;
      if (size > 1)
        comity_fail(worst, "rank %llu: %.*s", (unsigned long long)next.member, (int)next.text,
                    (const char *)all->bytes + at);
    }
    at += next.text;
    memmove(all->bytes + end, all->bytes + at, next.data);
    gathered->offset[i] = end;
    at += next.data;
    end += next.data;
    gathered->offset[i + 1] = end;
  }
  gathered->count = size;
  gathered->bytes = all->bytes;
  all->bytes = NULL;
  return worst;
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
