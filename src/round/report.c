/* What each rank tells the server about a round: where its time went, how training went, and who was absent.
 */
#include "round_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>

static comity_absence *absences_of(const comity_report *report) {
  return (comity_absence *)(void *)(report->message + sizeof(comity_report_head));
}

const comity_absence *comity_report_absent(const comity_report *report) { return absences_of(report); }

void comity_report_reset(comity_report *report) { report->head = (comity_report_head){0}; }

void comity_report_clear(comity_report *report) {
  comity_free(report->message);
  *report = (comity_report){0};
}

static comity_status make_room(comity_report *report, size_t absences) {
  return comity_array_grow(&report->message, &report->room,
                           sizeof report->head + absences * sizeof(comity_absence), 1);
}

comity_status comity_report_new(comity_report *report) {
  *report = (comity_report){0};
  return make_room(report, 0);
}

comity_status comity_report_absence(comity_report *report, uint64_t client, const char *name, int rank,
                                    comity_status status) {
  comity_absence absence = {.client = client, .rank = rank, .status = status};
  snprintf(absence.name, sizeof absence.name, "%s", name);
  snprintf(absence.reason, sizeof absence.reason, "%s", comity_error_message());
  COMITY_TRY(make_room(report, (size_t)report->head.absences + 1));
  absences_of(report)[report->head.absences++] = absence;
  return COMITY_OK;
}

static int by_client(const void *a, const void *b) {
  const comity_absence *x = a, *y = b;
  return x->client < y->client ? -1 : x->client > y->client;
}

/* The server's own report becomes that of all ranks. */
static comity_status merge(const comity_gathered *gathered, comity_report *report, comity_ledger *ledgers) {
  comity_report_reset(report);
  for (size_t rank = 0; rank < gathered->count; rank++) {
    comity_report_head head;
    const uint8_t *at = gathered->bytes + gathered->offset[rank];
    memcpy(&head, at, sizeof head);
    if (ledgers != NULL)
      ledgers[rank] = head.ledger;
    report->head.loss += head.loss;
    report->head.share += head.share;
    report->head.stop |= head.stop;
    if (head.absences == 0)
      continue;
    COMITY_TRY(make_room(report, (size_t)report->head.absences + head.absences));
    memcpy(absences_of(report) + report->head.absences, at + sizeof head,
           head.absences * sizeof(comity_absence));
    report->head.absences += head.absences;
  }
  if (report->head.absences > 0)
    qsort(absences_of(report), report->head.absences, sizeof(comity_absence), by_client);
  return COMITY_OK;
}

comity_status comity_report_gather(comity_comm *comm, comity_report *report, comity_ledger *ledgers) {
  comity_gathered gathered = {0};
  memcpy(report->message, &report->head, sizeof report->head);
  comity_status status = comity_comm_gather(
      comm, report->message, sizeof report->head + report->head.absences * sizeof(comity_absence), &gathered);
  if (status == COMITY_OK && comity_comm_is_server(comm))
    status = merge(&gathered, report, ledgers);
  comity_gathered_clear(&gathered);
  return status;
}
