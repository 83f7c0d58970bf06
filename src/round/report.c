/* What each rank tells the server about training: how it went, and who was absent. */
#include "round_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>

/* What travels first; who is done, and the absences follow it. */
typedef struct head {
  uint64_t loss, share, absences;
} head;

static size_t bytes_of(size_t members) { return (members + 7) / 8; }

comity_status comity_report_reset(comity_report *report, size_t members) {
  size_t bytes = bytes_of(members);
  report->loss = report->share = report->absences = 0;
  report->members = 0;
  COMITY_TRY(comity_array_grow(&report->done, &report->done_room, bytes, 1));
  if (bytes > 0)
    memset(report->done, 0, bytes);
  report->members = members;
  return COMITY_OK;
}

void comity_report_clear(comity_report *report) {
  comity_free(report->absent);
  comity_free(report->done);
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

void comity_report_done(comity_report *report, size_t member) {
  report->done[member / 8] |= (uint8_t)(1U << member % 8);
}

bool comity_report_is_done(const comity_report *report, size_t member) {
  return (report->done[member / 8] >> member % 8 & 1) != 0;
}

void comity_report_sort(comity_report *report) {
  if (report->absences > 0)
    qsort(report->absent, report->absences, sizeof *report->absent, by_client);
}

/* Who trained whom: everybody at most once, or a client would count twice. */
static comity_status merge_done(comity_report *all, const uint8_t *done) {
  for (size_t i = 0; i < bytes_of(all->members); i++) {
    COMITY_REQUIRE((all->done[i] & done[i]) == 0, COMITY_ERR_INTERNAL,
                   "two ranks trained the same client of a round");
    all->done[i] |= done[i];
  }
  return COMITY_OK;
}

static comity_status merge_rank(comity_parts parts, comity_report *all) {
  head first;
  if (parts.at == parts.end) /* absent */
    return COMITY_OK;
  COMITY_TRY(comity_message_take(&parts, &first, sizeof first));
  all->loss += first.loss;
  all->share += first.share;
  const uint8_t *done = parts.at;
  COMITY_TRY(comity_message_skip(&parts, bytes_of(all->members)));
  COMITY_TRY(merge_done(all, done));
  COMITY_TRY(comity_message_expect(&parts, first.absences, sizeof *all->absent));
  COMITY_TRY(make_room(all, all->absences + first.absences));
  for (; first.absences > 0; first.absences--) {
    comity_absence *absence = &all->absent[all->absences++];
    COMITY_TRY(comity_message_take(&parts, absence, sizeof *absence));
    absence->name[sizeof absence->name - 1] = absence->reason[sizeof absence->reason - 1] = '\0';
  }
  return COMITY_OK;
}

comity_status comity_report_merge(const comity_gathered *gathered, size_t members, comity_report *all,
                                  int *rank) {
  *rank = 0;
  COMITY_TRY(comity_report_reset(all, members));
  for (; *rank < (int)gathered->count; ++*rank)
    COMITY_TRY(merge_rank(comity_message_of(gathered, (size_t)*rank), all));
  comity_report_sort(all);
  return COMITY_OK;
}

static comity_status put_together(comity_report *mine) {
  comity_message *message = &mine->message;
  head first = {.loss = mine->loss, .share = mine->share, .absences = mine->absences};
  COMITY_TRY(comity_message_add(message, &first, sizeof first));
  COMITY_TRY(comity_message_add(message, mine->done, bytes_of(mine->members)));
  return comity_message_add(message, mine->absent, mine->absences * sizeof *mine->absent);
}

comity_status comity_report_send(comity_comm *comm, comity_report *mine, comity_status local,
                                 comity_report *all) {
  comity_gathered gathered = {0};
  mine->message.length = 0;
  if (local == COMITY_OK)
    local = put_together(mine);
  comity_status status =
      comity_comm_report(comm, local, mine->message.bytes, mine->message.length, &gathered);
  if (status == COMITY_OK && comity_comm_is_server(comm)) {
    int rank;
    status = comity_report_merge(&gathered, mine->members, all, &rank);
    status = comity_comm_reject(comm, rank, status);
  }
  comity_gathered_clear(&gathered);
  return status;
}
