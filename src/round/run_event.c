/* Something happened to a member: one line for people, one for the record. */
#include "run_impl.h"

void comity_run_event(comity_run_state *run, comity_log_level level, const comity_event *event) {
  comity_event whole = *event;
  if (whole.rank >= 0 && whole.host[0] == '\0') {
    const char *host = comity_comm_host(run->comm, whole.rank);
    snprintf(whole.host, sizeof whole.host, "%s", host == NULL ? "" : host);
  }
  comity_progress_pause(run->progress);
  comity_log(run->logger, level, "round %llu: %s", (unsigned long long)whole.round, whole.text);
  if (run->recorder == NULL || comity_recorder_event(run->recorder, &whole) == COMITY_OK)
    return;
  comity_log(run->logger, COMITY_LOG_WARN, "this is not in the record: %s", comity_error_message());
  comity_error_clear();
}
