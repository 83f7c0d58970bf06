/* The list of aggregators. */
#include "aggregate_impl.h"

#include <string.h>

static const comity_aggregator *const list[] = {&comity_aggregator_exact, &comity_aggregator_float32};
enum { COUNT = sizeof list / sizeof *list };

const comity_aggregator *const *comity_aggregator_list(size_t *count) {
  *count = COUNT;
  return list;
}

comity_status comity_aggregator_find(const char *name, const comity_aggregator **aggregator) {
  char known[256] = "";
  for (size_t i = 0, used = 0; i < COUNT; i++) {
    if (strcmp(list[i]->name, name) == 0) {
      *aggregator = list[i];
      return COMITY_OK;
    }
    used += (size_t)snprintf(known + used, sizeof known - used, "%s'%s'", i == 0 ? "" : ", ", list[i]->name);
  }
  return comity_fail(COMITY_ERR_CONFIG, "aggregate.method: there is no aggregator '%s'; choose one of %s",
                     name, known);
}
