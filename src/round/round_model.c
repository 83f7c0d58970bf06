/* From updates to the next global model, and down to everybody. */
#include "run_impl.h"

#include <string.h>

static comity_server_view view_of(comity_run_state *run, uint64_t round, size_t present) {
  return (comity_server_view){.round = round,
                              .cohort = run->cohort_count,
                              .present = present,
                              .finite = comity_aggregate_is_finite(run->aggregate),
                              .model = run->global,
                              .state = run->server_state};
}

/* The next global model. On the server, once per round. */
static comity_status step(comity_run_state *run) {
  COMITY_TRY(comity_aggregate_present(run->aggregate, &run->present));
  comity_server_view view = view_of(run, run->at.round, run->present);
  comity_status status = run->method.algorithm->server_step(run->method.self, &view, run->combined);
  return status == COMITY_OK ? status
                             : comity_fail_context(status, "round %llu: the server's step",
                                                   (unsigned long long)run->at.round);
}

comity_status comity_stage_sum(comity_run_state *run) {
  double since = comity_clock_now();
  COMITY_TRY(comity_aggregate_sum(run->aggregate, run->combined));
  since = comity_run_book(run, COMITY_PHASE_COMMUNICATE, since);
  if (comity_comm_is_server(run->comm)) {
    for (int rank = 0; rank < comity_comm_size(run->comm); rank++)
      run->summed[rank] = comity_comm_is_present(run->comm, rank) ? run->at.round : run->summed[rank];
    comity_run_note(run, step(run)); /* a failure is told in place of the model */
    run->recorded = false;
    comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  }
  comity_run_go(run, COMITY_STAGE_ANNOUNCE, run->at.round, COMITY_NEXT_OPEN);
  return COMITY_OK;
}

/* The server's fields after a round go to everybody, unless it failed. */
static comity_status announce(comity_run_state *run, uint64_t round) {
  double since = comity_clock_now();
  comity_status status = comity_run_noted(run);
  run->known = false; /* what others had is overwritten, perhaps with something that is corrupt */
  if (status == COMITY_OK && comity_comm_is_server(run->comm)) {
    comity_server_view view = view_of(run, round, 0);
    comity_method_announce(&run->method, &view, run->down);
    since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  }
  status = comity_comm_broadcast_status(run->comm, status, run->down,
                                        run->method.protocol.down.length * sizeof *run->down);
  comity_run_book(run, COMITY_PHASE_COMMUNICATE, since);
  return status;
}

/* To what comes after the announcement. */
static comity_status go_on(comity_run_state *run, uint64_t round) {
  if (run->at.value == COMITY_NEXT_OPEN)
    comity_run_go(run, COMITY_STAGE_EVALUATE, round, COMITY_NEXT_OPEN);
  else if (run->at.value == COMITY_NEXT_BEGUN || run->reason == COMITY_STOP_NOT)
    comity_run_go(run, COMITY_STAGE_TRAIN, round + 1, COMITY_NEXT_BEGUN);
  else
    comity_run_go(run, COMITY_STAGE_SAVE, round, run->at.value);
  return COMITY_OK;
}

/* Where statistics of the features are wanted and nobody has taken them. */
static bool lacks_statistics(const comity_run_state *run) {
  return strcmp(run->federation->standardize, "none") != 0 && run->federation->mean == NULL;
}

comity_status comity_stage_announce(comity_run_state *run) {
  uint64_t round = run->at.round;
  COMITY_TRY(announce(run, round));
  if (run->regrouped && comity_run_may_grow(run))
    COMITY_TRY(comity_run_share_news(run));
  run->regrouped = false;
  run->announced = round;
  comity_run_note(run, comity_run_complete(run, round));
  if (lacks_statistics(run)) {
    comity_run_go(run, COMITY_STAGE_STATISTICS, round, run->at.value);
    return COMITY_OK;
  }
  return go_on(run, round);
}

comity_status comity_stage_statistics(comity_run_state *run) {
  double since = comity_clock_now();
  comity_status status = comity_federation_statistics(run->federation);
  comity_run_book(run, COMITY_PHASE_IO, since);
  COMITY_TRY(status);
  return go_on(run, run->at.round);
}

/* ----------------------------------------------------------------------------------------------- evaluate */

static bool due(uint64_t round, uint64_t every, bool last) {
  return last || (every > 0 && round % every == 0);
}

/* This rank's share. */
static comity_status evaluate(comity_run_state *run) {
  bool last = run->round >= run->stop_rule.rounds, central = comity_evaluation_has_central(run->evaluation);
  size_t clients_every = run->evaluate_clients_every;
  bool of_clients = clients_every > 0 ? due(run->round, clients_every, last)
                                      : !central && due(run->round, run->evaluate_every, last);
  const float *model = run->down + run->method.protocol.down.field[run->method.down_model].offset;
  return comity_evaluation_run(run->evaluation, run->round, model,
                               central && due(run->round, run->evaluate_every, last), of_clients);
}

comity_status comity_stage_evaluate(comity_run_state *run) {
  double since = comity_clock_now();
  comity_status status = run->trouble == COMITY_OK ? evaluate(run) : COMITY_OK;
  comity_run_book(run, COMITY_PHASE_EVALUATE, since);
  if (status == COMITY_INTERRUPTED || status == COMITY_ERR_SERVER)
    return status;
  comity_run_note(run, status);
  comity_run_go(run, COMITY_STAGE_RECORD, run->at.round, COMITY_NEXT_OPEN);
  return COMITY_OK;
}
