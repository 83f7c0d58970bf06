/* Mean and standard deviation of the features: of a silo's own examples, and of everybody's, summed exactly. */
#include "federation_impl.h"

#include <string.h>

/* A silo's own mean and 1/standard deviation, from its train examples alone. */
comity_status comity_federation_own_statistics(comity_federation *federation, const comity_silo *silo,
                                               size_t client, float **statistics) {
  size_t width = federation->info.width;
  comity_examples train;
  uint64_t *words = NULL;
  float *made = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, COMITY_NEW(words, COMITY_MOMENTS_WORDS(width)));
  COMITY_TRY_OR(done, COMITY_NEW(made, 2 * width));
  COMITY_TRY_OR(done,
                comity_dataset_load(silo->dataset, COMITY_SPLIT_TRAIN, client - silo->first_client, &train));
  COMITY_TRY_OR(done, comity_moments_add(&train, NULL, words));
  comity_moments_finish(words, width, false, made);
  memset(words, 0, (COMITY_MOMENTS_WORDS(width)) * sizeof *words);
  COMITY_TRY_OR(done, comity_moments_add(&train, made, words));
  comity_moments_finish(words, width, true, made + width);
  *statistics = made;
  made = NULL;
done:
  comity_free(made);
  comity_free(words);
  return status;
}

/* One pass over this rank's train examples, work aside. */
typedef struct pass {
  comity_federation *federation;
  const float *mean;
  uint64_t *words;
} pass;

/* A client that cannot be read is left out here as it will be in the rounds. */
static comity_status add_moments(void *pass_of_rank) {
  const pass *p = pass_of_rank;
  comity_federation *federation = p->federation;
  int self = comity_comm_participant(federation->comm);
  for (size_t client = 0; client < federation->clients; client++) {
    if (comity_federation_host(federation, client) != self ||
        federation->examples[COMITY_SPLIT_TRAIN][client] == 0)
      continue;
    const comity_silo *silo = comity_federation_silo(federation, client);
    comity_examples train;
    if (comity_dataset_load(silo->dataset, COMITY_SPLIT_TRAIN, client - silo->first_client, &train) !=
            COMITY_OK ||
        comity_examples_check(&train) != COMITY_OK) {
      comity_error_clear();
      continue;
    }
    comity_status status = comity_moments_add(&train, p->mean, p->words);
    if (status != COMITY_OK)
      return comity_fail_context(status, "%s: client %zu", silo->path, client);
  }
  return COMITY_OK;
}

static comity_status take_statistics(comity_federation *federation, uint64_t *words) {
  comity_comm *comm = federation->comm;
  size_t width = federation->info.width;
  for (int second = 0; second < 2; second++) {
    pass p = {federation, second ? federation->mean : NULL, words};
    memset(words, 0, (COMITY_MOMENTS_WORDS(width)) * sizeof *words);
    COMITY_TRY(comity_comm_agree(comm, comity_comm_aside(comm, add_moments, &p)));
    COMITY_TRY(comity_comm_sum(comm, words, COMITY_MOMENTS_WORDS(width)));
    COMITY_TRY(comity_comm_broadcast(comm, words, (COMITY_MOMENTS_WORDS(width)) * sizeof *words));
    comity_moments_finish(words, width, second, second ? federation->inverse : federation->mean);
  }
  return COMITY_OK;
}

comity_status comity_federation_statistics(comity_federation *federation) {
  size_t width = federation->info.width;
  uint64_t *words = NULL;
  comity_status status = COMITY_NEW(words, COMITY_MOMENTS_WORDS(width));
  if (status == COMITY_OK)
    status = COMITY_NEW(federation->mean, width);
  if (status == COMITY_OK)
    status = COMITY_NEW(federation->inverse, width);
  status = comity_comm_agree(federation->comm, status);
  if (status == COMITY_OK)
    status = take_statistics(federation, words);
  if (status != COMITY_OK) { /* half of them are none */
    comity_free(federation->mean);
    comity_free(federation->inverse);
    federation->mean = federation->inverse = NULL;
  }
  comity_free(words);
  return status;
}
