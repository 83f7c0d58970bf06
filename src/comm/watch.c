/* Watching over each other: everybody gives the server signs of life, and the server everybody; whoever is silent for
 * too long is lost. Only the server decides who. Seconds in which a rank did not listen do not count as the others'
 * silence: so neither a server that was busy nor a process that was stopped takes everybody else for dead. */
#include "comm_impl.h"

#include <math.h>
#include <string.h>

static const double POLL = 1e-3, ALIVE = 1, SIGNS = 4, NEWS = 64, DEAF = 1.0 / 8, LOST_ON_ITS_WAY = 2;
/* A rank whose messages were corrupt, or whose link was stuck, more often than this in one round is lost. */
enum { MOST_CORRUPT = 5, MOST_STUCK = 1 };

static bool is_server(const comity_comm *comm) { return comm->members.rank == COMITY_COMM_SERVER; }

/* ----------------------------------------------------------------------------------------- who has to leave */

void comity_watch_leave(comity_comm *comm, int rank, comity_change change, const char *text) {
  comity_watch *watch = &comm->watch;
  comity_peer *peer = &watch->peer[rank];
  if (!comm->members.present[rank] || peer->leaves || rank == COMITY_COMM_SERVER)
    return;
  peer->leaves = watch->interrupt = true;
  peer->change = change;
  comm->torn |= change != COMITY_CHANGE_LEFT;
  snprintf(peer->text, sizeof peer->text, "%s", text);
  if (watch->watcher.changed != NULL)
    watch->watcher.changed(watch->watcher.self, rank, change, peer->text);
}

static const char *stage_of(const comity_watch *watch, const comity_peer *peer) {
  return watch->watcher.stage_name == NULL ? "?" : watch->watcher.stage_name(peer->doing.stage);
}

/* "rank 2 on host h2 gave no sign of life for 5 s, last in round 4, train, client 7" */
static void describe(const comity_watch *watch, int rank, const char *what, double seconds, char *text,
                     size_t room) {
  const comity_peer *peer = &watch->peer[rank];
  char client[40] = "";
  if (peer->doing.client != UINT64_MAX)
    snprintf(client, sizeof client, ", client %llu", (unsigned long long)peer->doing.client);
  snprintf(text, room, "rank %d on host %s %s for %.3g s, last in round %llu, %s%s", rank, peer->host, what,
           seconds, (unsigned long long)peer->doing.round, stage_of(watch, peer), client);
}

static const char SILENT[] = "gave no sign of life", AT_FILES[] = "has been at its files";

static void judge(comity_comm *comm, double now) {
  comity_watch *watch = &comm->watch;
  char text[256];
  for (int rank = 1; rank < comm->members.size; rank++) {
    comity_peer *peer = &watch->peer[rank];
    double silent = now - peer->heard, aside = peer->aside > 0 ? now - peer->aside : 0;
    peer->knocks = peer->knocks && silent < watch->silence;
    if (peer->said_goodbye)
      comity_watch_leave(comm, rank, COMITY_CHANGE_LEFT, "said goodbye");
    peer->said_goodbye = false;
    if (!comm->members.present[rank] || peer->leaves || fmax(silent, aside) < watch->silence / 2)
      continue;
    bool at_files = silent < watch->silence / 2;
    describe(watch, rank, at_files ? AT_FILES : SILENT, at_files ? aside : silent, text, sizeof text);
    if (silent >= watch->silence)
      comity_watch_leave(comm, rank, COMITY_CHANGE_LOST, text);
    else if (!peer->stalled && watch->watcher.stalled != NULL)
      watch->watcher.stalled(watch->watcher.self, rank, text);
    peer->stalled = true;
  }
}

void comity_watch_was_aside(comity_comm *comm, double seconds) {
  comity_watch *watch = &comm->watch;
  char text[256];
  watch->peer[COMITY_COMM_SERVER].doing = watch->doing;
  describe(watch, COMITY_COMM_SERVER, AT_FILES, seconds, text, sizeof text);
  if (seconds >= watch->silence / 2 && watch->watcher.stalled != NULL)
    watch->watcher.stalled(watch->watcher.self, COMITY_COMM_SERVER, text);
}

/* ----------------------------------------------------------------------------------------------- complaints */

static void forget_old_strikes(comity_comm *comm) {
  comity_watch *watch = &comm->watch;
  if (watch->strikes_round == watch->doing.round)
    return;
  watch->strikes_round = watch->doing.round;
  for (int rank = 0; rank < comm->members.size; rank++)
    watch->peer[rank].strikes = 0;
}

/* Some members do not reach each other though each reaches the server: from now on everything goes through it. */
static bool make_star(comity_comm *comm) {
  comity_members *members = &comm->members;
  if (comm->watch.star || members->links <= 2 || members->count - 1 > COMITY_TREE_SINGLE)
    return false;
  comm->watch.star = true;
  for (int rank = 1; rank < members->size; rank++)
    members->linked[rank] = false;
  return true;
}

/* On the server: `from` complains about `rank`. Whom the server's own messages do not reach is himself at fault. */
static void complaint(comity_comm *comm, int from, comity_notice_kind kind, int rank, const char *why) {
  comity_watch *watch = &comm->watch;
  char text[256];
  bool corrupt = kind == COMITY_NOTICE_CORRUPT;
  int fault = rank == COMITY_COMM_SERVER ? from : rank;
  if (watch->interrupt || watch->aside || fault <= COMITY_COMM_SERVER || fault >= comm->members.size)
    return; /* the same is said until it is heard, and counts once */
  snprintf(text, sizeof text, "a message of rank %d %s rank %d%s%s", rank,
           corrupt ? "was corrupt at" : "did not come to", from, why[0] == '\0' ? "" : ": ", why);
  forget_old_strikes(comm);
  watch->interrupt = true;
  if (!corrupt && rank != COMITY_COMM_SERVER && make_star(comm)) {
    strncat(text, "; from now on everything goes through the server", sizeof text - strlen(text) - 1);
  } else if (++watch->peer[fault].strikes > (corrupt ? MOST_CORRUPT : MOST_STUCK)) {
    comity_watch_leave(comm, fault, corrupt ? COMITY_CHANGE_CORRUPT : COMITY_CHANGE_LOST, text);
    return;
  }
  if (watch->watcher.repeats != NULL)
    watch->watcher.repeats(watch->watcher.self, fault, text);
}

/* Whether all of this epoch are in this operation, or were, for so long that its messages should have come. Whoever has
 * not begun it is at work elsewhere, for however long, and everybody waits for that. */
static bool is_stuck(const comity_comm *comm, uint64_t sequence, double now) {
  const comity_watch *watch = &comm->watch;
  for (int rank = 0; rank < comm->members.size; rank++) {
    const comity_peer *peer = &watch->peer[rank];
    if (comm->members.present[rank] && (peer->epoch != comm->members.epoch || peer->sequence < sequence ||
                                        now - peer->since < LOST_ON_ITS_WAY * watch->silence))
      return false;
  }
  return true;
}

void comity_watch_miss(comity_comm *comm, int rank, const char *text) {
  comm->watch.misses = rank; /* which the next sign of life says */
  if (is_server(comm) && is_stuck(comm, comm->sequence, comm->watch.last))
    complaint(comm, COMITY_COMM_SERVER, COMITY_NOTICE_STUCK, rank, text);
}

comity_status comity_watch_status(comity_comm *comm) {
  const comity_watch *watch = &comm->watch;
  if (watch->gone)
    return comity_fail(COMITY_ERR_SERVER, "rank %d: the server gave no sign of life for %.3g s",
                       comm->members.rank, watch->silence);
  if (watch->left)
    return comity_fail(COMITY_ERR_EXCLUDED, "rank %d: this process has left", comm->members.rank);
  return watch->interrupt ? COMITY_INTERRUPTED : COMITY_OK;
}

comity_status comity_watch_complain(comity_comm *comm, comity_notice_kind kind, int rank, const char *text) {
  comity_watch *watch = &comm->watch;
  if (is_server(comm)) {
    complaint(comm, COMITY_COMM_SERVER, kind, rank, text);
    return COMITY_INTERRUPTED;
  }
  double again = 0;
  comity_status status;
  while ((status = comity_watch_status(comm)) == COMITY_OK) {
    double now = comity_clock_now();
    if (now >= again) {
      comity_notice_send(comm, comm->members.address[COMITY_COMM_SERVER], kind, rank, NULL);
      again = now + watch->silence / SIGNS;
    }
    comity_watch_tend(comm, now);
    comity_clock_sleep(POLL / 4);
  }
  return status;
}

/* ------------------------------------------------------------------------------------------------- hearing */

static void tell_group(comity_comm *comm, int rank) {
  comity_notice_send(comm, comm->members.address[rank], COMITY_NOTICE_GROUP, rank, &comm->watch.point);
}

static void note_operation(comity_peer *peer, uint64_t epoch, uint64_t sequence, double now) {
  if (peer->epoch == epoch && peer->sequence == sequence)
    return;
  peer->epoch = epoch;
  peer->sequence = sequence;
  peer->since = now;
}

/* From the rank `from`, over its own link unless that is NULL. */
static void hear_member(comity_comm *comm, const comity_ear *ear, int from, const comity_notice *notice,
                        double now) {
  comity_watch *watch = &comm->watch;
  comity_peer *peer = &watch->peer[from];
  const comity_members *members = &comm->members;
  if (members->address[from].comm != ear->comm) {
    if (peer->offer.comm != ear->comm) /* an earlier process of this slot is back */
      comity_notice_send(comm, (comity_endpoint){ear->comm, ear->rank < 0 ? from : 0}, COMITY_NOTICE_TAKEN,
                         from, NULL);
    return;
  }
  bool more = peer->doing.done != notice->doing.done || peer->doing.round != notice->doing.round;
  peer->heard = now;
  peer->aside = notice->kind != COMITY_NOTICE_ASIDE ? 0 : peer->aside > 0 ? peer->aside : now;
  peer->stalled = peer->stalled && peer->aside > 0;
  peer->doing = notice->doing;
  note_operation(peer, notice->epoch, notice->sequence, now);
  switch ((comity_notice_kind)notice->kind) {
  case COMITY_NOTICE_CORRUPT:
  case COMITY_NOTICE_BROKEN:
  case COMITY_NOTICE_STUCK:
    if (members->present[from] && notice->epoch == members->epoch &&
        (notice->kind != COMITY_NOTICE_STUCK || is_stuck(comm, notice->sequence, now)))
      complaint(comm, from, (comity_notice_kind)notice->kind, (int)notice->rank, "");
    break;
  case COMITY_NOTICE_KNOCK:
    peer->knocks = !members->present[from];
    break;
  case COMITY_NOTICE_LEAVE:
    peer->said_goodbye = true;
    break;
  default:
    break;
  }
  if (notice->epoch != members->epoch || (!members->present[from] && !peer->knocks))
    tell_group(comm, from); /* it has not heard yet */
  if (more && watch->expired != NULL && !watch->aside && members->present[from])
    watch->expired(watch->expired_self, false);
}

static void hear_server(comity_comm *comm, const uint8_t *bytes, double now) {
  comity_watch *watch = &comm->watch;
  comity_notice notice, known;
  memcpy(&notice, bytes, sizeof notice);
  memcpy(&known, watch->group, sizeof known);
  watch->peer[COMITY_COMM_SERVER].heard = now;
  switch ((comity_notice_kind)notice.kind) {
  case COMITY_NOTICE_GROUP:
    if (notice.epoch > comm->members.epoch && notice.epoch > known.epoch) {
      memcpy(watch->group, bytes, watch->notice_bytes);
      watch->interrupt = true;
    }
    break;
  case COMITY_NOTICE_HURRY:
    watch->hurried = watch->hurried || notice.epoch == comm->members.epoch;
    break;
  case COMITY_NOTICE_TAKEN:
    watch->taken = watch->interrupt = true;
    break;
  default:
    break;
  }
}

static void hear(comity_comm *comm, comity_ear *ear, double now) {
  comity_watch *watch = &comm->watch;
  int from;
  while (comity_ear_hear(comm, ear, watch->heard, &from)) {
    comity_notice notice;
    memcpy(&notice, watch->heard, sizeof notice);
    if (!is_server(comm))
      hear_server(comm, watch->heard, now);
    else if (from > 0 && from < comm->members.size)
      hear_member(comm, ear, from, &notice, now);
  }
}

static void give_signs(comity_comm *comm) {
  const comity_members *members = &comm->members;
  if (!is_server(comm)) {
    comity_notice_kind kind = !members->present[members->rank] ? COMITY_NOTICE_KNOCK
                              : comm->watch.aside              ? COMITY_NOTICE_ASIDE
                              : comm->watch.misses >= 0        ? COMITY_NOTICE_STUCK
                                                               : COMITY_NOTICE_ALIVE;
    comity_notice_send(comm, members->address[COMITY_COMM_SERVER], kind,
                       kind == COMITY_NOTICE_STUCK ? comm->watch.misses : members->rank, NULL);
    return;
  }
  for (int rank = 1; rank < members->size; rank++) {
    const comity_peer *peer = &comm->watch.peer[rank];
    if ((members->present[rank] && !peer->leaves) || peer->knocks)
      comity_notice_send(comm, members->address[rank], COMITY_NOTICE_ALIVE, rank, NULL);
    if (peer->offer.comm != MPI_COMM_NULL)
      comity_notice_send(comm, (comity_endpoint){peer->offer.comm, 0}, COMITY_NOTICE_ALIVE, rank, NULL);
  }
}

static void ring_alarm(comity_watch *watch, double now) {
  if (now < watch->alarm)
    return;
  watch->alarm = INFINITY;
  if (watch->expired != NULL)
    watch->expired(watch->expired_self, true);
}

void comity_watch_tend(comity_comm *comm, double now) {
  comity_watch *watch = &comm->watch;
  double gap = now - watch->last;
  watch->last = now;
  watch->next = now + POLL;
  for (int rank = 0; rank < comm->members.size && gap > DEAF * watch->silence; rank++) {
    watch->peer[rank].heard = fmin(now, watch->peer[rank].heard + gap);
    watch->peer[rank].since = fmin(now, watch->peer[rank].since + gap);
    if (watch->peer[rank].aside > 0)
      watch->peer[rank].aside = fmin(now, watch->peer[rank].aside + gap);
  }
  note_operation(&watch->peer[comm->members.rank], comm->members.epoch, comm->sequence, now);
  hear(comm, &watch->ear, now);
  for (int rank = 1; rank < comm->members.size && is_server(comm); rank++) {
    hear(comm, &watch->peer[rank].ear, now);
    hear(comm, &watch->peer[rank].offer, now);
  }
  comity_notice_tidy(comm);
  if (now >= watch->next_sign || (watch->news && now >= watch->last_sign + watch->silence / NEWS)) {
    give_signs(comm);
    watch->last_sign = now;
    watch->next_sign = now + watch->silence / SIGNS;
    watch->news = false;
  }
  if (watch->watcher.alive != NULL && now >= watch->next_alive) {
    watch->watcher.alive(watch->watcher.self);
    watch->next_alive = now + ALIVE;
  }
  if (watch->aside)
    return;
  if (is_server(comm)) {
    judge(comm, now);
    ring_alarm(watch, now);
  } else {
    watch->gone = watch->gone || now - watch->peer[COMITY_COMM_SERVER].heard >= watch->silence;
  }
  if (watch->watcher.tended != NULL)
    watch->watcher.tended(watch->watcher.self);
}
