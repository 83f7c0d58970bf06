/* Setting a run up: from checked settings to opened data, a compiled model and planned memory. */
#include "federation_impl.h"
#include "run_impl.h"

#include <string.h>

static comity_status prepare_model(comity_run_state *run) {
  comity_model_spec spec;
  COMITY_TRY(comity_model_spec_read(run->config, &run->federation->info, &spec));
  COMITY_TRY(comity_model_new(&spec, &run->model));
  comity_problem problem = {.parameters = comity_model_parameters(run->model),
                            .clients = run->federation->clients};
  COMITY_TRY(comity_method_open(run->config, &problem, &run->method));
  comity_train_settings_read(run->config, &run->train);
  if (run->method.protocol.client_state.length > 0 &&
      strcmp(comity_config_text(run->config, "round.reassign"), "auto") == 0)
    run->federation->reassign = false; /* a state that was lost would make the result depend on checkpoints */
  return COMITY_OK;
}

/* How long, for how many, and how often the server waits. */
static comity_status prepare_patience(comity_run_state *run) {
  const comity_config *config = run->config;
  size_t participants = (size_t)comity_comm_participants(run->comm);
  run->min_participants = (size_t)comity_config_integer(config, "round.min_participants");
  COMITY_REQUIRE(
      run->min_participants <= participants, COMITY_ERR_CONFIG,
      "%s: round.min_participants is %zu, but this job has %zu participant%s; start more ranks, or "
      "lower it",
      comity_config_origin(config, "round.min_participants"), run->min_participants, participants,
      participants == 1 ? "" : "s");
  run->max_retries = (size_t)comity_config_integer(config, "round.max_retries");
  run->wait = comity_config_real(config, "round.wait");
  run->partial = run->stragglers == COMITY_STRAGGLER_PARTIAL && run->method.algorithm->client_train == NULL;
  return comity_deadline_read(config, &run->deadline);
}

static comity_status prepare_rules(comity_run_state *run) {
  const comity_config *config = run->config;
  const comity_algorithm *algorithm = run->method.algorithm;
  COMITY_TRY(comity_selector_find(comity_config_text(config, "clients.select"), &run->selector));
  bool all = strcmp(run->selector->name, "all") == 0;
  run->want = all ? run->federation->clients : comity_cohort_size(config, run->federation->clients);
  const char *weighting = comity_config_text(config, "aggregate.weighting");
  run->weighting = strcmp(weighting, "examples") == 0 ? COMITY_WEIGH_EXAMPLES
                   : strcmp(weighting, "equal") == 0  ? COMITY_WEIGH_EQUALLY
                                                      : algorithm->weighting;
  const char *policy = comity_config_text(config, "clients.straggler_policy");
  run->stragglers = strcmp(policy, "drop") == 0      ? COMITY_STRAGGLER_DROP
                    : strcmp(policy, "partial") == 0 ? COMITY_STRAGGLER_PARTIAL
                                                     : algorithm->stragglers;
  const char *assign = comity_config_text(config, "clients.assign");
  bool movable = run->federation->shared && run->method.protocol.client_state.length == 0;
  COMITY_REQUIRE(movable || strcmp(assign, "balanced") != 0, COMITY_ERR_CONFIG,
                 "%s: clients.assign=balanced needs clients that can be trained anywhere, but %s; use "
                 "clients.assign=fixed",
                 comity_config_origin(config, "clients.assign"),
                 run->federation->shared ? "this algorithm keeps a state for each client"
                                         : "each silo's file is read by its own rank");
  COMITY_REQUIRE(
      !movable || run->federation->reassign || strcmp(assign, "balanced") != 0, COMITY_ERR_CONFIG,
      "%s: clients.assign=balanced lets anybody train a client, but round.reassign=false nobody else; use "
      "clients.assign=fixed",
      comity_config_origin(config, "clients.assign"));
  run->balanced = movable && run->federation->reassign && strcmp(assign, "fixed") != 0;
  run->min_clients = (size_t)comity_config_integer(config, "round.min_clients");
  COMITY_REQUIRE(run->min_clients <= run->want, COMITY_ERR_CONFIG,
                 "%s: round.min_clients is %zu, but only %zu of %zu clients are selected in a round",
                 comity_config_origin(config, "round.min_clients"), run->min_clients, run->want,
                 run->federation->clients);
  size_t all_asked = comity_over_select(run->want, comity_config_real(config, "round.over_selection"),
                                        run->federation->clients);
  run->enough = all_asked > run->want ? run->want : 0;
  run->want = all_asked;
  COMITY_TRY(prepare_patience(run));
  run->evaluate_every = (size_t)comity_config_integer(config, "evaluate.every");
  run->evaluate_clients_every = (size_t)comity_config_integer(config, "evaluate.clients_every");
  comity_stop_rule_read(config, &run->stop_rule);
  run->seed = (uint64_t)comity_config_integer(config, "seed");
  return comity_run_read_faults(run);
}

/* Largest train split that this rank may have to train. */
static size_t most_examples(const comity_run_state *run) {
  const comity_federation *federation = run->federation;
  if (run->balanced || (federation->shared && federation->reassign))
    return federation->most_examples;
  uint64_t most = 1;
  int self = comity_comm_participant(run->comm);
  for (size_t client = 0; client < federation->clients; client++) {
    if (comity_federation_home(federation, client) != self)
      continue;
    const comity_silo *silo = comity_federation_silo(federation, client); /* not yet known to all */
    size_t here = silo->dataset == NULL
                      ? federation->examples[COMITY_SPLIT_TRAIN][client]
                      : comity_dataset_count(silo->dataset, COMITY_SPLIT_TRAIN, client - silo->first_client);
    most = here > most ? here : most;
  }
  return most;
}

/* Whether what goes down has to be made from the global model; otherwise the server keeps it where it is sent
 * from. */
static bool announces(const comity_run_state *run) { return run->method.algorithm->server_announce != NULL; }

static float *model_in_down(const comity_run_state *run) {
  return run->down + run->method.protocol.down.field[run->method.down_model].offset;
}

comity_status comity_run_renew(comity_run_state *run) {
  void *down = run->down;
  COMITY_TRY(comity_comm_buffer_renew(run->comm, &down));
  run->down = down;
  if (run->global != NULL && !announces(run))
    run->global = model_in_down(run);
  return COMITY_OK;
}

static comity_status prepare_server(comity_run_state *run) {
  const comity_protocol *protocol = &run->method.protocol;
  if (announces(run))
    COMITY_TRY(COMITY_NEW(run->global, comity_model_parameters(run->model)));
  else
    run->global = model_in_down(run);
  COMITY_TRY(COMITY_NEW(run->gone, (size_t)comity_comm_size(run->comm)));
  run->recorded = true; /* or there is no round yet */
  COMITY_TRY(COMITY_NEW(run->summed, (size_t)comity_comm_size(run->comm)));
  COMITY_TRY(COMITY_NEW(run->slow, (size_t)comity_comm_size(run->comm)));
  COMITY_TRY(COMITY_NEW(run->seconds, (size_t)comity_comm_size(run->comm)));
  COMITY_TRY(COMITY_NEW(run->too_slow, run->want));
  COMITY_TRY(COMITY_NEW(run->dealt, run->want));
  COMITY_TRY(COMITY_NEW(run->server_state, protocol->server_state.length));
  COMITY_TRY(COMITY_NEW(run->combined, protocol->up.length));
  COMITY_TRY(COMITY_NEW(run->ledgers, (size_t)comity_comm_size(run->comm)));
  COMITY_TRY(COMITY_NEW(run->parts, (size_t)comity_comm_size(run->comm)));
  comity_model_init(run->model, run->seed, strcmp(comity_config_text(run->config, "model.init"), "zero") == 0,
                    run->global);
  if (run->method.algorithm->server_begin != NULL) {
    comity_server_view view = {.model = run->global, .state = run->server_state};
    run->method.algorithm->server_begin(run->method.self, &view);
  }
  return COMITY_OK;
}

static comity_status prepare_participant(comity_run_state *run) {
  COMITY_TRY(COMITY_NEW(run->client_state, run->method.protocol.client_state.length));
  return comity_trainer_new(&run->train, run->model, &run->method, most_examples(run), &run->trainer);
}

static comity_status prepare_memory(comity_run_state *run) {
  const comity_aggregator *aggregator;
  COMITY_TRY(comity_aggregator_find(comity_config_text(run->config, "aggregate.method"), &aggregator));
  COMITY_TRY(comity_aggregate_new(aggregator, run->comm, &run->method.protocol.up, &run->aggregate));
  void *down;
  COMITY_TRY(comity_comm_buffer_new(run->comm, run->method.protocol.down.length * sizeof *run->down, &down));
  run->down = down;
  COMITY_TRY(COMITY_NEW(run->cohort, run->want));
  COMITY_TRY(COMITY_NEW(run->epochs_of, run->want));
  COMITY_TRY(COMITY_NEW(run->work, run->want));
  COMITY_TRY(COMITY_NEW(run->owner, run->want));
  COMITY_TRY(COMITY_NEW(run->dropped, run->want));
  if (comity_comm_is_server(run->comm))
    COMITY_TRY(prepare_server(run));
  if (comity_comm_participant(run->comm) >= 0)
    COMITY_TRY(prepare_participant(run));
  return COMITY_OK;
}

comity_status comity_run_build(comity_run_state *run) {
  COMITY_TRY(comity_config_write(run->config, NULL, &run->job));
  run->folder = comity_config_text(run->config, "run.dir");
  COMITY_TRY(prepare_model(run));
  COMITY_TRY(prepare_rules(run));
  COMITY_TRY(prepare_memory(run));
  return comity_evaluation_new(run->comm, run->config, run->model, run->federation, &run->evaluation);
}

comity_status comity_run_prepare(comity_run_state *run) {
  comity_comm *comm = run->comm;
  COMITY_TRY(comity_comm_agree(comm, comity_config_check(run->config)));
  COMITY_TRY(comity_federation_new(comm, run->config, &run->federation));
  COMITY_TRY(comity_comm_agree(comm, comity_run_build(run)));
  /* Also with the silos' own statistics: the model file carries those of all, for data from elsewhere. */
  return strcmp(run->federation->standardize, "none") == 0 ? COMITY_OK
                                                           : comity_federation_statistics(run->federation);
}

void comity_run_close(comity_run_state *run) {
  if (run->method.algorithm != NULL && !announces(run))
    run->global = NULL; /* it was in `down` */
  comity_comm_set_faults(run->comm, NULL);
  comity_guests_destroy(&run->guests);
  comity_faults_destroy(&run->faults);
  comity_recorder_destroy(&run->recorder);
  comity_progress_destroy(&run->progress);
  comity_evaluation_destroy(&run->evaluation);
  comity_trainer_destroy(&run->trainer);
  comity_states_destroy(&run->states);
  comity_states_destroy(&run->pending);
  comity_aggregate_destroy(&run->aggregate);
  comity_method_close(&run->method);
  comity_model_destroy(&run->model);
  comity_federation_destroy(&run->federation);
  comity_report_clear(&run->mine);
  comity_report_clear(&run->report);
  comity_run_forget_trouble(run);
  for (int rank = 0; run->gone != NULL && rank < comity_comm_size(run->comm); rank++)
    comity_free(run->gone[rank]);
  comity_message_clear(&run->closing);
  comity_comm_buffer_free(run->comm, run->down);
  void *owned[] = {run->job,     run->combined,  run->global,       run->work,    run->server_state,
                   run->cohort,  run->epochs_of, run->client_state, run->owner,   run->ledgers,
                   run->parts,   run->gone,      run->summed,       run->dropped, run->slow,
                   run->seconds, run->too_slow,  run->dealt};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    comity_free(owned[i]);
  comity_logger_destroy(&run->logger);
}
