/* dirichlet: all clients get the same number of examples (to within one), and each has a taste of its own.
 *
 * One client after the other draws its class proportions q ~ Dir(alpha * p), p being the class proportions of
 * the whole, and then its examples one by one: a class by q among the classes that have stock left (q
 * renormalised over them), then the next example of that class in a random order. Late clients take what is
 * left, as in the paper. Proportions are kept as logarithms, because those of a tiny alpha underflow. */
#include "partition_impl.h"

#include <math.h>

typedef struct stock {
  uint32_t *items;
  size_t *start, *next; /* class c has items[next[c]] ... items[start[c + 1] - 1] left */
  double *log_weight, *weight;
  size_t classes;
} stock;

static bool has_left(const stock *s, size_t c) { return s->next[c] < s->start[c + 1]; }

static void draw_taste(stock *s, const comity_partition_options *options, size_t examples,
                       comity_random *random) {
  for (size_t c = 0; c < s->classes; c++) {
    size_t size = s->start[c + 1] - s->start[c];
    s->log_weight[c] =
        size == 0 ? -INFINITY
                  : comity_random_log_gamma(random, options->alpha * (double)size / (double)examples);
  }
}

/* exp of the log weights of the classes that are left, the largest being 1. */
static double weigh(stock *s) {
  double largest = -INFINITY, total = 0;
  for (size_t c = 0; c < s->classes; c++)
    if (has_left(s, c) && s->log_weight[c] > largest)
      largest = s->log_weight[c];
  for (size_t c = 0; c < s->classes; c++) {
    s->weight[c] = has_left(s, c) ? exp(s->log_weight[c] - largest) : 0.0;
    total += s->weight[c];
  }
  return total;
}

static size_t pick_class(const stock *s, double total, comity_random *random) {
  double point = comity_random_uniform(random) * total, sum = 0;
  size_t last = 0;
  for (size_t c = 0; c < s->classes; c++) {
    if (s->weight[c] <= 0)
      continue;
    last = c;
    sum += s->weight[c];
    if (point < sum)
      break;
  }
  return last;
}

static void deal_client(stock *s, size_t client, size_t count, comity_random *random, uint32_t *owner) {
  double total = weigh(s);
  for (size_t i = 0; i < count; i++) {
    size_t c = pick_class(s, total, random);
    owner[s->items[s->next[c]++]] = (uint32_t)client;
    if (!has_left(s, c))
      total = weigh(s);
  }
}

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  stock s = {.classes = classes};
  uint32_t *order = NULL;
  comity_status status;
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_TRY(comity_deal_need_classes(options, classes));
  COMITY_REQUIRE(options->alpha > 0 && isfinite(options->alpha), COMITY_ERR_USAGE,
                 "alpha must be above 0 and finite, not %g", options->alpha);
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  COMITY_TRY_OR(done, comity_deal_by_label(labels, classes, examples, order, &s.items, &s.start));
  COMITY_TRY_OR(done, COMITY_NEW(s.next, classes));
  COMITY_TRY_OR(done, COMITY_NEW(s.log_weight, classes));
  COMITY_TRY_OR(done, COMITY_NEW(s.weight, classes));
  for (size_t c = 0; c < classes; c++)
    s.next[c] = s.start[c];
  for (size_t k = 0; k < options->clients; k++) {
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_CLIENT, k, 0);
    draw_taste(&s, options, examples, &random);
    deal_client(&s, k, examples / options->clients + (k < examples % options->clients), &random, owner);
  }
done:
  comity_free(order);
  comity_free(s.items);
  comity_free(s.start);
  comity_free(s.next);
  comity_free(s.log_weight);
  comity_free(s.weight);
  return status;
}

const comity_partitioner comity_partitioner_dirichlet = {
    .name = "dirichlet", .source = "Hsu et al. 2019, sec. 3.1", .deal = deal};
