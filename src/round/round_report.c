/* After training: the server learns who was trained and who is absent, lets others train those whom a lost rank left
 * behind, and decides whether the round has enough clients. */
#include "run_impl.h"

#include <string.h>

/* Its rank is not there and nobody can stand in. */
static comity_status note_lost(comity_run_state *run, size_t member, int rank) {
  uint32_t client = run->cohort[member];
  const char *how = run->gone[rank] == NULL ? "it was not there when the round began" : run->gone[rank];
  comity_status why = comity_fail(COMITY_ERR_EXCLUDED, "its participant is absent: %s", how);
  return comity_report_absence(&run->report, client, comity_federation_client_name(run->federation, client),
                               rank, why);
}

/* Those of the cohort whom nobody has trained: places in it, and what comity_federation_owners takes and gives. */
typedef struct rest {
  size_t count;
  size_t *member;
  uint32_t *client;
  uint64_t *work;
  int *owner;
} rest;

static void clear_rest(rest *left) {
  comity_free(left->member);
  comity_free(left->client);
  comity_free(left->work);
  comity_free(left->owner);
}

static comity_status find_rest(const comity_run_state *run, rest *left) {
  size_t most = run->cohort_count;
  COMITY_TRY(COMITY_NEW(left->member, most));
  COMITY_TRY(COMITY_NEW(left->client, most));
  COMITY_TRY(COMITY_NEW(left->work, most));
  COMITY_TRY(COMITY_NEW(left->owner, most));
  for (size_t i = 0; i < most; i++) {
    if (comity_report_is_done(&run->report, i) || run->too_slow[i] > 0)
      continue;
    left->member[left->count] = i;
    left->client[left->count] = run->cohort[i];
    left->work[left->count++] = run->work[i];
  }
  return comity_federation_owners(run->federation, left->client, left->work, left->count, run->balanced,
                                  left->owner);
}

/* Whether somebody can train this client in a round that has begun. When nobody has told of its file yet it had no weight when the round
 * began, and its silo has come for the first time in the middle of it. */
static bool is_trainable(const comity_run_state *run, uint32_t client, int owner) {
  return comity_federation_is_here(run->federation, owner) &&
         comity_federation_knows(run->federation, client);
}

/* Members of the cohort that nobody has trained, because their rank was lost or came only now: others train them, or
 * they are absent. Only the server knows what everybody has done, so only it deals in the middle of a round.
 * \param[out] again  somebody has to train again, as run->owner says */
static comity_status deal_rest(comity_run_state *run, const rest *left, uint64_t *again) {
  COMITY_REQUIRE(run->left == 0 || left->count < run->left, COMITY_ERR_INTERNAL,
                 "round %llu: client %u was dealt to participant %d, which did not train it",
                 (unsigned long long)run->begun, left->client[0], left->owner[0]);
  run->left = left->count;
  for (size_t i = 0; i < run->cohort_count; i++)
    run->owner[i] = -1;
  for (size_t i = 0; i < left->count; i++) {
    int rank = comity_run_rank_of(run, left->owner[i]);
    if (is_trainable(run, left->client[i], left->owner[i])) {
      run->owner[left->member[i]] = left->owner[i];
      run->dealt[left->member[i]] = rank;
      ++*again;
    } else {
      COMITY_TRY(note_lost(run, left->member[i], rank));
    }
  }
  comity_report_sort(&run->report);
  if (*again > 0)
    comity_run_event(run, COMITY_EVENT_REASSIGNED, -1, 0,
                     "%llu clients of others are trained by those who are left", (unsigned long long)*again);
  return COMITY_OK;
}

static bool all_done(const comity_run_state *run) {
  for (size_t i = 0; i < run->cohort_count; i++)
    if (!comity_report_is_done(&run->report, i))
      return false;
  return true;
}

/* The reason that most explains a lost quorum: the first absences, by name. */
static comity_status quorum_lost(const comity_run_state *run, size_t present) {
  char text[700];
  size_t used = 0, count = run->report.absences, slow = run->selected - run->cohort_count;
  const comity_absence *absent = run->report.absent;
  text[0] = '\0';
  if (slow > 0)
    used =
        (size_t)snprintf(text, sizeof text, "; %zu were slow and left out (clients.straggler_share)", slow);
  for (size_t i = 0; i < count && i < 3 && used < sizeof text; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "; client %llu (rank %d): %s",
                             (unsigned long long)absent[i].client, absent[i].rank, absent[i].reason);
  return comity_fail(COMITY_ERR_QUORUM,
                     "round %llu: %zu of %zu selected clients took part, but round.min_clients is %zu%s%s",
                     (unsigned long long)run->begun, present, run->selected, run->min_clients, text,
                     count > 3 ? "; ..." : "");
}

/* On the server, when all reports are there.
 * \param[out] again  0: go on to the sum */
static comity_status use_reports(comity_run_state *run, uint64_t *again) {
  run->known = true;
  comity_run_expect_nothing(run);
  if (!all_done(run)) {
    rest left = {0};
    comity_status status = comity_run_drop_slow(run);
    if (status == COMITY_OK)
      status = find_rest(run, &left);
    if (status == COMITY_OK)
      status = deal_rest(run, &left, again);
    clear_rest(&left);
    COMITY_TRY(status);
  }
  size_t present = run->cohort_count - run->report.absences;
  return *again > 0 || (present >= run->min_clients && present > 0) ? COMITY_OK : quorum_lost(run, present);
}

/* Leave a round that not all ranks finished: its updates and states are forgotten. */
static void abandon_round(comity_run_state *run) {
  run->reason = COMITY_STOP_SIGNAL;
  comity_log(run->logger, COMITY_LOG_INFO,
             "asked to stop: round %llu is abandoned, round %llu is the last complete one",
             (unsigned long long)run->begun, (unsigned long long)run->round);
  comity_run_forget_trouble(run);
  comity_run_forget_round(run);
  comity_run_go(run, COMITY_STAGE_SAVE, run->round, comity_run_decided(run));
}

/* Everybody's report to the server, and its verdict. */
static comity_status report(comity_run_state *run, uint64_t *again) {
  bool server = comity_comm_is_server(run->comm);
  double since = comity_clock_now();
  comity_dealt dealt = {.cohort = run->cohort, .rank = run->dealt};
  comity_status status =
      comity_report_send(run->comm, &run->mine, comity_run_noted(run), &dealt, &run->report);
  since = comity_run_book(run, COMITY_PHASE_WAIT, since);
  if (status == COMITY_INTERRUPTED)
    return status;
  if (status == COMITY_OK && server)
    status = use_reports(run, again);
  status = comity_comm_broadcast_status(run->comm, status, again, sizeof *again);
  if (status == COMITY_OK && *again > 0)
    status = comity_comm_broadcast(run->comm, run->owner, run->cohort_count * sizeof *run->owner);
  comity_run_book(run, comity_run_answer(run), since);
  return status;
}

comity_status comity_stage_report(comity_run_state *run) {
  uint64_t again = 0;
  comity_status status = report(run, &again);
  if (status == COMITY_REQUEUE) {
    abandon_round(run);
    return COMITY_OK;
  }
  if (status == COMITY_ERR_QUORUM) { /* all ranks are well, and the last complete round is worth keeping */
    comity_run_note(run, status);
    comity_run_forget_round(run);
    comity_run_go(run, COMITY_STAGE_GIVE_UP, run->round, 0);
    return COMITY_OK;
  }
  COMITY_TRY(status);
  comity_run_go(run, again > 0 ? COMITY_STAGE_TRAIN : COMITY_STAGE_SUM, run->at.round, COMITY_NEXT_BEGUN);
  return COMITY_OK;
}
