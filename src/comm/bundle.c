/* A bundle: what members tell the server, a row of entries in the order of places. An entry is a head, the text of an error
 * message, and the data. Other processes made most of it, so a bundle is taken for one only after a look at all of it. */
#include "comm_impl.h"

#include <string.h>

typedef struct entry {
  uint64_t member, status, text, data; /* text and data: bytes that follow */
} entry;

static entry entry_at(const comity_bundle *bundle, size_t at) {
  entry found;
  memcpy(&found, bundle->bytes + at, sizeof found);
  return found;
}

comity_status comity_bundle_begin(const comity_members *members, comity_status local, const void *data,
                                  size_t bytes, size_t more, comity_bundle *bundle) {
  const char *text = local == COMITY_OK ? "" : comity_error_message();
  size_t length = strlen(text) < COMITY_COMM_MESSAGE_BYTES ? strlen(text) : COMITY_COMM_MESSAGE_BYTES - 1;
  entry own = {.member = (uint64_t)members->rank, .status = (uint64_t)local, .text = length, .data = bytes};
  COMITY_REQUIRE(bytes <= SIZE_MAX / 2 && more <= SIZE_MAX / 2 - sizeof own - COMITY_COMM_MESSAGE_BYTES,
                 COMITY_ERR_MEMORY, "gather: more bytes than the address space has");
  COMITY_TRY(COMITY_NEW(bundle->bytes, sizeof own + length + bytes + more));
  memcpy(bundle->bytes, &own, sizeof own);
  memcpy(bundle->bytes + sizeof own, text, length);
  if (bytes > 0)
    memcpy(bundle->bytes + sizeof own + length, data, bytes);
  bundle->length = sizeof own + length + bytes;
  return COMITY_OK;
}

bool comity_bundle_is_sound(const comity_members *members, int first, int end, const uint8_t *bytes,
                            size_t length) {
  const comity_bundle bundle = {.bytes = (uint8_t *)bytes, .length = length};
  int place = first;
  for (size_t at = 0; at < length; place++) {
    size_t left = length - at;
    if (left < sizeof(entry))
      return false;
    entry next = entry_at(&bundle, at);
    left -= sizeof next;
    if (next.text >= COMITY_COMM_MESSAGE_BYTES || next.text > left || next.data > left - next.text)
      return false;
    while (place < end && (uint64_t)members->list[place] != next.member)
      place++;
    if (place >= end)
      return false;
    at += sizeof next + next.text + next.data;
  }
  return length > 0;
}

/* Where each rank's entry begins; ranks that are absent have none. */
static void find_entries(const comity_bundle *all, size_t size, size_t *found) {
  entry next;
  for (size_t rank = 0; rank < size; rank++)
    found[rank] = SIZE_MAX;
  for (size_t at = 0; at < all->length; at += sizeof next + next.text + next.data) {
    next = entry_at(all, at);
    found[next.member] = at;
  }
}

comity_status comity_bundle_unpack(const comity_members *members, comity_bundle *all,
                                   comity_gathered *gathered) {
  comity_status worst = COMITY_OK, status = COMITY_OK;
  bool in_order = members->links == members->count;
  size_t size = (size_t)members->size, end = 0, *found;
  const uint8_t *from = all->bytes;
  COMITY_TRY(COMITY_NEW(found, size));
  COMITY_TRY_OR(done, COMITY_NEW(gathered->offset, size + 1));
  find_entries(all, size, found);
  if (in_order) {
    gathered->bytes = all->bytes;
    all->bytes = NULL;
  } else {
    COMITY_TRY_OR(done, COMITY_NEW(gathered->bytes, all->length));
  }
  for (size_t rank = 0; rank < size; rank++) {
    entry next;
    gathered->offset[rank] = gathered->offset[rank + 1] = end;
    if (found[rank] == SIZE_MAX)
      continue;
    const uint8_t *at = from + found[rank];
    memcpy(&next, at, sizeof next);
    at += sizeof next;
    if ((comity_status)next.status > worst) {
      worst = (comity_status)next.status;
      if (size > 1)
        comity_fail(worst, "rank %zu: %.*s", rank, (int)next.text, (const char *)at);
    }
    if (next.data > 0)
      memmove(gathered->bytes + end, at + next.text, next.data);
    end += next.data;
    gathered->offset[rank + 1] = end;
  }
  gathered->count = size;
done:
  comity_free(found);
  return status == COMITY_OK ? worst : status;
}
