/* What each rank tells the server about training: how it went, and who was absent. */
#include "round_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>

/* What travels first; the absences follow it. */
typedef struct head {
  uint64_t loss, share, absences;
} head;

void comity_report_reset(comity_report *report) { report->loss = report->share = report->absences = 0; }

void comity_report_clear(comity_report *report) {
  comity_free(report->absent);
  comity_message_clear(&report->message);
  *report = (comity_report){0};
}

static comity_status make_room(comity_report *report, size_t absences) {
  return comity_array_grow(&report->absent, &report->room, absences, sizeof *report->absent);
}

comity_status comity_report_absence(comity_report *report, uint64_t client, const char *name, int rank,
                                    comity_status status) {
  comity_absence absence = {.client = client, .rank = rank, .status = status};
  snprintf(absence.name, sizeof absence.name, "%s", name);
  snprintf(absence.reason, sizeof absence.reason, "%s", comity_error_message());
  COMITY_TRY(make_room(report, report->absences + 1));
  report->absent[report->absences++] = absence;
  return COMITY_OK;
}

static int by_client(const void *a, const void *b) {
  const comity_absence *x = a, *y = b;
  return x->client < y->client ? -1 : x->client > y->client;
}

/* The server's own report becomes that of all ranks. */
static comity_status merge(const comity_gathered *gathered, comity_report *report) {
  comity_report_reset(report);
  for (size_t rank = 0; rank < gathered->count; rank++) {
    comity_parts parts = comity_message_of(gathered, rank);
    head first;
    COMITY_TRY(comity_message_take(&parts, &first, sizeof first));
    report->loss += first.loss;
    report->share += first.share;
    if (first.absences == 0)
      continue;
    COMITY_TRY(make_room(report, report->absences + first.absences));
    COMITY_TRY(comity_message_take(&parts, report->absent + report->absences,
                                   first.absences * sizeof *report->absent));
    report->absences += first.absences;
  }
  if (report->absences > 0)
    qsort(report->absent, report->absences, sizeof *report->absent, by_client);
  return COMITY_OK;
}

comity_status comity_report_send(comity_comm *comm, comity_report *report, comity_status local) {
  comity_message *message = &report->message;
  comity_gathered gathered;
  head first = {.loss = report->loss, .share = report->share, .absences = report->absences};
  message->length = 0;
  if (local == COMITY_OK)
    local = comity_message_add(message, &first, sizeof first);
  if (local == COMITY_OK)
    local = comity_message_add(message, report->absent, report->absences * sizeof *report->absent);
  comity_status status = comity_comm_report(comm, local, message->bytes, message->length, &gathered);
  if (status == COMITY_OK && comity_comm_is_server(comm))
    status = merge(&gathered, report);
  comity_gathered_clear(&gathered);
  return status;
}
