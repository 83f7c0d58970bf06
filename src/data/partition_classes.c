/* classes: every client has k classes ("#C=k"). Client i has class i mod C, so that each class has clients when
 * there are as many as classes, and k-1 others at random; the examples of a class are shared equally by the
 * clients that have it. A class that no client has is left out. */
#include "partition_impl.h"

typedef struct choice {
  uint32_t *deck;   /* (classes) permuted for each client; its first k are the client's */
  uint32_t *chosen; /* (clients, k) */
  size_t *takers;   /* (classes) clients that have the class */
  size_t *dealt;    /* (classes) clients that have got their part of it */
  size_t *next;     /* (classes) the first item that is left */
} choice;

static void choose(choice *made, const comity_partition_options *options, size_t classes) {
  size_t each = options->classes_per_client;
  for (size_t i = 0; i < options->clients; i++) {
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_CLIENT, i, 0);
    for (size_t c = 0; c < classes; c++)
      made->deck[c] = (uint32_t)c;
    for (size_t j = 0; j < each; j++) {
      size_t at = j == 0 ? i % classes : j + comity_random_below(&random, classes - j);
      uint32_t class = made->deck[at];
      made->deck[at] = made->deck[j];
      made->deck[j] = class;
      made->chosen[i * each + j] = class;
      made->takers[class]++;
    }
  }
}

static void share(choice *made, const comity_partition_options *options, const uint32_t *items,
                  const size_t *start, uint32_t *owner) {
  size_t each = options->classes_per_client;
  for (size_t i = 0; i < options->clients * each; i++) {
    size_t c = made->chosen[i], count = start[c + 1] - start[c], takers = made->takers[c];
    size_t part = count / takers + (made->dealt[c]++ < count % takers);
    for (; part > 0; part--)
      owner[items[start[c] + made->next[c]++]] = (uint32_t)(i / each);
  }
}

static comity_status deal(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                          size_t examples, uint32_t *owner) {
  size_t *start = NULL, each = options->classes_per_client, places;
  uint32_t *order = NULL, *items = NULL;
  choice made = {0};
  comity_status status;
  COMITY_TRY(comity_deal_check(options, examples));
  COMITY_TRY(comity_deal_need_classes(options, classes));
  COMITY_REQUIRE(each >= 1 && each <= classes && !__builtin_mul_overflow(options->clients, each, &places),
                 COMITY_ERR_USAGE, "clients can have 1 to %zu classes, as there are, but not %zu", classes,
                 each);
  COMITY_TRY_OR(done, comity_deal_shuffled(options->seed, COMITY_DEAL_ORDER, examples, &order));
  COMITY_TRY_OR(done, comity_deal_by_label(labels, classes, examples, order, &items, &start));
  COMITY_TRY_OR(done, COMITY_NEW(made.deck, classes));
  COMITY_TRY_OR(done, COMITY_NEW(made.chosen, places));
  COMITY_TRY_OR(done, COMITY_NEW(made.takers, classes));
  COMITY_TRY_OR(done, COMITY_NEW(made.dealt, classes));
  COMITY_TRY_OR(done, COMITY_NEW(made.next, classes));
  for (size_t i = 0; i < examples; i++)
    owner[i] = COMITY_PARTITION_NOBODY;
  choose(&made, options, classes);
  share(&made, options, items, start, owner);
done:
  comity_free(order);
  comity_free(items);
  comity_free(start);
  comity_free(made.deck);
  comity_free(made.chosen);
  comity_free(made.takers);
  comity_free(made.dealt);
  comity_free(made.next);
  return status;
}

const comity_partitioner comity_partitioner_classes = {
    .name = "classes",
    .source = "Li et al. 2022 (NIID-Bench), quantity-based label skew (#C=k)",
    .partial = true,
    .deal = deal};
