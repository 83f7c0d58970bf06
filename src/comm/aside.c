/* Work that may block for long though nothing is wrong, such as writing a checkpoint to a file system under load. It runs in a
 * thread of its own, and this one, the only one that ever calls MPI, gives signs of life meanwhile. So whoever is at its
 * files is not taken for dead, and whoever dies there is missed as soon as anywhere else. Nobody is judged
 * before the work is done, and of the callbacks only `alive` and `own` may be called, so that it shares no data with this thread. */
#include "comm_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static const double TURN = 1.0 / 64, LONGEST_TURN = 10e-3; /* of the silence; seconds */

typedef struct errand {
  pthread_mutex_t lock; /* of all that follows */
  pthread_cond_t over;
  bool done;
  comity_work *work;
  void *self;
  comity_status status;
  char text[COMITY_COMM_MESSAGE_BYTES];
} errand;

static void *run(void *self) {
  errand *e = self;
  comity_error_clear();
  comity_status status = e->work(e->self);
  pthread_mutex_lock(&e->lock);
  e->status = status;
  snprintf(e->text, sizeof e->text, "%s", comity_error_message());
  e->done = true;
  pthread_cond_signal(&e->over);
  pthread_mutex_unlock(&e->lock);
  return NULL;
}

/* Signals are for the other thread. */
static bool start(errand *e, pthread_t *thread) {
  sigset_t all, before;
  pthread_condattr_t how;
  pthread_condattr_init(&how);
  pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
  pthread_mutex_init(&e->lock, NULL);
  pthread_cond_init(&e->over, &how);
  pthread_condattr_destroy(&how);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(thread, NULL, run, e) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

/* Whether it is done before so many seconds have passed. */
static bool wait_a_turn(errand *e, double seconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  long nanoseconds = until.tv_nsec + (long)(seconds * 1e9);
  until.tv_sec += nanoseconds / 1000000000;
  until.tv_nsec = nanoseconds % 1000000000;
  pthread_mutex_lock(&e->lock);
  int code = 0;
  while (!e->done && code != ETIMEDOUT)
    code = pthread_cond_timedwait(&e->over, &e->lock, &until);
  bool done = e->done;
  pthread_mutex_unlock(&e->lock);
  return done;
}

static void tend_until_done(comity_comm *comm, errand *e) {
  comity_watch *watch = &comm->watch;
  double turn = TURN * watch->silence < LONGEST_TURN ? TURN * watch->silence : LONGEST_TURN;
  double begun = comity_clock_now(), now = begun;
  watch->aside = true;
  for (; !wait_a_turn(e, turn); now = comity_clock_now())
    if (comm->file_deadline == 0 || now - begun <= comm->file_deadline)
      comity_watch_tend(comm, now); /* else this is a process that hangs, and hears nothing either */
  watch->aside = false;
  if (comity_comm_is_server(comm))
    comity_watch_was_aside(comm, now - begun);
}

/* Whether there is anybody to give signs of life to, and MPI has heard of threads. */
static bool is_worth_it(const comity_comm *comm) {
  int level = MPI_THREAD_SINGLE;
  return comm->watch.on && comm->members.size > 1 && MPI_Query_thread(&level) == MPI_SUCCESS &&
         level >= MPI_THREAD_FUNNELED;
}

comity_status comity_comm_aside(comity_comm *comm, comity_work *work, void *self) {
  pthread_t thread;
  errand e = {.work = work, .self = self};
  if (!is_worth_it(comm))
    return work(self);
  bool started = start(&e, &thread);
  if (started) {
    tend_until_done(comm, &e);
    pthread_join(thread, NULL);
  }
  pthread_cond_destroy(&e.over);
  pthread_mutex_destroy(&e.lock);
  if (!started)
    return work(self);
  return e.status == COMITY_OK ? COMITY_OK : comity_fail(e.status, "%s", e.text);
}
