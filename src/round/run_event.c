/* Something happened to the members: one line for people, one for the record. */
#include "run_impl.h"

#include <stdarg.h>

/* What nobody needs to look at. */
static bool is_welcome(comity_event_kind kind) {
  return kind == COMITY_EVENT_REJOINED || kind == COMITY_EVENT_JOINED || kind == COMITY_EVENT_REASSIGNED ||
         kind == COMITY_EVENT_REPEATED || kind == COMITY_EVENT_CUT_SHORT;
}

/* Where it is, and what it was at. */
static void describe(const comity_run_state *run, int rank, comity_event *event) {
  comity_doing doing = comity_comm_does(run->comm, rank);
  const char *host = comity_comm_host(run->comm, rank);
  snprintf(event->host, sizeof event->host, "%s", host == NULL ? "" : host);
  if (doing.round == event->round)
    event->client = doing.client;
}

void comity_run_event(comity_run_state *run, comity_event_kind kind, int rank, double seconds,
                      const char *format, ...) {
  comity_event event = {
      .kind = kind, .round = run->at.round, .rank = rank, .client = COMITY_EVENT_NO_CLIENT, .lost = seconds};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(event.text, sizeof event.text, format, arguments);
  va_end(arguments);
  snprintf(event.stage, sizeof event.stage, "%s", comity_stage_name(run->at.stage));
  if (rank >= 0)
    describe(run, rank, &event);
  comity_progress_pause(run->progress);
  comity_log(run->logger, is_welcome(kind) ? COMITY_LOG_INFO : COMITY_LOG_WARN, "round %llu, %s: %s",
             (unsigned long long)event.round, event.stage, event.text);
  if (run->recorder == NULL || comity_recorder_event(run->recorder, &event) == COMITY_OK)
    return;
  comity_log(run->logger, COMITY_LOG_WARN, "this is not in the record: %s", comity_error_message());
  comity_error_clear();
}
