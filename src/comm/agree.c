/* Agreement: everybody's status to the server, its verdict to everybody; the reason travels only when there
 * is one. */
#include "comm_impl.h"

#include <string.h>

/* The most severe status and the lowest rank that brought it. */
typedef struct verdict {
  uint64_t status, rank;
} verdict;

static verdict judge(const comity_comm *comm) {
  verdict found = {.status = comm->words[0]};
  for (int i = 1; i < comm->members.size; i++)
    if (comm->words[i] > found.status)
      found = (verdict){.status = comm->words[i], .rank = (uint64_t)i};
  return found;
}

/* comm->message of `winner` to all. */
static comity_status spread_message(const comity_call *call, int winner) {
  comity_comm *comm = call->comm;
  if (winner != COMITY_COMM_SERVER && comm->members.rank == winner)
    COMITY_TRY(comity_call_send(call, COMITY_COMM_SERVER, comm->message, sizeof comm->message));
  if (winner != COMITY_COMM_SERVER && comm->members.rank == COMITY_COMM_SERVER)
    COMITY_TRY(comity_call_receive(call, winner, comm->message, sizeof comm->message));
  return comity_call_broadcast(call, comm->message, sizeof comm->message);
}

static comity_status settle(const comity_call *call, comity_status local, verdict *found) {
  COMITY_TRY(comity_call_collect(call, (uint64_t)local, COMITY_TAG_STATUS));
  if (comity_comm_is_server(call->comm))
    *found = judge(call->comm);
  COMITY_TRY(comity_call_broadcast(call, found, sizeof *found));
  return found->status == COMITY_OK ? COMITY_OK : spread_message(call, (int)found->rank);
}

comity_status comity_comm_agree(comity_comm *comm, comity_status local) {
  comity_call call;
  verdict found = {.status = (uint64_t)local};
  if (local != COMITY_OK &&
      local == comm->failure) /* this rank's status is that of the operation that failed */
    return local;
  char mine[COMITY_COMM_MESSAGE_BYTES] = ""; /* whole, so that nothing else of this rank's memory travels */
  snprintf(mine, sizeof mine, "%s", comity_error_message());
  comity_status status = comity_call_begin(comm, COMITY_OPERATION_AGREE, &call);
  if (status == COMITY_OK && comm->members.size > 1) {
    memcpy(comm->message, mine, sizeof mine);
    status = settle(&call, local, &found);
  }
  if (status != COMITY_OK && local != COMITY_OK) /* two sentences are better than losing the first cause */
    comity_fail(status, "%s (before that, on this rank: %s)", comity_error_message(), mine);
  if (status == COMITY_OK || comm->failure == COMITY_OK)
    status = comity_call_end(&call, sizeof(uint64_t), status);
  if (status != COMITY_OK)
    return status;
  if (found.status != COMITY_OK && comm->members.size > 1)
    comity_fail((comity_status)found.status, "rank %llu: %s", (unsigned long long)found.rank, comm->message);
  return (comity_status)found.status;
}

/* ------------------------------------------------------------------------------------- in two halves */

/* What goes before every rank's message. */
typedef struct head {
  uint64_t status, text; /* text: bytes of the error message that follow */
} head;

/* Leave only the data in `all`, and the most severe failure in the error record. */
static comity_status unpack(comity_comm *comm, comity_gathered *all) {
  comity_status worst = COMITY_OK;
  size_t end = 0;
  for (size_t i = 0; i < all->count; i++) {
    uint8_t *at = all->bytes + all->offset[i];
    size_t bytes = all->offset[i + 1] - all->offset[i];
    head first;
    memcpy(&first, at, sizeof first);
    if ((comity_status)first.status > worst) {
      worst = (comity_status)first.status;
      const char *text = (const char *)at + sizeof first;
      if (comm->members.size > 1)
        comity_fail(worst, "rank %zu: %.*s", i, (int)first.text, text);
    }
    bytes -= sizeof first + first.text;
    memmove(all->bytes + end, at + sizeof first + first.text, bytes);
    all->offset[i] = end;
    end += bytes;
  }
  all->offset[all->count] = end;
  return worst;
}

comity_status comity_comm_report(comity_comm *comm, comity_status local, const void *data, size_t bytes,
                                 comity_gathered *gathered) {
  *gathered = (comity_gathered){0};
  if (local != COMITY_OK && local == comm->failure)
    return local;
  char mine[COMITY_COMM_MESSAGE_BYTES] = "";
  snprintf(mine, sizeof mine, "%s", comity_error_message());
  head first = {.status = (uint64_t)local, .text = local == COMITY_OK ? 0 : strlen(mine)};
  bytes = local == COMITY_OK ? bytes : 0;
  uint8_t *packed;
  COMITY_TRY(COMITY_NEW(packed, sizeof first + first.text + bytes));
  memcpy(packed, &first, sizeof first);
  memcpy(packed + sizeof first, mine, first.text);
  if (bytes > 0)
    memcpy(packed + sizeof first + first.text, data, bytes);
  comity_status status = comity_comm_gather(comm, packed, sizeof first + first.text + bytes, gathered);
  comity_free(packed);
  if (status != COMITY_OK && local != COMITY_OK) /* two sentences are better than losing the first cause */
    comity_fail(status, "%s (before that, on this rank: %s)", comity_error_message(), mine);
  COMITY_TRY(status);
  if (!comity_comm_is_server(comm))
    return local;
  status = unpack(comm, gathered);
  if (status != COMITY_OK)
    comity_gathered_clear(gathered);
  return status;
}

comity_status comity_call_verdict(const comity_call *call, comity_status status) {
  comity_comm *comm = call->comm;
  if (comm->members.size == 1)
    return status;
  bool server = comity_comm_is_server(comm);
  uint64_t said = (uint64_t)status;
  if (server)
    snprintf(comm->message, sizeof comm->message, "%s", comity_error_message());
  COMITY_TRY(comity_call_broadcast(call, &said, sizeof said));
  if (said == COMITY_OK)
    return COMITY_OK;
  COMITY_TRY(comity_call_broadcast(call, comm->message, sizeof comm->message));
  return comity_fail((comity_status)said, "%s", comm->message);
}

comity_status comity_comm_verdict(comity_comm *comm, comity_status status) {
  comity_call call;
  if (status != COMITY_OK && status == comm->failure)
    return status;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_AGREE, &call));
  return comity_call_end(&call, sizeof(uint64_t), comity_call_verdict(&call, status));
}
