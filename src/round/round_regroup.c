/* When the membership changes: the server says who goes on from where, and everybody goes there with the local work that
 * still counts. */
#include "run_impl.h"

#include <string.h>

/* ----------------------------------------------------------------------------------------------- watching */

/* What a change is called in the record, and in front of people. */
static const struct {
  comity_event_kind kind;
  const char *text;
} changes[] = {
    [COMITY_CHANGE_LOST] = {COMITY_EVENT_LOST, "is lost"},
    [COMITY_CHANGE_CORRUPT] = {COMITY_EVENT_CORRUPT, "is excluded"},
    [COMITY_CHANGE_SLOW] = {COMITY_EVENT_SLOW, "misses the round"},
    [COMITY_CHANGE_LEFT] = {COMITY_EVENT_LEFT, "has left"},
    [COMITY_CHANGE_RETURNED] = {COMITY_EVENT_REJOINED, "is back"},
    [COMITY_CHANGE_JOINED] = {COMITY_EVENT_JOINED, "has joined"},
};

static void changed(void *self, int rank, comity_change change, const char *text) {
  comity_run_state *run = self;
  bool comes = change == COMITY_CHANGE_RETURNED || change == COMITY_CHANGE_JOINED;
  const char *host = comity_comm_host(run->comm, rank), *what = changes[change].text;
  comity_run_event(run, changes[change].kind, rank, 0, "rank %d on %s %s%s%s", rank, host, what,
                   text[0] == '\0' ? "" : ": ", text);
  if (!comes && run->trouble_since == 0)
    run->trouble_since = comity_clock_now();
  if (run->guests != NULL && (change == COMITY_CHANGE_LOST || change == COMITY_CHANGE_CORRUPT))
    comity_guests_replace(run->guests, rank);
  comity_free(run->gone[rank]);
  run->gone[rank] = comes ? NULL : comity_text("rank %d on %s %s: %s", rank, host, what, text);
  run->known = run->known && !comes;
}

static void stalled(void *self, int rank, const char *text) {
  comity_run_state *run = self;
  comity_run_event(run, COMITY_EVENT_STALLED, rank, 0, "everybody waits: %s", text);
  if (run->trouble_since == 0) /* half of the silence has passed */
    run->trouble_since = comity_clock_now() - comity_config_real(run->config, "comm.silence") / 2;
}

static void repeats(void *self, int rank, const char *text) {
  comity_run_event(self, COMITY_EVENT_ASKED_AGAIN, rank, 0, "%s", text);
}

/* Once an update may count, the checkpoint has to get the state that belongs to it before this rank goes. */
static bool may_leave(const comity_run_state *run) {
  return run->method.protocol.client_state.length == 0 || run->at.stage == COMITY_STAGE_TRAIN ||
         run->at.stage == COMITY_STAGE_REPORT;
}

/* In moments of waiting: look who comes, or whether to leave. */
static void tended(void *self) {
  comity_run_state *run = self;
  if (run->guests != NULL)
    comity_guests_poll(run->guests);
  if (run->leaves_alone && comity_run_asked_to_stop(run) && may_leave(run))
    comity_comm_leave(run->comm);
}

/* Whether somebody outside wants to know that this process lives, and it will say so again and again. */
static bool tells(const comity_run_state *run) {
  return run->options->alive != NULL && comity_comm_size(run->comm) > 1;
}

static void alive(void *self) {
  const comity_run_state *run = self;
  if (run->guests != NULL)
    comity_guests_keep_signs(run->guests, comity_clock_now());
  if (tells(run))
    run->options->alive(comity_config_real(run->config, "comm.silence"), false);
}

static uint64_t own(void *self, int rank) {
  const comity_run_state *run = self;
  return run->summed[rank];
}

comity_status comity_run_survive(comity_run_state *run) {
  double silence = comity_config_real(run->config, "comm.silence");
  comity_comm_set_faults(run->comm, run->faults);
  comity_watcher watcher = {.self = run,
                            .stage_name = comity_stage_name,
                            .changed = changed,
                            .stalled = stalled,
                            .own = own,
                            .repeats = repeats,
                            .tended = tended,
                            .alive = alive};
  COMITY_TRY(comity_comm_survive(run->comm, silence, &watcher));
  if (tells(run))
    run->options->alive(silence, true);
  return COMITY_OK;
}

void comity_run_tell(comity_run_state *run, uint64_t client) {
  comity_doing doing = {
      .round = run->at.round, .client = client, .stage = run->at.stage, .done = (uint32_t)run->trained};
  comity_comm_doing(run->comm, &doing);
}

/* ------------------------------------------------------------------------------------------- on the server */

static size_t participants_here(const comity_run_state *run) {
  return (size_t)comity_comm_present(run->comm) - (comity_comm_size(run->comm) > 1);
}

/* Whether to go on at all; if not the reason is noted. */
static bool goes_on(comity_run_state *run) {
  size_t here = participants_here(run);
  if (here < run->min_participants)
    comity_run_note(run, comity_fail(COMITY_ERR_QUORUM,
                                     "round %llu: %zu of %d participants are left, but "
                                     "round.min_participants is %zu",
                                     (unsigned long long)run->at.round, here,
                                     comity_comm_participants(run->comm), run->min_participants));
  else if (run->retries > run->max_retries)
    comity_run_note(run, comity_fail(COMITY_ERR_QUORUM,
                                     "round %llu: it was interrupted %zu times, but round.max_retries is %zu",
                                     (unsigned long long)run->at.round, run->retries, run->max_retries));
  return run->trouble != COMITY_ERR_QUORUM;
}

static comity_point choose(const comity_run_state *run) {
  return comity_point_choose(&(comity_standing){
      .at = run->at, .recorded = run->recorded, .reason = run->reason, .known = run->known});
}

/* Below the quorum somebody may come back in time. Everybody else waits in what comes next, and hears that the server
 * lives. */
static comity_status wait_for_quorum(comity_run_state *run, comity_point *point) {
  double end = comity_clock_now() + run->wait;
  if (participants_here(run) < run->min_participants && run->wait > 0)
    comity_log(run->logger, COMITY_LOG_WARN,
               "%zu participants are left: waiting up to %g s (round.wait) for %zu", participants_here(run),
               run->wait, run->min_participants);
  while (participants_here(run) < run->min_participants && comity_clock_now() < end &&
         !comity_run_asked_to_stop(run)) {
    comity_clock_sleep(1e-3);
    if (!comity_comm_knocking(run->comm))
      continue;
    *point = choose(run);
    COMITY_TRY(comity_comm_regroup(run->comm, point));
  }
  return COMITY_OK;
}

/* Say who goes on from where. A regrouping may let somebody in who needs the model first, or leave too few: then
 * another one says so. */
static comity_status lead(comity_run_state *run, comity_point *point) {
  *point = choose(run);
  run->retries += run->at.stage != COMITY_STAGE_ADMIT;
  if (run->guests != NULL && run->at.stage == COMITY_STAGE_ADMIT)
    comity_guests_acquaint(run->guests);
  COMITY_TRY(comity_comm_regroup(run->comm, point));
  if (run->reason == COMITY_STOP_NOT && point->stage != COMITY_STAGE_GIVE_UP)
    COMITY_TRY(wait_for_quorum(run, point));
  comity_point other = choose(run);
  if (run->reason == COMITY_STOP_NOT && point->stage != COMITY_STAGE_GIVE_UP && !goes_on(run))
    other = (comity_point){.round = comity_point_complete(point), .stage = COMITY_STAGE_GIVE_UP};
  if (other.stage == point->stage)
    return COMITY_OK;
  *point = other;
  return comity_comm_regroup(run->comm, point);
}

/* That some of a round runs again, with whom, and what it cost: from the first sign that somebody may be lost. */
static void say(comity_run_state *run, comity_stage cut) {
  double lost = run->trouble_since > 0 ? comity_clock_now() - run->trouble_since : 0;
  run->trouble_since = 0;
  if (run->at.stage != COMITY_STAGE_GIVE_UP)
    comity_run_event(run, COMITY_EVENT_REPEATED, -1, lost,
                     "%s was interrupted; going on from here with %zu of %d participants",
                     comity_stage_name(cut), participants_here(run), comity_comm_participants(run->comm));
}

/* ------------------------------------------------------------------------------------------- on all ranks */

/* The others went on without this rank: its updates are not wanted any more, unless they were in a sum that it does not know
 * of. */
static comity_status come_back(comity_run_state *run, comity_point *point) {
  comity_log(run->logger, COMITY_LOG_WARN, "round %llu: %s; asking to be let in again",
             (unsigned long long)run->at.round, comity_error_message());
  comity_run_forget_trouble(run);
  run->announced = COMITY_ROUND_NONE;
  COMITY_TRY(comity_comm_knock(run->comm, point));
  if (run->begun > 0 && point->own == run->begun)
    comity_run_note(run, comity_states_move(run->pending, run->states));
  comity_run_forget_round(run);
  return COMITY_OK;
}

/* Who hosts whom now: may read a checkpoint and test examples, so it is work aside. */
typedef struct rehosting {
  comity_run_state *run;
  comity_arrival arrival;
} rehosting;

static comity_status rehost(void *self) {
  const rehosting *r = self;
  return comity_run_rehost(r->run, r->arrival);
}

/* Go to the point. What is trained of a round that begins for all is forgotten; in one that has begun already, whoever
 * was not there trains nobody until the server says so. */
static void jump(comity_run_state *run, const comity_point *point, comity_arrival arrival) {
  uint64_t complete = comity_point_complete(point);
  bool begun = point->value == COMITY_NEXT_BEGUN;
  if (point->value == COMITY_NEXT_OPEN)
    comity_run_reopen_ledger(run);
  run->told_start = 0;
  if (run->begun > complete && !begun)
    comity_run_forget_round(run);
  comity_run_note(run, comity_run_complete(run, complete));
  comity_run_note(run, comity_comm_aside(run->comm, rehost, &(rehosting){run, arrival}));
  if (begun && run->begun != complete + 1)
    comity_run_note(run, comity_run_begin_round(run, complete + 1, false));
  run->reason = point->value >= COMITY_NEXT_DECIDED ? (comity_stop_reason)(point->value - COMITY_NEXT_DECIDED)
                                                    : COMITY_STOP_NOT;
  run->admits = point->stage == COMITY_STAGE_SAVE; /* somebody may have come who does not have the model */
  run->left = 0;
  run->regrouped = true;
  run->at = *point;
}

comity_status comity_run_enter(comity_run_state *run) {
  comity_point point = {0};
  run->announced = COMITY_ROUND_NONE;
  COMITY_TRY(comity_comm_knock(run->comm, &point));
  jump(run, &point, COMITY_ARRIVAL_NEW);
  return COMITY_OK;
}

comity_status comity_run_regroup(comity_run_state *run) {
  comity_point point = {0};
  comity_stage cut = (comity_stage)run->at.stage;
  bool server = comity_comm_is_server(run->comm);
  double since = comity_clock_now();
  comity_status status = server ? lead(run, &point) : comity_comm_regroup(run->comm, &point);
  comity_arrival arrival = status == COMITY_ERR_EXCLUDED ? COMITY_ARRIVAL_BACK : COMITY_ARRIVAL_NONE;
  if (status == COMITY_ERR_EXCLUDED)
    status = come_back(run, &point);
  COMITY_TRY(status);
  COMITY_TRY(comity_run_renew(run));
  jump(run, &point, arrival);
  if (server && cut != COMITY_STAGE_ADMIT)
    say(run, cut);
  comity_run_book(run, COMITY_PHASE_WAIT, since);
  return COMITY_OK;
}
