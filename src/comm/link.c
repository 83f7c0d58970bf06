/* A link to one other process, which was started apart and is not a member, or not yet, over MPI or a wire. Messages go out from memory of
 * their own and come in whole, and nobody ever waits: whoever is at the other end may be slow, dead, or a stranger. */
#include "comm_impl.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

typedef struct parcel parcel; /* a message on its way out */
struct parcel {
  parcel *next;
  MPI_Request request;
  uint8_t bytes[];
};

struct comity_link {
  comity_wire *wire; /* it is one; or NULL */
  MPI_Comm comm;
  int tag;
  parcel *parcels;
  MPI_Request request; /* of the message that is coming in */
  uint8_t *coming;     /* (length) */
  size_t length;
};

comity_status comity_link_new(MPI_Comm comm, comity_link **link) {
  comity_link *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  made->comm = comm;
  made->tag = comity_members_tag_of_links();
  made->request = MPI_REQUEST_NULL;
  *link = made;
  return COMITY_OK;
}

comity_status comity_link_of_wire(comity_wire *wire, comity_link **link) {
  comity_link *made;
  comity_status status = COMITY_NEW(made, 1);
  if (status != COMITY_OK) {
    comity_wire_destroy(&wire);
    return status;
  }
  *made = (comity_link){.wire = wire, .comm = MPI_COMM_NULL, .request = MPI_REQUEST_NULL};
  *link = made;
  return COMITY_OK;
}

static comity_status check(int code, const char *function) {
  if (code == MPI_SUCCESS)
    return COMITY_OK;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  return comity_fail(COMITY_ERR_COMM, "a link to another process: %s: %s", function, text);
}

/* Forget what has gone out. */
static void tidy(comity_link *link) {
  for (parcel **at = &link->parcels; *at != NULL;) {
    parcel *sent = *at;
    int done = 0;
    if (MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) {
      at = &sent->next;
      continue;
    }
    *at = sent->next;
    comity_free(sent);
  }
}

comity_status comity_link_send(comity_link *link, const void *data, size_t bytes) {
  COMITY_REQUIRE(bytes <= INT_MAX, COMITY_ERR_ARG, "a message of %zu bytes is too long for a link", bytes);
  if (link->wire != NULL)
    return comity_wire_send(link->wire, data, bytes);
  tidy(link);
  parcel *made = comity_array(offsetof(parcel, bytes) + bytes, 1);
  if (made == NULL)
    return COMITY_ERR_MEMORY;
  if (bytes > 0)
    memcpy(made->bytes, data, bytes);
  comity_status status = check(
      MPI_Isend(made->bytes, (int)bytes, MPI_BYTE, 0, link->tag, link->comm, &made->request), "MPI_Isend");
  if (status != COMITY_OK) {
    comity_free(made);
    return status;
  }
  made->next = link->parcels;
  link->parcels = made;
  return COMITY_OK;
}

static comity_status begin(comity_link *link, size_t most) {
  int there = 0, length = 0;
  MPI_Status about;
  COMITY_TRY(check(MPI_Iprobe(0, link->tag, link->comm, &there, &about), "MPI_Iprobe"));
  if (!there)
    return COMITY_OK;
  COMITY_TRY(check(MPI_Get_count(&about, MPI_BYTE, &length), "MPI_Get_count"));
  COMITY_REQUIRE(length >= 0 && (size_t)length <= most, COMITY_ERR_COMM,
                 "a message of %d bytes came, but at most %zu were expected", length, most);
  link->length = (size_t)length;
  COMITY_TRY(COMITY_NEW(link->coming, link->length + 1));
  comity_status status =
      check(MPI_Irecv(link->coming, length, MPI_BYTE, 0, link->tag, link->comm, &link->request), "MPI_Irecv");
  if (status != COMITY_OK)
    comity_free(link->coming);
  if (status != COMITY_OK)
    link->coming = NULL;
  return status;
}

comity_status comity_link_receive(comity_link *link, size_t most, uint8_t **data, size_t *bytes) {
  int done = 0;
  *data = NULL;
  *bytes = 0;
  if (link->wire != NULL)
    return comity_wire_receive(link->wire, most, data, bytes);
  tidy(link);
  if (link->coming == NULL)
    COMITY_TRY(begin(link, most));
  if (link->coming == NULL)
    return COMITY_OK;
  COMITY_TRY(check(MPI_Test(&link->request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
  if (!done)
    return COMITY_OK;
  *data = link->coming;
  *bytes = link->length;
  link->coming = NULL;
  return COMITY_OK;
}

bool comity_link_is_idle(comity_link *link) {
  if (link->wire != NULL)
    return comity_wire_push(link->wire) != COMITY_OK || comity_wire_is_idle(link->wire);
  tidy(link);
  return link->parcels == NULL;
}

bool comity_link_has_heard(const comity_link *link) {
  return link->wire == NULL || comity_wire_has_heard(link->wire);
}

/* Disconnecting would wait for the other end, so the communicator stays until the process ends, and so does what may still
 * be on its way. */
void comity_link_destroy(comity_link **link) {
  if (link == NULL || *link == NULL)
    return;
  comity_wire_destroy(&(*link)->wire);
  tidy(*link);
  if ((*link)->coming == NULL && (*link)->parcels == NULL)
    comity_free(*link);
  *link = NULL;
}

comity_status comity_link_offer(comity_comm *comm, int rank, const comity_link *link, const char *host) {
  return comity_comm_offer(comm, rank, link->comm, host);
}

comity_status comity_link_arrive(const comity_link *link, int rank, int size,
                                 const comity_comm_options *options, double silence, comity_comm **comm) {
  return comity_comm_arrive(link->comm, rank, size, options, silence, comm);
}

comity_status comity_link_parent(comity_link **link) {
  MPI_Comm parent = MPI_COMM_NULL;
  COMITY_TRY(check(MPI_Comm_get_parent(&parent), "MPI_Comm_get_parent"));
  COMITY_REQUIRE(parent != MPI_COMM_NULL, COMITY_ERR_USAGE,
                 "nobody has spawned this process: 'comity participate' is what the server starts by itself");
  return comity_link_new(parent, link);
}
