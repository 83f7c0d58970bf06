/* Down and up: broadcast from the server, sums onto it. */
#include "comm_impl.h"

/* MPI's own collectives know nothing of changed members. */
static const comity_collectives *collectives_of(const comity_comm *comm) {
  return comm->members.epoch == 0 ? comm->collectives : &comity_collectives_tree;
}

static comity_status broadcast(comity_call *call, void *data, size_t bytes) {
  const comity_comm *comm = call->comm;
  return comm->members.count == 1 ? COMITY_OK : collectives_of(comm)->broadcast(call, data, bytes);
}

comity_status comity_comm_broadcast(comity_comm *comm, void *data, size_t bytes) {
  comity_call call;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_BROADCAST, &call));
  return comity_call_end(&call, bytes, broadcast(&call, data, bytes));
}

comity_status comity_comm_broadcast_status(comity_comm *comm, comity_status status, void *data,
                                           size_t bytes) {
  comity_call call;
  if (comity_call_is_known(comm, status))
    return status;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_BROADCAST, &call));
  status = comity_call_verdict(&call, status);
  if (status == COMITY_OK)
    status = broadcast(&call, data, bytes);
  return comity_call_end(&call, bytes, status);
}

/* Piece by piece, too: what is added is still in the cache when it is taken. */
static void sum_alone(const comity_comm *comm, const comity_sum *sum) {
  size_t all = sum->count * sum->number->bytes;
  for (size_t offset = 0; offset < all; offset += comm->piece) {
    size_t bytes = all - offset < comm->piece ? all - offset : comm->piece;
    comity_sum_set(sum, offset, bytes, comm->slots);
    comity_sum_take(sum, offset, bytes, comm->slots);
  }
}

static comity_status sum_by(comity_comm *comm, const comity_sum *sum) {
  comity_call call;
  comity_status status = COMITY_OK;
  size_t bytes = sum->count * sum->number->bytes;
  COMITY_TRY(comity_call_begin(comm, COMITY_OPERATION_SUM, &call));
  if (comm->members.count > 1)
    status = collectives_of(comm)->sum(&call, sum);
  else if (sum->how->add != NULL || sum->how->take != NULL)
    sum_alone(comm, sum);
  return comity_call_end(&call, bytes, status);
}

comity_status comity_comm_sum_by(comity_comm *comm, uint64_t *words, size_t count,
                                 const comity_summing *how) {
  return sum_by(comm,
                &(comity_sum){.number = &comity_number_word, .data = words, .count = count, .how = how});
}

comity_status comity_comm_sum_float_by(comity_comm *comm, float *values, size_t count,
                                       const comity_summing *how) {
  return sum_by(comm,
                &(comity_sum){.number = &comity_number_float, .data = values, .count = count, .how = how});
}

comity_status comity_comm_sum(comity_comm *comm, uint64_t *words, size_t count) {
  return comity_comm_sum_by(comm, words, count, &(comity_summing){0});
}

comity_status comity_comm_sum_float(comity_comm *comm, float *values, size_t count) {
  return comity_comm_sum_float_by(comm, values, count, &(comity_summing){0});
}
