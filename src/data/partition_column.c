/* column: the value of a feature, or the label, names the client. */
#include "partition_impl.h"

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  COMITY_REQUIRE(
      options->clients == 0 || options->clients == classes, COMITY_ERR_USAGE,
      "column '%s' has %zu different values, so it makes %zu clients, not %zu; leave the number out",
      options->column == NULL ? "y" : options->column, classes, classes, options->clients);
  for (size_t i = 0; i < examples; i++)
    owner[i] = labels[i];
  return COMITY_OK;
}

const comity_partitioner comity_partitioner_column = {
    .name = "column", .source = "a natural partition, e.g. by hospital or by writer", .deal = deal};
