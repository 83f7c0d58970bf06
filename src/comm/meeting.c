/* Meeting another process over MPI: one that comes, one that is gone to, or a new one that this one starts. Each of these calls blocks
 * for as long as MPI likes, so it has a thread of its own, and whoever asked looks in from time to time.
 * Nobody makes a communicator meanwhile: MPI makes one after the other, and when the other side dies in between, Open MPI waits ten
 * minutes for it. */
#include "comm_impl.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Never freed before the thread has ended, which it may never do. */
struct comity_meeting {
  pthread_mutex_t lock; /* of `done` and `given_up` */
  bool done, given_up;
  int code;
  MPI_Comm found;
  bool waits;                      /* for the other side */
  char address[MPI_MAX_PORT_NAME]; /* where they meet; "" = it is started */
  char program[1024], *arguments[COMITY_SPAWN_ARGUMENTS + 1], text[COMITY_SPAWN_ARGUMENTS][64];
};

static void destroy(comity_meeting *meeting) {
  pthread_mutex_destroy(&meeting->lock);
  comity_free(meeting);
}

static void *meet(void *self) {
  comity_meeting *meeting = self;
  int code, spawned = MPI_SUCCESS;
  if (meeting->waits)
    code = MPI_Comm_accept(meeting->address, MPI_INFO_NULL, 0, MPI_COMM_SELF, &meeting->found);
  else if (meeting->address[0] != '\0')
    code = MPI_Comm_connect(meeting->address, MPI_INFO_NULL, 0, MPI_COMM_SELF, &meeting->found);
  else
    code = MPI_Comm_spawn(meeting->program, meeting->arguments, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF,
                          &meeting->found, &spawned);
  pthread_mutex_lock(&meeting->lock);
  meeting->code = code != MPI_SUCCESS ? code : spawned;
  meeting->done = true;
  bool given_up = meeting->given_up;
  pthread_mutex_unlock(&meeting->lock);
  if (given_up)
    destroy(meeting);
  return NULL;
}

static comity_status start(comity_meeting *made, comity_meeting **meeting) {
  pthread_t thread;
  if (!comity_comm_may_meet()) {
    comity_free(made);
    return comity_fail(COMITY_ERR_COMM, "MPI does not allow calls from several threads here");
  }
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  pthread_mutex_init(&made->lock, NULL);
  if (pthread_create(&thread, NULL, meet, made) != 0) {
    destroy(made);
    return comity_fail(COMITY_ERR_MEMORY, "cannot start a thread");
  }
  pthread_detach(thread);
  *meeting = made;
  return COMITY_OK;
}

comity_status comity_meeting_accept(comity_meeting **meeting) {
  comity_meeting *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->waits = true;
  if (MPI_Open_port(MPI_INFO_NULL, made->address) == MPI_SUCCESS)
    return start(made, meeting);
  comity_free(made);
  return comity_fail(COMITY_ERR_COMM, "MPI_Open_port failed");
}

const char *comity_meeting_address(const comity_meeting *meeting) { return meeting->address; }

comity_status comity_meeting_connect(const char *address, comity_meeting **meeting) {
  comity_meeting *made;
  COMITY_REQUIRE(address[0] != '\0' && strlen(address) < sizeof made->address, COMITY_ERR_ARG,
                 "'%s' is no address of a server", address);
  COMITY_TRY(COMITY_NEW(made, 1));
  strcpy(made->address, address);
  return start(made, meeting);
}

comity_status comity_meeting_spawn(const char *program, const char *const *arguments,
                                   comity_meeting **meeting) {
  comity_meeting *made;
  COMITY_REQUIRE(strlen(program) < sizeof made->program, COMITY_ERR_ARG, "%s: too long a path", program);
  if (access(program, X_OK) != 0) /* Open MPI would wait for it for ever, and so would its mpirun */
    return comity_fail_errno("%s cannot be started", program);
  COMITY_TRY(COMITY_NEW(made, 1));
  strcpy(made->program, program);
  for (int i = 0; i < COMITY_SPAWN_ARGUMENTS && arguments[i] != NULL; i++) {
    snprintf(made->text[i], sizeof made->text[i], "%s", arguments[i]);
    made->arguments[i] = made->text[i];
  }
  return start(made, meeting);
}

comity_status comity_meeting_poll(comity_meeting **meeting, comity_link **link) {
  comity_meeting *at = *meeting;
  *link = NULL;
  pthread_mutex_lock(&at->lock);
  bool done = at->done;
  pthread_mutex_unlock(&at->lock);
  if (!done)
    return COMITY_OK;
  comity_status status;
  if (at->code == MPI_SUCCESS) {
    status = comity_link_new(at->found, link);
  } else {
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length = 0;
    MPI_Error_string(at->code, text, &length);
    status = comity_fail(COMITY_ERR_COMM, "%s: %s",
                         at->address[0] != '\0' ? "the server cannot be reached"
                                                : "MPI could not start another process",
                         text);
  }
  destroy(at);
  *meeting = NULL;
  return status;
}

void comity_meeting_give_up(comity_meeting **meeting) {
  if (meeting == NULL || *meeting == NULL)
    return;
  pthread_mutex_lock(&(*meeting)->lock);
  bool done = (*meeting)->done;
  (*meeting)->given_up = true;
  pthread_mutex_unlock(&(*meeting)->lock);
  if (done)
    destroy(*meeting);
  *meeting = NULL;
}
