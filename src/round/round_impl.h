/* What the files of this folder share: the federation as every rank sees it, evaluation, and the state of a
 * run. */
#ifndef COMITY_ROUND_IMPL_H
#define COMITY_ROUND_IMPL_H

#include <comity/aggregate.h>
#include <comity/algorithm.h>
#include <comity/checkpoint.h>
#include <comity/comm.h>
#include <comity/config.h>
#include <comity/data.h>
#include <comity/fault.h>
#include <comity/metrics.h>
#include <comity/model.h>
#include <comity/round.h>
#include <comity/server.h>
#include <comity/train.h>

/* --------------------------------------------------------------------------------------------- federation */

/* Which participants are here. */
typedef struct comity_hosts {
  int slots;   /* participants that there may be */
  int present; /* that there are */
  bool *here;  /* (slots) */
} comity_hosts;

/* All are here. */
COMITY_MUST_CHECK comity_status comity_hosts_new(int slots, comity_hosts *hosts);
void comity_hosts_clear(comity_hosts *hosts);
/* Who has what belongs to `slot`: the slot itself when it is here, also when nobody is; else another, which one depends on
 * `turn`, the number of this among all that belongs to the slot. When somebody leaves, nothing moves but what it had. */
int comity_hosts_find(const comity_hosts *hosts, int slot, uint64_t turn);
/* comity_assign_balanced for those who are here; what one has stays with it when others leave. */
COMITY_MUST_CHECK comity_status comity_hosts_deal(const comity_hosts *hosts, const uint64_t *work,
                                                  size_t count, int *owner);

/* One file of training data. A shared file is open on every rank; a silo's file only on the rank that hosts
 * it. */
typedef struct comity_silo {
  char *path;
  comity_dataset *dataset; /* NULL where it is not hosted */
  int participant;         /* who hosts it; -1 = everybody can read it */
  size_t first_client, clients;
} comity_silo;

/* What examples look like, and how many clients have some. */
typedef struct comity_catalogue {
  uint64_t clients, classes, targets, type, shape_rank, shape[COMITY_SHAPE_MAX];
  double scale;
} comity_catalogue;

/* The central test set, if there is one. Ranks that cannot read it leave its evaluation to others. */
typedef struct comity_central {
  bool found;
  size_t examples;         /* in it */
  bool *reads;             /* (size) whether the rank can read it */
  comity_dataset *dataset; /* NULL where it cannot be read */
  comity_split split;      /* where in the file */
} comity_central;

/* The examples [*first, *last) of the central test set that `rank` evaluates: whole blocks, dealt evenly and in the order
 * of ranks to those that are present and can read it.
 * \param[in] present  (ranks) */
void comity_central_share(const comity_central *central, const bool *present, int ranks, int rank,
                          size_t block, size_t *first, size_t *last);

/* Who holds what: all clients with their sizes, the same on every rank, and the files that this rank reads.
 */
typedef struct comity_federation {
  comity_comm *comm; /* borrowed */
  comity_silo *silo; /* (silos) */
  size_t silos;
  bool shared;   /* one file that all ranks read */
  bool apart;    /* silos come by themselves, each from a file system of its own */
  bool reassign; /* then others stand in for participants that are absent */
  comity_hosts hosts;
  comity_dataset_info info;               /* what all silos agree on; classes is the most that any has */
  size_t clients;                         /* K */
  uint64_t *examples[COMITY_SPLIT_COUNT]; /* (K) of each client */
  size_t most_examples;                   /* largest train split of all clients */
  char *
      names; /* (names_bytes) of the features, each ended by a newline; on the server, when silos have names */
  size_t names_bytes;
  comity_central central;
  char standardize[16];
  float *mean, *inverse; /* (width) federated statistics, or NULL */
  float **own; /* (K) silo statistics of hosted clients, mean then inverse, made when first needed; or NULL */
} comity_federation;

/* Open what this rank hosts, exchange sizes, check that all silos fit together. Collective. */
COMITY_MUST_CHECK comity_status comity_federation_new(comity_comm *comm, const comity_config *config,
                                                      comity_federation **federation);
void comity_federation_destroy(comity_federation **federation);
/* The participant that hosts this client when everybody is here. */
int comity_federation_home(const comity_federation *federation, size_t client);
/* The participant that hosts this client while the membership is what it is; for clients that are absent, since nobody
 * can stand in, the participant that is absent. */
int comity_federation_host(const comity_federation *federation, size_t client);
/* Whether this participant is a member now. */
bool comity_federation_is_here(const comity_federation *federation, int participant);
/* The membership changed: read it from the communicator. Not collective. */
void comity_federation_regroup(comity_federation *federation);
/* Who trains whom. Depends on the membership alone, and while members only leave, as within a round, nobody loses a
 * client to another. Not collective; the same on every rank.
 * \param[in]  cohort    (count) clients
 * \param[in]  work      (count) of each
 * \param[in]  balanced  share the work out evenly, else hosts train their own
 * \param[out] owner     (count) participant of each; one that is not here when nobody can stand in */
COMITY_MUST_CHECK comity_status comity_federation_owners(const comity_federation *federation,
                                                         const uint32_t *cohort, const uint64_t *work,
                                                         size_t count, bool balanced, int *owner);
/* Bring a client's examples into memory, with the statistics to standardise them. Not collective; this rank
 * must be able to read the client. The view is borrowed until the next load. */
COMITY_MUST_CHECK comity_status comity_federation_load(comity_federation *federation, comity_split split,
                                                       size_t client, comity_examples *examples);
/* Whether the file of this client was seen at least once, and whether every silo's was. */
bool comity_federation_knows(const comity_federation *federation, size_t client);
bool comity_federation_is_known(const comity_federation *federation);
/* A short digest of all clients' numbers of examples: other data rarely have the same. */
COMITY_MUST_CHECK comity_status comity_federation_digest(const comity_federation *federation,
                                                         uint64_t *digest);
/* The file that holds the client. */
const char *comity_federation_path(const comity_federation *federation, size_t client);
/* The client's name in its file. Borrowed until the next call. */
const char *comity_federation_client_name(const comity_federation *federation, size_t client);
/* Federated mean and 1/standard deviation of all train examples. Collective. */
COMITY_MUST_CHECK comity_status comity_federation_statistics(comity_federation *federation);

/* -------------------------------------------------------------------------------- messages to the server */

/* Zero is an empty message; length = 0 begins the next one in the same memory. */
typedef struct comity_message {
  uint8_t *bytes;
  size_t length, room;
} comity_message;

/* Append. */
COMITY_MUST_CHECK comity_status comity_message_add(comity_message *message, const void *data, size_t bytes);
void comity_message_clear(comity_message *message);

/* What is still to be taken from one rank's message, in the order in which it was put together. */
typedef struct comity_parts {
  const uint8_t *at, *end; /* borrowed */
} comity_parts;

comity_parts comity_message_of(const comity_gathered *gathered, size_t rank);
COMITY_MUST_CHECK comity_status comity_message_take(comity_parts *parts, void *data, size_t bytes);
COMITY_MUST_CHECK comity_status comity_message_skip(comity_parts *parts, size_t bytes);
/* That as many things of this size are there as the message says, before memory for them is asked for. */
COMITY_MUST_CHECK comity_status comity_message_expect(const comity_parts *parts, uint64_t count, size_t size);

/* ------------------------------------------------------------------------------------------------ newcomers */

/* What a newcomer is told of the federation. All owned. */
typedef struct comity_welcome {
  char *job;      /* the resolved job, from which the newcomer makes its config */
  uint64_t round; /* the last complete one */
  uint64_t ranks, silos;
  bool shared;
  comity_catalogue all;
  char *names; /* (names_bytes) as in comity_federation */
  size_t names_bytes;
  uint64_t *silo_clients; /* (silos) */
  uint64_t *counts; /* (2, clients) examples of each; NULL when read from a shared file, which has this: */
  uint64_t digest;
  bool central;
  uint64_t central_examples;
  uint8_t *reads;    /* (ranks) NULL without a central test set */
  float *statistics; /* (2, width) mean and inverse, or NULL */
} comity_welcome;

COMITY_MUST_CHECK comity_status comity_welcome_pack(const comity_welcome *welcome, comity_message *message);
/* From bytes that anybody may have sent.
 * \return COMITY_ERR_COMM when they are no welcome of this version, or contradict themselves; COMITY_ERR_MEMORY */
COMITY_MUST_CHECK comity_status comity_welcome_read(const void *bytes, size_t count, comity_welcome *welcome);
void comity_welcome_clear(comity_welcome *welcome);

/* On the server: append the welcome of whoever comes after round `round`. Not collective. */
COMITY_MUST_CHECK comity_status comity_federation_welcome(const comity_federation *federation,
                                                          const char *job, uint64_t round,
                                                          comity_message *message);
/* On a newcomer: what comity_federation_new gave to the others. Not collective.
 * \param[in] own  path of this rank's file; NULL = as the job says
 * \return COMITY_ERR_DATA when the file does not fit to those of the others */
COMITY_MUST_CHECK comity_status comity_federation_join(comity_comm *comm, const comity_config *config,
                                                       const comity_welcome *welcome, const char *own,
                                                       comity_federation **federation);
/* On a newcomer: append what the server has to know of it. Not collective. */
COMITY_MUST_CHECK comity_status comity_federation_introduce(const comity_federation *federation,
                                                            comity_message *message);
/* On the server: take that in, from rank `rank`, whatever it sent. Not collective.
 * \return COMITY_ERR_DATA when its file does not fit: then it cannot be a member */
COMITY_MUST_CHECK comity_status comity_federation_acquaint(comity_federation *federation, int rank,
                                                           comity_parts parts);
/* What a silo tells of its file before it knows of the others'. Not collective.
 * \param[in] rank  that it is to be
 * \param[in] own   path of the file */
COMITY_MUST_CHECK comity_status comity_federation_survey(const comity_config *config, int rank,
                                                         const char *own, comity_message *message);
/* On a server whose silos come by themselves: examples look as the first silo says. Nobody is acquainted yet. Not collective.
 * \param[in] told  (ranks) what comity_federation_survey said; empty = has not come */
COMITY_MUST_CHECK comity_status comity_federation_found(comity_comm *comm, const comity_config *config,
                                                        const comity_parts *told,
                                                        comity_federation **federation);
/* What changed by newcomers, for everybody: the same number of bytes on all ranks. Whoever updated should deal the
 * evaluation anew. Not collective. */
size_t comity_federation_update_size(const comity_federation *federation);
void comity_federation_update_pack(const comity_federation *federation, uint8_t *bytes);
COMITY_MUST_CHECK comity_status comity_federation_update_counts(comity_federation *federation,
                                                                const uint8_t *bytes);

/* --------------------------------------------------------------------------------------------- evaluation */

typedef struct comity_evaluation comity_evaluation;

/* Plan the evaluation. Not collective. */
COMITY_MUST_CHECK comity_status comity_evaluation_new(comity_comm *comm, const comity_config *config,
                                                      const comity_model *model,
                                                      comity_federation *federation,
                                                      comity_evaluation **evaluation);
void comity_evaluation_destroy(comity_evaluation **evaluation);
bool comity_evaluation_has_central(const comity_evaluation *evaluation);

/* After the membership changed and comity_federation_regroup: deal the work anew to those who are present. What this rank
 * has evaluated is kept as far as it is still its own. Not collective. */
COMITY_MUST_CHECK comity_status comity_evaluation_deal(comity_evaluation *evaluation);

/* Evaluate this rank's share of what is asked for; results stay here until they are reported. What is already done for
 * `round` is not done again. Not collective.
 * \param[in] round  whose model this is
 * \return COMITY_INTERRUPTED when the membership changed meanwhile: deal anew, and call again to go on */
COMITY_MUST_CHECK comity_status comity_evaluation_run(comity_evaluation *evaluation, uint64_t round,
                                                      const float *parameters, bool central, bool clients);
/* Append this rank's results to a message to the server. Not collective. */
COMITY_MUST_CHECK comity_status comity_evaluation_report(const comity_evaluation *evaluation,
                                                         comity_message *message);
/* All ranks' results become the record's, on the server. Not collective.
 * \param[in,out] parts   (ranks) of each rank, at what comity_evaluation_report appended
 * \param[out]    record  borrows the clients' scores until the next evaluation */
COMITY_MUST_CHECK comity_status comity_evaluation_merge(comity_evaluation *evaluation, comity_parts *parts,
                                                        size_t ranks, comity_record *record);

/* --------------------------------------------------------------------------------------------- run folder */

/* Prepare run.dir on the server: create it, put an earlier run out of the way. Not collective. */
COMITY_MUST_CHECK comity_status comity_run_folder_open(const comity_config *config, bool resume,
                                                       char **moved_to);

/* ------------------------------------------------------------------------------------- report of training */

typedef struct comity_report {
  uint64_t loss,
      share; /* fixed point: sum over clients of share * loss, and of share = weight / cohort's weight */
  comity_absence *absent; /* (absences) */
  size_t absences, room;
  uint8_t *
      done; /* (members / 8) a bit for each of the cohort, by its place in it: nobody has to train it any more */
  size_t members, done_room;
  comity_message message;
} comity_report;

/* Note a client's absence with this thread's error message as reason. */
COMITY_MUST_CHECK comity_status comity_report_absence(comity_report *report, uint64_t client,
                                                      const char *name, int rank, comity_status status);
/* A member of the cohort was trained, or is absent for a reason of its own. */
void comity_report_done(comity_report *report, size_t member);
bool comity_report_is_done(const comity_report *report, size_t member);
/* Put the absences in order, by client id. */
void comity_report_sort(comity_report *report);
/* What the server knows of a round before anybody reports. Borrowed. */
typedef struct comity_dealt {
  const uint32_t *cohort; /* (members) */
  const int *rank; /* (members) who was to train it last, as far as the server knows; -1 = it does not */
} comity_dealt;

/* comity_comm_report with all ranks' reports: a verdict must follow. Collective.
 * \param[in]  dealt  on the server
 * \param[in]  mine  this rank's, which stays as it is: a report that was interrupted can be sent again
 * \param[out] all   on the server: losses and absences of all ranks, and who was trained anywhere
 * \return as comity_comm_report; COMITY_INTERRUPTED also when a rank's report makes no sense: it is excluded */
COMITY_MUST_CHECK comity_status comity_report_send(comity_comm *comm, comity_report *mine,
                                                   comity_status local, const comity_dealt *dealt,
                                                   comity_report *all);
/* On the server: make `all` of the messages of all ranks, which are empty for those that are absent.
 * \param[out] rank  in the case of an error: who is at fault. When two claim the same client it is who was not dealt it */
COMITY_MUST_CHECK comity_status comity_report_merge(const comity_gathered *gathered,
                                                    const comity_dealt *dealt, size_t members,
                                                    comity_report *all, int *rank);
/* Begin a round with a cohort of so many members. */
COMITY_MUST_CHECK comity_status comity_report_reset(comity_report *report, size_t members);
void comity_report_clear(comity_report *report);

#endif
