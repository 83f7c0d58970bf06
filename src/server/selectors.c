/* The list of selection rules, and how large a cohort is. */
#include "server_impl.h"

#include "core/core_impl.h"

#include <string.h>

static const comity_selector *const selectors[] = {&comity_select_all, &comity_select_uniform,
                                                   &comity_select_weighted, &comity_select_round_robin};
enum { COUNT = sizeof selectors / sizeof selectors[0] };

const comity_selector *const *comity_selector_list(size_t *count) {
  *count = COUNT;
  return selectors;
}

comity_status comity_selector_find(const char *name, const comity_selector **selector) {
  const char *names[COUNT];
  size_t found;
  for (size_t i = 0; i < COUNT; i++)
    names[i] = selectors[i]->name;
  COMITY_TRY(comity_word_find("clients.select", "rule", name, names, COUNT, &found));
  *selector = selectors[found];
  return COMITY_OK;
}

size_t comity_cohort_size(const comity_config *config, size_t clients) {
  if (strcmp(comity_config_text(config, "clients.select"), "all") == 0)
    return clients;
  size_t per_round = (size_t)comity_config_integer(config, "clients.per_round");
  /* m = max(C K, 1) */
  size_t size = per_round > 0
                    ? per_round
                    : (size_t)(comity_config_real(config, "clients.fraction") * (double)clients + 0.5);
  if (size < 1)
    size = 1;
  return size < clients ? size : clients;
}

/* Heapsort: library sorts may allocate, and selection has no way to fail. */
static void sink(uint32_t *ids, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && ids[child + 1] > ids[child])
      child++;
    if (ids[root] >= ids[child])
      return;
    uint32_t id = ids[root];
    ids[root] = ids[child];
    ids[child] = id;
  }
}

void comity_ids_sort(uint32_t *ids, size_t count) {
  for (size_t i = count / 2; i > 0; i--)
    sink(ids, i - 1, count);
  for (size_t end = count; end > 1; end--) {
    uint32_t id = ids[0];
    ids[0] = ids[end - 1];
    ids[end - 1] = id;
    sink(ids, 0, end - 1);
  }
}
