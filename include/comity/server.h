/** \file server.h
 *  Decisions that every rank can take alike without asking: who is selected, who is slow, who hosts whom. They
 * depend on the seed, the round and the clients' sizes, never on rank, time or the algorithm. And those that only the
 * server takes: when to stop, and how long to wait for training.
 */
#ifndef COMITY_SERVER_H
#define COMITY_SERVER_H

#include <comity/config.h>
#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One rule for choosing a cohort. */
typedef struct comity_selector {
  const char *name; /* "all" | "uniform" | "weighted" | "round_robin" */
  const char *summary;
  /** REQUIRED.
   *  \param[in]  examples  (clients) train examples of each client
   *  \param[in]  want      1 ... clients
   *  \param[out] cohort    (want) distinct ids in ascending order
   *  \return how many were chosen: `want`, or fewer when the rule finds no more ("weighted" never takes an
   * empty client) */
  size_t (*select)(uint64_t seed, size_t round, const uint64_t *examples, size_t clients, size_t want,
                   uint32_t *cohort);
} comity_selector;

COMITY_API const comity_selector *const *comity_selector_list(size_t *count);
COMITY_API COMITY_MUST_CHECK comity_status comity_selector_find(const char *name,
                                                                const comity_selector **selector);

/** Cohort size that a job asks for: clients.per_round when it is given, else max(1, round(clients.fraction *
 * clients)) (McMahan et al. 2017, alg. 1); never more than there are clients. */
COMITY_API size_t comity_cohort_size(const comity_config *config, size_t clients);

/** Local work of each member of a cohort in a round with stragglers (Li et al. 2020, sec. 5.2): a share of
 *  the cohort, rounded, does a uniform 1 ... epochs-1 epochs instead of all; with 1 epoch it does 0, nothing.
 *  Keyed (seed, COMITY_RANDOM_STRAGGLER, round).
 *  \param[in]  share   [0,1]
 *  \param[out] epochs_of  (count) epochs of each member; equal to `epochs` for those who finish */
COMITY_API void comity_straggle(uint64_t seed, size_t round, double share, size_t count, size_t epochs,
                                size_t *epochs_of);

/** Share out a cohort's work over participants so that each has about the same number of examples: longest
 *  first, to whoever has least so far. The same on all ranks.
 *  \param[in]  work  (count) cost of each member
 *  \param[out] owner (count) participant of each member */
COMITY_API COMITY_MUST_CHECK comity_status comity_assign_balanced(const uint64_t *work, size_t count,
                                                                  int participants, int *owner);

/** When a round no longer waits for those who still train (round.deadline). At most one is above 0; none = it waits for
 *  ever. */
typedef struct comity_deadline {
  double seconds; /* fixed */
  double times;   /* of the median of rounds before */
} comity_deadline;

#define COMITY_PACE_WINDOW 15     /* rounds that the median looks back */
#define COMITY_PACE_LEAST 3       /* rounds without which there is none */
#define COMITY_DEADLINE_LEAST 0.1 /* seconds: what a multiple of the median comes to at least */
#define COMITY_DEADLINE_GRACE 0.1 /* part of the deadline: to end the batch at hand and report */

/** How long training took in this process's last rounds. Zero it before the first. */
typedef struct comity_pace {
  uint64_t rounds;
  double seconds[COMITY_PACE_WINDOW]; /* the median of each round's participants */
} comity_pace;

/** \return COMITY_OK, or COMITY_ERR_CONFIG: names the forms that there are */
COMITY_API COMITY_MUST_CHECK comity_status comity_deadline_read(const comity_config *config,
                                                                comity_deadline *deadline);
/** Take a round into account.
 *  \param[in,out] seconds  (count) how long each participant trained; who did not, 0, does not count. Unspecified
 *                  afterwards */
COMITY_API void comity_pace_add(comity_pace *pace, double *seconds, size_t count);
/** NAN while too few rounds were measured. */
COMITY_API double comity_pace_median(const comity_pace *pace);
/** Seconds that the next round's training may take; 0 = as long as it likes. */
COMITY_API double comity_deadline_seconds(const comity_deadline *deadline, const comity_pace *pace);

/** What the server does about those who still train. */
typedef enum comity_haste {
  COMITY_HASTE_WAIT,
  COMITY_HASTE_HURRY,  /* ask them to report what they have */
  COMITY_HASTE_EXCLUDE /* go on without those who did not */
} comity_haste;
/** \param[in]  seconds  the deadline; 0 = none
 *  \param[in]  elapsed  seconds since training began
 *  \param[in]  grace    seconds that there are at least between asking and going on
 *  \param[out] next     seconds until this changes by itself; 0 = never */
COMITY_API comity_haste comity_deadline_decide(double seconds, double elapsed, double grace, double *next);

/** How many clients are asked so that `needed` of them are soon done: factor times as many, rounded up, never more than
 *  there are.
 *  \param[in] factor  >= 1 (round.over_selection)
 *  Source: Bonawitz et al. 2019, sec. 2.2 */
COMITY_API size_t comity_over_select(size_t needed, double factor, size_t clients);

/** When a job ends. */
typedef struct comity_stop_rule {
  size_t rounds;   /* stop after this round */
  char metric[24]; /* metric that target and patience watch, "" = none */
  bool larger_is_better;
  double target;       /* NAN = none */
  size_t patience;     /* rounds without improvement; 0 = never */
  double min_delta;    /* least change that counts as improvement */
  double wall_seconds; /* since start of this process; 0 = no limit */
} comity_stop_rule;

/** What the rule remembers; checkpointed. Zero it before round 1. */
typedef struct comity_stop_memory {
  double best;
  uint64_t best_round; /* 0 = no value yet */
  double last;         /* what was measured last, */
  uint64_t last_round; /* and when */
} comity_stop_memory;

typedef enum comity_stop_reason {
  COMITY_STOP_NOT,
  COMITY_STOP_ROUNDS,
  COMITY_STOP_TARGET,
  COMITY_STOP_PATIENCE,
  COMITY_STOP_WALL,
  COMITY_STOP_SIGNAL
} comity_stop_reason;

COMITY_API void comity_stop_rule_read(const comity_config *config, comity_stop_rule *rule);
/** \param[in] value  of the watched metric after this round; NAN when it was not measured */
COMITY_API comity_stop_reason comity_stop_decide(const comity_stop_rule *rule, comity_stop_memory *memory,
                                                 size_t round, double value, double seconds);
/** Whether a job that goes on after `round` has come to its end there already. */
COMITY_API comity_stop_reason comity_stop_resume(const comity_stop_rule *rule,
                                                 const comity_stop_memory *memory, size_t round);
/** "after the last round", "target reached", ... */
COMITY_API const char *comity_stop_text(comity_stop_reason reason);

#ifdef __cplusplus
}
#endif
#endif
