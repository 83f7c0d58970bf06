/* Inside src/comm: who the members are, what a communicator keeps, and the few steps that every operation is
 * made of. */
#ifndef COMITY_COMM_IMPL_H
#define COMITY_COMM_IMPL_H

#include <comity/comm.h>

enum {
  COMITY_COMM_SERVER = 0,
  COMITY_COMM_MESSAGE_BYTES = 2048, /* the longest text that agree hands on, NUL included */
  COMITY_COMM_SHORT = 4096,         /* bytes that travel as one message: MPI needs no handshake for them */
  COMITY_COMM_HEAD = 2048,          /* bytes that a report sends ahead */
  COMITY_COMM_RING = 8,             /* pieces of one stream for which there is room */
};

/* ------------------------------------------------------------------------------------------- members.c */

/* Where a member is reached. An original rank, a respawned one and a silo differ in nothing else. */
typedef struct comity_address {
  MPI_Comm comm;
  int rank;
} comity_address;

/* The current membership. While nobody was lost and nobody joined, the members are exactly the ranks of
 * `whole`. */
typedef struct comity_members {
  MPI_Comm whole;
  comity_address *address; /* (size), by member */
  int rank, size;
  uint64_t epoch;
} comity_members;

/* Collective over base. Clear it also after a failure; this rank alone may have failed unless `whole` is
 * MPI_COMM_NULL. */
COMITY_MUST_CHECK comity_status comity_members_init(comity_members *members, MPI_Comm base);
/* What marks the messages of the operation with this number in this epoch. */
int comity_members_tag(const comity_members *members, uint64_t sequence);
/* Collective unless `whole` is MPI_COMM_NULL. */
void comity_members_clear(comity_members *members);

/* ------------------------------------------------------------------------------------------ topology.c */

enum { COMITY_TREE_WIDE = 32, COMITY_TREE_BINARY = 2 };

/* A member's place in a tree whose root is the server. Every subtree is a range of members that begins with
 * its root; so what comes up a tree is ordered by member, and neighbours on a machine stay neighbours. */
typedef struct comity_tree {
  int parent;                      /* -1 at the root */
  int count;                       /* children: the subtrees [child[i], child[i + 1]) */
  int child[COMITY_TREE_WIDE + 1]; /* child[count] is where the own subtree ends */
} comity_tree;

/* 1 <= fan_out <= COMITY_TREE_WIDE: 1 is a chain. */
comity_tree comity_tree_at(int member, int size, int fan_out);
/* Levels below the root. */
int comity_tree_depth(int size, int fan_out);
/* The tree for `bytes` bytes in pieces of at most `most`, and the size of its pieces, a multiple of 64 where
 * that is not more than `most`. */
int comity_tree_fan_out(int size, size_t bytes, size_t most);
size_t comity_tree_piece(int size, size_t bytes, size_t most);

/* ---------------------------------------------------------------------------------------- the communicator */

typedef struct comity_collectives comity_collectives;
typedef struct comity_buffer comity_buffer;

/* MPI only ever sees memory that the communicator owns: its buffers, `slots`, `head`, `heads`. So an operation
 * that is given up on may stay unfinished for good without anybody else's memory being read or written later;
 * all that it takes is not to free a communicator that failed. */
struct comity_comm {
  comity_members members;
  const comity_collectives *collectives;
  comity_tree wide; /* this member's place in the tree of short messages */
  double deadline;
  uint64_t sequence;      /* operations so far, the same on all members */
  size_t piece;           /* bytes */
  uint8_t *slots;         /* messages on their way: (neighbours, COMITY_COMM_RING, piece) */
  uint8_t *head, *heads;  /* (HEAD) this member's report; (children, HEAD) those of its children */
  comity_buffer *buffers; /* those of comity_comm_buffer_new */
  comity_status failure;  /* of the first operation that could not be finished */
  char failure_message[COMITY_COMM_MESSAGE_BYTES];
  comity_operation_cost cost[COMITY_OPERATION_COUNT];
};

/* Whether MPI may work in this memory: it belongs to one of the communicator's buffers. */
bool comity_comm_owns(const comity_comm *comm, const void *data, size_t bytes);
void comity_comm_free_buffers(comity_comm *comm);

/* ------------------------------------------------------------------------------------------- operations */

/* One operation under way. */
typedef struct comity_call {
  comity_comm *comm;
  comity_operation operation;
  double start, deadline; /* on comity_clock_now; INFINITY = for ever */
  int tag;                /* of its messages */
  bool moving;            /* others have come: what is still missing is on its way */
} comity_call;

const char *comity_operation_name(comity_operation operation);
/* Fails at once on a communicator that failed before. */
COMITY_MUST_CHECK comity_status comity_call_begin(comity_comm *comm, comity_operation operation,
                                                  comity_call *call);
/* Books the costs. Returns `status`. */
comity_status comity_call_end(const comity_call *call, uint64_t bytes, comity_status status);

/* COMITY_ERR_COMM with MPI's own text unless `code` is MPI_SUCCESS. After this and a timeout the communicator has
 * failed. */
COMITY_MUST_CHECK comity_status comity_call_check(const comity_call *call, int code, const char *function);
/* Until the request is done or the deadline has passed; then members [first, end) are said to be missing. */
COMITY_MUST_CHECK comity_status comity_call_wait(const comity_call *call, MPI_Request *request, int first,
                                                 int end);
/* COMITY_ERR_TIMEOUT with the operation, the epoch and the time that was waited; `who` is who was missing. */
COMITY_MUST_CHECK comity_status comity_call_timeout(const comity_call *call, const char *who);

/* ---------------------------------------------------------------------- messages.c, agree.c, gather.c */

/* Start to move `bytes` bytes, at most INT_MAX, between this member and `peer`, in memory that the
 * communicator owns. */
COMITY_MUST_CHECK comity_status comity_call_send(const comity_call *call, int peer, const void *memory,
                                                 size_t bytes, MPI_Request *request);
COMITY_MUST_CHECK comity_status comity_call_receive(const comity_call *call, int peer, void *memory,
                                                    size_t bytes, MPI_Request *request);
/* Short messages, at most COMITY_COMM_HEAD bytes, from the server to all. */
COMITY_MUST_CHECK comity_status comity_call_tell(comity_call *call, void *data, size_t bytes);
/* The server's status to all, with its message if it is a failure. Returns it. */
COMITY_MUST_CHECK comity_status comity_call_verdict(comity_call *call, comity_status status);
/* Every member's status and data to the server; all[] is empty elsewhere. COMITY_OK also if a status is not;
 * `worst` is the most severe on the server and `local` elsewhere. */
COMITY_MUST_CHECK comity_status comity_call_report(comity_call *call, comity_status local, const void *data,
                                                   size_t bytes, comity_gathered *all, comity_status *worst);

/* --------------------------------------------------------------------------------------- collectives.c */

/* What is added: its size, and into[i] += from[i]. */
typedef struct comity_number {
  size_t bytes;
  void (*add)(void *into, const void *from, size_t count);
} comity_number;
extern const comity_number comity_number_word, comity_number_float;

/* A sum as this member sees it. */
typedef struct comity_sum {
  const comity_number *number;
  void *data; /* (count) numbers */
  size_t count;
  const comity_summing *how;
} comity_sum;
/* Add this rank's numbers in these bytes of the vector to the piece. */
void comity_sum_add(const comity_sum *sum, size_t offset, size_t bytes, void *piece);
/* Make the piece this rank's numbers. */
void comity_sum_set(const comity_sum *sum, size_t offset, size_t bytes, void *piece);
/* On the server: the piece is complete. It may be where the vector has it. */
void comity_sum_take(const comity_sum *sum, size_t offset, size_t bytes, const void *piece);

/* A way to move long vectors. Its name is the name of its file and of the setting that chooses it. */
struct comity_collectives {
  const char *name;
  /* REQUIRED. As comity_comm_broadcast; more than one member. */
  comity_status (*broadcast)(comity_call *call, void *data, size_t bytes);
  /* REQUIRED. As comity_comm_sum_by; more than one member. */
  comity_status (*sum)(comity_call *call, const comity_sum *sum);
};

extern const comity_collectives comity_collectives_tree, comity_collectives_mpi;
/* NULL is the first of the list. */
COMITY_MUST_CHECK comity_status comity_collectives_find(const char *name, const comity_collectives **found,
                                                        size_t *place);

#endif
