/* How a federation begins whose silos come by themselves: nobody but a silo can open its file, so what examples look like is
 * learned from what the first of them tell. */
#include "federation_impl.h"

comity_status comity_federation_survey(const comity_config *config, int rank, const char *own,
                                       comity_message *message) {
  size_t index = (size_t)rank - 1, clients = (size_t)comity_config_integer(config, "silos.clients");
  uint64_t reads = 0;
  comity_silo silo = {.path = comity_text("%s", own), .participant = rank - 1};
  comity_status status = silo.path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK)
    status = comity_silo_open(config, &silo, index * clients);
  if (status == COMITY_OK && silo.clients != clients)
    status =
        comity_fail(COMITY_ERR_DATA, "%s: holds %zu clients, but the federation expects %zu (silos.clients)",
                    own, silo.clients, clients);
  if (status == COMITY_OK)
    status = comity_message_add(message, &reads, sizeof reads);
  if (status == COMITY_OK)
    status = comity_silo_notice_add(&silo, index, message);
  comity_dataset_destroy(&silo.dataset);
  comity_free(silo.path);
  return status;
}

/* What the first notice of a rank says of examples, if it is of the rank's own file and they can be. */
static comity_status first_notice(const comity_federation *federation, size_t silo, comity_parts parts,
                                  comity_silo_notice *notice, const char **names, comity_catalogue *all) {
  uint64_t reads;
  const uint8_t *counts;
  COMITY_TRY(comity_message_take(&parts, &reads, sizeof reads));
  COMITY_TRY(comity_silo_notice_take(&parts, notice, &counts, names));
  *all = (comity_catalogue){.clients = federation->clients,
                            .classes = notice->classes,
                            .targets = notice->targets,
                            .type = notice->type,
                            .shape_rank = notice->shape_rank,
                            .scale = notice->scale};
  for (size_t d = 0; d < notice->shape_rank; d++)
    all->shape[d] = notice->shape[d];
  COMITY_REQUIRE(notice->silo == silo && notice->clients == federation->silo[silo].clients &&
                     comity_catalogue_is_sound(all),
                 COMITY_ERR_DATA, "%s tells of examples that cannot be", federation->silo[silo].path);
  return COMITY_OK;
}

/* What examples look like, from the lowest rank that says something sensible; as many classes as any has of those that fit. */
static comity_status learn(comity_federation *federation, const comity_parts *told) {
  comity_catalogue all = {0};
  for (size_t i = 0; i < federation->silos; i++) {
    comity_silo_notice notice;
    comity_catalogue own;
    const char *names;
    if (told[i + 1].at == told[i + 1].end)
      continue;
    if (first_notice(federation, i, told[i + 1], &notice, &names, &own) != COMITY_OK ||
        (all.clients > 0 &&
         comity_silos_same_shape("another silo", &all, federation->silo[i].path, &notice) != COMITY_OK)) {
      comity_error_clear();
      continue;
    }
    if (all.clients == 0) {
      all = own;
      COMITY_TRY(comity_federation_keep_names(federation, names, notice.names_bytes));
    }
    all.classes = notice.classes > all.classes ? notice.classes : all.classes;
  }
  COMITY_REQUIRE(all.clients > 0, COMITY_ERR_DATA,
                 "no silo has come, so nobody knows what examples look like");
  comity_federation_use_catalogue(federation, &all);
  return COMITY_OK;
}

static comity_status found(comity_federation *federation, const comity_config *config,
                           const comity_parts *told) {
  uint64_t *none;
  COMITY_TRY(learn(federation, told));
  COMITY_TRY(COMITY_NEW(none, COMITY_SPLIT_COUNT * federation->clients));
  comity_status status = comity_federation_use_counts(federation, none);
  comity_free(none);
  COMITY_TRY(status);
  COMITY_TRY(comity_central_open(federation, config));
  federation->central.reads[0] = federation->central.found;
  return COMITY_OK;
}

comity_status comity_federation_found(comity_comm *comm, const comity_config *config,
                                      const comity_parts *told, comity_federation **federation) {
  comity_federation *made;
  COMITY_TRY(comity_federation_begin(comm, config, &made));
  comity_status status = found(made, config, told);
  if (status == COMITY_OK)
    *federation = made;
  else
    comity_federation_destroy(&made);
  return status;
}
