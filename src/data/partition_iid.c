/* iid: shuffle all examples and give every client the same number, the first ones one more where it does not
 * divide. */
#include "partition_impl.h"

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  (void)labels;
  (void)classes;
  uint32_t *order = NULL;
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_TRY(comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  for (size_t i = 0; i < examples; i++)
    owner[order[i]] = (uint32_t)(i % options->clients);
  comity_free(order);
  return COMITY_OK;
}

const comity_partitioner comity_partitioner_iid = {
    .name = "iid", .source = "McMahan et al. 2017, sec. 3", .deal = deal};
