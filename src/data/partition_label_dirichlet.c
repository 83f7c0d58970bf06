/* label_dirichlet: each class is shared out among the clients by proportions of its own from Dir(alpha), so
 * that clients differ in classes and in size. Clients that already have their fair number of examples get no
 * more of the classes that follow. All is drawn again until the smallest client has enough. */
#include "partition_impl.h"

#include <math.h>

enum { ATTEMPTS = 1000 };

typedef struct stock {
  uint32_t *items;
  size_t *start; /* class c has items[start[c]] ... items[start[c + 1] - 1] */
  size_t classes, examples;
  double *share; /* (clients) */
  size_t *size;  /* (clients) */
} stock;

/* One attempt; a function of its number, so that what was only counted can be dealt by drawing it again.
 * owner NULL: only count. \return the size of the smallest client */
static size_t attempt_deal(stock *s, const comity_partition_options *options, size_t attempt,
                           uint32_t *owner) {
  size_t clients = options->clients, smallest = s->examples;
  for (size_t k = 0; k < clients; k++)
    s->size[k] = 0;
  for (size_t c = 0; c < s->classes; c++) {
    size_t count = s->start[c + 1] - s->start[c], before = 0;
    if (count == 0)
      continue; /* perhaps nobody has room any more */
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_LABELS, attempt, c);
    for (size_t k = 0; k < clients; k++) {
      double drawn = comity_random_log_gamma(&random, options->alpha);
      bool room = (unsigned __int128)s->size[k] * clients < s->examples;
      s->share[k] = room ? drawn : -INFINITY;
    }
    double total = comity_deal_weights(s->share, clients), sum = 0;
    for (size_t k = 0; k < clients; k++) {
      sum += s->share[k];
      size_t end = (size_t)(sum / total * (double)count); /* the last sum is the total: all are dealt */
      s->size[k] += end - before;
      for (; owner != NULL && before < end; before++)
        owner[s->items[s->start[c] + before]] = (uint32_t)k;
      before = end;
    }
  }
  for (size_t k = 0; k < clients; k++)
    smallest = s->size[k] < smallest ? s->size[k] : smallest;
  return smallest;
}

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  size_t minimum = comity_deal_minimum(options), attempt = 0;
  stock s = {.classes = classes, .examples = examples};
  uint32_t *order = NULL;
  comity_status status;
  COMITY_TRY(comity_deal_check_drawn(options, examples));
  COMITY_TRY(comity_deal_need_classes(options, classes));
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  COMITY_TRY_OR(done, comity_deal_by_label(labels, classes, examples, order, &s.items, &s.start));
  COMITY_TRY_OR(done, COMITY_NEW(s.share, options->clients));
  COMITY_TRY_OR(done, COMITY_NEW(s.size, options->clients));
  while (attempt < ATTEMPTS && attempt_deal(&s, options, attempt, NULL) < minimum)
    attempt++;
  if (attempt < ATTEMPTS)
    (void)attempt_deal(&s, options, attempt, owner);
  else
    status = comity_deal_fail_drawn(options, ATTEMPTS);
done:
  comity_free(order);
  comity_free(s.items);
  comity_free(s.start);
  comity_free(s.share);
  comity_free(s.size);
  return status;
}

const comity_partitioner comity_partitioner_label_dirichlet = {
    .name = "label_dirichlet",
    .source = "Li et al. 2022 (NIID-Bench), distribution-based label skew, with its published balancing",
    .deal = deal};
