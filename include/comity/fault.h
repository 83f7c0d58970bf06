/** \file fault.h
 *  Faults by schedule, for tests and papers: who is absent, who dies, hangs or is slow, and when, and which messages
 *  are corrupt, all decided before the first round. Everything is a function of the schedule, its seed, and of round,
 *  rank, client or message; never of time or order. Knows nothing of MPI.
 *
 *  A schedule is a list of entries that people can read:
 *
 *      drop client 7 rounds 3-5                           clients are absent in these rounds
 *      drop rank 2 rounds 4-                              so are all clients of that participant
 *      kill rank 2 round 4 sum                            SIGKILL when that rank begins this stage; rank 0 is the server
 *      abort ranks 1,3-5 round 4 train after 0.2 s        SIGABRT, so many seconds after the stage began; at its end at
 *                                                         the latest, so that it comes on fast machines, too
 *      exit rank 2 round 4 record                         exit(1) without a word
 *      stop rank 2 round 4 announce for 2 s               SIGSTOP, and SIGCONT later; without "for" it hangs for ever
 *      delay rank 3 rounds 2-9 train exponential 0.1 s    slow, but alive
 *      delay clients 0-9 uniform 0.1 to 0.3 s             the training of these clients
 *      corrupt 0.001 rank 2 rounds 3-                     each message (of this rank) with this chance
 *      random 5 rounds 2-10 kinds kill,stop within 0.3 s  so many faults, of these kinds, drawn by the seed
 *
 *  Rounds begin at 1, ranks and clients at 0; lists are "3", "3-5", "3-" or several of them joined by commas. Where no
 *  rounds are given, all are meant. Times are in seconds; a delay is `constant 0.1 s`, `uniform 0.1 to 0.3 s`,
 *  `exponential 0.1 s` (the mean) or `lognormal 0.1 s sigma 0.5` (the median, and the standard deviation of the
 *  logarithm). A random fault hits one rank >= 1, or client, in one round, at a random stage and moment.
 */
#ifndef COMITY_FAULT_H
#define COMITY_FAULT_H

#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The stages of a round in which faults strike: X(name, word, what begins there). */
#define COMITY_FAULT_STAGE_LIST(X)                                                                           \
  X(TRAIN, "train", "local training")                                                                        \
  X(REPORT, "report", "reports of training")                                                                 \
  X(SUM, "sum", "the sum of updates, and the server's step")                                                 \
  X(ANNOUNCE, "announce", "the broadcast of the model")                                                      \
  X(EVALUATE, "evaluate", "the evaluation of the rank's share")                                              \
  X(RECORD, "record", "reports of the evaluation, and the record")                                           \
  X(SAVE, "save", "writing a checkpoint, if one is due")                                                     \
  X(REGROUP, "regroup", "going on after the membership changed")                                             \
  X(BETWEEN, "between", "what lies between two rounds; belongs to the one that is over")                     \
  X(FINISH, "finish", "the model file, after the last round; no random fault")

typedef enum comity_fault_stage {
#define COMITY_FAULT_STAGE_ENUM(name, word, text) COMITY_FAULT_##name,
  COMITY_FAULT_STAGE_LIST(COMITY_FAULT_STAGE_ENUM)
#undef COMITY_FAULT_STAGE_ENUM
      COMITY_FAULT_STAGES
} comity_fault_stage;

/** A schedule, on one rank. */
typedef struct comity_faults comity_faults;

/** What a schedule is for. A number that is not known yet is 0: then it is not checked, and random entries that need
 *  it stay as they are and do nothing. */
typedef struct comity_fault_scope {
  uint64_t seed;
  uint64_t rounds;  /* of the job: where "3-" ends for a random entry */
  uint64_t clients; /* K */
  int ranks;        /* the server included */
} comity_fault_scope;

/** A schedule without entries. Not collective. \param[in] scope  copied */
COMITY_API COMITY_MUST_CHECK comity_status comity_faults_new(const comity_fault_scope *scope,
                                                             comity_faults **faults);
/** Append an entry; a random one becomes as many as it says. Not collective; every rank must add the same.
 *  \param[in] where  put before the message if the entry is wrong, e.g. "job.yaml:14:5"; may be NULL
 *  \return COMITY_OK, COMITY_ERR_CONFIG naming the entry, the word and what is allowed (nothing is appended then),
 *          COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_faults_add(comity_faults *faults, const char *where,
                                                             const char *entry);
/** Entries, random ones expanded. 0 for NULL. */
COMITY_API size_t comity_faults_count(const comity_faults *faults);
/** The i-th entry as text, which is an entry again. Borrowed until the next comity_faults_add. */
COMITY_API const char *comity_faults_text(const comity_faults *faults, size_t i);
/** All entries that change the result of a job (those that drop), joined by "; ". The others only cost time where
 *  nobody is lost.
 *  \param[out] text  "" if none; owned by the caller, free with comity_free */
COMITY_API COMITY_MUST_CHECK comity_status comity_faults_drops(const comity_faults *faults, char **text);
/** Disarms what is armed. Accepts NULL. */
COMITY_API void comity_faults_destroy(comity_faults **faults);

/* ---------------------------------------------------------------------------------- questions; pure functions
 * All accept NULL: without a schedule nothing is wrong. Not collective. */

/** Whether a client is absent in a round. \param[in] rank  of the participant that would train it */
COMITY_API bool comity_faults_absent(const comity_faults *faults, uint64_t round, uint64_t client, int rank);
/** Seconds that a rank sleeps when it begins a stage. Keyed (seed, COMITY_RANDOM_DELAY, entry, round, rank, stage). */
COMITY_API double comity_faults_delay(const comity_faults *faults, int rank, uint64_t round,
                                      comity_fault_stage stage);
/** Seconds by which the training of a client is late, on whichever rank. Keyed (seed, COMITY_RANDOM_DELAY, entry,
 *  round, client). */
COMITY_API double comity_faults_client_delay(const comity_faults *faults, uint64_t client, uint64_t round);

/** What strikes a rank. */
typedef enum comity_strike_kind {
  COMITY_STRIKE_KILL,  /* SIGKILL */
  COMITY_STRIKE_ABORT, /* SIGABRT */
  COMITY_STRIKE_EXIT,  /* exit code 1 */
  COMITY_STRIKE_STOP   /* SIGSTOP */
} comity_strike_kind;

typedef struct comity_strike {
  comity_strike_kind kind;
  double after;   /* seconds after the stage began */
  double lasting; /* of a stop: seconds until it goes on; 0 = for ever */
} comity_strike;

/** What strikes this rank in this stage of this round, in the order of the schedule.
 *  \param[out] strikes  (room) the first of them
 *  \return how many there are */
COMITY_API size_t comity_faults_strikes(const comity_faults *faults, int rank, uint64_t round,
                                        comity_fault_stage stage, comity_strike *strikes, size_t room);

/* ------------------------------------------------------------------------------------- acting on the schedule */

/** This rank begins a stage. What strikes at once strikes before this returns; for what strikes later a timer of
 *  the system is set, so that it comes wherever the process then is, in MPI or in a library. Each entry strikes a
 *  process once in a round. Not collective.
 *  \return comity_faults_delay, for the caller to sleep; 0 when this stage of the round was begun before */
COMITY_API double comity_faults_enter(comity_faults *faults, int rank, uint64_t round,
                                      comity_fault_stage stage);
/** This rank has ended the stage, or leaves it to come back: what was to strike in it and has not, strikes now. */
COMITY_API void comity_faults_leave(comity_faults *faults);
/** An earlier start of this job has come as far as this round: nobody is struck up to it once more. Delays, drops
 *  and corruption stay as they are. */
COMITY_API void comity_faults_resume(comity_faults *faults, uint64_t reached);
/** Whether a message is corrupt, in the round of the last comity_faults_enter. Keyed (seed, COMITY_RANDOM_CORRUPT,
 *  entry, epoch, sequence, from, to, piece). */
COMITY_API bool comity_faults_corrupts(const comity_faults *faults, uint64_t epoch, uint64_t sequence,
                                       int from, int to, uint64_t piece);

#ifdef __cplusplus
}
#endif
#endif
