/* Tests, copies and long memory in simulated time. Each simulated rank has these variables for itself: smpirun
 * loads the program once for each. */
#define COMITY_SIMULATED_INSIDE
#include "simulated.h"

#include "comm/comm_impl.h"

#include <math.h>

#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <smpi/smpi.h>

static const double SHORTEST_PAUSE = 0.2e-6, PAUSE_GROWTH = 0.06; /* seconds; of the time waited so far */
static const double BYTES_PER_SECOND = 10e9;                      /* of one core that copies in main memory */
enum { LONG = 16 << 10 };       /* bytes of a message or copy that takes time, and that may be pretended */
enum { UNTOUCHED = 512 << 10 }; /* bytes of new memory, which the system has zeroed */
enum { TESTS_PER_WAKE = 16 };   /* more without sleep is a loop that spins */

/* ----------------------------------------------------------------------------------------------- pretending */

static bool pretending;
static void *stand_in; /* memory that SMPI knows it need not move, for whatever is pretended */
static int longest;    /* bytes of it */

void comity_simulated_pretend(size_t most) {
  pretending = true;
  longest = (int)most;
  stand_in = SMPI_SHARED_MALLOC(most);
}

static void *memory_of(const void *data, int bytes) {
  return pretending && bytes >= LONG && bytes <= longest ? stand_in : (void *)data;
}

/* ------------------------------------------------------------------------------------------------- waiting */

/* How this rank waits. */
static double waiting_since = -1; /* no test has succeeded and no sleep has ended; -1 = not at all */
static int failed_since_sleep;    /* tests at this very moment, right after a sleep; -1 = it spins */
static const void *failed;        /* the request of the last test, in vain */
static double failed_at;          /* when */

int comity_simulated_clock(clockid_t clock, struct timespec *now) {
  (void)clock; /* there is one time */
  double seconds = simgrid_get_clock();
  now->tv_sec = (time_t)seconds;
  now->tv_nsec = (long)((seconds - (double)now->tv_sec) * 1e9);
  return 0;
}

int comity_simulated_sleep(const struct timespec *time, struct timespec *left) {
  (void)left;
  double now = simgrid_get_clock(), seconds = (double)time->tv_sec + 1e-9 * (double)time->tv_nsec;
  if (waiting_since < 0)
    waiting_since = now;
  if (pretending) /* for minutes, perhaps, which a millisecond at a time would take for ever */
    seconds = fmax(seconds, PAUSE_GROWTH * (now - waiting_since));
  failed_since_sleep = 0;
  sg_actor_sleep_for(seconds);
  return 0;
}

/* A loop that sleeps now and then passes time itself; one that spins has to be helped. */
static int tested(int code, bool done) {
  if (done) {
    waiting_since = -1;
    failed_since_sleep = -1;
    return code;
  }
  if (failed_since_sleep >= 0 && ++failed_since_sleep <= TESTS_PER_WAKE)
    return code;
  if (failed_since_sleep >= 0) /* it spins now, as if it had come just now */
    waiting_since = -1;
  failed_since_sleep = -1;
  double now = simgrid_get_clock();
  if (waiting_since < 0)
    waiting_since = now;
  sg_actor_sleep_for(fmax(SHORTEST_PAUSE, PAUSE_GROWTH * (now - waiting_since)));
  return code;
}

/* -------------------------------------------------------------------------------------------------- sending */

/* Long messages that are under way or queue, in the order in which they were sent, and whatever queues behind
 * them. */
typedef struct sending {
  MPI_Request *request; /* the caller's; done when it is MPI_REQUEST_NULL and this is no longer in the list */
  const void *data;
  int count, to, tag;
  MPI_Datatype type;
  MPI_Comm comm;
  bool started;
} sending;

enum { MOST_SENDINGS = 1024 };
static sending list[MOST_SENDINGS];
static int sendings, queued;

/* What is known of the message of this request: it has arrived. */
static void forget(const MPI_Request *request) {
  int i = 0;
  while (i < sendings && list[i].request != request)
    i++;
  if (i == sendings)
    return;
  sendings--;
  for (; i < sendings; i++)
    list[i] = list[i + 1];
}

/* Whether a message to this rank may start behind the first `end` of the list. */
static bool may_start(int end, int to, int count) {
  static long path = -1;
  const char *setting = getenv("COMITY_PATH_BYTES");
  if (path < 0)
    path = setting == NULL ? 0 : atol(setting);
  long bytes = 0;
  for (int i = 0; i < end; i++) {
    if (list[i].to != to)
      continue;
    if (!list[i].started)
      return false;
    bytes += list[i].count;
  }
  return bytes <= path + count;
}

/* The first message under way to each rank makes room when it has arrived. */
static int progress(void) {
  for (int i = 0; i < sendings;) {
    bool first = list[i].started;
    for (int j = 0; j < i && first; j++)
      first = list[j].to != list[i].to;
    int done = 0;
    if (first && MPI_Test(list[i].request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
      return MPI_ERR_OTHER;
    if (done)
      forget(list[i].request);
    else
      i++;
  }
  for (int i = 0; i < sendings && queued > 0; i++) {
    sending *s = &list[i];
    if (s->started || !may_start(i, s->to, s->count))
      continue;
    s->started = true;
    queued--;
    int code = MPI_Isend(s->data, s->count, s->type, s->to, s->tag, s->comm, s->request);
    if (code != MPI_SUCCESS)
      return code;
  }
  return MPI_SUCCESS;
}

int comity_simulated_isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                           MPI_Request *request) {
  data = memory_of(data, count);
  bool start = may_start(sendings, to, count);
  if ((start && count < LONG) || sendings == MOST_SENDINGS)
    return MPI_Isend(data, count, type, to, tag, comm, request);
  list[sendings++] = (sending){request, data, count, to, tag, type, comm, start};
  if (start)
    return MPI_Isend(data, count, type, to, tag, comm, request);
  *request = MPI_REQUEST_NULL;
  queued++;
  return MPI_SUCCESS;
}

int comity_simulated_irecv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
                           MPI_Request *request) {
  return MPI_Irecv(memory_of(data, count), count, type, from, tag, comm, request);
}

static bool is_queued(const MPI_Request *request) {
  for (int i = 0; i < sendings && queued > 0; i++)
    if (list[i].request == request)
      return !list[i].started;
  return false;
}

int comity_simulated_test(MPI_Request *request, int *done, MPI_Status *status) {
  *done = 0;
  if (failed == request && failed_at == simgrid_get_clock()) /* nothing has happened since */
    return tested(MPI_SUCCESS, false);
  int code = queued > 0 ? progress() : MPI_SUCCESS;
  if (code == MPI_SUCCESS && !is_queued(request)) {
    *done = *request == MPI_REQUEST_NULL; /* of which MPI_Test would say nothing here */
    if (!*done)
      code = MPI_Test(request, done, status);
  }
  if (*done)
    forget(request);
  failed = *done ? NULL : request;
  failed_at = simgrid_get_clock();
  return tested(code, *done != 0);
}

/* -------------------------------------------------------------------------------------------------- memory */

void *comity_simulated_copy(void *to, const void *from, size_t bytes) {
  if (bytes < LONG)
    return memcpy(to, from, bytes);
  sg_actor_sleep_for((double)bytes / BYTES_PER_SECOND);
  return pretending ? to : memcpy(to, from, bytes);
}

void *comity_simulated_set(void *to, int byte, size_t bytes) {
  return pretending && bytes >= UNTOUCHED ? to : memset(to, byte, bytes);
}

/* Adding takes time, too. The linker puts this in the place of comity_number_word (ld --wrap). */
extern const comity_number __real_comity_number_word, __wrap_comity_number_word;

static void add_words(void *into, const void *from, size_t count) {
  sg_actor_sleep_for((double)count * sizeof(uint64_t) / BYTES_PER_SECOND);
  if (!pretending)
    __real_comity_number_word.add(into, from, count);
}

const comity_number __wrap_comity_number_word = {.bytes = sizeof(uint64_t), .add = add_words};
