/** \file round.h
 *  The loop: select -> broadcast -> local training -> aggregate -> server step -> evaluate -> record, round
 * by round, calling the folders in the order in which the data flows.
 */
#ifndef COMITY_ROUND_H
#define COMITY_ROUND_H

#include <comity/comm.h>
#include <comity/config.h>
#include <comity/metrics.h>
#include <comity/server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct comity_run_options {
  bool resume;              /* continue from the newest good checkpoint of the run folder */
  bool force;               /* resume although the job differs */
  FILE *terminal;           /* for people, on the server; NULL = silent */
  bool in_place;            /* the terminal can rewrite a line (run.progress=auto then does) */
  const volatile int *stop; /* non-zero = checkpoint and leave (set by a signal handler); may be NULL */
} comity_run_options;

typedef struct comity_run_result {
  uint64_t rounds; /* completed, in all */
  comity_stop_reason reason;
  comity_record last; /* borrowed pointers are NULL */
} comity_run_result;

/** Run a job from its checked settings to a trained model in its run folder. Collective; `config` must match
 *  on all ranks.
 *  \param[out] result  on the server; may be NULL elsewhere
 *  \return the same on every rank: COMITY_OK, COMITY_REQUEUE, or what went wrong first and worst */
COMITY_API COMITY_MUST_CHECK comity_status comity_run(comity_comm *comm, const comity_config *config,
                                                      const comity_run_options *options,
                                                      comity_run_result *result);

/** Everything that can be wrong with a job before its first round: settings, files, shapes, memory,
 *  permissions. Collective. Writes nothing.
 *  \param[in] report  gets one line per finding or fact, on the server; may be NULL */
COMITY_API COMITY_MUST_CHECK comity_status comity_run_check(comity_comm *comm, const comity_config *config,
                                                            FILE *report);

#ifdef __cplusplus
}
#endif
#endif
