/* Who takes part in a round, how much of the work each does, and where. */
#include "run_impl.h"

uint64_t comity_run_weight(const comity_run_state *run, size_t client) {
  return run->weighting == COMITY_WEIGH_EQUALLY ? 1 : run->federation->examples[COMITY_SPLIT_TRAIN][client];
}

int comity_run_rank_of(const comity_run_state *run, int participant) {
  return comity_comm_size(run->comm) == 1 ? 0 : participant + 1;
}

static void select_cohort(comity_run_state *run, uint64_t round) {
  const uint64_t *examples = run->federation->examples[COMITY_SPLIT_TRAIN];
  run->selected =
      run->selector->select(run->seed, round, examples, run->federation->clients, run->want, run->cohort);
  double share = comity_config_real(run->config, "clients.straggler_share");
  size_t whole = run->train.steps > 0 ? run->train.steps : run->train.epochs; /* what a task counts in */
  comity_straggle(run->seed, round, share, run->selected, whole, run->epochs_of);
  size_t kept = 0;
  double total = 0;
  for (size_t i = 0; i < run->selected; i++) {
    size_t work = run->epochs_of[i];
    if (work == 0 || (work < whole && run->stragglers == COMITY_STRAGGLER_DROP))
      continue;
    run->cohort[kept] = run->cohort[i];
    run->epochs_of[kept] = work < whole ? work : 0; /* 0 = all */
    run->work[kept] = work * (run->train.steps > 0 ? 1 : examples[run->cohort[i]]);
    total += (double)comity_run_weight(run, run->cohort[kept]);
    kept++;
  }
  run->cohort_count = kept;
  run->total_weight = total > 0 ? total : 1;
}

comity_status comity_run_begin_round(comity_run_state *run, uint64_t round, bool deals) {
  double since = comity_clock_now();
  select_cohort(run, round);
  run->begun = round;
  run->trained = run->left = 0;
  comity_states_clear(run->pending);
  comity_aggregate_begin(run->aggregate, run->cohort_count > 0 ? run->cohort_count : 1, run->total_weight);
  for (size_t i = 0; i < run->cohort_count; i++) {
    run->owner[i] = -1;
    if (run->too_slow != NULL)
      run->too_slow[i] = 0;
  }
  comity_status status = comity_report_reset(&run->mine, run->cohort_count);
  if (status == COMITY_OK)
    status = comity_run_drop(run);
  if (status == COMITY_OK && deals)
    status = comity_federation_owners(run->federation, run->cohort, run->work, run->cohort_count,
                                      run->balanced, run->owner);
  for (size_t i = 0; i < run->cohort_count && run->dealt != NULL; i++)
    run->dealt[i] = run->owner[i] < 0 ? -1 : comity_run_rank_of(run, run->owner[i]);
  comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  return status;
}

void comity_run_forget_round(comity_run_state *run) {
  comity_states_clear(run->pending);
  run->begun = 0;
}

comity_status comity_run_complete(comity_run_state *run, uint64_t round) {
  run->round = round;
  return run->begun <= round ? comity_states_move(run->pending, run->states) : COMITY_OK;
}
