/* Any bytes over a TCP connection, in pieces of any size: messages come out of it as they were put in, a longer one than is
 * expected ends it, and nothing ever blocks. The first byte says what is expected, the second how the bytes are cut. */
#include "fuzz_dataset.h"

#include "comm/comm_impl.h"

#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* What should come out. */
typedef struct cursor {
  const uint8_t *at, *end;
  size_t most;
} cursor;

/* \return false where the stream is at its end, in the middle of a message, or too long a one comes */
static bool next(cursor *c, const uint8_t **data, size_t *length) {
  size_t left = (size_t)(c->end - c->at);
  if (left < 4)
    return false;
  *length = c->at[0] | (size_t)c->at[1] << 8 | (size_t)c->at[2] << 16 | (size_t)c->at[3] << 24;
  if (*length > c->most || *length > left - 4)
    return false;
  *data = c->at + 4;
  c->at += 4 + *length;
  return true;
}

/* All that has come so far. */
static comity_status drain(comity_wire *wire, cursor *expected) {
  for (;;) {
    uint8_t *came = NULL;
    const uint8_t *data;
    size_t bytes = 0, length = 0;
    COMITY_TRY(comity_wire_receive(wire, expected->most, &came, &bytes));
    if (came == NULL)
      return COMITY_OK;
    fuzz_must(next(expected, &data, &length), "a message that nobody sent");
    fuzz_must(bytes == length && memcmp(came, data, length) == 0, "a message that changed");
    comity_free(came);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  int ends[2];
  comity_wire *wire = NULL;
  if (count < 2 || count > 4096)
    return 0;
  cursor expected = {.at = bytes + 2, .end = bytes + count, .most = bytes[0]};
  fuzz_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "no sockets");
  fuzz_must(comity_wire_new(ends[0], &wire) == COMITY_OK, "no wire");
  comity_status status = COMITY_OK;
  size_t cut = 1 + bytes[1] % 16;
  for (size_t at = 2, piece; at < count && status == COMITY_OK;
       at += piece, cut = 1 + (cut * 7 + bytes[1]) % 61) {
    piece = count - at < cut ? count - at : cut;
    fuzz_must(write(ends[1], bytes + at, piece) == (ssize_t)piece, "cannot send");
    status = drain(wire, &expected);
    for (int again = 0; again < 2 && status == COMITY_OK; again++) /* nothing more comes of asking */
      status = drain(wire, &expected);
  }
  close(ends[1]);
  if (status == COMITY_OK)
    status = drain(wire, &expected);
  const uint8_t *data;
  size_t length;
  fuzz_must(status == COMITY_ERR_COMM && comity_error_message()[0] != '\0', "an end that nobody noticed");
  fuzz_must(!next(&expected, &data, &length), "a message that did not come");
  comity_wire_destroy(&wire);
  return 0;
}
