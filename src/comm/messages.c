/* Messages between two members: the one place that knows how they are told apart, and how a receiver sees that it
 * got what was sent. */
#include "comm_impl.h"

comity_status comity_call_send(const comity_call *call, int peer, const void *memory, size_t bytes,
                               MPI_Request *request) {
  const comity_members *members = &call->comm->members;
  const comity_endpoint *to = &members->address[members->list[peer]];
  int code = MPI_Isend(memory, (int)bytes, MPI_BYTE, to->rank, call->tag, to->comm, request);
  return comity_call_check(call, code, "MPI_Isend", peer);
}

comity_status comity_call_receive(const comity_call *call, int peer, void *memory, size_t bytes,
                                  MPI_Request *request) {
  const comity_members *members = &call->comm->members;
  const comity_endpoint *from = &members->address[members->list[peer]];
  int code = MPI_Irecv(memory, (int)bytes, MPI_BYTE, from->rank, call->tag, from->comm, request);
  return comity_call_check(call, code, "MPI_Irecv", peer);
}

static uint64_t check_of(const comity_seal *seal) {
  return comity_digest(&seal->digest, sizeof *seal - sizeof seal->check, 0);
}

comity_seal comity_call_seal(const comity_call *call, uint64_t digest, size_t length) {
  const comity_comm *comm = call->comm;
  comity_seal seal = {.digest = digest,
                      .epoch = comm->members.epoch,
                      .round = comm->watch.doing.round,
                      .sequence = call->sequence,
                      .length = length};
  seal.check = check_of(&seal);
  return seal;
}

/* The round is there for people who look at a message; epoch and sequence say more. */
bool comity_call_sealed(const comity_call *call, const comity_seal *seal, uint64_t digest, size_t length) {
  return seal->check == check_of(seal) && seal->digest == digest && seal->length == length &&
         seal->epoch == call->comm->members.epoch && seal->sequence == call->sequence;
}

void comity_call_damage(const comity_call *call, int peer, void *memory, size_t bytes, size_t piece) {
  const comity_members *members = &call->comm->members;
  if (bytes > 0 && call->comm->watch.on &&
      comity_faults_corrupts(call->comm->faults, members->epoch, call->sequence, members->list[peer],
                             members->rank, piece))
    ((uint8_t *)memory)[bytes / 2] ^= 0x10;
}

comity_status comity_call_tell(comity_call *call, void *data, size_t bytes) {
  return comity_collectives_tree.broadcast(call, data, bytes);
}
