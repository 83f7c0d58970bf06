/* Names of the phases that time is booked to. */
#include "metrics_impl.h"

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
  return column == COMITY_COLUMN_TOTAL   ? "total"
         : column == COMITY_COLUMN_BYTES ? "bytes"
                                         : comity_phase_name((comity_phase)column);
}
