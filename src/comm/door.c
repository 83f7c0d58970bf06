/* The server's door: a TCP port at which processes that were started apart call. Whoever calls is nobody yet: MPI, which has to
 * trust those that it connects to and cannot connect to two at a time, hears of him only when he has proved who he is. */
#include "comm_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

struct comity_door {
  int socket;
  char address[1024];
};

bool comity_comm_may_meet(void) {
  int level = MPI_THREAD_SINGLE;
  return MPI_Query_thread(&level) == MPI_SUCCESS && level == MPI_THREAD_MULTIPLE;
}

/* On all networks of this host, by IPv6, which takes in IPv4, or where there is none by IPv4. */
static int listen_at(int port) {
  int on = 1, off = 0;
  struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  for (int v6 = 1; v6 >= 0; v6--) {
    int handle = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (handle < 0)
      continue;
    setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (v6)
      setsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(handle, v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
             v6 ? sizeof any6 : sizeof any4) == 0 &&
        listen(handle, BACKLOG) == 0)
      return handle;
    close(handle);
  }
  return -1;
}

static int port_of(int handle) {
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  if (getsockname(handle, (struct sockaddr *)&at, &size) != 0)
    return 0;
  return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                        : ((struct sockaddr_in *)&at)->sin_port);
}

static void add(comity_door *door, const char *text) {
  size_t used = strlen(door->address);
  snprintf(door->address + used, sizeof door->address - used, " %s", text);
}

/* The port, then the host's name and its addresses, loopback last. */
static void write_address(comity_door *door) {
  char host[256] = "", text[INET6_ADDRSTRLEN];
  struct ifaddrs *all = NULL;
  snprintf(door->address, sizeof door->address, "%d", port_of(door->socket));
  gethostname(host, sizeof host - 1);
  if (host[0] != '\0')
    add(door, host);
  if (getifaddrs(&all) != 0)
    all = NULL;
  for (int family = AF_INET; all != NULL; family = AF_INET6) {
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
      if (at->ifa_addr == NULL || at->ifa_addr->sa_family != family)
        continue;
      const void *bytes = family == AF_INET ? (const void *)&((struct sockaddr_in *)at->ifa_addr)->sin_addr
                                            : (const void *)&((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
      if (inet_ntop(family, bytes, text, sizeof text) != NULL && strcmp(text, "127.0.0.1") != 0 &&
          strcmp(text, "::1") != 0 && strncmp(text, "fe80", 4) != 0)
        add(door, text);
    }
    if (family == AF_INET6)
      break;
  }
  freeifaddrs(all);
  add(door, "127.0.0.1");
}

comity_status comity_door_open(int port, comity_door **door) {
  comity_door *made;
  COMITY_REQUIRE(comity_comm_may_meet(), COMITY_ERR_COMM,
                 "others can only join where MPI allows calls from several threads, and this one does not");
  COMITY_TRY(COMITY_NEW(made, 1));
  made->socket = listen_at(port);
  if (made->socket < 0) {
    comity_free(made);
    return comity_fail(COMITY_ERR_COMM, "port %d cannot be opened for silos: %s", port, strerror(errno));
  }
  write_address(made);
  *door = made;
  return COMITY_OK;
}

const char *comity_door_address(const comity_door *door) { return door->address; }

comity_status comity_door_next(comity_door *door, comity_link **link) {
  *link = NULL;
  int handle = accept4(door->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (handle < 0)
    return COMITY_OK; /* nobody, or somebody who has gone again */
  comity_wire *wire = NULL;
  COMITY_TRY(comity_wire_new(handle, &wire));
  return comity_link_of_wire(wire, link);
}

void comity_door_close(comity_door **door) {
  if (door == NULL || *door == NULL)
    return;
  close((*door)->socket);
  comity_free(*door);
  *door = NULL;
}
