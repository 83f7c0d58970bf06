/* Outliving others: who is present, signs of life, and the regrouping after a loss. */
#include "comm_impl.h"

bool comity_comm_is_present(const comity_comm *comm, int rank) {
  return rank >= 0 && rank < comm->members.size;
}

int comity_comm_present(const comity_comm *comm) { return comm->members.size; }

const char *comity_comm_host(const comity_comm *comm, int rank) {
  (void)comm;
  (void)rank;
  return "";
}

comity_status comity_comm_survive(comity_comm *comm, double silence, const comity_watcher *watcher) {
  (void)comm;
  (void)silence;
  (void)watcher;
  return COMITY_OK;
}

void comity_comm_doing(comity_comm *comm, const comity_doing *doing) {
  (void)comm;
  (void)doing;
}

comity_status comity_comm_tend(comity_comm *comm) {
  (void)comm;
  return COMITY_OK;
}

comity_status comity_comm_regroup(comity_comm *comm, comity_point *point) {
  (void)comm;
  (void)point;
  return COMITY_OK;
}

void comity_comm_exclude(comity_comm *comm, int rank, comity_change change, const char *text) {
  (void)comm;
  (void)rank;
  (void)change;
  (void)text;
}

bool comity_comm_knocking(comity_comm *comm) {
  (void)comm;
  return false;
}

comity_status comity_comm_knock(comity_comm *comm, comity_point *point) {
  (void)comm;
  (void)point;
  return COMITY_OK;
}

comity_doing comity_comm_does(const comity_comm *comm, int rank) {
  (void)comm;
  (void)rank;
  return (comity_doing){0};
}

void comity_comm_hurry(comity_comm *comm) { (void)comm; }

bool comity_comm_hurried(const comity_comm *comm) {
  (void)comm;
  return false;
}

void comity_comm_set_alarm(comity_comm *comm, double seconds, void (*expired)(void *self, bool due),
                           void *self) {
  (void)comm;
  (void)seconds;
  (void)expired;
  (void)self;
}

bool comity_comm_is_torn(const comity_comm *comm) { return comm->failure != COMITY_OK; }

comity_status comity_comm_buffer_renew(comity_comm *comm, void **memory) {
  (void)comm;
  (void)memory;
  return COMITY_OK;
}
