/* Inside src/comm: who the members are, what a communicator keeps, and the few steps that every operation is
 * made of. */
#ifndef COMITY_COMM_IMPL_H
#define COMITY_COMM_IMPL_H

#include <comity/comm.h>

enum {
  COMITY_COMM_WINDOW = 4,           /* pieces in flight */
  COMITY_COMM_MESSAGE_BYTES = 2048, /* the longest text that agree hands on, NUL included */
  COMITY_COMM_SERVER = 0
};

/* Tags of messages between two members. Messages of one pair and tag arrive in order, and every operation
 * receives all that is sent in it, so a tag per purpose is enough. */
enum { COMITY_TAG_ARRIVAL = 1, COMITY_TAG_SIZE, COMITY_TAG_STATUS, COMITY_TAG_PIECE };

/* Where a member is reached. An original rank, a respawned one and a silo differ in nothing else. */
typedef struct comity_address {
  MPI_Comm comm;
  int rank;
} comity_address;

/* The current membership. While nobody was lost and nobody joined, the members are exactly the ranks of
 * `whole`, and its collectives are the fast way to all of them. */
typedef struct comity_members {
  MPI_Comm whole;
  comity_address *address; /* (size), by member */
  int rank, size;
  uint64_t epoch;
} comity_members;

/* Collective over base. Clear it also after a failure; this rank alone may have failed unless `whole` is
 * MPI_COMM_NULL. */
COMITY_MUST_CHECK comity_status comity_members_init(comity_members *members, MPI_Comm base);
/* Collective unless `whole` is MPI_COMM_NULL. */
void comity_members_clear(comity_members *members);

/* MPI only ever sees memory that the communicator owns: `slots`, `word`, `words`, `message`. So an operation
 * that is given up on may stay unfinished for good without anybody's buffer being read or written later; all
 * that it takes is not to free a communicator that failed. */
struct comity_comm {
  comity_members members;
  double deadline;
  size_t piece;   /* bytes */
  uint8_t *slots; /* (WINDOW, piece) pieces in flight */
  MPI_Request in_flight[COMITY_COMM_WINDOW];
  uint64_t word;         /* this rank's part in collect */
  uint64_t *words;       /* (size) everybody's, on the server */
  MPI_Request *requests; /* (size) their receives */
  char message[COMITY_COMM_MESSAGE_BYTES];
  comity_status failure; /* of the first operation that could not be finished */
  char failure_message[COMITY_COMM_MESSAGE_BYTES];
  comity_operation_cost cost[COMITY_OPERATION_COUNT];
};

/* One operation under way. */
typedef struct comity_call {
  comity_comm *comm;
  comity_operation operation;
  double start, deadline; /* on comity_clock_now; INFINITY = for ever */
  bool met;               /* everybody has arrived: what is still missing is on its way */
} comity_call;

const char *comity_operation_name(comity_operation operation);
/* Fails at once on a communicator that failed before. */
COMITY_MUST_CHECK comity_status comity_call_begin(comity_comm *comm, comity_operation operation,
                                                  comity_call *call);
/* Books the costs; a failure to communicate is remembered for good. Returns `status`. */
comity_status comity_call_end(const comity_call *call, uint64_t bytes, comity_status status);

/* COMITY_ERR_COMM with MPI's own text unless `code` is MPI_SUCCESS. */
COMITY_MUST_CHECK comity_status comity_call_check(const comity_call *call, int code, const char *function);
/* Until the request is done or the deadline has passed. */
COMITY_MUST_CHECK comity_status comity_call_wait(const comity_call *call, MPI_Request *request);
/* COMITY_ERR_TIMEOUT with the operation, the epoch and the time that was waited; `who` is who was missing. */
COMITY_MUST_CHECK comity_status comity_call_timeout(const comity_call *call, const char *who);

/* One way of moving pieces: what to do with a slot before and after. */
typedef struct comity_stream comity_stream;
struct comity_stream {
  const comity_call *call;
  void *data;        /* (units) */
  size_t units;      /* to move in all */
  size_t unit_bytes; /* pieces hold whole units */
  int peer;          /* the other member, for messages between two */
  /* Start moving `units` units at byte `offset` of data by way of `slot`. */
  comity_status (*start)(const comity_stream *stream, size_t offset, int units, void *slot,
                         MPI_Request *request);
  /* Take them out of the slot; NULL when nothing came in. */
  void (*finish)(const comity_stream *stream, size_t offset, int units, const void *slot);
};
/* Move all pieces, several at a time, each through a slot of its own. */
COMITY_MUST_CHECK comity_status comity_stream_run(const comity_stream *stream);

/* Bytes from the server to all, inside an operation. */
COMITY_MUST_CHECK comity_status comity_call_broadcast(const comity_call *call, void *data, size_t bytes);
/* The server's status to all, with its message if it is a failure, inside an operation. Returns it. */
COMITY_MUST_CHECK comity_status comity_call_verdict(const comity_call *call, comity_status status);
/* Bytes between two members, inside an operation. */
COMITY_MUST_CHECK comity_status comity_call_send(const comity_call *call, int peer, const void *data,
                                                 size_t bytes);
COMITY_MUST_CHECK comity_status comity_call_receive(const comity_call *call, int peer, void *data,
                                                    size_t bytes);

/* Wait until every rank has come to this operation. Before long messages: MPI moves them on only while it is
 * called, often, which is too costly for waiting for somebody who still trains. */
COMITY_MUST_CHECK comity_status comity_call_meet(comity_call *call);

/* One word from every rank into comm->words on the server, which knows who is missing. */
COMITY_MUST_CHECK comity_status comity_call_collect(const comity_call *call, uint64_t word, int tag);

#endif
