/* Who trains whom this round: the longest work first, to the participant that has least so far.
 * Source: Graham, Bounds on multiprocessing timing anomalies, 1969: the last one finishes at most a third
 * later than with the best assignment. */
#include <comity/server.h>

#include <stdlib.h>

typedef struct load {
  uint64_t work;
  size_t index;
} load;

static bool less(const load *a, const load *b) {
  return a->work < b->work || (a->work == b->work && a->index < b->index);
}

/* Most work first; equal work in the cohort's order, so that all ranks agree. */
static int most_first(const void *a, const void *b) {
  const load *first = a, *second = b;
  if (first->work != second->work)
    return first->work > second->work ? -1 : 1;
  return (first->index > second->index) - (first->index < second->index);
}

/* The top of a heap of participants, least work at the top, has got more. */
static void sink(load *heap, size_t count) {
  for (size_t root = 0, child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && less(&heap[child + 1], &heap[child]))
      child++;
    if (!less(&heap[child], &heap[root]))
      return;
    load moved = heap[root];
    heap[root] = heap[child];
    heap[child] = moved;
  }
}

comity_status comity_assign_balanced(const uint64_t *work, size_t count, int participants, int *owner) {
  COMITY_REQUIRE(participants > 0, COMITY_ERR_ARG, "assignment: there are no participants");
  load *item = NULL, *heap = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, COMITY_NEW(item, count));
  COMITY_TRY_OR(done, COMITY_NEW(heap, (size_t)participants));
  for (size_t i = 0; i < (size_t)participants; i++)
    heap[i].index = i;
  for (size_t i = 0; i < count; i++)
    item[i] = (load){work[i], i};
  qsort(item, count, sizeof *item, most_first);
  for (size_t i = 0; i < count; i++) {
    owner[item[i].index] = (int)heap[0].index;
    heap[0].work += item[i].work;
    sink(heap, (size_t)participants);
  }
done:
  comity_free(item);
  comity_free(heap);
  return status;
}
