/* The order in which a client sees its examples: a pure function of (seed, round, client, epoch). */
#include "train_impl.h"

void comity_batches_open(comity_batches *batches, const comity_train_settings *settings, size_t round,
                         size_t client, size_t examples, uint32_t *order) {
  bool full = settings->batch == 0 || settings->batch >= examples;
  *batches = (comity_batches){.seed = settings->seed,
                              .round = round,
                              .client = client,
                              .examples = examples,
                              .batch = full ? examples : settings->batch,
                              .order = full ? NULL : order};
}

size_t comity_batches_per_epoch(const comity_batches *batches) {
  return batches->examples / batches->batch + (batches->examples % batches->batch != 0);
}

/* Each epoch shuffles the file's order anew, so that an epoch's order does not depend on those before it. */
static void shuffle(comity_batches *batches) {
  comity_random random;
  comity_random_open(&random, batches->seed, COMITY_RANDOM_SHUFFLE, batches->round, batches->client,
                     batches->epoch);
  for (size_t i = 0; i < batches->examples; i++)
    batches->order[i] = (uint32_t)i;
  comity_random_shuffle(&random, batches->order, batches->examples);
}

size_t comity_batches_next(comity_batches *batches, const uint32_t **index) {
  if (batches->order == NULL) {
    *index = NULL;
    return batches->examples;
  }
  if (batches->next == batches->examples) {
    batches->next = 0;
    batches->epoch++;
  }
  if (batches->next == 0)
    shuffle(batches);
  size_t left = batches->examples - batches->next;
  size_t count = left < batches->batch ? left : batches->batch;
  *index = batches->order + batches->next;
  batches->next += count;
  return count;
}
