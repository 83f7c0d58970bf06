/* The list of aggregators. */
#include "aggregate_impl.h"

#include "core/core_impl.h"

static const comity_aggregator *const list[] = {&comity_aggregator_exact, &comity_aggregator_float32};
enum { COUNT = sizeof list / sizeof *list };

const comity_aggregator *const *comity_aggregator_list(size_t *count) {
  *count = COUNT;
  return list;
}

comity_status comity_aggregator_find(const char *name, const comity_aggregator **aggregator) {
  const char *names[COUNT];
  size_t found;
  for (size_t i = 0; i < COUNT; i++)
    names[i] = list[i]->name;
  COMITY_TRY(comity_word_find("aggregate.method", "aggregator", name, names, COUNT, &found));
  *aggregator = list[found];
  return COMITY_OK;
}
