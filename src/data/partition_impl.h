/* What the partition schemes share. */
#ifndef COMITY_PARTITION_IMPL_H
#define COMITY_PARTITION_IMPL_H

#include <comity/data.h>

/* Streams of COMITY_RANDOM_PARTITION, as its first index. Values are pinned: they decide who gets what. */
enum {
  COMITY_DEAL_ORDER,   /* the order of all examples */
  COMITY_DEAL_CLIENT,  /* what a client draws; second index = client */
  COMITY_DEAL_SIZES,   /* sizes of all clients;  second index = attempt */
  COMITY_DEAL_HOLDOUT, /* a client's test part;  second index = client */
  COMITY_DEAL_SHARDS,  /* the order of shards */
  COMITY_DEAL_LABELS   /* how classes are shared out; second index = attempt, third = class */
};

extern const comity_partitioner comity_partitioner_iid, comity_partitioner_shards,
    comity_partitioner_dirichlet, comity_partitioner_quantity, comity_partitioner_column,
    comity_partitioner_fedprox, comity_partitioner_label_dirichlet, comity_partitioner_classes;

/* The scheme of that name. COMITY_ERR_USAGE lists the known ones. */
COMITY_MUST_CHECK comity_status comity_partitioner_find(const char *name,
                                                        const comity_partitioner **partitioner);
/* 0 ... count-1 in random order; owned by the caller. */
COMITY_MUST_CHECK comity_status comity_deal_shuffled(uint64_t seed, uint64_t stream, size_t count,
                                                     uint32_t **order);
/* Examples sorted by label, otherwise in the order given (NULL: as they are). Class c has items[start[c]] ...
 * items[start[c + 1] - 1]. Both owned by the caller. */
COMITY_MUST_CHECK comity_status comity_deal_by_label(const uint32_t *labels, size_t classes, size_t examples,
                                                     const uint32_t *order, uint32_t **items, size_t **start);
/* Reasons that all schemes share: no clients, or more clients than examples. */
COMITY_MUST_CHECK comity_status comity_deal_check(const comity_partition_options *options, size_t examples);
COMITY_MUST_CHECK comity_status comity_deal_need_classes(const comity_partition_options *options,
                                                         size_t classes);
/* For the schemes that draw sizes from Dir(alpha) until the smallest client has enough: how much that is, 10
 * unless the options say (as in NIID-Bench); the reasons why it can't be; and the message when no draw had it.
 */
size_t comity_deal_minimum(const comity_partition_options *options);
COMITY_MUST_CHECK comity_status comity_deal_check_drawn(const comity_partition_options *options,
                                                        size_t examples);
COMITY_MUST_CHECK comity_status comity_deal_fail_drawn(const comity_partition_options *options,
                                                       size_t attempts);
/* Logarithms of weights (count), -infinity for none, become weights, the largest being 1. Those of a tiny
 * alpha would underflow if they were not kept as logarithms until here. \return their sum, first to last */
double comity_deal_weights(double *weight, size_t count);
/* comity_partition that holds at most `bytes` of examples at a time, or one client's. */
COMITY_MUST_CHECK comity_status comity_partition_bounded(const char *in,
                                                         const comity_partition_options *options,
                                                         size_t bytes, const char *out);

#endif
