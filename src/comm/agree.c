/* Agreement: everybody's status to the server, its verdict to everybody; the reason travels only when there
 * is one. */
#include "comm_impl.h"

#include <string.h>

/* This thread's error message, kept while communication may replace it. */
typedef struct cause {
  char text[COMITY_COMM_MESSAGE_BYTES];
} cause;

static cause cause_of(comity_status local) {
  cause kept = {""};
  if (local != COMITY_OK)
    snprintf(kept.text, sizeof kept.text, "%s", comity_error_message());
  return kept;
}

/* Communication failed: two sentences are better than losing the first cause. */
static comity_status explain(comity_status status, comity_status local, const cause *kept) {
  return local == COMITY_OK || status == COMITY_INTERRUPTED
             ? status
             : comity_fail(status, "%s (before that, on this rank: %s)", comity_error_message(), kept->text);
}

/* Whether a rank's status is that of the operation that failed or was interrupted: then there is nobody to tell. */
bool comity_call_is_known(const comity_comm *comm, comity_status local) {
  return local == COMITY_INTERRUPTED || local == COMITY_ERR_SERVER ||
         (local != COMITY_OK && local == comm->failure);
}

comity_status comity_call_verdict(comity_call *call, comity_status status) {
  uint64_t said = (uint64_t)status;
  char text[COMITY_COMM_MESSAGE_BYTES] = ""; /* whole, so that nothing else of this rank's memory travels */
  if (call->comm->members.count == 1)
    return status;
  COMITY_TRY(comity_call_tell(call, &said, sizeof said));
  if (call->comm->watch.on)
    call->comm->watch.hurried = false;
  if (said == COMITY_OK)
    return COMITY_OK;
  snprintf(text, sizeof text, "%s", comity_error_message());
  COMITY_TRY(comity_call_tell(call, text, sizeof text));
  return comity_fail((comity_status)said, "%s", text);
}

comity_status comity_comm_agree(comity_comm *comm, comity_status local) {
  comity_call call;
  comity_gathered none;
  comity_status worst;
  if (comity_call_is_known(comm, local))
    return local;
  cause kept = cause_of(local);
  comity_status status = comity_call_begin(comm, COMITY_OPERATION_AGREE, &call);
  if (status != COMITY_OK)
    return explain(status, local, &kept);
  status = comity_call_report(&call, local, NULL, 0, &none, &worst);
  comity_gathered_clear(&none);
  if (status == COMITY_OK)
    status = comity_call_verdict(&call, worst);
  if (comm->failure != COMITY_OK)
    explain(status, local, &kept);
  return comity_call_end(&call, sizeof(uint64_t), status);
}

comity_status comity_comm_report(comity_comm *comm, comity_status local, const void *data, size_t bytes,
                                 comity_gathered *gathered) {
  comity_call call;
  comity_status worst;
  *gathered = (comity_gathered){0};
  if (comity_call_is_known(comm, local))
    return local;
  cause kept = cause_of(local);
  comity_status status = comity_call_begin(comm, COMITY_OPERATION_AGREE, &call);
  if (status != COMITY_OK)
    return explain(status, local, &kept);
  status = comity_call_report(&call, local, data, bytes, gathered, &worst);
  if (status != COMITY_OK)
    explain(status, local, &kept);
  size_t moved = gathered->count > 0 ? gathered->offset[gathered->count] : bytes;
  status = comity_call_end(&call, moved, status);
  return status == COMITY_OK ? worst : status;
}

comity_status comity_comm_verdict(comity_comm *comm, comity_status status) {
  comity_call call;
  if (comity_call_is_known(comm, status))
    return status;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_AGREE, &call));
  return comity_call_end(&call, sizeof(uint64_t), comity_call_verdict(&call, status));
}
