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

static bool is_set(const uint8_t *done, size_t member) { return (done[member / 8] >> member % 8 & 1) != 0; }

bool comity_report_is_done(const comity_report *report, size_t member) {
  return is_set(report->done, member);
}

void comity_report_sort(comity_report *report) {
  if (report->absences > 0)
    qsort(report->absent, report->absences, sizeof *report->absent, by_client);
}

/* -------------------------------------------------------------------------------------------- on the server */

typedef struct merging {
  const comity_gathered *gathered;
  const comity_dealt *dealt;
  comity_report *all;
  int rank; /* whose report it is; after an error, who is at fault */
} merging;

/* Of those before, whose reports are whole. */
static int who_claimed(const merging *m, size_t member) {
  int rank = 0;
  for (; rank < m->rank; rank++) {
    comity_parts parts = comity_message_of(m->gathered, (size_t)rank);
    if (parts.at != parts.end && is_set(parts.at + sizeof(head), member))
      break;
  }
  return rank;
}

/* Who trained whom: everybody at most once, or a client would count twice. A client may have been dealt again meanwhile, so
 * whom a rank trained is held against it only when another did so, too. */
static comity_status merge_done(merging *m, const uint8_t *done, size_t *count) {
  for (size_t member = 0; member < m->all->members; member++) {
    if (!is_set(done, member))
      continue;
    if (comity_report_is_done(m->all, member)) {
      if (m->dealt->rank[member] == m->rank)
        m->rank = who_claimed(m, member);
      return comity_fail(COMITY_ERR_INTERNAL, "two ranks trained the same client of a round");
    }
    comity_report_done(m->all, member);
    ++*count;
  }
  return COMITY_OK;
}

static bool is_among(const merging *m, const uint8_t *done, uint64_t client) {
  for (size_t member = 0; member < m->all->members; member++)
    if (m->dealt->cohort[member] == client && is_set(done, member))
      return true;
  return false;
}

/* Of those whom the rank was to train, so that never more are absent than there are. */
static comity_status merge_absences(merging *m, comity_parts parts, const uint8_t *done, size_t trained,
                                    uint64_t count) {
  comity_report *all = m->all;
  COMITY_TRY(comity_message_expect(&parts, count, sizeof *all->absent));
  COMITY_REQUIRE(count <= trained, COMITY_ERR_INTERNAL, "%llu absences among %zu clients",
                 (unsigned long long)count, trained);
  COMITY_TRY(make_room(all, all->absences + count));
  for (; count > 0; count--) {
    comity_absence *absence = &all->absent[all->absences];
    COMITY_TRY(comity_message_take(&parts, absence, sizeof *absence));
    COMITY_REQUIRE(is_among(m, done, absence->client), COMITY_ERR_INTERNAL,
                   "client %llu is said to be absent, but nobody says that it was to be trained there",
                   (unsigned long long)absence->client);
    absence->rank = m->rank;
    absence->name[sizeof absence->name - 1] = absence->reason[sizeof absence->reason - 1] = '\0';
    all->absences++;
  }
  return COMITY_OK;
}

static comity_status merge_rank(merging *m) {
  comity_parts parts = comity_message_of(m->gathered, (size_t)m->rank);
  size_t trained = 0;
  head first;
  if (parts.at == parts.end) /* absent */
    return COMITY_OK;
  COMITY_TRY(comity_message_take(&parts, &first, sizeof first));
  m->all->loss += first.loss;
  m->all->share += first.share;
  const uint8_t *done = parts.at;
  COMITY_TRY(comity_message_skip(&parts, bytes_of(m->all->members)));
  COMITY_TRY(merge_done(m, done, &trained));
  return merge_absences(m, parts, done, trained, first.absences);
}

comity_status comity_report_merge(const comity_gathered *gathered, const comity_dealt *dealt, size_t members,
                                  comity_report *all, int *rank) {
  merging m = {.gathered = gathered, .dealt = dealt, .all = all};
  comity_status status = comity_report_reset(all, members);
  for (; status == COMITY_OK && m.rank < (int)gathered->count; m.rank += status == COMITY_OK)
    status = merge_rank(&m);
  *rank = m.rank;
  comity_report_sort(all);
  return status;
}

/* ------------------------------------------------------------------------------------------------- sending */

static comity_status put_together(comity_report *mine) {
  comity_message *message = &mine->message;
  head first = {.loss = mine->loss, .share = mine->share, .absences = mine->absences};
  COMITY_TRY(comity_message_add(message, &first, sizeof first));
  COMITY_TRY(comity_message_add(message, mine->done, bytes_of(mine->members)));
  return comity_message_add(message, mine->absent, mine->absences * sizeof *mine->absent);
}

comity_status comity_report_send(comity_comm *comm, comity_report *mine, comity_status local,
                                 const comity_dealt *dealt, comity_report *all) {
  comity_gathered gathered = {0};
  mine->message.length = 0;
  if (local == COMITY_OK)
    local = put_together(mine);
  comity_status status =
      comity_comm_report(comm, local, mine->message.bytes, mine->message.length, &gathered);
  if (status == COMITY_OK && comity_comm_is_server(comm)) {
    int rank;
    status = comity_report_merge(&gathered, dealt, mine->members, all, &rank);
    status = comity_comm_reject(comm, rank, status);
  }
  comity_gathered_clear(&gathered);
  return status;
}
