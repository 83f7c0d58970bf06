/* A server whose silos come by themselves: it opens its door, says where that is, waits until enough have come to know what the
 * federation is, and goes through the rounds with whoever is there. */
#include "guest_impl.h"

#include "core/core_impl.h"

#include <string.h>

static const double SETTLING = 60; /* seconds in which those that came first set themselves up */

comity_comm_options comity_run_comm_options(const comity_config *config) {
  return (comity_comm_options){.collectives = comity_config_text(config, "comm.collectives"),
                               .deadline = comity_config_real(config, "comm.deadline"),
                               .file_deadline = comity_config_real(config, "comm.file_deadline"),
                               .piece_bytes = (size_t)(comity_config_real(config, "comm.piece") * 1048576.0),
                               .unchecked = !comity_config_flag(config, "comm.checksum")};
}

/* ----------------------------------------------------------------------------------------------- the address */

static comity_status write_address(const comity_run_state *run, const comity_serve_options *serve,
                                   bool done) {
  const comity_guests *guests = run->guests;
  char *path = comity_text("%s/%s", run->folder, COMITY_ADDRESS_FILE);
  comity_address address = {.server = *comity_identity_public(guests->identity), .done = done};
  snprintf(address.rendezvous, sizeof address.rendezvous, "%s", serve->rendezvous);
  snprintf(address.door, sizeof address.door, "%s", comity_door_address(guests->door));
  snprintf(address.job, sizeof address.job, "%s", serve->job);
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : comity_address_write(path, &address);
  comity_free(path);
  return status;
}

static comity_status publish(const comity_run_state *run, const comity_serve_options *serve) {
  COMITY_TRY(write_address(run, serve, false));
  comity_log(run->logger, COMITY_LOG_INFO,
             "%zu silos may join; the address that they need is in %s/%s:\n  comity join --server %s/%s "
             "--data FILE --key FILE",
             run->guests->key_count, run->folder, COMITY_ADDRESS_FILE, run->folder, COMITY_ADDRESS_FILE);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------ before the rounds */

static comity_status tend(const comity_run_state *run) {
  COMITY_REQUIRE(!comity_run_asked_to_stop(run), COMITY_REQUEUE, "asked to stop before the first round");
  comity_clock_sleep(1e-3);
  return comity_comm_tend(run->comm);
}

/* Until all are there, or those that the job names; when the time is up, as many as the job needs. */
static comity_status wait_for_silos(const comity_run_state *run) {
  const comity_guests *guests = run->guests;
  bool said = comity_config_given(run->config, "round.min_participants");
  size_t least = (size_t)comity_config_integer(run->config, "round.min_participants"), here = 0;
  size_t wanted = said ? least : guests->key_count;
  double wait = comity_config_real(run->config, "silos.wait"), end = comity_clock_now() + wait;
  COMITY_REQUIRE(wanted <= guests->key_count, COMITY_ERR_CONFIG,
                 "%s: round.min_participants is %zu, but silos.keys lists only %zu silos",
                 comity_config_origin(run->config, "round.min_participants"), wanted, guests->key_count);
  while (here < wanted && comity_clock_now() < end) {
    COMITY_TRY(tend(run));
    size_t now = comity_guests_at(guests, COMITY_GUEST_WAITING);
    if (now != here)
      comity_log(run->logger, COMITY_LOG_INFO, "%zu of %zu silos are here", now, guests->key_count);
    here = now;
  }
  COMITY_REQUIRE(here >= least, COMITY_ERR_QUORUM,
                 "%zu silos came within %g s (silos.wait), but round.min_participants is %zu", here, wait,
                 least);
  return COMITY_OK;
}

/* Who does not fit the others hears why. */
static comity_status found(comity_run_state *run) {
  comity_guests *guests = run->guests;
  comity_parts *told;
  COMITY_TRY(COMITY_NEW(told, (size_t)comity_comm_size(run->comm)));
  for (size_t i = 0; i < guests->count; i++) {
    const comity_guest *guest = &guests->guest[i];
    if (guest->step == COMITY_GUEST_WAITING)
      told[guest->rank] =
          (comity_parts){.at = guest->told.bytes, .end = guest->told.bytes + guest->told.length};
  }
  comity_status status = comity_federation_found(run->comm, run->config, told, &run->federation);
  for (size_t i = 0; i < guests->count && status == COMITY_OK; i++) {
    comity_guest *guest = &guests->guest[i];
    if (guest->step != COMITY_GUEST_WAITING)
      continue;
    comity_status fits = comity_federation_acquaint(run->federation, guest->rank, told[guest->rank]);
    if (fits != COMITY_OK)
      comity_guests_send_away(guests, guest, fits);
  }
  comity_free(told);
  return status;
}

/* Those that came first set themselves up; whoever takes too long comes later. */
static comity_status settle(const comity_run_state *run) {
  const comity_guests *guests = run->guests;
  double end = comity_clock_now() + SETTLING;
  comity_guests_found(run->guests);
  while (comity_clock_now() < end && (comity_guests_at(guests, COMITY_GUEST_WAITING) > 0 ||
                                      comity_guests_at(guests, COMITY_GUEST_JOINING) > 0))
    COMITY_TRY(tend(run));
  return COMITY_OK;
}

static comity_status prepare(comity_run_state *run, const comity_serve_options *serve) {
  const comity_config *config = run->config;
  comity_comm_options options = comity_run_comm_options(config);
  size_t silos = comity_config_length(config, "silos.keys");
  COMITY_REQUIRE(
      silos > 0 && silos < INT32_MAX, COMITY_ERR_CONFIG,
      "silos.keys is empty: list the public keys of the silos that may join ('comity keygen' makes them)");
  COMITY_TRY(comity_config_check(config));
  COMITY_TRY(
      comity_comm_serve((int)silos + 1, &options, comity_config_real(config, "comm.silence"), &run->comm));
  COMITY_TRY(comity_config_write(config, NULL, &run->job));
  run->folder = comity_config_text(config, "run.dir");
  comity_run_go(run, COMITY_STAGE_ADMIT, 0, 0);
  COMITY_TRY(comity_run_survive(run));
  COMITY_TRY(comity_guests_new(run, serve->job, &run->guests));
  COMITY_TRY(comity_guests_open_door(run->guests));
  COMITY_TRY(comity_run_open_folder(run));
  COMITY_TRY(publish(run, serve));
  COMITY_TRY(wait_for_silos(run));
  COMITY_TRY(found(run));
  comity_free(run->job);
  run->job = NULL;
  COMITY_TRY(comity_run_build(run));
  COMITY_TRY(comity_run_open(run));
  return settle(run);
}

/* As after a round whose end has let all of them in. */
static comity_status run_all(comity_run_state *run) {
  COMITY_TRY(comity_run_survive(run)); /* faults are known only now */
  run->round_start = comity_clock_now();
  run->announced = COMITY_ROUND_NONE;
  run->admits = true;
  comity_run_go(run, COMITY_STAGE_ADMIT, run->round, comity_run_decided(run));
  return comity_run_stages(run);
}

comity_status comity_serve(const comity_config *config, const comity_serve_options *serve,
                           const comity_run_options *options, comity_run_result *result) {
  comity_run_state run = {.config = config, .options = options, .start = comity_clock_now()};
  comity_status status = prepare(&run, serve);
  if (status == COMITY_OK)
    status = run_all(&run);
  if (status == COMITY_OK) /* silos that come now need not wait for another server */
    status = write_address(&run, serve, true);
  if (run.comm != NULL)
    status = comity_run_finish(&run, status, result);
  return status;
}
