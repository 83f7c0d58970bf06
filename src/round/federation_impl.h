/* What the files behind comity_federation share. */
#ifndef COMITY_FEDERATION_IMPL_H
#define COMITY_FEDERATION_IMPL_H

#include "round_impl.h"

/* Name the silos' files as the job does, and who hosts them. Not collective. */
COMITY_MUST_CHECK comity_status comity_federation_name_files(comity_federation *federation,
                                                             const comity_config *config);
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

/* A silo's own mean and 1/standard deviation, from its train examples alone; owned by the caller. */
COMITY_MUST_CHECK comity_status comity_federation_own_statistics(comity_federation *federation,
                                                                 const comity_silo *silo, size_t client,
                                                                 float **statistics);

#endif
