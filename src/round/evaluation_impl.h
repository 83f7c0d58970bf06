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

  bool dealt;
  size_t first, last;   /* this rank's share of the central test set, in examples */
  double room;          /* bytes that a share may have and still stay in memory */
  bool resident;        /* the share does */
  comity_examples held; /* the share, when resident */
  float *score, *label; /* (last - first) of the share, for AUC; NULL unless binary */

  uint64_t round;     /* whose model is being evaluated */
  bool begun;         /* any is */
  size_t next;        /* the first example of the share that has no score yet */
  size_t next_client; /* the first client that has none */

  bool did_central, did_clients;
  uint64_t sums[2 * COMITY_WORDS]; /* central, then clients pooled */
  comity_client_score *client;     /* (client_room) */
  size_t client_count, client_room;
  size_t hosted;            /* clients with a held-out part that this rank hosts */
  comity_client_score *all; /* (all_count) of all ranks, on the server */
  size_t all_count, all_room;
  float *client_score, *client_label; /* of the client in hand, for AUC; NULL unless binary */
  size_t score_room, label_room;
};

/* Among whom the central test set is dealt.
 * \param[out] present  (size) owned by the caller, free with comity_free */
COMITY_MUST_CHECK comity_status comity_evaluation_present(const comity_evaluation *evaluation,
                                                          bool **present);

#endif
