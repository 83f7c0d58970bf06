/* The pieces of local training: which examples a step sees, and how a gradient becomes a step. */
#ifndef COMITY_TRAIN_IMPL_H
#define COMITY_TRAIN_IMPL_H

#include <comity/train.h>

/* Walks over a client's examples batch by batch, epoch after epoch. The last batch of an epoch may be
 * smaller. */
typedef struct comity_batches {
  uint64_t seed;
  size_t round, client;
  size_t examples, batch; /* batch >= examples: every batch is all of them, in the file's order */
  size_t epoch, next;     /* position within the epoch */
  uint32_t *order;        /* (examples) borrowed; NULL when nothing needs to be shuffled */
} comity_batches;

void comity_batches_open(comity_batches *batches, const comity_train_settings *settings, size_t round,
                         size_t client, size_t examples, uint32_t *order);
/* Steps in one epoch. */
size_t comity_batches_per_epoch(const comity_batches *batches);
/* The next batch: rows index[0..count), or 0 ... count-1 when *index is NULL. \return count */
size_t comity_batches_next(comity_batches *batches, const uint32_t **index);

/* What cuts the L2 norm of gradient (n) to `most` (0 = never) when it is multiplied by it; 1 when it is short
 * enough. */
double comity_gradient_factor(const float *gradient, size_t n, double most);
/* One step of SGD from a gradient (n), clipped as the settings say, in one pass. velocity is NULL exactly if
 * momentum is 0. */
void comity_sgd_step(const comity_train_settings *settings, double rate, size_t n, const float *gradient,
                     float *velocity, float *model);

#endif
