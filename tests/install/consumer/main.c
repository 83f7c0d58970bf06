/* What a user's first program does: a model from settings, its initial parameters, and a communicator. */
#include <comity/comity.h>

#include <math.h>

static comity_status count_parameters(size_t *count) {
  comity_config *config = NULL;
  comity_model *model = NULL;
  float *parameters = NULL;
  comity_model_spec spec = {0};
  comity_status status;
  COMITY_TRY_OR(done, comity_config_new(&config));
  COMITY_TRY_OR(done, comity_config_override(config, "model.preset=mlp"));
  COMITY_TRY_OR(done, comity_config_override(config, "model.hidden=[8]"));
  comity_dataset_info data = {.width = 4, .shape_rank = 1, .shape = {4}, .classes = 3, .targets = 1};
  COMITY_TRY_OR(done, comity_model_spec_read(config, &data, &spec));
  COMITY_TRY_OR(done, comity_model_new(&spec, &model));
  size_t all = comity_model_parameters(model);
  COMITY_TRY_OR(done, COMITY_NEW(parameters, all));
  comity_model_init(model, 1, false, parameters);
  for (size_t i = 0; i < all; i++)
    if (!isfinite(parameters[i])) {
      status = comity_fail(COMITY_ERR_NUMERIC, "parameter %zu is not finite", i);
      goto done;
    }
  *count = all;
done:
  comity_free(parameters);
  comity_model_destroy(&model);
  comity_config_destroy(&config);
  return status;
}

static comity_status work(void) {
  comity_comm *comm = NULL;
  COMITY_TRY(comity_comm_new(MPI_COMM_WORLD, NULL, &comm));
  size_t count = 0;
  comity_status status = comity_comm_agree(comm, count_parameters(&count));
  if (status == COMITY_OK && comity_comm_is_server(comm))
    printf("%zu parameters, %d participant\n", count, comity_comm_participants(comm));
  comity_comm_destroy(&comm);
  return status;
}

int main(int argc, char **argv) {
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
    return comity_status_exit_code(COMITY_ERR_COMM);
  comity_status status = work();
  if (status != COMITY_OK)
    fprintf(stderr, "%s\n", comity_error_message());
  MPI_Finalize();
  return comity_status_exit_code(status);
}
