/* The list of all algorithms. */
#include "algorithm_impl.h"

#include "core/core_impl.h"

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
  size_t found;
  for (size_t i = 0; i < COUNT; i++)
    names[i] = algorithms[i]->name;
  COMITY_TRY(comity_word_find("algorithm.name", "algorithm", name, names, COUNT, &found));
  *algorithm = algorithms[found];
  return COMITY_OK;
}
