/* The ways to move long vectors, by name, and what can be added. */
#include "comm_impl.h"

#include <string.h>

static const comity_collectives *const ALL[] = {&comity_collectives_tree, &comity_collectives_mpi};
enum { COUNT = sizeof ALL / sizeof *ALL };

comity_status comity_collectives_find(const char *name, const comity_collectives **found, size_t *place) {
  for (*place = 0; *place < COUNT; ++*place) {
    *found = ALL[*place];
    if (name == NULL || strcmp(name, (*found)->name) == 0)
      return COMITY_OK;
  }
  return comity_fail(COMITY_ERR_ARG, "no collectives are called '%s'; there are tree and mpi", name);
}

static void add_words(void *into, const void *from, size_t count) {
  uint64_t *restrict sums = into;
  const uint64_t *restrict more = from;
  for (size_t i = 0; i < count; i++)
    sums[i] += more[i];
}

static void add_floats(void *into, const void *from, size_t count) {
  float *restrict sums = into;
  const float *restrict more = from;
  for (size_t i = 0; i < count; i++)
    sums[i] += more[i];
}

const comity_number comity_number_word = {.bytes = sizeof(uint64_t), .add = add_words};
const comity_number comity_number_float = {.bytes = sizeof(float), .add = add_floats};

typedef void step(void *self, size_t first, size_t count);

static void call(const comity_sum *sum, step *of, size_t offset, size_t bytes) {
  size_t first = offset / sum->number->bytes, end = first + bytes / sum->number->bytes, head = sum->how->head;
  if (first < head)
    first = head;
  if (of != NULL && first < end)
    of(sum->how->self, first - head, end - first);
}

void comity_sum_make(const comity_sum *sum, size_t offset, size_t bytes) {
  call(sum, sum->how->make, offset, bytes);
}

void comity_sum_take(const comity_sum *sum, size_t offset, size_t bytes) {
  call(sum, sum->how->take, offset, bytes);
}
