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

/* How many of these bytes belong to the head. */
static size_t head_of(const comity_sum *sum, size_t offset, size_t bytes) {
  size_t head = sum->how->head * sum->number->bytes;
  return head <= offset ? 0 : head - offset < bytes ? head - offset : bytes;
}

/* The first number of the piece that is behind the head, counted from there. */
static size_t first_of(const comity_sum *sum, size_t offset, size_t head) {
  return (offset + head) / sum->number->bytes - sum->how->head;
}

static const uint8_t *own(const comity_sum *sum, size_t offset) {
  return (const uint8_t *)sum->data + offset;
}

void comity_sum_add(const comity_sum *sum, size_t offset, size_t bytes, void *piece) {
  size_t head = sum->how->add == NULL ? bytes : head_of(sum, offset, bytes), number = sum->number->bytes;
  if (head > 0)
    sum->number->add(piece, own(sum, offset), head / number);
  if (head < bytes)
    sum->how->add(sum->how->self, first_of(sum, offset, head), (bytes - head) / number,
                  (uint8_t *)piece + head);
}

void comity_sum_set(const comity_sum *sum, size_t offset, size_t bytes, void *piece) {
  if (sum->how->add == NULL) {
    memcpy(piece, own(sum, offset), bytes);
    return;
  }
  memset(piece, 0, bytes);
  comity_sum_add(sum, offset, bytes, piece);
}

void comity_sum_take(const comity_sum *sum, size_t offset, size_t bytes, const void *piece) {
  size_t head = sum->how->take == NULL ? bytes : head_of(sum, offset, bytes);
  if (head > 0 && piece != own(sum, offset))
    memcpy((uint8_t *)sum->data + offset, piece, head);
  if (head < bytes)
    sum->how->take(sum->how->self, first_of(sum, offset, head), (bytes - head) / sum->number->bytes,
                   (const uint8_t *)piece + head);
}
