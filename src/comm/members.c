/* The address table: who belongs to the federation and where each member is reached. */
#include "comm_impl.h"

/* Operations of one epoch that tags can tell apart. */
enum { SEQUENCE_BITS = 12, TAG_BITS = 15, MOST_TAG_BITS = 30 };

static comity_status fail(int code, const char *function) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  return comity_fail(COMITY_ERR_COMM, "joining the communicator: %s: %s", function, text);
}

static comity_status make_slots(comity_members *members, int size) {
  members->size = size;
  COMITY_TRY(COMITY_NEW(members->address, (size_t)size));
  COMITY_TRY(COMITY_NEW(members->present, (size_t)size));
  COMITY_TRY(COMITY_NEW(members->linked, (size_t)size));
  return COMITY_NEW(members->list, (size_t)size);
}

/* Any MPI has 15 bits for a tag; most have more, and epochs are then told apart for longer. Every process has to find the
 * same, and an intercommunicator of Open MPI does not know, so the world is asked. */
static int most_epochs(void) {
  int *most = NULL, found = 0, bits = TAG_BITS;
  if (MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, (void *)&most, &found) == MPI_SUCCESS && found != 0)
    while (bits < MOST_TAG_BITS && *most >= (1 << (bits + 1)) - 1)
      bits++;
  return 1 << (bits - 1 - SEQUENCE_BITS);
}

comity_status comity_members_init(comity_members *members, MPI_Comm base) {
  int size = 0;
  *members = (comity_members){.whole = MPI_COMM_NULL};
  int code = MPI_Comm_dup(base, &members->whole);
  if (code != MPI_SUCCESS) {
    members->whole = MPI_COMM_NULL;
    return fail(code, "MPI_Comm_dup");
  }
  MPI_Comm_set_errhandler(members->whole, MPI_ERRORS_RETURN);
  MPI_Comm_rank(members->whole, &members->rank);
  MPI_Comm_size(members->whole, &size);
  COMITY_TRY(make_slots(members, size));
  members->epochs = most_epochs();
  for (int i = 0; i < size; i++) {
    members->address[i] = (comity_endpoint){members->whole, i};
    members->present[i] = members->linked[i] = true;
  }
  comity_members_order(members);
  return COMITY_OK;
}

comity_status comity_members_init_server(comity_members *members, int size) {
  *members = (comity_members){.whole = MPI_COMM_NULL, .rank = COMITY_COMM_SERVER};
  int code = MPI_Comm_dup(MPI_COMM_SELF, &members->whole);
  if (code != MPI_SUCCESS) {
    members->whole = MPI_COMM_NULL;
    return fail(code, "MPI_Comm_dup");
  }
  MPI_Comm_set_errhandler(members->whole, MPI_ERRORS_RETURN);
  COMITY_TRY(make_slots(members, size));
  members->epochs = most_epochs();
  for (int i = 1; i < size; i++)
    members->address[i] = (comity_endpoint){MPI_COMM_NULL, MPI_PROC_NULL};
  members->address[COMITY_COMM_SERVER] = (comity_endpoint){members->whole, 0};
  members->present[COMITY_COMM_SERVER] = members->linked[COMITY_COMM_SERVER] = true;
  comity_members_order(members);
  return COMITY_OK;
}

comity_status comity_members_init_link(comity_members *members, MPI_Comm link, int rank, int size) {
  *members = (comity_members){.whole = MPI_COMM_NULL, .rank = rank};
  COMITY_TRY(make_slots(members, size));
  members->epochs = most_epochs();
  for (int i = 0; i < size; i++)
    members->address[i] = (comity_endpoint){MPI_COMM_NULL, MPI_PROC_NULL};
  members->address[COMITY_COMM_SERVER] = (comity_endpoint){link, 0};
  comity_members_order(members);
  return COMITY_OK;
}

void comity_members_order(comity_members *members) {
  members->count = members->links = 0;
  members->place = -1;
  for (int linked = 1; linked >= 0; linked--) {
    for (int rank = 0; rank < members->size; rank++)
      if (members->present[rank] && members->linked[rank] == (linked == 1)) {
        if (rank == members->rank)
          members->place = members->count;
        members->list[members->count++] = rank;
      }
    if (linked == 1)
      members->links = members->count;
  }
}

int comity_members_tag(const comity_members *members, uint64_t sequence) {
  uint64_t epoch = members->epoch % (uint64_t)members->epochs;
  return 1 + (int)(epoch << SEQUENCE_BITS | sequence % (1 << SEQUENCE_BITS));
}

int comity_members_tag_of_links(void) { return 1 + (most_epochs() << SEQUENCE_BITS); }

void comity_members_clear(comity_members *members) {
  comity_free(members->address);
  comity_free(members->present);
  comity_free(members->linked);
  comity_free(members->list);
  if (members->whole != MPI_COMM_NULL)
    MPI_Comm_free(&members->whole);
}
