/* The list of all algorithms. */
#include "algorithm_impl.h"

#include "core/core_impl.h"

#include <string.h>

static const comity_algorithm *const algorithms[] = {
    &comity_algorithm_fedavg,   &comity_algorithm_fedsgd,     &comity_algorithm_fedprox,
    &comity_algorithm_scaffold, &comity_algorithm_fednova,    &comity_algorithm_feddyn,
    &comity_algorithm_fedavgm,  &comity_algorithm_fedadagrad, &comity_algorithm_fedadam,
    &comity_algorithm_fedyogi,
};
enum { COUNT = sizeof algorithms / sizeof algorithms[0] };

const comity_algorithm *const *comity_algorithm_list(size_t *count) {
  *count = COUNT;
  return algorithms;
}

comity_status comity_algorithm_find(const char *name, const comity_algorithm **algorithm) {
  const char *names[COUNT];
  char known[512] = "";
  for (size_t i = 0, length = 0; i < COUNT; i++) {
    if (strcmp(algorithms[i]->name, name) == 0) {
      *algorithm = algorithms[i];
      return COMITY_OK;
    }
    names[i] = algorithms[i]->name;
    length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i > 0 ? ", " : "", names[i]);
    COMITY_ASSERT(length < sizeof known);
  }
  return comity_fail(COMITY_ERR_CONFIG,
                     "algorithm.name: there is no algorithm '%s'; did you mean '%s'? Known are %s", name,
                     comity_nearest(name, names, COUNT), known);
}
