/* shards: sort the examples by label, cut them into clients * shards_per_client runs of equal length (to
 * within one), and deal the runs at random. With two shards most clients see two classes. */
#include "partition_impl.h"

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  size_t each = options->shards_per_client, shards, *start = NULL;
  uint32_t *sorted = NULL, *order = NULL;
  comity_status status;
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_TRY(comity_deal_need_classes(options, classes));
  COMITY_REQUIRE(each > 0, COMITY_ERR_USAGE, "shards_per_client must be at least 1 (the paper has 2)");
  COMITY_REQUIRE(!__builtin_mul_overflow(options->clients, each, &shards) && shards <= examples,
                 COMITY_ERR_USAGE,
                 "%zu clients with %zu shards each need more than the %zu examples there are",
                 options->clients, each, examples);
  COMITY_TRY_OR(done, comity_deal_by_label(labels, classes, examples, NULL, &sorted, &start));
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_SHARDS, shards, &order));
  for (size_t s = 0; s < shards; s++) {
    size_t shard = order[s], first = (size_t)((unsigned __int128)shard * examples / shards),
           end = (size_t)((unsigned __int128)(shard + 1) * examples / shards);
    for (size_t i = first; i < end; i++)
      owner[sorted[i]] = (uint32_t)(s / each);
  }
done:
  comity_free(sorted);
  comity_free(start);
  comity_free(order);
  return status;
}

const comity_partitioner comity_partitioner_shards = {
    .name = "shards", .source = "McMahan et al. 2017, sec. 3 (pathological non-IID)", .deal = deal};
