/* The server's door: a thread that waits for processes that were started apart, for MPI_Comm_accept blocks, and hands those that
 * came to the main thread. It knows nothing of who they are. */
#include "comm_impl.h"

#include <pthread.h>
#include <string.h>

/* Strangers that nobody has looked at yet; while there is no room for another, or just after the last, the door stays shut. */
enum { ROOM = 16 };
static const double BREATH = 0.02, RETRY = 0.5;

/* Never freed: nothing ends a thread that waits in MPI. */
struct comity_door {
  char address[MPI_MAX_PORT_NAME];
  pthread_mutex_t lock; /* of what follows */
  MPI_Comm waiting[ROOM];
  int count;
  bool closed;
  char trouble[200]; /* the last that went wrong, until it is told */
};

bool comity_comm_may_meet(void) {
  int level = MPI_THREAD_SINGLE;
  return MPI_Query_thread(&level) == MPI_SUCCESS && level == MPI_THREAD_MULTIPLE;
}

static bool is_shut(comity_door *door, bool *closed) {
  pthread_mutex_lock(&door->lock);
  bool shut = door->count == ROOM;
  *closed = door->closed;
  pthread_mutex_unlock(&door->lock);
  return shut;
}

static void take(comity_door *door, int code, MPI_Comm comm) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (code != MPI_SUCCESS)
    MPI_Error_string(code, text, &length);
  pthread_mutex_lock(&door->lock);
  if (code == MPI_SUCCESS)
    door->waiting[door->count++] = comm;
  else
    snprintf(door->trouble, sizeof door->trouble, "somebody came but was lost at the door: %.150s", text);
  pthread_mutex_unlock(&door->lock);
}

static void *keep_door(void *self) {
  comity_door *door = self;
  for (bool closed = false; !closed;) {
    comity_clock_sleep(BREATH);
    if (is_shut(door, &closed) || closed)
      continue;
    MPI_Comm comm = MPI_COMM_NULL;
    int code = MPI_Comm_accept(door->address, MPI_INFO_NULL, 0, MPI_COMM_SELF, &comm);
    take(door, code, comm);
    if (code != MPI_SUCCESS)
      comity_clock_sleep(RETRY);
  }
  return NULL;
}

comity_status comity_door_open(comity_door **door) {
  comity_door *made;
  pthread_t thread;
  COMITY_REQUIRE(comity_comm_may_meet(), COMITY_ERR_COMM,
                 "others can only join where MPI allows calls from several threads, and this one does not");
  COMITY_TRY(COMITY_NEW(made, 1));
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  if (MPI_Open_port(MPI_INFO_NULL, made->address) != MPI_SUCCESS) {
    comity_free(made);
    return comity_fail(COMITY_ERR_COMM, "MPI_Open_port failed: is the server started with --ompi-server?");
  }
  pthread_mutex_init(&made->lock, NULL);
  if (pthread_create(&thread, NULL, keep_door, made) != 0) {
    comity_free(made);
    return comity_fail(COMITY_ERR_MEMORY, "cannot start a thread for the door");
  }
  pthread_detach(thread);
  *door = made;
  return COMITY_OK;
}

const char *comity_door_address(const comity_door *door) { return door->address; }

comity_status comity_door_next(comity_door *door, comity_link **link) {
  MPI_Comm comm = MPI_COMM_NULL;
  comity_status status = COMITY_OK;
  *link = NULL;
  pthread_mutex_lock(&door->lock);
  if (door->count > 0) {
    comm = door->waiting[0];
    memmove(door->waiting, door->waiting + 1, (size_t)--door->count * sizeof comm);
  } else if (door->trouble[0] != '\0') {
    status = comity_fail(COMITY_ERR_COMM, "%s", door->trouble);
    door->trouble[0] = '\0';
  }
  pthread_mutex_unlock(&door->lock);
  return comm == MPI_COMM_NULL ? status : comity_link_new(comm, link);
}

void comity_door_close(comity_door **door) {
  if (door == NULL || *door == NULL)
    return;
  pthread_mutex_lock(&(*door)->lock);
  (*door)->closed = true;
  pthread_mutex_unlock(&(*door)->lock);
  *door = NULL;
}
