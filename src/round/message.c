/* A message to the server, put together piece by piece in memory that is kept, and taken apart again. */
#include "round_impl.h"

#include "core/core_impl.h"

#include <string.h>

void comity_message_clear(comity_message *message) {
  comity_free(message->bytes);
  *message = (comity_message){0};
}

comity_status comity_message_add(comity_message *message, const void *data, size_t bytes) {
  COMITY_TRY(comity_array_grow(&message->bytes, &message->room, message->length + bytes, 1));
  if (bytes > 0)
    memcpy(message->bytes + message->length, data, bytes);
  message->length += bytes;
  return COMITY_OK;
}

comity_parts comity_message_of(const comity_gathered *gathered, size_t rank) {
  return (comity_parts){.at = gathered->bytes + gathered->offset[rank],
                        .end = gathered->bytes + gathered->offset[rank + 1]};
}

comity_status comity_message_skip(comity_parts *parts, size_t bytes) {
  COMITY_REQUIRE(bytes <= (size_t)(parts->end - parts->at), COMITY_ERR_INTERNAL,
                 "a report ends %zu bytes too early: do all ranks run the same version?",
                 bytes - (size_t)(parts->end - parts->at));
  parts->at += bytes;
  return COMITY_OK;
}

comity_status comity_message_expect(const comity_parts *parts, uint64_t count, size_t size) {
  size_t left = (size_t)(parts->end - parts->at);
  COMITY_REQUIRE(count <= left / size, COMITY_ERR_INTERNAL,
                 "a report tells of %llu entries, but ends after %zu: do all ranks run the same version?",
                 (unsigned long long)count, left / size);
  return COMITY_OK;
}

comity_status comity_message_take(comity_parts *parts, void *data, size_t bytes) {
  const uint8_t *from = parts->at;
  COMITY_TRY(comity_message_skip(parts, bytes));
  if (bytes > 0)
    memcpy(data, from, bytes);
  return COMITY_OK;
}
