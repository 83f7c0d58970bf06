/* The handle: joining, leaving, what it knows, and the books that every operation keeps. */
#include "comm_impl.h"

#include "core/core_impl.h"

#include <limits.h>
#include <math.h>

/* Small enough that a piece is still in the cache when it is copied or added, long enough that its cost is
 * its bytes. */
enum { DEFAULT_PIECE = 256 << 10, SMALLEST_PIECE = sizeof(uint64_t) };

/* Room for messages on their way. What MPI may still write to stays behind, and so does, for good, what it may still
 * read. */
static comity_status make_room(comity_comm *comm, size_t children) {
  /* Not comity_array: slots are large and pages that nobody touches cost nothing. */
  size_t pieces = COMITY_TREE_BINARY * COMITY_COMM_RING, shorts = COMITY_TREE_WIDE;
  pieces = (pieces < children ? children : pieces) * comm->piece;
  shorts = (shorts < children ? children : shorts) * (COMITY_COMM_SHORT + sizeof(comity_seal));
  size_t bytes = pieces < shorts ? shorts : pieces;
  if (comm->tainted || bytes > comm->slots_bytes) {
    if (!comity_comm_is_torn(comm))
      comity_free(comm->slots);
    comm->slots = comity_memory_untouched(bytes);
    COMITY_REQUIRE(comm->slots != NULL, COMITY_ERR_MEMORY,
                   "out of memory: cannot allocate %zu bytes for messages; make comm.piece smaller", bytes);
    comm->slots_bytes = bytes;
  }
  if (comm->tainted || children > comm->heads_count) {
    if (!comity_comm_is_torn(comm))
      comity_free(comm->heads);
    comm->heads_count = children;
    COMITY_TRY(COMITY_NEW(comm->heads, children * COMITY_COMM_HEAD));
  }
  if (comm->tainted)
    COMITY_TRY(COMITY_NEW(comm->seals, 1 + COMITY_TREE_CHILDREN));
  return COMITY_OK;
}

comity_status comity_comm_arrange(comity_comm *comm) {
  comity_members *members = &comm->members;
  comity_members_order(members);
  comm->sequence = 0;
  comm->watch.misses = -1;
  comm->watch.interrupt = comm->watch.hurried = false;
  if (members->place >= 0)
    comm->wide = comity_tree_at(members->place, members->links, members->count, COMITY_TREE_WIDE);
  if (comm->tainted)
    comity_comm_taint_buffers(comm);
  COMITY_TRY(make_room(comm, (size_t)comm->wide.count));
  comm->tainted = false;
  return COMITY_OK;
}

static comity_status allocate(comity_comm *comm, size_t piece) {
  comm->piece = piece;
  COMITY_TRY(COMITY_NEW(comm->head, COMITY_COMM_HEAD));
  COMITY_TRY(COMITY_NEW(comm->seals, 1 + COMITY_TREE_CHILDREN));
  return comity_comm_arrange(comm);
}

/* Whether everybody is ready and cuts alike. The last blocking call: from here on there are deadlines. */
static comity_status agree_to_start(MPI_Comm whole, comity_status local, uint64_t piece, uint64_t collectives,
                                    uint64_t unchecked) {
  uint64_t mine[7] = {(uint64_t)local, piece, ~piece, collectives, ~collectives, unchecked, ~unchecked},
           most[7];
  if (MPI_Allreduce(mine, most, 7, MPI_UINT64_T, MPI_MAX, whole) != MPI_SUCCESS)
    return comity_fail(COMITY_ERR_COMM, "joining the communicator: MPI_Allreduce failed");
  COMITY_TRY(local);
  COMITY_REQUIRE(most[0] == COMITY_OK, (comity_status)most[0],
                 "joining the communicator failed on another rank: %s",
                 comity_status_text((comity_status)most[0]));
  COMITY_REQUIRE(most[1] == ~most[2], COMITY_ERR_ARG,
                 "piece_bytes must match on all ranks, but is %llu on one and %llu on another",
                 (unsigned long long)~most[2], (unsigned long long)most[1]);
  COMITY_REQUIRE(most[3] == ~most[4], COMITY_ERR_ARG, "collectives must match on all ranks, but do not");
  COMITY_REQUIRE(most[5] == ~most[6], COMITY_ERR_ARG, "unchecked must match on all ranks, but does not");
  return COMITY_OK;
}

static comity_status check_options(const comity_comm_options *options, size_t piece) {
  COMITY_REQUIRE(options->deadline >= 0 && options->file_deadline >= 0, COMITY_ERR_ARG,
                 "deadlines of %g s and %g s are not 0 or more", options->deadline, options->file_deadline);
  COMITY_REQUIRE(piece <= INT_MAX, COMITY_ERR_ARG, "piece_bytes is %zu, but MPI cannot move more than %d",
                 piece, INT_MAX);
  return COMITY_OK;
}

static size_t whole_piece(const comity_comm_options *options) {
  size_t piece = options->piece_bytes == 0 ? DEFAULT_PIECE : options->piece_bytes;
  return piece < SMALLEST_PIECE ? SMALLEST_PIECE : piece - piece % SMALLEST_PIECE; /* slots are aligned */
}

comity_status comity_comm_new(MPI_Comm base, const comity_comm_options *options, comity_comm **comm) {
  COMITY_REQUIRE(base != MPI_COMM_NULL, COMITY_ERR_ARG, "no communicator to join: it is MPI_COMM_NULL");
  comity_comm_options chosen = options == NULL ? (comity_comm_options){0} : *options;
  size_t piece = whole_piece(&chosen);
  comity_members members;
  comity_comm *made = NULL;
  const comity_collectives *collectives = NULL;
  size_t place = 0;
  comity_status status = comity_members_init(&members, base);
  if (members.whole == MPI_COMM_NULL)
    return status;
  if (status == COMITY_OK)
    status = check_options(&chosen, piece);
  if (status == COMITY_OK)
    status = comity_collectives_find(chosen.collectives, &collectives, &place);
  if (status == COMITY_OK)
    status = COMITY_NEW(made, 1);
  if (status == COMITY_OK) {
    made->members = members;
    made->deadline = chosen.deadline;
    made->file_deadline = chosen.file_deadline;
    made->collectives = collectives;
    made->unchecked = chosen.unchecked;
    status = allocate(made, piece);
  }
  status = agree_to_start(members.whole, status, piece, place, chosen.unchecked);
  if (status == COMITY_OK)
    *comm = made;
  else if (made != NULL)
    comity_comm_destroy(&made);
  else
    comity_members_clear(&members);
  return status;
}

/* Slots that this process sees alone. \param[in] link  the server's; MPI_COMM_NULL on the server itself */
static comity_status begin_alone(MPI_Comm link, int rank, int size, const comity_comm_options *options,
                                 double silence, comity_comm **comm) {
  size_t piece = whole_piece(options), place = 0;
  comity_comm *made = NULL;
  COMITY_TRY(check_options(options, piece));
  COMITY_TRY(COMITY_NEW(made, 1));
  made->deadline = options->deadline;
  made->file_deadline = options->file_deadline;
  made->unchecked = options->unchecked;
  made->torn = true; /* others come and go */
  comity_status status = comity_collectives_find(options->collectives, &made->collectives, &place);
  if (status == COMITY_OK)
    status = link == MPI_COMM_NULL ? comity_members_init_server(&made->members, size)
                                   : comity_members_init_link(&made->members, link, rank, size);
  if (status == COMITY_OK)
    status = allocate(made, piece);
  if (status == COMITY_OK)
    status = comity_comm_join(made, silence);
  if (status == COMITY_OK)
    *comm = made;
  else
    comity_comm_destroy(&made);
  return status;
}

comity_status comity_comm_arrive(MPI_Comm link, int rank, int size, const comity_comm_options *options,
                                 double silence, comity_comm **comm) {
  COMITY_REQUIRE(rank > COMITY_COMM_SERVER && rank < size, COMITY_ERR_ARG, "there is no slot %d of %d", rank,
                 size);
  MPI_Comm_set_errhandler(link, MPI_ERRORS_RETURN);
  return begin_alone(link, rank, size, options, silence, comm);
}

comity_status comity_comm_serve(int size, const comity_comm_options *options, double silence,
                                comity_comm **comm) {
  COMITY_REQUIRE(size > 1, COMITY_ERR_ARG, "a server of %d slots has no room for others", size);
  return begin_alone(MPI_COMM_NULL, COMITY_COMM_SERVER, size, options, silence, comm);
}

void comity_comm_destroy(comity_comm **comm) {
  if (comm == NULL || *comm == NULL)
    return;
  comity_comm *made = *comm;
  *comm = NULL;
  if (comity_comm_is_torn(made)) /* MPI may still use what it owns */
    return;
  comity_comm_unwatch(made);
  comity_members_clear(&made->members);
  comity_comm_free_buffers(made);
  comity_free(made->slots);
  comity_free(made->head);
  comity_free(made->heads);
  comity_free(made->seals);
  comity_free(made);
}

int comity_comm_rank(const comity_comm *comm) { return comm->members.rank; }

int comity_comm_size(const comity_comm *comm) { return comm->members.size; }

bool comity_comm_is_server(const comity_comm *comm) { return comm->members.rank == COMITY_COMM_SERVER; }

int comity_comm_participants(const comity_comm *comm) {
  return comm->members.size == 1 ? 1 : comm->members.size - 1;
}

int comity_comm_participant(const comity_comm *comm) {
  return comm->members.size == 1 ? 0 : comm->members.rank - 1;
}

uint64_t comity_comm_epoch(const comity_comm *comm) { return comm->members.epoch; }

void comity_comm_set_deadline(comity_comm *comm, double seconds) { comm->deadline = seconds; }

comity_operation_cost comity_comm_cost(const comity_comm *comm, comity_operation operation) {
  return comm->cost[operation];
}

const char *comity_operation_name(comity_operation operation) {
  static const char *const names[COMITY_OPERATION_COUNT] = {[COMITY_OPERATION_BROADCAST] = "broadcast",
                                                            [COMITY_OPERATION_SUM] = "sum",
                                                            [COMITY_OPERATION_GATHER] = "gather",
                                                            [COMITY_OPERATION_AGREE] = "agree"};
  return names[operation];
}

comity_status comity_call_begin(comity_comm *comm, comity_operation operation, comity_call *call) {
  double now = comity_clock_now();
  if (comm->watch.on && now >= comm->watch.next)
    comity_watch_tend(comm, now); /* also where nobody ever has to wait */
  if (comm->watch.on)
    COMITY_TRY(comity_watch_status(comm));
  if (comm->failure != COMITY_OK)
    return comity_fail(comm->failure, "%s: not tried, because communication failed before: %s",
                       comity_operation_name(operation), comm->failure_message);
  *call = (comity_call){.comm = comm,
                        .operation = operation,
                        .start = now,
                        .sequence = comm->sequence,
                        .tag = comity_members_tag(&comm->members, comm->sequence),
                        .deadline = comm->deadline > 0 ? now + comm->deadline : INFINITY};
  comm->sequence++;
  return COMITY_OK;
}

comity_status comity_call_end(const comity_call *call, uint64_t bytes, comity_status status) {
  comity_operation_cost *cost = &call->comm->cost[call->operation];
  cost->calls++;
  cost->bytes += bytes;
  cost->seconds += comity_clock_now() - call->start;
  return status;
}
