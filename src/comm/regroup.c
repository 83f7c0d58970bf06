/* Regrouping after somebody was lost or wants to come. The server tells everybody who the members are from now on and where
 * they go on; nobody has to answer, because an operation of the new epoch waits for all of them anyway, and whoever was lost
 * meanwhile is found then. */
#include "comm_impl.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------ who wants to come */

/* Whoever had come over this link is told, and not heard any more. */
static void turn_away(comity_comm *comm, comity_ear *ear) {
  if (ear->comm == MPI_COMM_NULL)
    return;
  comity_notice_send(comm, (comity_endpoint){ear->comm, 0}, COMITY_NOTICE_TAKEN, ear->rank, NULL);
  comity_ear_close(ear);
}

comity_status comity_comm_offer(comity_comm *comm, int rank, MPI_Comm link, const char *host) {
  COMITY_REQUIRE(comm->watch.on && rank > COMITY_COMM_SERVER && rank < comm->members.size, COMITY_ERR_ARG,
                 "offer: there is no slot %d", rank);
  comity_peer *peer = &comm->watch.peer[rank];
  MPI_Comm_set_errhandler(link, MPI_ERRORS_RETURN);
  turn_away(comm, &peer->offer);
  COMITY_TRY(comity_ear_open(comm, &peer->offer, link, rank, 0));
  snprintf(peer->offered_host, sizeof peer->offered_host, "%s", host);
  comm->torn = true; /* whoever was there before may be gone, and MPI_Finalize would wait for it */
  comity_notice_send(comm, (comity_endpoint){link, 0}, COMITY_NOTICE_ALIVE, rank, NULL);
  return COMITY_OK;
}

bool comity_comm_knocking(comity_comm *comm) {
  if (comm->watch.on)
    comity_watch_tend(comm, comity_clock_now());
  for (int rank = 1; rank < comm->members.size && comm->watch.on; rank++)
    if (comm->watch.peer[rank].knocks || comm->watch.peer[rank].offer.comm != MPI_COMM_NULL)
      return true;
  return false;
}

/* -------------------------------------------------------------------------------------------- who are members */

/* The other process has the slot from here on. */
static void take_offer(comity_comm *comm, int rank) {
  comity_peer *peer = &comm->watch.peer[rank];
  turn_away(comm, &peer->ear);
  comm->members.address[rank] = (comity_endpoint){peer->offer.comm, 0};
  peer->ear = peer->offer;
  peer->offer = COMITY_EAR_CLOSED;
  memcpy(peer->host, peer->offered_host, sizeof peer->host);
  peer->born = peer->aside = 0;
  peer->said_goodbye = false;
  peer->doing = (comity_doing){.client = UINT64_MAX};
}

/* On the server: who was lost goes, who knocks comes. */
static void change_members(comity_comm *comm, double now) {
  comity_members *members = &comm->members;
  comity_watch *watch = &comm->watch;
  for (int rank = 1; rank < members->size; rank++) {
    comity_peer *peer = &watch->peer[rank];
    bool joins = peer->offer.comm != MPI_COMM_NULL,
         returns = peer->knocks && !joins && !members->present[rank];
    if (peer->leaves)
      members->present[rank] = peer->leaves = false;
    if (!joins && !returns)
      continue;
    if (joins)
      take_offer(comm, rank);
    members->present[rank] = true;
    members->linked[rank] = !joins && !watch->star && members->address[rank].comm == members->whole;
    peer->knocks = peer->stalled = false;
    peer->strikes = 0;
    peer->heard = now;
    if (watch->watcher.changed != NULL)
      watch->watcher.changed(watch->watcher.self, rank, joins ? COMITY_CHANGE_JOINED : COMITY_CHANGE_RETURNED,
                             "");
  }
}

/* To those who are members now, and to those who no longer are. */
static void announce_group(comity_comm *comm, const bool *before) {
  const comity_members *members = &comm->members;
  for (int rank = 1; rank < members->size; rank++)
    if (members->present[rank] || before[rank])
      comity_notice_send(comm, members->address[rank], COMITY_NOTICE_GROUP, rank, &comm->watch.point);
}

static comity_status regroup(comity_comm *comm, const comity_point *point) {
  comity_members *members = &comm->members;
  bool *before;
  COMITY_TRY(COMITY_NEW(before, (size_t)members->size));
  memcpy(before, members->present, (size_t)members->size * sizeof *before);
  change_members(comm, comity_clock_now());
  members->epoch++;
  comm->torn = true;
  comity_status status = comity_comm_arrange(comm);
  comm->watch.point = *point;
  announce_group(comm, before);
  comity_free(before);
  return status;
}

/* What the server said becomes so. */
static comity_status join_group(comity_comm *comm, comity_point *point) {
  comity_members *members = &comm->members;
  comity_watch *watch = &comm->watch;
  comity_notice notice;
  memcpy(&notice, watch->group, sizeof notice);
  const uint8_t *bits = watch->group + sizeof notice;
  for (int rank = 0; rank < members->size; rank++) {
    members->present[rank] = (bits[rank] & 1) != 0;
    members->linked[rank] = (bits[rank] & 2) != 0;
  }
  members->epoch = notice.epoch;
  *point = notice.point;
  comm->torn = true; /* as on all others, also where nothing was under way */
  memset(watch->group, 0, sizeof notice);
  COMITY_TRY(comity_comm_arrange(comm));
  return members->present[members->rank]
             ? COMITY_OK
             : comity_fail(COMITY_ERR_EXCLUDED, "rank %d: the others went on without this process",
                           members->rank);
}

/* Until the server has said what is. */
static comity_status wait_for_group(comity_comm *comm) {
  comity_watch *watch = &comm->watch;
  comity_status status;
  while ((status = comity_watch_status(comm)) == COMITY_OK) {
    comity_watch_tend(comm, comity_clock_now());
    comity_clock_sleep(250e-6);
  }
  if (watch->taken)
    return comity_fail(COMITY_ERR_REFUSED, "rank %d: another process has taken the place of this one",
                       comm->members.rank);
  return status == COMITY_INTERRUPTED ? COMITY_OK : status;
}

comity_status comity_comm_regroup(comity_comm *comm, comity_point *point) {
  COMITY_REQUIRE(comm->watch.on, COMITY_ERR_ARG, "regroup: losses are not survived yet");
  if (comity_comm_is_server(comm))
    return regroup(comm, point);
  COMITY_TRY(wait_for_group(comm));
  return join_group(comm, point);
}

comity_status comity_comm_knock(comity_comm *comm, comity_point *point) {
  const comity_members *members = &comm->members;
  comity_status status = COMITY_ERR_EXCLUDED;
  comm->watch.next_sign = 0; /* which is a knock from somebody who is not a member */
  while (status == COMITY_ERR_EXCLUDED && !comm->watch.taken && !comm->watch.left)
    status = comity_comm_regroup(comm, point);
  return status == COMITY_OK && members->place < 0 ? COMITY_ERR_INTERNAL : status;
}
