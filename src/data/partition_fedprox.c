/* fedprox: FedProx's power law over devices with two classes each.
 *
 * Device u has the classes u mod C and (u+1) mod C. It first gets five examples of each. The rest of a class,
 * of which there are R, is shared by lognormal(0, 2) weights among the devices that have it: device u asks
 * for int(R * weight / sum of weights) and gets them if more than that are in stock, else none. What nobody
 * got is left out. */
#include "partition_impl.h"

#include <math.h>

enum { BASE = 5, CLASSES_EACH = 2 };

typedef struct stock {
  uint32_t *items;
  size_t *start, *next;
  double *weight; /* (clients, CLASSES_EACH) */
  double *total;  /* (classes) sum of the weights of the class */
  size_t *rest;   /* (classes) examples beyond the base */
} stock;

static void take(stock *s, size_t c, size_t count, size_t client, uint32_t *owner) {
  for (size_t i = 0; i < count; i++)
    owner[s->items[s->next[c]++]] = (uint32_t)client;
}

static comity_status deal_base(stock *s, size_t clients, size_t classes, uint32_t *owner) {
  for (size_t c = 0; c < classes; c++)
    s->next[c] = s->start[c];
  for (size_t u = 0; u < clients; u++)
    for (size_t j = 0; j < CLASSES_EACH; j++) {
      size_t c = (u + j) % classes;
      COMITY_REQUIRE(s->start[c + 1] - s->next[c] >= BASE, COMITY_ERR_USAGE,
                     "class %zu has only %zu examples, too few to give %d to each of its devices; take fewer "
                     "than %zu clients",
                     c, s->start[c + 1] - s->start[c], BASE, clients);
      take(s, c, BASE, u, owner);
    }
  for (size_t c = 0; c < classes; c++)
    s->rest[c] = s->start[c + 1] - s->next[c];
  return COMITY_OK;
}

static void deal_rest(stock *s, const comity_partition_options *options, size_t classes, uint32_t *owner) {
  for (size_t u = 0; u < options->clients; u++) {
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_CLIENT, u, 0);
    for (size_t j = 0; j < CLASSES_EACH; j++) {
      double weight = exp(2.0 * comity_random_normal(&random));
      s->weight[u * CLASSES_EACH + j] = weight;
      s->total[(u + j) % classes] += weight;
    }
  }
  for (size_t u = 0; u < options->clients; u++)
    for (size_t j = 0; j < CLASSES_EACH; j++) {
      size_t c = (u + j) % classes;
      size_t count = (size_t)((double)s->rest[c] * s->weight[u * CLASSES_EACH + j] / s->total[c]);
      if (count < s->start[c + 1] - s->next[c])
        take(s, c, count, u, owner);
    }
}

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  stock s = {0};
  uint32_t *order = NULL;
  comity_status status;
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_TRY(comity_deal_need_classes(options, classes));
  COMITY_REQUIRE(classes >= CLASSES_EACH, COMITY_ERR_USAGE, "this scheme needs at least %d classes",
                 CLASSES_EACH);
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  COMITY_TRY_OR(done, comity_deal_by_label(labels, classes, examples, order, &s.items, &s.start));
  COMITY_TRY_OR(done, COMITY_NEW(s.next, classes));
  COMITY_TRY_OR(done, COMITY_NEW(s.rest, classes));
  COMITY_TRY_OR(done, COMITY_NEW(s.total, classes));
  COMITY_TRY_OR(done, COMITY_NEW(s.weight, options->clients * CLASSES_EACH));
  for (size_t i = 0; i < examples; i++)
    owner[i] = COMITY_PARTITION_NOBODY;
  COMITY_TRY_OR(done, deal_base(&s, options->clients, classes, owner));
  deal_rest(&s, options, classes, owner);
done:
  comity_free(order);
  comity_free(s.items);
  comity_free(s.start);
  comity_free(s.next);
  comity_free(s.rest);
  comity_free(s.total);
  comity_free(s.weight);
  return status;
}

const comity_partitioner comity_partitioner_fedprox = {
    .name = "fedprox",
    .source = "Li et al. 2020 (FedProx), appendix C.1 and its published MNIST generator",
    .partial = true,
    .deal = deal};
