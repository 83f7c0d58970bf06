/* Booking time: every second of a round belongs to a phase of this rank's ledger. */
#include "run_impl.h"

double comity_run_book(comity_run_state *run, comity_phase phase, double since) {
  double now = comity_clock_now();
  run->ledger.seconds[phase] += now - since;
  return now;
}

comity_status comity_run_agree(comity_run_state *run, comity_status local) {
  double since = comity_clock_now();
  comity_status agreed = comity_comm_agree(run->comm, local);
  comity_run_book(run, COMITY_PHASE_WAIT, since);
  return agreed;
}
