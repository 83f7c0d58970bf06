/* What went wrong on this rank: kept with its message until the next report, which may have to run more than once. */
#include "run_impl.h"

void comity_run_forget_trouble(comity_run_state *run) {
  comity_free(run->trouble_text);
  run->trouble_text = NULL;
  run->trouble = COMITY_OK;
}

void comity_run_note(comity_run_state *run, comity_status status) {
  if (status == COMITY_OK || run->trouble != COMITY_OK) /* what came first explains most */
    return;
  run->trouble_text = comity_text("%s", comity_error_message());
  run->trouble = status;
}

comity_status comity_run_noted(const comity_run_state *run) {
  return run->trouble == COMITY_OK || run->trouble_text == NULL
             ? run->trouble
             : comity_fail(run->trouble, "%s", run->trouble_text);
}
