/* The address table: who belongs to the federation and where each member is reached. */
#include "comm_impl.h"

static comity_status fail(int code, const char *function) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  return comity_fail(COMITY_ERR_COMM, "joining the communicator: %s: %s", function, text);
}

comity_status comity_members_init(comity_members *members, MPI_Comm base) {
  *members = (comity_members){.whole = MPI_COMM_NULL};
  int code = MPI_Comm_dup(base, &members->whole);
  if (code != MPI_SUCCESS) {
    members->whole = MPI_COMM_NULL;
    return fail(code, "MPI_Comm_dup");
  }
  MPI_Comm_set_errhandler(members->whole, MPI_ERRORS_RETURN);
  MPI_Comm_rank(members->whole, &members->rank);
  MPI_Comm_size(members->whole, &members->size);
  COMITY_TRY(COMITY_NEW(members->address, (size_t)members->size));
  for (int i = 0; i < members->size; i++)
    members->address[i] = (comity_address){members->whole, i};
  return COMITY_OK;
}

/* Any MPI has 15 bits for a tag. */
int comity_members_tag(const comity_members *members, uint64_t sequence) {
  return (int)(members->epoch % (1 << 3) << 12 | sequence % (1 << 12));
}

void comity_members_clear(comity_members *members) {
  comity_free(members->address);
  if (members->whole != MPI_COMM_NULL)
    MPI_Comm_free(&members->whole);
}
