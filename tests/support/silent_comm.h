/* The server's communicator as far as it only answers questions: who there is. No MPI, and nobody can be reached. */
#ifndef COMITY_TESTS_SILENT_COMM_H
#define COMITY_TESTS_SILENT_COMM_H

#include "comm/comm_impl.h"

enum { SILENT_MOST = 8 };

typedef struct silent_comm {
  comity_comm comm;
  bool present[SILENT_MOST], linked[SILENT_MOST];
  int list[SILENT_MOST];
} silent_comm;

/* `size` <= SILENT_MOST slots, all present, the last `apart` of them reached by the server alone. */
static inline comity_comm *silent_comm_open(silent_comm *silent, int size, int apart) {
  *silent = (silent_comm){.comm = {.members = {.size = size,
                                               .present = silent->present,
                                               .linked = silent->linked,
                                               .list = silent->list}}};
  for (int rank = 0; rank < size; rank++) {
    silent->present[rank] = true;
    silent->linked[rank] = rank < size - apart;
  }
  comity_members_order(&silent->comm.members);
  return &silent->comm;
}

#endif
