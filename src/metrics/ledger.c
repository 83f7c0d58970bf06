/* A rank's book of a round: the names of its columns, and what follows from all ranks' books. */
#include "metrics_impl.h"

#include <math.h>

const char *comity_phase_name(comity_phase phase) {
  static const char *const name[COMITY_PHASE_COUNT] = {
      [COMITY_PHASE_TRAIN] = "train",
      [COMITY_PHASE_WAIT] = "wait",
      [COMITY_PHASE_COMMUNICATE] = "communicate",
      [COMITY_PHASE_AGGREGATE] = "aggregate",
      [COMITY_PHASE_EVALUATE] = "evaluate",
      [COMITY_PHASE_IO] = "io",
  };
  return (unsigned)phase < COMITY_PHASE_COUNT ? name[phase] : "unknown";
}

const char *comity_column_name(size_t column) {
  static const char *const more[] = {"total", "bytes", "memory"};
  return column < COMITY_PHASE_COUNT ? comity_phase_name((comity_phase)column)
                                     : more[column - COMITY_COLUMN_TOTAL];
}

double comity_column_of(const comity_ledger *ledger, size_t column) {
  return column == COMITY_COLUMN_TOTAL    ? ledger->total
         : column == COMITY_COLUMN_BYTES  ? ledger->bytes
         : column == COMITY_COLUMN_MEMORY ? ledger->memory
                                          : ledger->seconds[column];
}

double comity_ledger_overhead(const comity_ledger *ledger, size_t ranks) {
  double train = 0, evaluate = 0;
  for (size_t r = 0; r < ranks; r++) {
    train = fmax(train, ledger[r].seconds[COMITY_PHASE_TRAIN]);
    evaluate = fmax(evaluate, ledger[r].seconds[COMITY_PHASE_EVALUATE]);
  }
  return ledger[0].total - train - evaluate;
}
