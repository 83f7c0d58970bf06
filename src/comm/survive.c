/* Outliving others: who is present, and the regrouping after somebody was lost or wants to come. The server tells
 * everybody who the members are from now on and where they go on; nobody has to answer, because an operation of the new
 * epoch waits for all of them anyway, and whoever was lost meanwhile is found then. */
#include "comm_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double PATIENCE = 1; /* seconds for the last notices of a job in which nobody was lost */

bool comity_comm_is_present(const comity_comm *comm, int rank) {
  return rank >= 0 && rank < comm->members.size && comm->members.present[rank];
}

int comity_comm_present(const comity_comm *comm) { return comm->members.count; }

const char *comity_comm_host(const comity_comm *comm, int rank) {
  return comm->watch.peer == NULL ? "" : comm->watch.peer[rank].host;
}

bool comity_comm_is_torn(const comity_comm *comm) { return comm->torn || comm->failure != COMITY_OK; }

/* ------------------------------------------------------------------------------------------------ beginning */

static comity_status make_watch(comity_comm *comm, double silence) {
  comity_watch *watch = &comm->watch;
  size_t size = (size_t)comm->members.size;
  COMITY_REQUIRE(silence > 0, COMITY_ERR_ARG, "a silence of %g s is not more than 0", silence);
  watch->silence = silence;
  watch->alarm = INFINITY;
  watch->misses = -1;
  watch->doing.client = UINT64_MAX;
  watch->notice_bytes = sizeof(comity_notice) + (size + 7) / 8 * 8;
  COMITY_TRY(COMITY_NEW(watch->peer, size));
  COMITY_TRY(COMITY_NEW(watch->heard, watch->notice_bytes));
  COMITY_TRY(COMITY_NEW(watch->group, watch->notice_bytes));
  for (size_t rank = 0; rank < size; rank++) {
    watch->peer[rank].ear = watch->peer[rank].offer = COMITY_EAR_CLOSED;
    watch->peer[rank].doing.client = UINT64_MAX;
  }
  return COMITY_OK;
}

static void begin_watch(comity_comm *comm) {
  comity_watch *watch = &comm->watch;
  double now = comity_clock_now();
  for (int rank = 0; rank < comm->members.size; rank++)
    watch->peer[rank].heard = now;
  watch->last = watch->next_sign = now;
  watch->on = true;
}

/* What a rank says of its process. */
typedef struct identity {
  char host[64];
  int64_t process;
  uint64_t born;
} identity;

/* When a process of this host began, so that a number that was given away again is not mistaken for it; 0 = it is
 * not there. */
static uint64_t birth_of(int64_t process) {
  char path[40], line[512];
  unsigned long long born = 0;
  snprintf(path, sizeof path, "/proc/%lld/stat", (long long)process);
  FILE *about = fopen(path, "re");
  if (about == NULL)
    return 0;
  if (fgets(line, sizeof line, about) != NULL) {
    const char *at =
        strrchr(line, ')'); /* the name may hold anything; behind it stand the third to 22nd field */
    for (int field = 2; at != NULL && field < 22; field++)
      at = strchr(at + 1, ' ');
    if (at != NULL)
      born = strtoull(at, NULL, 10);
  }
  fclose(about);
  return born;
}

static identity own_identity(void) {
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  MPI_Get_processor_name(name, &length);
  identity own = {.process = getpid(), .born = birth_of(getpid())};
  snprintf(own.host, sizeof own.host, "%.63s", name);
  return own;
}

static void know(comity_peer *peer, const identity *of) {
  memcpy(peer->host, of->host, sizeof peer->host);
  peer->host[sizeof peer->host - 1] = '\0';
  peer->process = of->process;
  peer->born = of->born;
}

/* Everybody's host and process, on all ranks. Collective. */
static comity_status exchange_identities(comity_comm *comm, comity_status status) {
  size_t size = (size_t)comm->members.size;
  identity *all = NULL, own = own_identity();
  comity_gathered gathered = {0};
  if (status == COMITY_OK)
    status = COMITY_NEW(all, size);
  status = comity_comm_agree(comm, status);
  if (status == COMITY_OK)
    status = comity_comm_gather(comm, &own, sizeof own, &gathered);
  if (status == COMITY_OK && comity_comm_is_server(comm))
    memcpy(all, gathered.bytes, size * sizeof *all);
  comity_gathered_clear(&gathered);
  if (status == COMITY_OK)
    status = comity_comm_broadcast(comm, all, size * sizeof *all);
  for (size_t rank = 0; rank < size && status == COMITY_OK; rank++)
    know(&comm->watch.peer[rank], &all[rank]);
  comity_free(all);
  return status;
}

void comity_comm_set_faults(comity_comm *comm, const comity_faults *faults) { comm->faults = faults; }

int64_t comity_comm_remains(const comity_comm *comm, int rank) {
  const comity_peer *peer = comm->watch.peer;
  bool gone = comm->watch.on && rank >= COMITY_COMM_SERVER && rank < comm->members.size &&
              (rank == COMITY_COMM_SERVER ? comm->watch.gone : !comm->members.present[rank]) &&
              peer[rank].born != 0 && strcmp(peer[rank].host, peer[comm->members.rank].host) == 0;
  return gone && birth_of(peer[rank].process) == peer[rank].born ? peer[rank].process : 0;
}

comity_status comity_comm_survive(comity_comm *comm, double silence, const comity_watcher *watcher) {
  comity_watch *watch = &comm->watch;
  bool server = comity_comm_is_server(comm);
  if (watch->on && watcher != NULL)
    watch->watcher = *watcher;
  if (watch->on)
    return COMITY_OK;
  COMITY_TRY(exchange_identities(comm, make_watch(comm, silence)));
  if (watcher != NULL)
    watch->watcher = *watcher;
  COMITY_TRY(comity_comm_agree(comm, comity_ear_open(comm, &watch->ear, comm->members.whole, server ? -1 : 0,
                                                     server ? MPI_ANY_SOURCE : COMITY_COMM_SERVER)));
  begin_watch(comm);
  return COMITY_OK;
}

void comity_comm_unwatch(comity_comm *comm) {
  comity_watch *watch = &comm->watch;
  double end = comity_clock_now() + PATIENCE;
  if (watch->on)
    comity_ear_close(&watch->ear);
  while (watch->letters != NULL && comity_clock_now() < end) /* nobody was lost, so they arrive */
    comity_notice_tidy(comm);
  comity_free(watch->peer);
  comity_free(watch->heard);
  comity_free(watch->group);
}

/* ----------------------------------------------------------------------------------------------- regrouping */

/* Whoever had come over this link is told, and not heard any more. */
static void turn_away(comity_comm *comm, comity_ear *ear) {
  if (ear->comm == MPI_COMM_NULL)
    return;
  comity_notice_send(comm, (comity_endpoint){ear->comm, 0}, COMITY_NOTICE_TAKEN, ear->rank, NULL);
  comity_ear_close(ear);
}

/* The other process has the slot from here on. */
static void take_offer(comity_comm *comm, int rank) {
  comity_peer *peer = &comm->watch.peer[rank];
  turn_away(comm, &peer->ear);
  comm->members.address[rank] = (comity_endpoint){peer->offer.comm, 0};
  peer->ear = peer->offer;
  peer->offer = COMITY_EAR_CLOSED;
  memcpy(peer->host, peer->offered_host, sizeof peer->host);
  peer->born = 0;
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
    return comity_fail(COMITY_ERR_EXCLUDED, "rank %d: another process has taken the place of this one",
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

/* -------------------------------------------------------------------------------------------- beside rounds */

void comity_comm_doing(comity_comm *comm, const comity_doing *doing) {
  comm->watch.doing = *doing;
  comm->watch.news = true;
}

comity_doing comity_comm_does(const comity_comm *comm, int rank) {
  return comm->watch.on ? comm->watch.peer[rank].doing : (comity_doing){.client = UINT64_MAX};
}

comity_status comity_comm_tend(comity_comm *comm) {
  comity_watch *watch = &comm->watch;
  double now = watch->on ? comity_clock_now() : 0;
  if (!watch->on || now < watch->next)
    return COMITY_OK;
  comity_watch_tend(comm, now);
  if (watch->gone || watch->left)
    return comity_watch_status(comm);
  if (!watch->interrupt || comity_comm_is_server(comm))
    return COMITY_OK;
  comity_notice notice;
  memcpy(&notice, watch->group, sizeof notice);
  bool wanted = !watch->taken && (watch->group[sizeof notice + (size_t)comm->members.rank] & 1) != 0;
  return wanted ? COMITY_OK : COMITY_INTERRUPTED;
}

void comity_comm_exclude(comity_comm *comm, int rank, comity_change change, const char *text) {
  if (comm->watch.on && comity_comm_is_server(comm) && rank > COMITY_COMM_SERVER && rank < comm->members.size)
    comity_watch_leave(comm, rank, change, text);
}

bool comity_comm_knocking(comity_comm *comm) {
  if (comm->watch.on)
    comity_watch_tend(comm, comity_clock_now());
  for (int rank = 1; rank < comm->members.size && comm->watch.on; rank++)
    if (comm->watch.peer[rank].knocks || comm->watch.peer[rank].offer.comm != MPI_COMM_NULL)
      return true;
  return false;
}

void comity_comm_hurry(comity_comm *comm) {
  for (int rank = 1; rank < comm->members.size && comm->watch.on; rank++)
    if (comm->members.present[rank])
      comity_notice_send(comm, comm->members.address[rank], COMITY_NOTICE_HURRY, rank, NULL);
  comm->watch.hurried = true;
}

bool comity_comm_hurried(const comity_comm *comm) { return comm->watch.hurried; }

void comity_comm_set_alarm(comity_comm *comm, double seconds, void (*expired)(void *self, bool due),
                           void *self) {
  comm->watch.alarm = seconds > 0 ? comity_clock_now() + seconds : INFINITY;
  comm->watch.expired = expired;
  comm->watch.expired_self = self;
}

void comity_comm_leave(comity_comm *comm) {
  if (!comm->watch.on || comity_comm_is_server(comm) || comm->watch.left)
    return;
  comm->watch.left = true;
  comity_notice_send(comm, comm->members.address[COMITY_COMM_SERVER], COMITY_NOTICE_LEAVE, comm->members.rank,
                     NULL);
}

/* -------------------------------------------------------------------------------------------- other processes */

comity_status comity_comm_offer(comity_comm *comm, int rank, MPI_Comm link, const char *host) {
  COMITY_REQUIRE(comm->watch.on && rank > COMITY_COMM_SERVER && rank < comm->members.size, COMITY_ERR_ARG,
                 "offer: there is no slot %d", rank);
  comity_peer *peer = &comm->watch.peer[rank];
  MPI_Comm_set_errhandler(link, MPI_ERRORS_RETURN);
  turn_away(comm, &peer->offer);
  COMITY_TRY(comity_ear_open(comm, &peer->offer, link, rank, 0));
  snprintf(peer->offered_host, sizeof peer->offered_host, "%s", host);
  comm->torn = true; /* whoever was there before may be gone, and MPI_Finalize would wait for it */
  return COMITY_OK;
}

comity_status comity_comm_join(comity_comm *comm, double silence) {
  COMITY_TRY(make_watch(comm, silence));
  bool server = comity_comm_is_server(comm);
  identity own = own_identity();
  know(&comm->watch.peer[comm->members.rank], &own);
  COMITY_TRY(comity_ear_open(comm, &comm->watch.ear, comm->members.address[COMITY_COMM_SERVER].comm,
                             server ? -1 : 0, server ? MPI_ANY_SOURCE : COMITY_COMM_SERVER));
  begin_watch(comm);
  return COMITY_OK;
}
