/* What the files behind comity_federation share. */
#ifndef COMITY_FEDERATION_IMPL_H
#define COMITY_FEDERATION_IMPL_H

#include "round_impl.h"

/* What is told of a silo's file: sizes and shapes, never an example. Followed by the train and test counts of its clients
 * (uint64 each) and the feature names, each ended by a newline. */
typedef struct comity_silo_notice {
  uint64_t silo, clients;
  uint64_t shape_rank, shape[COMITY_SHAPE_MAX];
  uint64_t type, classes, targets, names_bytes;
  double scale;
} comity_silo_notice;

/* Append the notice of file `index`, which is open. */
COMITY_MUST_CHECK comity_status comity_silo_notice_add(const comity_silo *silo, size_t index,
                                                       comity_message *message);
/* Take the next one, whoever sent it.
 * \param[out] counts, names  what follows it, unaligned; borrowed from the message */
COMITY_MUST_CHECK comity_status comity_silo_notice_take(comity_parts *parts, comity_silo_notice *notice,
                                                        const uint8_t **counts, const char **names);
/* Whether file `b` fits to what is known from file `a`. */
COMITY_MUST_CHECK comity_status comity_silos_same_shape(const char *a, const comity_catalogue *first,
                                                        const char *b, const comity_silo_notice *other);
COMITY_MUST_CHECK comity_status comity_silos_same_names(const char *a, const char *names_a, size_t length_a,
                                                        const char *b, const char *names_b, size_t length_b);
/* Whether there can be such examples, and so many clients. */
bool comity_catalogue_is_sound(const comity_catalogue *all);
void comity_federation_use_catalogue(comity_federation *federation, const comity_catalogue *all);
/* \param[in] counts  (2, clients) uint64 of each split, unaligned */
COMITY_MUST_CHECK comity_status comity_federation_use_counts(comity_federation *federation,
                                                             const void *counts);
COMITY_MUST_CHECK comity_status comity_federation_keep_names(comity_federation *federation, const char *names,
                                                             size_t bytes);
COMITY_MUST_CHECK comity_status comity_federation_describe_shared(comity_federation *federation);
/* Whether a silo's file was ever seen; if not, the numbers of its examples are 0 until it comes. */
bool comity_silo_is_known(const comity_federation *federation, size_t index);
/* As far as it goes without the others: settings, hosts, names of files. Not collective. */
COMITY_MUST_CHECK comity_status comity_federation_begin(comity_comm *comm, const comity_config *config,
                                                        comity_federation **federation);
/* That there are clients and examples, and not too many; what follows from their numbers. */
COMITY_MUST_CHECK comity_status comity_federation_check(comity_federation *federation);

/* Name the silos' files as the job does, and who hosts them. Not collective. */
COMITY_MUST_CHECK comity_status comity_federation_name_files(comity_federation *federation,
                                                             const comity_config *config);
bool comity_federation_hosts_silo(const comity_federation *federation, const comity_silo *silo);
/* Open one file whose clients are numbered from `first`. */
COMITY_MUST_CHECK comity_status comity_silo_open(const comity_config *config, comity_silo *silo,
                                                 uint64_t first);
/* Open the files that this rank hosts. Collective for silos. */
COMITY_MUST_CHECK comity_status comity_federation_open_files(comity_federation *federation,
                                                             const comity_config *config);
/* Number, sizes and shape of all clients' examples, once the files are open. Collective. */
COMITY_MUST_CHECK comity_status comity_federation_describe(comity_federation *federation);

/* Find the central test set and open it where that is possible. Not collective. */
COMITY_MUST_CHECK comity_status comity_central_open(comity_federation *federation,
                                                    const comity_config *config);
/* Tell everybody who can read it. Collective. */
COMITY_MUST_CHECK comity_status comity_central_exchange(comity_federation *federation);
void comity_central_close(comity_central *central);

/* comity_federation_host under another membership. */
int comity_federation_host_by(const comity_federation *federation, const comity_hosts *hosts, size_t client);

/* The file that holds the client. */
const comity_silo *comity_federation_silo(const comity_federation *federation, size_t client);

/* Whether all of the client's examples together, which loading some of them may read, are so many values that it may take
 * long; no file system is so slow that fewer take longer than the silence. */
bool comity_federation_takes_long(const comity_federation *federation, size_t client);

/* A silo's own mean and 1/standard deviation, from its train examples alone; owned by the caller. */
COMITY_MUST_CHECK comity_status comity_federation_own_statistics(comity_federation *federation,
                                                                 const comity_silo *silo, size_t client,
                                                                 float **statistics);

#endif
