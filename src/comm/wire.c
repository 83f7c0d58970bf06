/* A wire: a TCP connection as a link, before MPI knows of the other side. Each message is its length, lowest byte first, and its
 * bytes; sockets never block. */
#include "comm_impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 4, MOST_WAITING = 1 << 20 };
static const int CALL_WAIT_MS = 4000;

struct comity_wire {
  int socket;
  uint8_t *out; /* (out_count) still to go */
  size_t out_count;
  uint8_t head[HEAD], *in; /* the message that is coming in: `got` of its head and (length) bytes are there */
  size_t got, length;
  bool heard; /* anything at all */
};

comity_status comity_wire_new(int handle, comity_wire **wire) {
  comity_wire *made;
  comity_status status = COMITY_NEW(made, 1);
  if (status != COMITY_OK) {
    close(handle);
    return status;
  }
  made->socket = handle;
  *wire = made;
  return COMITY_OK;
}

void comity_wire_destroy(comity_wire **wire) {
  if (*wire == NULL)
    return;
  close((*wire)->socket);
  comity_free((*wire)->out);
  comity_free((*wire)->in);
  comity_free(*wire);
  *wire = NULL;
}

static bool later(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

comity_status comity_wire_push(comity_wire *wire) {
  while (wire->out_count > 0) {
    ssize_t sent = send(wire->socket, wire->out, wire->out_count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && later())
      return COMITY_OK;
    COMITY_REQUIRE(sent > 0, COMITY_ERR_COMM, "the connection was lost: %s", strerror(errno));
    wire->out_count -= (size_t)sent;
    memmove(wire->out, wire->out + sent, wire->out_count);
  }
  return COMITY_OK;
}

bool comity_wire_is_idle(const comity_wire *wire) { return wire->out_count == 0; }

bool comity_wire_has_heard(const comity_wire *wire) { return wire->heard; }

comity_status comity_wire_send(comity_wire *wire, const void *data, size_t bytes) {
  uint8_t *out;
  COMITY_REQUIRE(bytes + wire->out_count <= MOST_WAITING, COMITY_ERR_COMM, "the other side takes nothing in");
  COMITY_TRY(COMITY_NEW(out, wire->out_count + HEAD + bytes));
  if (wire->out_count > 0)
    memcpy(out, wire->out, wire->out_count);
  for (int i = 0; i < HEAD; i++)
    out[wire->out_count + (size_t)i] = (uint8_t)(bytes >> 8 * i);
  if (bytes > 0)
    memcpy(out + wire->out_count + HEAD, data, bytes);
  comity_free(wire->out);
  wire->out = out;
  wire->out_count += HEAD + bytes;
  return comity_wire_push(wire);
}

/* At most `count` bytes. *got: 0 = none are there yet. */
static comity_status pull(comity_wire *wire, uint8_t *bytes, size_t count, size_t *got) {
  ssize_t came = recv(wire->socket, bytes, count, MSG_DONTWAIT);
  *got = came > 0 ? (size_t)came : 0;
  wire->heard |= came > 0;
  COMITY_REQUIRE(came > 0 || (came < 0 && later()), COMITY_ERR_COMM, "the connection was lost%s%s",
                 came < 0 ? ": " : "", came < 0 ? strerror(errno) : "");
  return COMITY_OK;
}

static comity_status begin_message(comity_wire *wire, size_t most) {
  wire->length = 0;
  for (int i = 0; i < HEAD; i++)
    wire->length |= (size_t)wire->head[i] << 8 * i;
  COMITY_REQUIRE(wire->length <= most, COMITY_ERR_COMM,
                 "a message of %zu bytes is announced, but at most %zu are expected", wire->length, most);
  return COMITY_NEW(wire->in, wire->length + 1);
}

comity_status comity_wire_receive(comity_wire *wire, size_t most, uint8_t **data, size_t *bytes) {
  size_t got = 0;
  COMITY_TRY(comity_wire_push(wire));
  if (wire->got < HEAD) {
    COMITY_TRY(pull(wire, wire->head + wire->got, HEAD - wire->got, &got));
    wire->got += got;
    if (wire->got < HEAD)
      return COMITY_OK;
  }
  if (wire->in == NULL)
    COMITY_TRY(begin_message(wire, most));
  if (wire->got < HEAD + wire->length) {
    COMITY_TRY(pull(wire, wire->in + wire->got - HEAD, HEAD + wire->length - wire->got, &got));
    wire->got += got;
  }
  if (wire->got < HEAD + wire->length)
    return COMITY_OK;
  *data = wire->in;
  *bytes = wire->length;
  wire->in = NULL;
  wire->got = 0;
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------------- calling */

static int dial(const struct addrinfo *to) {
  int handle = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol),
      error = 0;
  socklen_t size = sizeof error;
  if (handle < 0)
    return -1;
  struct pollfd ready = {.fd = handle, .events = POLLOUT};
  if (connect(handle, to->ai_addr, to->ai_addrlen) == 0 ||
      (errno == EINPROGRESS && poll(&ready, 1, CALL_WAIT_MS) == 1 &&
       getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0))
    return handle;
  close(handle);
  return -1;
}

/* One "host port". */
static int dial_name(const char *host, const char *port) {
  struct addrinfo how = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  int handle = -1;
  if (getaddrinfo(host, port, &how, &found) != 0)
    return -1;
  for (const struct addrinfo *to = found; to != NULL && handle < 0; to = to->ai_next)
    handle = dial(to);
  freeaddrinfo(found);
  return handle;
}

comity_status comity_link_call(const char *address, comity_link **link) {
  char host[256], port[16];
  int handle = -1, length = 0;
  for (const char *at = address;
       handle < 0 && sscanf(at, " %15s%n", port, &length) == 1;) { /* the port comes first */
    at += length;
    while (handle < 0 && sscanf(at, " %255s%n", host, &length) == 1) {
      at += length;
      handle = dial_name(host, port);
    }
  }
  COMITY_REQUIRE(
      handle >= 0, COMITY_ERR_SERVER,
      "the server cannot be reached at any of its addresses (port, then hosts: %s): does it run, and does a "
      "firewall stand in between?",
      address);
  comity_wire *wire = NULL;
  COMITY_TRY(comity_wire_new(handle, &wire));
  return comity_link_of_wire(wire, link);
}
