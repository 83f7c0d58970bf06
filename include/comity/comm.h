/** \file comm.h
 *  The only door to MPI. A comity_comm is the membership of a federation: rank 0 serves, the other ranks take part
 *  (alone, rank 0 does both). Its verbs are the few that a round needs, all from or to the server: broadcast, exact
 *  sum, gather, agree.
 *
 *  Every operation is built from nonblocking MPI calls that are tested, with a back-off that leaves the core to whoever
 *  shares it. Messages go from member to member along trees, long ones in pieces that follow each other, so that a
 *  broadcast or a sum takes the time of its bytes on one link, once or twice, however many members there are, and
 *  lengths beyond INT_MAX bytes work.
 *
 *  Until comity_comm_survive, as while a job is set up, all members are needed: when the deadline of an operation
 *  passes or MPI reports an error, the communicator has failed for good. All later operations return the same status at
 *  once, and such a process should end by MPI_Abort.
 *
 *  From comity_comm_survive on, everybody gives the server signs of life, in waits by itself and in long local work by
 *  comity_comm_tend, and deadlines of operations do not count any more. Whoever gives none for the silence is lost,
 *  whoever works for longer and tends is waited for. When the membership has to change, operations return
 *  COMITY_INTERRUPTED, on some ranks sooner and on some after the operation went well, and everybody regroups:
 *
 *      while (status == COMITY_OK && point.stage != END) {
 *        status = work(comm, &point);                            // operations and tends; says what comes next
 *        if (status == COMITY_INTERRUPTED)
 *          status = comity_comm_regroup(comm, &point);           // the server's point, chosen before, goes to all
 *        if (status == COMITY_ERR_EXCLUDED)
 *          status = comity_comm_knock(comm, &point);             // or leave
 *      }
 *
 *  So the server has to choose a point that is right for all, also for those whose last operation was complete. A
 *  regrouping begins an epoch, and what is still on its way from an earlier one is dropped. Only the loss of the server
 *  ends the others, with COMITY_ERR_SERVER.
 *
 *  MPI only ever works in memory that the communicator owns. So after an operation that did not end well the caller may
 *  free or reuse its own buffers at once, whatever MPI still does; their content is then unspecified. Long vectors are
 *  therefore copied, unless they lie in memory of comity_comm_buffer_new, which after a regrouping goes through
 *  comity_comm_buffer_renew. A communicator that regrouped or failed keeps what MPI may still use until the process ends,
 *  which should happen without MPI_Finalize, because that may wait for a rank that is missing (comity_comm_is_torn).
 *
 *  Collective functions must be called by all members in the same order with matching sizes.
 */
#ifndef COMITY_COMM_H
#define COMITY_COMM_H

#include <mpi.h>

#include <comity/core.h>
#include <comity/fault.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct comity_comm comity_comm;

typedef struct comity_comm_options {
  double deadline;      /* seconds for one operation until losses are survived; 0 = for ever */
  double file_deadline; /* seconds for one piece of work aside before it counts as hung; 0 = for ever */
  size_t
      piece_bytes; /* most bytes that one MPI call moves, 8 ... INT_MAX; 0 = the default, 256 KiB. Must match
                      on all ranks. Each rank has up to 16 pieces of memory for messages on their way */
  const char
      *collectives; /* how long vectors travel: "tree" (also NULL), Comity's own; "mpi", MPI's. Must match
                              on all ranks */
  bool
      unchecked; /* long messages are taken for whole without a look; short ones never. Must match on all ranks */
} comity_comm_options;

/** Join a new communicator made from `base` (duplicated; the caller keeps `base`).
 *  Collective over `base`. NULL options = no deadline, default pieces.
 *  \return COMITY_OK, COMITY_ERR_ARG, COMITY_ERR_MEMORY, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_new(MPI_Comm base, const comity_comm_options *options,
                                                           comity_comm **comm);
/** In a process that comes later: a communicator as seen from slot `rank` of `size`, in which nobody is present
 *  until comity_comm_knock has returned. Losses are survived from the start. Not collective.
 *  \param[in] link     an intercommunicator whose remote rank 0 is the server; taken
 *  \param[in] options  those of the others
 *  \param[in] silence  as in comity_comm_survive
 *  \return COMITY_OK, COMITY_ERR_ARG, COMITY_ERR_MEMORY, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_arrive(MPI_Comm link, int rank, int size,
                                                              const comity_comm_options *options,
                                                              double silence, comity_comm **comm);
/** On a server whose members all come later: `size` slots, in which nobody but the server is present until others are offered
 *  (comity_comm_offer) and a regrouping admits them. Losses are survived from the start. Not collective.
 *  \param[in] size  2 or more
 *  \return as comity_comm_arrive */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_serve(int size, const comity_comm_options *options,
                                                             double silence, comity_comm **comm);
/** Collective unless the communicator has failed. Accepts NULL. */
COMITY_API void comity_comm_destroy(comity_comm **comm);

COMITY_API int comity_comm_rank(const comity_comm *comm);
COMITY_API int comity_comm_size(const comity_comm *comm);
/** Whether this rank is the server. */
COMITY_API bool comity_comm_is_server(const comity_comm *comm);
/** How many members train: size - 1, or 1 when the server is alone. */
COMITY_API int comity_comm_participants(const comity_comm *comm);
/** This rank among the participants, 0 ... participants-1; -1 on a server that only serves. */
COMITY_API int comity_comm_participant(const comity_comm *comm);
/** Number of the current membership; starts at 0 and grows whenever a member is lost or joins. */
COMITY_API uint64_t comity_comm_epoch(const comity_comm *comm);
/** Change the deadline of the following operations, in seconds; 0 = for ever. Not collective. */
COMITY_API void comity_comm_set_deadline(comity_comm *comm, double seconds);

/* ------------------------------------------------------------------------------------- surviving a loss */

/** Ranks are slots: rank and size stay what they are for the whole life of the communicator, and a slot is present
 *  or not. The server always is. */
COMITY_API bool comity_comm_is_present(const comity_comm *comm, int rank);
/** Members that are present, the server included. */
COMITY_API int comity_comm_present(const comity_comm *comm);
/** Name of the host that the rank runs on. Borrowed until the next regrouping. */
COMITY_API const char *comity_comm_host(const comity_comm *comm, int rank);

/** From where the federation goes on after its membership changed. Opaque to comm. */
typedef struct comity_point {
  uint64_t round;
  uint32_t stage, value;
  uint64_t own; /* for this rank alone, of comity_watcher; written where the server's point arrives */
} comity_point;

/** What a rank is at, told to the server with every sign of life: for the line that says whom everybody waits for. */
typedef struct comity_doing {
  uint64_t round, client; /* client: UINT64_MAX = none */
  uint32_t stage;
  uint32_t done; /* clients trained in this round */
} comity_doing;

/** Why somebody is no longer, or again, a member. */
typedef enum comity_change {
  COMITY_CHANGE_LOST,     /* silent for too long, or MPI could not reach it */
  COMITY_CHANGE_CORRUPT,  /* its messages were corrupt too often */
  COMITY_CHANGE_SLOW,     /* excluded by comity_comm_exclude */
  COMITY_CHANGE_LEFT,     /* said goodbye */
  COMITY_CHANGE_RETURNED, /* the same process again */
  COMITY_CHANGE_JOINED    /* another process in this slot */
} comity_change;

/** What the server is told while others fail. All are called from inside of operations, but for `tended`
 *  and `alive` on the server alone, and may be NULL. */
typedef struct comity_watcher {
  void *self;
  const char *(*stage_name)(uint32_t stage);
  /** A member changed: before the operation returns COMITY_INTERRUPTED, or in comity_comm_regroup. */
  void (*changed)(void *self, int rank, comity_change change, const char *text);
  /** Half the silence has passed without a sign of life, or half the deadline of the stage: `text` says who is waited
   *  for. Once per wait. */
  void (*stalled)(void *self, int rank, const char *text);
  /** What a rank is told with the point, and nobody else; without it 0. */
  uint64_t (*own)(void *self, int rank);
  /** A message was corrupt or does not come, and is asked for again: the operation is about to be interrupted though
   *  nobody may be lost. */
  void (*repeats)(void *self, int rank, const char *text);
  /** Called every millisecond or so wherever this rank waits or tends, also where it is not the server. */
  void (*tended)(void *self);
  /** Called about once a second where this rank waits, tends or is at work aside, for whoever else wants to know that it
   *  does not hang. Must touch nothing that work aside may. */
  void (*alive)(void *self);
} comity_watcher;

/** From here on, losing a member interrupts an operation instead of failing the communicator. Collective, and the same
 *  on all ranks; before it, host names are exchanged. Where losses are survived already, it only sets the watcher.
 *  \param[in] silence  seconds without a sign of life after which a member is lost, and the server to its members; > 0
 *  \param[in] watcher  copied; read on the server */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_survive(comity_comm *comm, double silence,
                                                               const comity_watcher *watcher);
/** What this rank is at now. Not collective. */
COMITY_API void comity_comm_doing(comity_comm *comm, const comity_doing *doing);
/** Give a sign of life in long local work, every few milliseconds or so; cheap. Not collective.
 *  \return COMITY_OK, also when the membership changed meanwhile and this rank's work is still wanted;
 *          COMITY_INTERRUPTED when it is not: stop and regroup */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_tend(comity_comm *comm);

/** Work that may block for long without a fault, such as reading and writing files. */
typedef comity_status comity_work(void *self);
/** Do such work in a thread of its own and give signs of life until it is done; after the communicator's file_deadline no
 *  more, so that this rank is then missed like any that hangs. It is done by this thread where losses are not survived
 *  (yet), where there is nobody else, and where MPI was started without MPI_THREAD_FUNNELED. Not collective.
 *  \param[in] work  must not use this communicator; this thread touches nothing else meanwhile
 *  \param[in] self  for the work
 *  \return what the work returned, with its message */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_aside(comity_comm *comm, comity_work *work,
                                                             void *self);

/** After COMITY_INTERRUPTED, or on the server at any time in order to admit who knocks. On the server: whoever was lost
 *  is no longer a member, those who knock are members; a new epoch begins, and everybody is told `point`. Elsewhere:
 *  wait for the server's notice. Never fails because of another loss.
 *  \param[in,out] point  the server's; elsewhere written
 *  \return COMITY_OK; COMITY_ERR_EXCLUDED: the others go on without this rank, which may comity_comm_knock;
 *          COMITY_ERR_REFUSED: another process has its place; COMITY_ERR_SERVER: the server is gone; COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_regroup(comity_comm *comm, comity_point *point);
/** On the server: at the next regrouping this rank is no longer a member, for `change` (and `text`, for people). Not
 *  collective. */
COMITY_API void comity_comm_exclude(comity_comm *comm, int rank, comity_change change, const char *text);
/** On the server: what a rank has sent came as it was sent, but cannot be used. It is excluded (COMITY_CHANGE_CORRUPT, with
 *  the calling thread's message), and the others go on. Not collective.
 *  \param[in] why  what is wrong with it
 *  \return COMITY_INTERRUPTED: regroup; or `why`, where that is not the rank's fault or nobody can be excluded */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_reject(comity_comm *comm, int rank, comity_status why);
/** On the server: whether somebody waits to be admitted by the next regrouping. Not collective. */
COMITY_API bool comity_comm_knocking(comity_comm *comm);
/** On a rank that was excluded: ask to be admitted again, and wait for it.
 *  \return as comity_comm_regroup */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_knock(comity_comm *comm, comity_point *point);
/** On the server: what the rank last said that it does. Not collective. */
COMITY_API comity_doing comity_comm_does(const comity_comm *comm, int rank);
/** On the server: ask members to finish what they are at with what they have. They see it in comity_comm_hurried until the
 *  next regrouping or verdict. Not collective. */
COMITY_API void comity_comm_hurry(comity_comm *comm);
COMITY_API bool comity_comm_hurried(const comity_comm *comm);
/** On the server: call `expired` (with `self`) once when `seconds` have passed in waits from now on; 0 = never. It may
 *  comity_comm_exclude members, which interrupts the operation, and comity_comm_hurry. Called again whenever a member
 *  reports to have done more. Not collective. */
COMITY_API void comity_comm_set_alarm(comity_comm *comm, double seconds,
                                      void (*expired)(void *self, bool due), void *self);
/** Messages to this rank are corrupt as the schedule says. Not collective. \param[in] faults  borrowed; may be NULL */
COMITY_API void comity_comm_set_faults(comity_comm *comm, const comity_faults *faults);
/** A process of this host that still exists though it is no longer the member `rank`, or the server and silent for too
 *  long: it hangs, and launchers wait for it.
 *  Not collective.
 *  \return its process id; 0 = there is none */
COMITY_API int64_t comity_comm_remains(const comity_comm *comm, int rank);
/** Whether the membership ever changed, or an operation failed: then the process should not call MPI_Finalize, which may
 *  wait for somebody who was lost. The same on all members from the first regrouping on. */
COMITY_API bool comity_comm_is_torn(const comity_comm *comm);
/** Tell the server that this rank leaves for good, which interrupts the others. From here on operations of this rank return
 *  COMITY_ERR_EXCLUDED. Not collective. */
COMITY_API void comity_comm_leave(comity_comm *comm);
/** On the server: another process, at rank 0 of the remote group of `link`, waits for this slot, which may be present or
 *  not; the next regrouping admits it. Not collective.
 *  \param[in] link  an intercommunicator, taken
 *  \return COMITY_OK, COMITY_ERR_MEMORY, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_offer(comity_comm *comm, int rank, MPI_Comm link,
                                                             const char *host);
/** A vector of comity_comm_buffer_new may be in the hands of an abandoned operation after a regrouping. Then it moves,
 *  with its content, to other memory. Call it for each such vector after comity_comm_regroup. Not collective.
 *  \param[in,out] memory  of comity_comm_buffer_new
 *  \return COMITY_OK, COMITY_ERR_MEMORY (it is then as it was) */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_buffer_renew(comity_comm *comm, void **memory);

/* ---------------------------------------------------------------------------------- processes started apart */

/** Whether MPI allows calls from several threads in this process (MPI_THREAD_MULTIPLE), which a door and a meeting need. */
COMITY_API bool comity_comm_may_meet(void);

/** The way to one other process that is not a member, or not yet: messages of any length, in order, for which nobody ever waits.
 *  Who is at the other end, and whether it still lives, is not known here. */
typedef struct comity_link comity_link;

/** Send a copy of `bytes` bytes, at most INT_MAX. */
COMITY_API COMITY_MUST_CHECK comity_status comity_link_send(comity_link *link, const void *data,
                                                            size_t bytes);
/** The next message, if it has come.
 *  \param[in]  most  a longer one is an error
 *  \param[out] data  (*bytes) owned by the caller, free with comity_free; NULL = not yet
 *  \return COMITY_OK, COMITY_ERR_COMM, COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_link_receive(comity_link *link, size_t most, uint8_t **data,
                                                               size_t *bytes);
/** Whether all that was sent is out of the house. */
COMITY_API bool comity_link_is_idle(comity_link *link);
/** Whether the other side of a called link ever said anything; true of links over MPI. */
COMITY_API bool comity_link_has_heard(const comity_link *link);
/** comity_comm_offer and comity_comm_arrive over a link, which stays good for messages until it is destroyed. */
COMITY_API COMITY_MUST_CHECK comity_status comity_link_offer(comity_comm *comm, int rank,
                                                             const comity_link *link, const char *host);
COMITY_API COMITY_MUST_CHECK comity_status comity_link_arrive(const comity_link *link, int rank, int size,
                                                              const comity_comm_options *options,
                                                              double silence, comity_comm **comm);
/** To the process that started this one by comity_meeting_spawn.
 *  \return COMITY_ERR_USAGE when there is none */
COMITY_API COMITY_MUST_CHECK comity_status comity_link_parent(comity_link **link);
/** Waits for nobody. Accepts NULL. */
COMITY_API void comity_link_destroy(comity_link **link);

/** Where processes that were started apart call: a TCP port on all networks of this host. MPI hears of them only in a meeting. */
typedef struct comity_door comity_door;

/** Needs comity_comm_may_meet, for what comes after. \param[in] port  0 = any that is free */
COMITY_API COMITY_MUST_CHECK comity_status comity_door_open(int port, comity_door **door);
/** What comity_link_call takes: the port, this host's name and addresses. Borrowed until close. */
COMITY_API const char *comity_door_address(const comity_door *door);
/** \param[out] link  whoever called next; NULL = nobody did */
COMITY_API COMITY_MUST_CHECK comity_status comity_door_next(comity_door *door, comity_link **link);
/** Accepts NULL. */
COMITY_API void comity_door_close(comity_door **door);
/** Call at a door. Waits for a few seconds at each of its addresses.
 *  \return COMITY_ERR_SERVER when nobody opens */
COMITY_API COMITY_MUST_CHECK comity_status comity_link_call(const char *address, comity_link **link);

/** On the way to another process, over MPI, in a thread. At most one at a time in a process: MPI confuses several. A process that began one must not call MPI_Finalize, which may wait for
 *  the thread. With Open MPI, meeting another mpirun takes an ompi-server that both know. */
typedef struct comity_meeting comity_meeting;

/** With exactly one process, which is told comity_meeting_address. Where that dies before it comes, another one can be told the same
 *  address; where it dies in the middle of it, it takes Open MPI minutes to give up. */
COMITY_API COMITY_MUST_CHECK comity_status comity_meeting_accept(comity_meeting **meeting);
/** Where a meeting takes place: what comity_meeting_connect takes; valid as long as the meeting. */
COMITY_API const char *comity_meeting_address(const comity_meeting *meeting);
enum { COMITY_SPAWN_ARGUMENTS = 4 };
/** With whoever gave this address. */
COMITY_API COMITY_MUST_CHECK comity_status comity_meeting_connect(const char *address,
                                                                  comity_meeting **meeting);
/** To a new process, which MPI starts wherever the job has room.
 *  \param[in] arguments  at most COMITY_SPAWN_ARGUMENTS of at most 63 bytes, then NULL */
COMITY_API COMITY_MUST_CHECK comity_status comity_meeting_spawn(const char *program,
                                                                const char *const *arguments,
                                                                comity_meeting **meeting);
/** \param[in,out] meeting  becomes NULL when it is over, well or not
 *  \param[out]    link     NULL = not there yet
 *  \return COMITY_OK, COMITY_ERR_COMM, COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_meeting_poll(comity_meeting **meeting, comity_link **link);
/** Accepts NULL. */
COMITY_API void comity_meeting_give_up(comity_meeting **meeting);

/* --------------------------------------------------------------------------------------------- operations */

/** Memory for a vector that is broadcast or summed without being copied: zeroed, aligned to 64 bytes. Not
 *  collective.
 *  \param[out] memory  (bytes) the communicator's, until comity_comm_buffer_free or comity_comm_destroy */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_buffer_new(comity_comm *comm, size_t bytes,
                                                                  void **memory);
/** Accepts NULL. Not collective. If an operation failed MPI may still use it: then it stays until the process
 *  ends. */
COMITY_API void comity_comm_buffer_free(comity_comm *comm, void *memory);

/** Send `bytes` bytes from the server to all. Collective; `bytes` must match.
 *  \param[in,out] data  (bytes) read on the server, written elsewhere
 *  \return COMITY_OK, COMITY_ERR_TIMEOUT, COMITY_ERR_COMM. The server may be done before a rank that is late has come */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_broadcast(comity_comm *comm, void *data, size_t bytes);

/** The same, with the server's status ahead of the data: unless it is COMITY_OK nothing else travels, and every
 *  rank returns it, with the server's message in its error record. Collective; `bytes` must match.
 *  \param[in]     status  the server's; ignored elsewhere
 *  \param[in,out] data    (bytes) as in comity_comm_broadcast; not written unless the status is COMITY_OK
 *  \return the server's status, or COMITY_ERR_TIMEOUT, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_broadcast_status(comity_comm *comm,
                                                                        comity_status status, void *data,
                                                                        size_t bytes);

/** Add vectors of 64-bit words modulo 2^64 onto the server. Exact: the result does not depend on order or
 *  number of ranks. Collective; `count` must match.
 *  \param[in,out] words  (count) this rank's contribution; on the server the sum afterwards, elsewhere
 *         unspecified */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_sum(comity_comm *comm, uint64_t *words, size_t count);

/** Add float vectors onto the server, in whatever order is fastest: half the bytes of comity_comm_sum, but
 *  the last bits depend on the number of ranks. Collective; `count` must match.
 *  \param[in,out] values  (count) as in comity_comm_sum */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_sum_float(comity_comm *comm, float *values,
                                                                 size_t count);

/** How a rank takes part in a sum. Long vectors travel in pieces; what is done to a piece just before it leaves,
 *  and just after it is complete, finds it in the cache, and happens while other pieces travel. A rank with these
 *  functions needs no vector, only its head. All zero is how comity_comm_sum does it. Ranks need not agree. */
typedef struct comity_summing {
  bool only_receives; /* on the server: what its vector holds does not count, unless it is alone */
  size_t head;        /* numbers at the front that add and take are not called for */
  void *self;         /* for add and take */
  /** OPTIONAL (default: those of the vector). Add this rank's numbers [first, first + count) behind the head to
   *  the `count` numbers at `into`. Called for each once, in order; not on a server that only receives. */
  void (*add)(void *self, size_t first, size_t count, void *into);
  /** OPTIONAL (default: write them to the vector). On the server: the head's sum is complete, and those of
   *  [first, first + count) behind it are the `count` numbers at `sums`. Called for each once, in order. When the
   *  operation fails, some may have been taken. */
  void (*take)(void *self, size_t first, size_t count, const void *sums);
} comity_summing;

/** comity_comm_sum and comity_comm_sum_float in the way that `how` says. Collective; `count`, which includes the
 *  head, must match. */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_sum_by(comity_comm *comm, uint64_t *words,
                                                              size_t count, const comity_summing *how);
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_sum_float_by(comity_comm *comm, float *values,
                                                                    size_t count, const comity_summing *how);

/** What one gather brought to the server. Owned by the caller; release with comity_gathered_clear. */
typedef struct comity_gathered {
  size_t count;   /* contributions: comity_comm_size on the server, 0 elsewhere */
  size_t *offset; /* (count + 1) contribution of rank r is bytes[offset[r]] ... bytes[offset[r+1]-1] */
  uint8_t *bytes;
} comity_gathered;

/** Bring a message of any length from every rank to the server, ordered by rank. Collective; lengths may
 *  differ.
 *  \return COMITY_OK, COMITY_ERR_MEMORY (on all), COMITY_ERR_TIMEOUT, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_gather(comity_comm *comm, const void *data,
                                                              size_t bytes, comity_gathered *gathered);
COMITY_API void comity_gathered_clear(comity_gathered *gathered);

/** Agree on one status, the most severe that any rank brings (ties: the lowest rank). Afterwards every rank's
 *  error record holds the message of the rank that won, with "rank N: " before it when there is more than one
 *  rank. Collective. This is the only way to leave between two collectives.
 *  \param[in] local  this rank's status; its message is this thread's error record
 *  \return the agreed status, or COMITY_ERR_TIMEOUT, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_agree(comity_comm *comm, comity_status local);

/** The way up of an agreement, with a message of any length from every rank. A verdict must follow, and nothing
 *  else may come between; what the server does in between can change its verdict:
 *
 *      comity_status status = comity_comm_report(comm, local, data, bytes, &gathered);
 *      if (status == COMITY_OK && comity_comm_is_server(comm))
 *        status = use(&gathered);
 *      status = comity_comm_verdict(comm, status);
 *
 *  Collective; lengths may differ.
 *  \param[in]  local     this rank's status; its message is this thread's error record
 *  \param[in]  data      (bytes) borrowed for the call
 *  \param[out] gathered  on the server everybody's data if all is well, else empty
 *  \return on the server the most severe status of all (ties: the lowest rank), with its message as after
 *          comity_comm_agree, or COMITY_ERR_MEMORY when all is well but the data do not fit; elsewhere `local`;
 *          COMITY_ERR_TIMEOUT, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_report(comity_comm *comm, comity_status local,
                                                              const void *data, size_t bytes,
                                                              comity_gathered *gathered);

/** The way down: every rank returns the server's status, with the server's message. Collective.
 *  \param[in] status  the server's; ignored elsewhere
 *  \return the server's status, or COMITY_ERR_TIMEOUT, COMITY_ERR_COMM */
COMITY_API COMITY_MUST_CHECK comity_status comity_comm_verdict(comity_comm *comm, comity_status status);

/** The operations that are measured. */
typedef enum comity_operation {
  COMITY_OPERATION_BROADCAST,
  COMITY_OPERATION_SUM,
  COMITY_OPERATION_GATHER,
  COMITY_OPERATION_AGREE,
  COMITY_OPERATION_COUNT
} comity_operation;

/** What an operation has cost this rank since the communicator was made. */
typedef struct comity_operation_cost {
  uint64_t calls;
  uint64_t bytes; /* payload that this rank handed in or received, once */
  double seconds; /* from call to return, waiting for others included */
} comity_operation_cost;

COMITY_API comity_operation_cost comity_comm_cost(const comity_comm *comm, comity_operation operation);

#ifdef __cplusplus
}
#endif
#endif
