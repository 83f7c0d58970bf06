/* The memory of stateful algorithms: one vector per hosted client, made on its first write, in slabs of
 * memory or in slots of one file that nobody else sees. */
#include "checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLAB_BYTES = 1 << 20 };

struct comity_states {
  size_t length;
  size_t count;     /* clients that have a state; the n-th to come has slot n */
  uint64_t *client; /* (room) by slot */
  size_t room;
  size_t *table; /* (table_size) slot + 1, or 0; open addressing */
  size_t table_size;
  float **slab; /* (slab_count) each (per_slab, length); slabs never move, so growing copies no states */
  size_t slab_count, slab_room, per_slab;
  int file; /* -1 = in memory */
  char *path;
};

comity_status comity_states_new(size_t length, const char *spill_path, comity_states **states) {
  COMITY_REQUIRE(length <= SIZE_MAX / sizeof(float) / 2, COMITY_ERR_ARG,
                 "client state: %zu floats do not fit into the address space", length);
  comity_states *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  *made = (comity_states){.length = length, .file = -1};
  size_t bytes = length * sizeof(float);
  made->per_slab = bytes == 0 || bytes >= SLAB_BYTES ? 1 : SLAB_BYTES / bytes;
  comity_status status = COMITY_OK;
  if (spill_path != NULL && length > 0) {
    made->path = comity_text("%s", spill_path);
    if (made->path == NULL)
      status = COMITY_ERR_MEMORY;
    else if ((made->file = open(spill_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
      status = comity_fail_errno("%s: cannot create the file for client states", spill_path);
    else
      unlink(spill_path); /* at once, so that it is gone even if this process is killed */
  }
  if (status != COMITY_OK)
    comity_states_destroy(&made);
  else
    *states = made;
  return status;
}

void comity_states_destroy(comity_states **states) {
  if (states == NULL || *states == NULL)
    return;
  comity_states *old = *states;
  for (size_t i = 0; i < old->slab_count; i++)
    comity_free(old->slab[i]);
  comity_free(old->slab);
  comity_free(old->client);
  comity_free(old->table);
  if (old->file >= 0)
    close(old->file);
  comity_free(old->path);
  comity_free(old);
  *states = NULL;
}

/* The finaliser of SplitMix64: neighbouring ids land far apart. */
static uint64_t scatter(uint64_t id) {
  id = (id ^ (id >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  id = (id ^ (id >> 27)) * UINT64_C(0x94d049bb133111eb);
  return id ^ (id >> 31);
}

/* The place of `client` in the table: its own, or the free one where it would go. */
static size_t place_of(const comity_states *states, uint64_t client) {
  size_t place = (size_t)scatter(client) & (states->table_size - 1);
  while (states->table[place] != 0 && states->client[states->table[place] - 1] != client)
    place = (place + 1) & (states->table_size - 1);
  return place;
}

static bool slot_of(const comity_states *states, uint64_t client, size_t *slot) {
  if (states->count == 0)
    return false;
  size_t found = states->table[place_of(states, client)];
  *slot = found - 1;
  return found != 0;
}

/* Room for one client more: ids, and a table that is at most half full. */
static comity_status make_room(comity_states *states) {
  COMITY_TRY(comity_array_grow(&states->client, &states->room, states->count + 1, sizeof *states->client));
  if (2 * (states->count + 1) > states->table_size) {
    size_t *grown, size = states->table_size == 0 ? 32 : 2 * states->table_size;
    COMITY_TRY(COMITY_NEW(grown, size));
    comity_free(states->table);
    states->table = grown;
    states->table_size = size;
    for (size_t slot = 0; slot < states->count; slot++)
      states->table[place_of(states, states->client[slot])] = slot + 1;
  }
  return COMITY_OK;
}

static comity_status make_slab(comity_states *states) {
  COMITY_TRY(
      comity_array_grow(&states->slab, &states->slab_room, states->slab_count + 1, sizeof *states->slab));
  COMITY_TRY(COMITY_NEW(states->slab[states->slab_count], states->per_slab * states->length));
  states->slab_count++;
  return COMITY_OK;
}

static float *in_memory(const comity_states *states, size_t slot) {
  return states->slab[slot / states->per_slab] + slot % states->per_slab * states->length;
}

/* Both directions of the spill file; the kernel may move fewer bytes than asked for. */
static comity_status spill(const comity_states *states, size_t slot, void *to, const void *from) {
  size_t bytes = states->length * sizeof(float), done = 0;
  while (done < bytes) {
    off_t offset = (off_t)(slot * bytes + done);
    ssize_t moved = from != NULL ? pwrite(states->file, (const char *)from + done, bytes - done, offset)
                                 : pread(states->file, (char *)to + done, bytes - done, offset);
    if (moved < 0 && errno == EINTR)
      continue;
    if (moved < 0)
      return comity_fail_errno("%s: cannot %s a client state", states->path, from != NULL ? "write" : "read");
    if (moved == 0)
      return comity_fail(COMITY_ERR_IO, "%s: the file of client states is shorter than it was", states->path);
    done += (size_t)moved;
  }
  return COMITY_OK;
}

comity_status comity_states_read(const comity_states *states, uint64_t client, float *state) {
  size_t slot;
  if (states->length == 0)
    return COMITY_OK;
  if (!slot_of(states, client, &slot))
    memset(state, 0, states->length * sizeof *state);
  else if (states->file >= 0)
    return spill(states, slot, state, NULL);
  else
    memcpy(state, in_memory(states, slot), states->length * sizeof *state);
  return COMITY_OK;
}

comity_status comity_states_write(comity_states *states, uint64_t client, const float *state) {
  size_t slot;
  if (states->length == 0)
    return COMITY_OK;
  bool known = slot_of(states, client, &slot);
  if (!known) {
    COMITY_TRY(make_room(states));
    slot = states->count;
  }
  if (states->file >= 0)
    COMITY_TRY(spill(states, slot, NULL, state));
  else {
    if (slot / states->per_slab == states->slab_count)
      COMITY_TRY(make_slab(states));
    memcpy(in_memory(states, slot), state, states->length * sizeof *state);
  }
  if (!known) { /* only now, so that a failed first write leaves the client without a state */
    states->table[place_of(states, client)] = slot + 1;
    states->client[slot] = client;
    states->count++;
  }
  return COMITY_OK;
}

void comity_states_clear(comity_states *states) {
  if (states->count > 0)
    memset(states->table, 0, states->table_size * sizeof *states->table);
  states->count = 0;
}

/* The last state takes the place of one that is forgotten; `row` is (length) on disk, else NULL. */
static comity_status fill_gap(comity_states *states, size_t gap, float *row) {
  size_t last = states->count - 1;
  if (gap < last && row != NULL) {
    COMITY_TRY(spill(states, last, row, NULL));
    COMITY_TRY(spill(states, gap, NULL, row));
  } else if (gap < last)
    memcpy(in_memory(states, gap), in_memory(states, last), states->length * sizeof(float));
  states->client[gap] = states->client[last];
  states->count = last;
  return COMITY_OK;
}

comity_status comity_states_forget(comity_states *states, bool (*forget)(void *context, uint64_t client),
                                   void *context) {
  float *row = NULL;
  if (states->length == 0 || states->count == 0)
    return COMITY_OK;
  comity_status status = states->file >= 0 ? COMITY_NEW(row, states->length) : COMITY_OK;
  for (size_t slot = 0; slot < states->count && status == COMITY_OK;)
    if (forget(context, states->client[slot]))
      status = fill_gap(states, slot, row);
    else
      slot++;
  memset(states->table, 0, states->table_size * sizeof *states->table);
  for (size_t slot = 0; slot < states->count; slot++)
    states->table[place_of(states, states->client[slot])] = slot + 1;
  comity_free(row);
  return status;
}

comity_status comity_states_move(comity_states *from, comity_states *to) {
  float *row = NULL;
  comity_status status = from->file >= 0 ? COMITY_NEW(row, from->length) : COMITY_OK;
  for (size_t slot = 0; slot < from->count && status == COMITY_OK; slot++) {
    if (from->file >= 0)
      status = spill(from, slot, row, NULL);
    if (status == COMITY_OK)
      status = comity_states_write(to, from->client[slot], row != NULL ? row : in_memory(from, slot));
  }
  comity_free(row);
  if (status == COMITY_OK)
    comity_states_clear(from);
  return status;
}

static int ascending(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

size_t comity_states_list(const comity_states *states, uint64_t *client) {
  if (client != NULL && states->count > 0) {
    memcpy(client, states->client, states->count * sizeof *client);
    qsort(client, states->count, sizeof *client, ascending);
  }
  return states->count;
}

size_t comity_states_length(const comity_states *states) { return states->length; }
