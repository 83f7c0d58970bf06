/* The list of partition schemes, and what they share. */
#include "partition_impl.h"

#include <math.h>
#include <string.h>

static const comity_partitioner *const partitioners[] = {
    &comity_partitioner_iid,       &comity_partitioner_shards,
    &comity_partitioner_dirichlet, &comity_partitioner_label_dirichlet,
    &comity_partitioner_classes,   &comity_partitioner_quantity,
    &comity_partitioner_column,    &comity_partitioner_fedprox};
enum { PARTITIONER_COUNT = sizeof partitioners / sizeof partitioners[0] };

const comity_partitioner *const *comity_partitioner_list(size_t *count) {
  *count = PARTITIONER_COUNT;
  return partitioners;
}

comity_status comity_partitioner_find(const char *name, const comity_partitioner **partitioner) {
  char list[256] = "";
  for (size_t i = 0, used = 0; i < PARTITIONER_COUNT; i++) {
    if (name != NULL && strcmp(partitioners[i]->name, name) == 0) {
      *partitioner = partitioners[i];
      return COMITY_OK;
    }
    used +=
        (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", partitioners[i]->name);
  }
  return comity_fail(COMITY_ERR_USAGE, "there is no partition scheme '%s'; schemes are %s",
                     name == NULL ? "" : name, list);
}

comity_status comity_deal_check(const comity_partition_options *options, size_t examples) {
  COMITY_REQUIRE(options->clients > 0, COMITY_ERR_USAGE,
                 "a partition needs at least one client; say how many by --clients");
  COMITY_REQUIRE(options->clients <= examples, COMITY_ERR_USAGE,
                 "%zu clients are more than the %zu examples there are to deal", options->clients, examples);
  return COMITY_OK;
}

comity_status comity_deal_need_classes(const comity_partition_options *options, size_t classes) {
  COMITY_REQUIRE(classes > 0, COMITY_ERR_USAGE,
                 "partition scheme '%s' deals by class, but the targets are real numbers", options->scheme);
  return COMITY_OK;
}

size_t comity_deal_minimum(const comity_partition_options *options) {
  return options->minimum > 0 ? options->minimum : 10;
}

comity_status comity_deal_check_drawn(const comity_partition_options *options, size_t examples) {
  size_t minimum = comity_deal_minimum(options);
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_REQUIRE(options->alpha > 0 && isfinite(options->alpha), COMITY_ERR_USAGE,
                 "alpha must be above 0 and finite, not %g", options->alpha);
  COMITY_REQUIRE(
      minimum <= examples / options->clients, COMITY_ERR_USAGE,
      "%zu clients of at least %zu examples need more than the %zu there are; take fewer clients or "
      "a smaller minimum",
      options->clients, minimum, examples);
  return COMITY_OK;
}

comity_status comity_deal_fail_drawn(const comity_partition_options *options, size_t attempts) {
  return comity_fail(
      COMITY_ERR_USAGE,
      "%zu draws always left some client with fewer than %zu examples; take a larger alpha than "
      "%g, fewer clients or a smaller minimum",
      attempts, comity_deal_minimum(options), options->alpha);
}

double comity_deal_weights(double *weight, size_t count) {
  double largest = -INFINITY, total = 0;
  for (size_t i = 0; i < count; i++)
    largest = weight[i] > largest ? weight[i] : largest;
  for (size_t i = 0; i < count; i++)
    total += weight[i] = exp(weight[i] - largest);
  return total;
}

comity_status comity_deal_shuffled(uint64_t seed, uint64_t stream, size_t count, uint32_t **order) {
  comity_random random;
  COMITY_TRY(COMITY_NEW(*order, count));
  for (size_t i = 0; i < count; i++)
    (*order)[i] = (uint32_t)i;
  comity_random_open(&random, seed, COMITY_RANDOM_PARTITION, stream, 0, 0);
  comity_random_shuffle(&random, *order, count);
  return COMITY_OK;
}

comity_status comity_deal_by_label(const uint32_t *labels, size_t classes, size_t examples,
                                   const uint32_t *order, uint32_t **items, size_t **start) {
  size_t *next;
  comity_status status = COMITY_OK;
  *items = NULL;
  *start = NULL;
  COMITY_TRY(COMITY_NEW(next, classes + 1));
  COMITY_TRY_OR(done, COMITY_NEW(*items, examples));
  COMITY_TRY_OR(done, COMITY_NEW(*start, classes + 1));
  for (size_t i = 0; i < examples; i++)
    (*start)[labels[i] + 1]++;
  for (size_t c = 0; c < classes; c++)
    (*start)[c + 1] += (*start)[c];
  memcpy(next, *start, (classes + 1) * sizeof *next);
  for (size_t i = 0; i < examples; i++) {
    uint32_t item = order == NULL ? (uint32_t)i : order[i];
    (*items)[next[labels[item]]++] = item;
  }
done:
  comity_free(next);
  if (status != COMITY_OK) {
    comity_free(*items);
    comity_free(*start);
    *items = NULL;
    *start = NULL;
  }
  return status;
}
