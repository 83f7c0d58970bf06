/* From where a federation goes on when its membership has changed. */
#include "run_impl.h"

uint64_t comity_point_complete(const comity_point *point) {
  return point->stage <= COMITY_STAGE_SUM ? point->round - 1 : point->round;
}

static comity_point point(comity_stage stage, uint64_t round, uint32_t value) {
  return (comity_point){.round = round, .stage = stage, .value = value};
}

comity_point comity_point_choose(const comity_standing *standing) {
  const comity_point *at = &standing->at;
  uint32_t decided = COMITY_NEXT_DECIDED + (uint32_t)standing->reason;
  switch ((comity_stage)at->stage) {
  case COMITY_STAGE_TRAIN:
  case COMITY_STAGE_REPORT:
  case COMITY_STAGE_SUM: /* who is trained stays so; whoever does not have the model gets it first */
    return standing->known ? point(COMITY_STAGE_TRAIN, at->round, COMITY_NEXT_BEGUN)
                           : point(COMITY_STAGE_ANNOUNCE, at->round - 1, COMITY_NEXT_BEGUN);
  case COMITY_STAGE_EVALUATE:
  case COMITY_STAGE_RECORD: /* shares are dealt anew, and somebody may not have the model */
    return standing->recorded ? point(COMITY_STAGE_SAVE, at->round, decided)
                              : point(COMITY_STAGE_ANNOUNCE, at->round, COMITY_NEXT_OPEN);
  case COMITY_STAGE_ADMIT:
    return point(COMITY_STAGE_ANNOUNCE, at->round, decided);
  case COMITY_STAGE_STATISTICS: /* some may have them, and some not */
    return point(COMITY_STAGE_ANNOUNCE, at->round, at->value);
  case COMITY_STAGE_ANNOUNCE:
  case COMITY_STAGE_SAVE:
  case COMITY_STAGE_FINISH:
  case COMITY_STAGE_GIVE_UP:
  case COMITY_STAGE_END:
    break;
  }
  return *at;
}
