/** \file round.h
 *  The loop: select -> broadcast -> local training -> aggregate -> server step -> evaluate -> record, round
 * by round, calling the folders in the order in which the data flows.
 */
#ifndef COMITY_ROUND_H
#define COMITY_ROUND_H

#include <comity/comm.h>
#include <comity/config.h>
#include <comity/identity.h>
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
  const char *
      program; /* started with the argument "participate" in the place of whoever is lost, where round.respawn says so and
                          comity_comm_may_meet; NULL = nobody is replaced. Read on the server */
  /** Called when losses begin to be survived (`first`), and from then on about once a second; when it is not for twice the
   *  silence (s), this process hangs, whatever it does. Not in a job of one rank. May be NULL */
  void (*alive)(double silence, bool first);
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

/* ------------------------------------------------------------------------------- silos that come by themselves */

/** Where a server is, in run.dir/server.addr: nothing in it is secret, but who can change it can keep silos away. */
#define COMITY_ADDRESS_FILE "server.addr"
typedef struct comity_address {
  char rendezvous[512]; /* where MPI finds the other side: with Open MPI the URI of an ompi-server */
  char door[1024];      /* comity_door_address */
  char job[128];        /* its name, which is part of what both sides sign */
  bool done;            /* the job has ended well: nobody is there any more */
  comity_public_key server;
} comity_address;

COMITY_API COMITY_MUST_CHECK comity_status comity_address_write(const char *path,
                                                                const comity_address *address);
/** \return COMITY_ERR_DATA when the file is none */
COMITY_API COMITY_MUST_CHECK comity_status comity_address_read(const char *path, comity_address *address);

typedef struct comity_serve_options {
  const char *job;        /* its name, the same for all silos */
  const char *rendezvous; /* for the address file */
} comity_serve_options;

/** As comity_run, but each silo whose key is in silos.keys comes by itself, when it likes, with comity_join; silo i is rank i.
 *  data.path must be empty. Not collective: one process, in which comity_comm_may_meet holds, and which must not call MPI_Finalize
 *  afterwards.
 *  \return as comity_run; COMITY_ERR_QUORUM when too few came within silos.wait */
COMITY_API COMITY_MUST_CHECK comity_status comity_serve(const comity_config *config,
                                                        const comity_serve_options *serve,
                                                        const comity_run_options *options,
                                                        comity_run_result *result);

typedef struct comity_join_options {
  const char *address;             /* comity_address.door */
  const char *job;                 /* comity_address.job */
  const comity_public_key *server; /* whom to trust */
  const comity_identity *identity; /* whose public key is in silos.keys */
  const char *data;                /* path of this silo's file */
} comity_join_options;

/** Join a server as a silo, take part until the job ends. When options->stop becomes non-zero it leaves, and the others go on.
 *  Not collective; as comity_serve.
 *  \return as comity_run, COMITY_OK also when the job was done before this silo was let in; COMITY_REQUEUE also when it was asked to leave; COMITY_ERR_REFUSED, COMITY_ERR_SERVER,
 *  COMITY_ERR_EXCLUDED, COMITY_ERR_DATA when its file does not fit to the others' */
COMITY_API COMITY_MUST_CHECK comity_status comity_join(const comity_join_options *join,
                                                       const comity_run_options *options,
                                                       comity_run_result *result);
/** In a process that the server of comity_run started in the place of a lost one. As comity_join. */
COMITY_API COMITY_MUST_CHECK comity_status comity_participate(const comity_run_options *options);

/** Everything that can be wrong with a job before its first round: settings, files, shapes, memory,
 *  permissions. Collective. Writes nothing.
 *  \param[in] report  gets one line per finding or fact, on the server; may be NULL */
COMITY_API COMITY_MUST_CHECK comity_status comity_run_check(comity_comm *comm, const comity_config *config,
                                                            FILE *report);

#ifdef __cplusplus
}
#endif
#endif
