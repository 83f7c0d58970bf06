/* Who hosts a client, and who stands in for a participant that is absent.
 *
 * Every rank must find the same answer at any time, also one that did not see every change of the membership on the
 * way. So the answer depends on who is present now, and on nothing else; and it changes for nobody but the clients of
 * those who have gone, so that no client is trained twice in a round: each client has its own fixed order of
 * participants, and the first of them that is present has it. */
#include "federation_impl.h"

#include <string.h>

comity_status comity_hosts_new(int slots, comity_hosts *hosts) {
  *hosts = (comity_hosts){.slots = slots, .present = slots};
  COMITY_TRY(COMITY_NEW(hosts->here, (size_t)slots));
  memset(hosts->here, true, (size_t)slots * sizeof *hosts->here);
  return COMITY_OK;
}

void comity_hosts_clear(comity_hosts *hosts) {
  comity_free(hosts->here);
  *hosts = (comity_hosts){0};
}

/* The finaliser of SplitMix64: neighbours land far apart. */
static uint64_t scatter(uint64_t value) {
  value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

/* After the slot itself comes one of the others in turn, which deals the clients of one absent slot evenly; then any, at
 * random; and lest that takes for ever, all of them one after the other. */
int comity_hosts_find(const comity_hosts *hosts, int slot, uint64_t turn) {
  enum { TRIES = 64 };
  uint64_t slots = (uint64_t)hosts->slots, at = (uint64_t)slot;
  if (hosts->here[slot] || hosts->present == 0)
    return slot;
  at = (at + 1 + turn % (slots - 1)) % slots; /* there are others, for one of them is present */
  uint64_t key = scatter((turn << 20) + (uint64_t)slot + 1);
  for (uint64_t i = 1; !hosts->here[at] && i <= TRIES; i++)
    at = scatter(key + i) % slots;
  while (!hosts->here[at])
    at = (at + 1) % slots;
  return (int)at;
}

/* ---------------------------------------------------------------------------------------- of a federation */

void comity_federation_regroup(comity_federation *federation) {
  comity_hosts *hosts = &federation->hosts;
  int first = comity_comm_size(federation->comm) > 1; /* the server alone is its own participant */
  hosts->present = 0;
  for (int slot = 0; slot < hosts->slots; slot++) {
    hosts->here[slot] = comity_comm_is_present(federation->comm, slot + first);
    hosts->present += hosts->here[slot];
  }
}

bool comity_federation_is_here(const comity_federation *federation, int participant) {
  return federation->hosts.here[participant];
}

int comity_federation_home(const comity_federation *federation, size_t client) {
  return federation->shared ? (int)(client % (size_t)federation->hosts.slots)
                            : comity_federation_silo(federation, client)->participant;
}

int comity_federation_host(const comity_federation *federation, size_t client) {
  return comity_federation_host_by(federation, &federation->hosts, client);
}

int comity_federation_host_by(const comity_federation *federation, const comity_hosts *hosts, size_t client) {
  int home = comity_federation_home(federation, client);
  return federation->shared && federation->reassign
             ? comity_hosts_find(hosts, home, client / (size_t)hosts->slots)
             : home;
}

/* The work is dealt as if everybody were here, and that of the absent then goes to the others. */
comity_status comity_hosts_deal(const comity_hosts *hosts, const uint64_t *work, size_t count, int *owner) {
  COMITY_TRY(comity_assign_balanced(work, count, hosts->slots, owner));
  if (hosts->present == hosts->slots)
    return COMITY_OK;
  uint64_t *turn;
  COMITY_TRY(COMITY_NEW(turn, (size_t)hosts->slots));
  for (size_t i = 0; i < count; i++)
    owner[i] = comity_hosts_find(hosts, owner[i], turn[owner[i]]++);
  comity_free(turn);
  return COMITY_OK;
}

comity_status comity_federation_owners(const comity_federation *federation, const uint32_t *cohort,
                                       const uint64_t *work, size_t count, bool balanced, int *owner) {
  if (balanced)
    return federation->reassign ? comity_hosts_deal(&federation->hosts, work, count, owner)
                                : comity_assign_balanced(work, count, federation->hosts.slots, owner);
  for (size_t i = 0; i < count; i++)
    owner[i] = comity_federation_host(federation, cohort[i]);
  return COMITY_OK;
}
