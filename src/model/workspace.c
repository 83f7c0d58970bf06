/* Memory for one batch on its way through the plan. Every piece is an allocation of its own, aligned to 64
 * bytes: results then never depend on where memory lies, and a write past a piece is found by the sanitizer.
 */
#include "model_impl.h"

#include <limits.h>

/* Allocate `count` elements an example for the whole batch; *piece stays NULL on failure. */
static comity_status take(comity_workspace *workspace, size_t batch, size_t count, size_t size,
                          void **piece) {
  size_t elements;
  COMITY_REQUIRE(!__builtin_mul_overflow(batch, count, &elements), COMITY_ERR_MEMORY,
                 "model: a batch of %zu examples with %zu numbers each is too large", batch, count);
  *piece = comity_array(elements, size);
  if (*piece == NULL)
    return COMITY_ERR_MEMORY;
  workspace->owned[workspace->pieces++] = *piece;
  workspace->bytes += elements * size;
  return COMITY_OK;
}

static comity_status take_floats(comity_workspace *workspace, size_t batch, size_t count, float **piece) {
  void *memory = NULL;
  COMITY_TRY(take(workspace, batch, count, sizeof(float), &memory));
  *piece = memory;
  return COMITY_OK;
}

/* Training keeps the outputs that backward reads. */
static comity_status take_for_training(comity_workspace *workspace) {
  const comity_model *model = workspace->model;
  float *previous = workspace->x;
  for (size_t i = 0; i < model->spec.count; i++) {
    const comity_step *step = &model->step[i];
    workspace->output[i] = previous;
    if (!step->in_place)
      COMITY_TRY(
          take_floats(workspace, workspace->batch, comity_shape_width(&step->out), &workspace->output[i]));
    if (step->kept > 0)
      COMITY_TRY(take(workspace, workspace->batch, step->kept, 1, &workspace->kept[i]));
    previous = workspace->output[i];
  }
  for (int i = 0; i < 2; i++)
    COMITY_TRY(take_floats(workspace, workspace->batch, model->widest_gradient, &workspace->gradient[i]));
  return COMITY_OK;
}

/* Evaluation goes back and forth between two buffers, each as wide as what it has to hold: -1 is the batch
 * itself, which nothing may be written over. */
static comity_status take_for_evaluation(comity_workspace *workspace) {
  const comity_model *model = workspace->model;
  int place[COMITY_LAYERS_MAX], previous = -1;
  size_t width[2] = {0};
  for (size_t i = 0; i < model->spec.count; i++) {
    const comity_layer *layer = model->step[i].layer;
    bool passes = layer->forward == NULL || layer->random;
    if (!passes && (!layer->elementwise || previous < 0))
      previous = previous == 0 ? 1 : 0;
    place[i] = previous;
    size_t out = comity_shape_width(&model->step[i].out);
    if (previous >= 0 && width[previous] < out)
      width[previous] = out;
  }
  float *buffer[2];
  for (int i = 0; i < 2; i++)
    COMITY_TRY(take_floats(workspace, workspace->batch, width[i], &buffer[i]));
  for (size_t i = 0; i < model->spec.count; i++)
    workspace->output[i] = place[i] < 0 ? workspace->x : buffer[place[i]];
  return COMITY_OK;
}

size_t comity_model_evaluation_batch(const comity_model *model) {
  const size_t most = 250, bytes = 8 << 20;
  size_t fits = bytes / (model->widest_output * sizeof(float));
  return fits < 1 ? 1 : fits < most ? fits : most;
}

comity_status comity_workspace_new(const comity_model *model, size_t batch, bool training,
                                   comity_workspace **workspace) {
  COMITY_REQUIRE(batch >= 1 && batch <= INT_MAX, COMITY_ERR_ARG,
                 "model: a batch of %zu examples; between 1 and %d are possible", batch, INT_MAX);
  comity_workspace *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->model = model;
  made->batch = batch;
  made->training = training;
  comity_status status;
  COMITY_TRY_OR(fail, take_floats(made, batch, model->width, &made->x));
  COMITY_TRY_OR(fail, take_floats(made, batch, model->spec.targets, &made->y));
  COMITY_TRY_OR(fail, take_floats(made, 1, model->scratch, &made->scratch));
  COMITY_TRY_OR(fail, training ? take_for_training(made) : take_for_evaluation(made));
  *workspace = made;
  return COMITY_OK;
fail:
  comity_workspace_destroy(&made);
  return comity_fail_context(status, "model: workspace for %zu examples (smaller batches need less)", batch);
}

void comity_workspace_destroy(comity_workspace **workspace) {
  if (*workspace == NULL)
    return;
  for (size_t i = 0; i < (*workspace)->pieces; i++)
    comity_free((*workspace)->owned[i]);
  comity_free(*workspace);
  *workspace = NULL;
}

float *comity_workspace_x(comity_workspace *workspace) { return workspace->x; }

float *comity_workspace_y(comity_workspace *workspace) { return workspace->y; }

size_t comity_workspace_bytes(const comity_workspace *workspace) { return workspace->bytes; }
