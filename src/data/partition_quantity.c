/* quantity: the classes are mixed alike everywhere, but the sizes of clients are drawn from Dir(alpha), again
 * and again until the smallest has enough. */
#include "partition_impl.h"

enum { ATTEMPTS = 1000 };

/* end[k]: examples of clients 0 ... k. \return the size of the smallest client */
static size_t draw_sizes(const comity_partition_options *options, size_t examples, size_t attempt,
                         double *share, size_t *end) {
  comity_random random;
  comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_SIZES, attempt, 0);
  for (size_t k = 0; k < options->clients; k++)
    share[k] = comity_random_log_gamma(&random, options->alpha);
  double total = comity_deal_weights(share, options->clients), sum = 0;
  size_t smallest = examples, before = 0;
  for (size_t k = 0; k < options->clients; k++) {
    sum += share[k];
    size_t at = (size_t)(sum / total * (double)examples);
    end[k] = k + 1 == options->clients || at > examples ? examples : at;
    smallest = end[k] - before < smallest ? end[k] - before : smallest;
    before = end[k];
  }
  return smallest;
}

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  (void)labels;
  (void)classes;
  size_t minimum = comity_deal_minimum(options), *end = NULL, attempt = 0, client = 0;
  uint32_t *order = NULL;
  double *share = NULL;
  comity_status status;
  COMITY_TRY(comity_deal_check_drawn(options, examples));
  COMITY_TRY_OR(done, COMITY_NEW(end, options->clients));
  COMITY_TRY_OR(done, COMITY_NEW(share, options->clients));
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  while (attempt < ATTEMPTS && draw_sizes(options, examples, attempt, share, end) < minimum)
    attempt++;
  if (attempt == ATTEMPTS) {
    status = comity_deal_fail_drawn(options, ATTEMPTS);
    goto done;
  }
  for (size_t i = 0; i < examples; i++) {
    while (i >= end[client])
      client++;
    owner[order[i]] = (uint32_t)client;
  }
done:
  comity_free(end);
  comity_free(share);
  comity_free(order);
  return status;
}

const comity_partitioner comity_partitioner_quantity = {
    .name = "quantity", .source = "Li et al. 2022 (NIID-Bench), sec. 3.3 quantity skew", .deal = deal};
