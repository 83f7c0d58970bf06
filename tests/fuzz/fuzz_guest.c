/* Any bytes that somebody sends to a server that is waiting for silos: handshakes over a TCP connection, and the letters of who is
 * known, each with two bytes for its length before it. The first byte says how far he has come. Nobody gets further than his letters take him, and who goes is told why. */
#include "fuzz_dataset.h"

#include "comm/comm_impl.h"
#include "identity/identity_impl.h"
#include "round/guest_impl.h"

#include <ctype.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const comity_guest_step steps[] = {COMITY_GUEST_HELLO, COMITY_GUEST_DATA, COMITY_GUEST_WAITING,
                                          COMITY_GUEST_JOINING};

/* Always the same key, so that findings can be repeated; and nothing of one visitor stays for the next. */
static comity_guests *server(comity_run_state *run) {
  static const char text[] = "comity-ed25519-secret nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= server\n";
  static comity_config *config;
  static comity_guests guests;
  if (config == NULL)
    fuzz_must(comity_config_new(&config) == COMITY_OK &&
                  comity_key_file_secret("server", text, sizeof text - 1, &guests.identity) == COMITY_OK,
              "no server");
  run->config = config;
  guests.run = run;
  guests.job = "job";
  return &guests;
}

static void check(const comity_guest *guest, comity_guest_step first, comity_status status) {
  comity_guest_step last = first == COMITY_GUEST_HELLO     ? COMITY_GUEST_PROOF
                           : first == COMITY_GUEST_JOINING ? COMITY_GUEST_READY
                                                           : COMITY_GUEST_WAITING;
  fuzz_must(status == COMITY_OK || comity_error_message()[0] != '\0', "a failure without a message");
  fuzz_must(guest->step >= first && guest->step <= last, "a guest who skipped a step");
  for (const char *c = guest->host; *c != '\0'; c++)
    fuzz_must(isgraph((unsigned char)*c), "a host's name that cannot go to a log");
}

enum { MOST = 1024 };

/* Letters as they travel. Short ones: those over MPI may be long, and memory for them would be all that is measured here. */
static size_t put_letters(const uint8_t *bytes, size_t count, uint8_t stream[2 * MOST]) {
  size_t used = 0;
  while (count >= 2) {
    size_t length = bytes[0] | (size_t)bytes[1] << 8;
    length = length < count - 2 ? length : count - 2;
    const uint8_t head[] = {(uint8_t)length, (uint8_t)(length >> 8), 0, 0};
    memcpy(stream + used, head, sizeof head);
    memcpy(stream + used + sizeof head, bytes + 2, length);
    used += sizeof head + length;
    bytes += 2 + length;
    count -= 2 + length;
  }
  return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  comity_run_state run = {0};
  comity_wire *wire = NULL;
  int ends[2];
  uint8_t letters[2 * MOST];
  if (count < 1 || count > MOST)
    return 0;
  comity_guests *guests = server(&run);
  comity_guest_step first = steps[bytes[0] % (sizeof steps / sizeof *steps)];
  comity_guest guest = {.step = first, .deadline = 100};
  fuzz_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0 &&
                comity_wire_new(ends[0], &wire) == COMITY_OK &&
                comity_link_of_wire(wire, &guest.link) == COMITY_OK,
            "no connection");
  bool bare = first == COMITY_GUEST_HELLO;
  size_t length = bare ? count - 1 : put_letters(bytes + 1, count - 1, letters);
  fuzz_must(write(ends[1], bare ? bytes + 1 : letters, length) == (ssize_t)length, "cannot send");
  shutdown(ends[1], SHUT_WR);
  comity_status status = COMITY_OK;
  for (int i = 0; status == COMITY_OK && guest.step < COMITY_GUEST_READY; i++) {
    fuzz_must(i < 10000, "a guest who never goes");
    status = comity_guest_step_on(guests, &guest, 1);
    check(&guest, first, status);
  }
  close(ends[1]);
  comity_guest_clear(&guest);
  return 0;
}
