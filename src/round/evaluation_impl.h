/* The state of an evaluation: made and run in evaluation.c, brought together in evaluation_merge.c. */
#ifndef COMITY_EVALUATION_IMPL_H
#define COMITY_EVALUATION_IMPL_H

#include "round_impl.h"

/* Exact sums of one kind of evaluation. `broken` counts blocks whose loss was not finite. */
enum { COMITY_WORD_EXAMPLES, COMITY_WORD_CORRECT, COMITY_WORD_LOSS, COMITY_WORD_BROKEN, COMITY_WORDS };

struct comity_evaluation {
  const comity_model *model;     /* borrowed */
  comity_comm *comm;             /* borrowed */
  comity_federation *federation; /* borrowed */
  comity_workspace *workspace;
  size_t block; /* examples at once */

  comity_dataset *central; /* the file with the central test set, own handle; NULL where it cannot be read */
  comity_split split;      /* where in it */
  bool has_central;        /* on any rank */
  size_t examples;         /* in the central test set */
  size_t first, last;      /* this rank's share, in examples */
  bool resident;           /* the share stays in memory */
  comity_examples held;    /* the share, when resident */

  bool did_central, did_clients;
  uint64_t sums[2 * COMITY_WORDS]; /* central, then clients pooled */
  float *score, *label;            /* (last - first) of the central share, for AUC; NULL unless binary */
  comity_client_score *client;     /* (client_room) */
  size_t client_count, client_room;
  comity_client_score *all; /* (all_count) of all ranks, on the server */
  size_t all_count, all_room;
  float *client_scores, *client_labels; /* (largest test split), for AUC; NULL unless binary */
};

#endif
