/* Outliving others: how it begins, with everybody knowing who the others are, how it ends, and what a rank says and asks beside
 * operations meanwhile. */
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
  COMITY_TRY(comity_comm_acquaint(comm));
  if (watcher != NULL)
    watch->watcher = *watcher;
  COMITY_TRY(comity_comm_agree(comm, comity_ear_open(comm, &watch->ear, comm->members.whole, server ? -1 : 0,
                                                     server ? MPI_ANY_SOURCE : COMITY_COMM_SERVER)));
  begin_watch(comm);
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

/* -------------------------------------------------------------------------------------------- beside operations */

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

comity_status comity_comm_reject(comity_comm *comm, int rank, comity_status why) {
  if (why == COMITY_OK || why == COMITY_ERR_MEMORY || !comm->watch.on || rank == COMITY_COMM_SERVER)
    return why;
  char text[256];
  snprintf(text, sizeof text, "what rank %d sent cannot be used: %s", rank, comity_error_message());
  comity_comm_exclude(comm, rank, COMITY_CHANGE_CORRUPT, text);
  return COMITY_INTERRUPTED;
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
