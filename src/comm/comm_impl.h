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
typedef struct comity_endpoint {
  MPI_Comm comm;
  int rank;
} comity_endpoint;

/* The slots, and who is present in them. A *rank* is a slot and stays what it is; a *place* counts those that are
 * present, and trees are made of places. Linked members reach each other; the others, which came later and by
 * themselves, only the server. While nobody was lost and nobody joined, places are the ranks of `whole`. */
typedef struct comity_members {
  MPI_Comm whole;
  comity_endpoint *address; /* (size) by rank */
  bool *present, *linked;   /* (size) by rank */
  int *list;                /* (count) ranks by place: those that are linked first, each kind ascending */
  int rank, size;           /* slots */
  int place, count, links;  /* this member's place, those present, and of them linked */
  uint64_t epoch;
  int epochs; /* that tags can tell apart */
} comity_members;

/* Collective over base. Clear it also after a failure; this rank alone may have failed unless `whole` is
 * MPI_COMM_NULL. */
COMITY_MUST_CHECK comity_status comity_members_init(comity_members *members, MPI_Comm base);
/* One process in slot `rank` of `size` that so far only has a link to the server: nobody is present. */
COMITY_MUST_CHECK comity_status comity_members_init_link(comity_members *members, MPI_Comm link, int rank,
                                                         int size);
/* The server of `size` slots, in which nobody else is present. */
COMITY_MUST_CHECK comity_status comity_members_init_server(comity_members *members, int size);
/* Make the list from present and linked. */
void comity_members_order(comity_members *members);
/* What marks the messages of the operation with this number in this epoch; above COMITY_TAG_NOTICE. */
int comity_members_tag(const comity_members *members, uint64_t sequence);
enum { COMITY_TAG_NOTICE = 0 };
/* What marks messages of links: above all others. */
int comity_members_tag_of_links(void);
/* Collective unless `whole` is MPI_COMM_NULL. */
void comity_members_clear(comity_members *members);

/* ------------------------------------------------------------------------------------------ topology.c */

enum { COMITY_TREE_WIDE = 32, COMITY_TREE_BINARY = 2, COMITY_TREE_SINGLE = 224 };
enum { COMITY_TREE_CHILDREN = COMITY_TREE_WIDE + COMITY_TREE_SINGLE };

/* A member's place in a tree whose root is the server. Every subtree is a range of places that begins with
 * its root; so what comes up a tree is ordered by place, and neighbours on a machine stay neighbours. */
typedef struct comity_tree {
  int parent;                          /* -1 at the root */
  int count;                           /* children: the subtrees [child[i], child[i + 1]) */
  int child[COMITY_TREE_CHILDREN + 1]; /* child[count] is where the own subtree ends */
} comity_tree;

/* A tree of the first `linked` of `size` places; the others, at most COMITY_TREE_SINGLE, are single children of the
 * server. 1 <= fan_out <= COMITY_TREE_WIDE: 1 is a chain. */
comity_tree comity_tree_at(int place, int linked, int size, int fan_out);
/* Levels below the root. */
int comity_tree_depth(int size, int fan_out);
/* The tree for `bytes` bytes in pieces of at most `most`, and the size of its pieces, a multiple of 64 where
 * that is not more than `most`. */
int comity_tree_fan_out(int size, size_t bytes, size_t most);
size_t comity_tree_piece(int size, size_t bytes, size_t most);

/* ----------------------------------------------------------------------------------------- seals and notices */

/* What a message says of itself: behind a short one, and behind the last piece of a long one. */
typedef struct comity_seal {
  uint64_t check;  /* of all that follows */
  uint64_t digest; /* of the payload */
  uint64_t epoch, round, sequence, length;
} comity_seal;

/* XXH3 of the bytes, going on from `seed`. */
uint64_t comity_digest(const void *data, size_t bytes, uint64_t seed);

/* What members tell each other beside operations; from the server to all or from anybody to the server. */
typedef enum comity_notice_kind {
  COMITY_NOTICE_ALIVE = 1, /* a sign of life */
  COMITY_NOTICE_CORRUPT,   /* a complaint: a message of `rank` was corrupt */
  COMITY_NOTICE_STUCK,     /* a sign of life of somebody who waits for long for a message of `rank` */
  COMITY_NOTICE_BROKEN,    /* a complaint: MPI cannot reach `rank` */
  COMITY_NOTICE_KNOCK,     /* a sign of life of somebody who wants to be a member */
  COMITY_NOTICE_LEAVE,
  COMITY_NOTICE_GROUP, /* the server: these are the members from now on, and they go on at `point` */
  COMITY_NOTICE_HURRY,
  COMITY_NOTICE_TAKEN, /* another process has this slot */
  COMITY_NOTICE_ASIDE  /* a sign of life of somebody who is at work aside */
} comity_notice_kind;

typedef struct comity_notice {
  uint64_t check;           /* of all that follows, the bits included */
  uint64_t epoch, sequence; /* of its sender: operations that it has begun in this epoch */
  uint32_t kind, rank;
  comity_point point;
  comity_doing doing;
} comity_notice; /* followed by a byte for each slot: 1 = present, 2 = linked */

/* Where notices arrive: one posted receive. */
typedef struct comity_ear {
  MPI_Comm comm;
  int rank; /* whose link it is; -1 = any original rank's */
  MPI_Request request;
  uint8_t *memory;
} comity_ear;

#define COMITY_EAR_CLOSED ((comity_ear){.comm = MPI_COMM_NULL, .request = MPI_REQUEST_NULL})

typedef struct comity_letter comity_letter; /* a notice on its way */

/* What is known of a rank: on the server of all, elsewhere of the server. */
typedef struct comity_peer {
  char host[64];
  int64_t process; /* its number there, and when it began, in the kernel's own count; 0 = not known */
  uint64_t born;
  double heard; /* when it last gave a sign of life; seconds in which nobody listened do not count */
  comity_doing doing;
  uint64_t epoch, sequence; /* operations that it has begun, as its last sign says */
  double since;             /* when it began the last of them, as far as is known; as `heard` */
  double aside;             /* since when it has been at work aside, as its signs say; 0 = it is not */
  bool stalled;             /* its silence was said */
  bool knocks, said_goodbye, leaves;
  comity_change change; /* why it leaves */
  char text[256];
  int strikes;    /* corrupt messages in this round */
  comity_ear ear; /* of its own link */
  comity_ear
      offer; /* of another process that waits for this slot; its `comm` is MPI_COMM_NULL if none does */
  char offered_host[64]; /* of that process */
} comity_peer;

/* Outliving others: on after comity_comm_survive. */
typedef struct comity_watch {
  bool on;
  bool interrupt; /* the membership has to change, or has changed elsewhere */
  bool gone;      /* the server is silent */
  bool hurried, taken;
  bool left;  /* by its own will */
  bool aside; /* a thread is at work, and this one only hears and gives signs of life */
  int misses; /* whose message does not come for long; -1 = nobody's */
  bool star;  /* members do not reach each other, so that everything goes through the server */
  double silence, next, last, next_sign, last_sign, next_alive;
  bool news; /* this rank is at something else than it last said */
  comity_watcher watcher;
  comity_doing doing;
  comity_peer *peer; /* (size) */
  comity_ear ear;    /* of the original ranks on the server; of the server elsewhere */
  comity_letter *letters;
  size_t notice_bytes;
  uint8_t *heard;     /* (notice_bytes) the notice in hand */
  comity_point point; /* on the server: of the last regrouping */
  uint8_t
      *group; /* (notice_bytes) elsewhere: the newest group that was not joined yet; its epoch is 0 if none */
  double alarm; /* when; INFINITY = never */
  void (*expired)(void *self, bool due);
  void *expired_self;
  uint64_t strikes_round;
} comity_watch;

/* ---------------------------------------------------------------------------------------- the communicator */

typedef struct comity_collectives comity_collectives;
typedef struct comity_buffer comity_buffer;

/* MPI only ever sees memory that the communicator owns: its buffers, `slots`, `head`, `heads`, `seals`. So an operation
 * that is given up on may stay unfinished for good without anybody else's memory being read or written later;
 * all that it takes is not to free that memory (`torn`), and not to use again what MPI may still write (`tainted`). */
struct comity_comm {
  comity_members members;
  const comity_collectives *collectives;
  comity_tree wide; /* this member's place in the tree of short messages */
  double deadline, file_deadline;
  uint64_t sequence;     /* operations in this epoch, the same on all members */
  size_t piece;          /* bytes */
  uint8_t *slots;        /* (slots_bytes) messages on their way: (neighbours, ring, piece) */
  uint8_t *head, *heads; /* (HEAD) this member's report; (heads_count, HEAD) those of its children */
  size_t slots_bytes, heads_count;
  comity_seal *seals;          /* (1 + COMITY_TREE_CHILDREN) of long messages: to, then from neighbours */
  comity_buffer *buffers;      /* those of comity_comm_buffer_new */
  const comity_faults *faults; /* borrowed; may be NULL */
  bool unchecked;              /* long messages have no digest */
  bool torn, tainted;
  comity_watch watch;
  comity_status failure; /* of the first operation that could not be finished, for good */
  char failure_message[COMITY_COMM_MESSAGE_BYTES];
  comity_operation_cost cost[COMITY_OPERATION_COUNT];
};

/* Connect members that are likely to need each other, while nobody can be lost. Collective. */
COMITY_MUST_CHECK comity_status comity_comm_acquaint(comity_comm *comm);
/* Whether MPI may work in this memory: it belongs to one of the communicator's buffers. */
bool comity_comm_owns(const comity_comm *comm, const void *data, size_t bytes);
void comity_comm_free_buffers(comity_comm *comm);
/* All of them may be written to by operations that were given up. */
void comity_comm_taint_buffers(comity_comm *comm);
/* Slots, heads and the tree for the current membership; new ones where the old are tainted. */
COMITY_MUST_CHECK comity_status comity_comm_arrange(comity_comm *comm);

/* ------------------------------------------------------------------------------------------- operations */

/* One operation under way. */
typedef struct comity_call {
  comity_comm *comm;
  comity_operation operation;
  uint64_t sequence;
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

/* Unless `code` is MPI_SUCCESS: the place `peer` (-1 = some place) cannot be reached, which interrupts where losses are survived and
 * fails the communicator with COMITY_ERR_COMM and MPI's own text where not. */
COMITY_MUST_CHECK comity_status comity_call_check(const comity_call *call, int code, const char *function,
                                                  int peer);
/* Until the request is done or too late; then one of places [first, end) is missing. */
COMITY_MUST_CHECK comity_status comity_call_wait(const comity_call *call, MPI_Request *request, int first,
                                                 int end);
/* COMITY_ERR_TIMEOUT with the operation, the epoch and the time that was waited; `who` is who was missing. */
COMITY_MUST_CHECK comity_status comity_call_timeout(const comity_call *call, const char *who);
/* Unless `status` is COMITY_OK: nobody waits for these sends any more, and nothing is to be written into the memory of
 * these receives. Returns `status`. */
comity_status comity_call_abandon_sends(const comity_call *call, const MPI_Request *requests, size_t count,
                                        comity_status status);
comity_status comity_call_abandon_receives(const comity_call *call, MPI_Request *requests, size_t count,
                                           comity_status status);
/* A message of this place was corrupt. \return COMITY_INTERRUPTED or COMITY_ERR_SERVER, or what was given up with */
COMITY_MUST_CHECK comity_status comity_call_corrupt(const comity_call *call, int peer);

/* -------------------------------------------------------------------- notices.c, watch.c, survive.c, regroup.c */

COMITY_MUST_CHECK comity_status comity_ear_open(const comity_comm *comm, comity_ear *ear, MPI_Comm link,
                                                int rank, int from);
/* The next notice that has come, whole and good, copied to `notice` (notice_bytes); from: the original rank, or that of
 * the link. \return whether there was one */
bool comity_ear_hear(const comity_comm *comm, comity_ear *ear, uint8_t *notice, int *from);
/* Send to a rank's address, in memory of its own. */
void comity_notice_send(comity_comm *comm, comity_endpoint to, comity_notice_kind kind, int rank,
                        const comity_point *point);
/* Free letters that have arrived. */
void comity_notice_tidy(comity_comm *comm);
/* Nobody is heard over this link any more. What MPI may still write to stays behind. */
void comity_ear_close(comity_ear *ear);
/* Hear notices, give signs of life, look whether others do. */
void comity_watch_tend(comity_comm *comm, double now);
/* The server was at work aside for so long. */
void comity_watch_was_aside(comity_comm *comm, double seconds);
/* Somebody has to leave at the next regrouping: interrupts. On the server. */
void comity_watch_leave(comity_comm *comm, int rank, comity_change change, const char *text);
/* Stop to listen, while nobody was lost. */
void comity_comm_unwatch(comity_comm *comm);
/* In a process that came later: begin to outlive others. */
COMITY_MUST_CHECK comity_status comity_comm_join(comity_comm *comm, double silence);
/* A message of this rank was corrupt, or MPI cannot reach it. \return COMITY_INTERRUPTED; elsewhere after the server's
 * answer, or COMITY_ERR_SERVER */
COMITY_MUST_CHECK comity_status comity_watch_complain(comity_comm *comm, comity_notice_kind kind, int rank,
                                                      const char *text);
/* This rank has waited for a message of `rank` for so long that it may be lost on its way. */
void comity_watch_miss(comity_comm *comm, int rank, const char *text);
/* COMITY_OK unless the operation cannot go on. */
COMITY_MUST_CHECK comity_status comity_watch_status(comity_comm *comm);

/* ------------------------------------------------------------------------------------------------- link.c */

/* A TCP connection with messages in it: wire.c. */
typedef struct comity_wire comity_wire;

/* handle: a connected socket that does not block; taken, also on failure. */
COMITY_MUST_CHECK comity_status comity_wire_new(int handle, comity_wire **wire);
/* As comity_link_send and comity_link_receive; *data is left alone when nothing has come. */
COMITY_MUST_CHECK comity_status comity_wire_send(comity_wire *wire, const void *data, size_t bytes);
COMITY_MUST_CHECK comity_status comity_wire_receive(comity_wire *wire, size_t most, uint8_t **data,
                                                    size_t *bytes);
/* Send on what is still waiting. */
COMITY_MUST_CHECK comity_status comity_wire_push(comity_wire *wire);
bool comity_wire_is_idle(const comity_wire *wire);
bool comity_wire_has_heard(const comity_wire *wire);
void comity_wire_destroy(comity_wire **wire);
/* wire: taken, also on failure. */
COMITY_MUST_CHECK comity_status comity_link_of_wire(comity_wire *wire, comity_link **link);
/* comm: an intercommunicator with one remote process; taken. */
COMITY_MUST_CHECK comity_status comity_link_new(MPI_Comm comm, comity_link **link);

/* ----------------------------------------------------------------------------------------------- bundle.c */

/* What some members tell the server. Clear it by freeing `bytes`. */
typedef struct comity_bundle {
  uint8_t *bytes; /* (length), and room for more */
  size_t length;
} comity_bundle;

/* A bundle of this member's entry, with room for `more` bytes behind it. */
COMITY_MUST_CHECK comity_status comity_bundle_begin(const comity_members *members, comity_status local,
                                                    const void *data, size_t bytes, size_t more,
                                                    comity_bundle *bundle);
/* Whether the bytes that another process sent are entries of members at places [first, end), each at most once and in that
 * order. */
bool comity_bundle_is_sound(const comity_members *members, int first, int end, const uint8_t *bytes,
                            size_t length);
/* On the server, of a sound bundle: the data by rank, and the most severe failure in the error record. Where places stand in
 * the order of ranks the data stay in the bundle's own memory, which may be large and is then taken.
 * \return the most severe status of all, or COMITY_ERR_MEMORY */
COMITY_MUST_CHECK comity_status comity_bundle_unpack(const comity_members *members, comity_bundle *all,
                                                     comity_gathered *gathered);

/* ---------------------------------------------------------------------- messages.c, agree.c, gather.c */

/* Start to move `bytes` bytes, at most INT_MAX, between this member and the place `peer`, in memory that the
 * communicator owns. */
COMITY_MUST_CHECK comity_status comity_call_send(const comity_call *call, int peer, const void *memory,
                                                 size_t bytes, MPI_Request *request);
COMITY_MUST_CHECK comity_status comity_call_receive(const comity_call *call, int peer, void *memory,
                                                    size_t bytes, MPI_Request *request);
/* What a schedule of faults does to a message that has arrived from this place: a byte of it changes. */
void comity_call_damage(const comity_call *call, int peer, void *memory, size_t bytes, size_t piece);
/* The seal of a message of this operation. */
comity_seal comity_call_seal(const comity_call *call, uint64_t digest, size_t length);
/* Whether a seal is whole, of this operation, and fits. */
bool comity_call_sealed(const comity_call *call, const comity_seal *seal, uint64_t digest, size_t length);
/* Short messages, at most COMITY_COMM_HEAD bytes, from the server to all. */
COMITY_MUST_CHECK comity_status comity_call_tell(comity_call *call, void *data, size_t bytes);
/* Whether a rank's status is that of the operation that failed or was interrupted: then there is nobody to tell. */
bool comity_call_is_known(const comity_comm *comm, comity_status local);
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
