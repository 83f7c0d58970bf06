/* Batches through the plan: forward, backward with or without a stored gradient, and scores. */
#include "model_impl.h"

/* Where gradients of parameters go; see comity_pass. */
typedef struct gradient_sink {
  float *base;
  float keep, scale;
} gradient_sink;

static comity_pass pass_of(const comity_model *model, const float *parameters, comity_workspace *workspace,
                           size_t count, size_t i) {
  const comity_step *step = &model->step[i];
  return (comity_pass){.step = step,
                       .count = count,
                       .weight = parameters + step->weight_offset,
                       .bias = parameters + step->bias_offset,
                       .x = i == 0 ? workspace->x : workspace->output[i - 1],
                       .y = workspace->output[i],
                       .scratch = workspace->scratch};
}

static const float *run_forward(const comity_model *model, const float *parameters,
                                comity_workspace *workspace, size_t count, bool training,
                                const comity_random *dropout) {
  COMITY_ASSERT(workspace->model == model && count >= 1 && count <= workspace->batch);
  for (size_t i = 0; i < model->spec.count; i++) {
    comity_pass pass = pass_of(model, parameters, workspace, count, i);
    pass.kept = training ? workspace->kept[i] : NULL;
    pass.dropout = training ? dropout : NULL;
    if (pass.step->layer->forward != NULL)
      pass.step->layer->forward(&pass);
  }
  return workspace->output[model->spec.count - 1];
}

/* Down from gradient[0], which holds d loss / d outputs, to the first step with parameters. */
static void run_backward(const comity_model *model, const float *parameters, comity_workspace *workspace,
                         size_t count, const comity_random *dropout, gradient_sink sink) {
  size_t at = 0;
  for (size_t i = model->spec.count; i-- > model->first;) {
    comity_pass pass = pass_of(model, parameters, workspace, count, i);
    const comity_layer *layer = pass.step->layer;
    if (layer->backward == NULL)
      continue;
    pass.kept = workspace->kept[i];
    pass.dropout = dropout;
    pass.dy = workspace->gradient[at];
    if (!layer->elementwise)
      at = 1 - at;
    pass.dx = i == model->first ? NULL : workspace->gradient[at];
    pass.weight_sink = sink.base + pass.step->weight_offset;
    pass.bias_sink = sink.base + pass.step->bias_offset;
    pass.keep = sink.keep;
    pass.scale = sink.scale;
    layer->backward(&pass);
  }
}

/* l2/2 |parameters|^2, summed in 8 interleaved parts: vectors are possible and the order is fixed. */
static double penalty(const comity_model *model, const float *parameters) {
  if (model->spec.l2 == 0.0)
    return 0.0;
  double part[8] = {0.0}, sum = 0.0;
  size_t i = 0;
  for (; i + 8 <= model->parameters; i += 8)
    for (size_t k = 0; k < 8; k++)
      part[k] += (double)parameters[i + k] * (double)parameters[i + k];
  for (size_t k = 0; i < model->parameters; i++, k++)
    part[k] += (double)parameters[i] * (double)parameters[i];
  for (size_t k = 0; k < 8; k++)
    sum += part[k];
  return 0.5 * model->spec.l2 * sum;
}

/* The mean loss, without l2; leaves d loss / d outputs in gradient[0]. */
static double run_to_loss(const comity_model *model, const float *parameters, comity_workspace *workspace,
                          size_t count, const comity_random *dropout) {
  COMITY_ASSERT(workspace->training);
  const float *z = run_forward(model, parameters, workspace, count, true, dropout);
  return model->loss->gradient(z, workspace->y, count, model->outputs, workspace->gradient[0]) /
         (double)count;
}

const float *comity_model_forward(const comity_model *model, const float *parameters,
                                  comity_workspace *workspace, size_t count) {
  return run_forward(model, parameters, workspace, count, false, NULL);
}

double comity_model_gradient(const comity_model *model, const float *parameters, comity_workspace *workspace,
                             size_t count, const comity_random *dropout, float *gradient) {
  double loss = run_to_loss(model, parameters, workspace, count, dropout);
  run_backward(model, parameters, workspace, count, dropout,
               (gradient_sink){.base = gradient, .keep = 0.0F, .scale = 1.0F});
  float l2 = (float)model->spec.l2;
  if (l2 != 0.0F)
    for (size_t i = 0; i < model->parameters; i++)
      gradient[i] += l2 * parameters[i];
  return loss + penalty(model, parameters);
}

double comity_model_step(const comity_model *model, float *parameters, comity_workspace *workspace,
                         size_t count, const comity_random *dropout, double rate) {
  double loss = run_to_loss(model, parameters, workspace, count, dropout) + penalty(model, parameters);
  run_backward(model, parameters, workspace, count, dropout,
               (gradient_sink){
                   .base = parameters, .keep = (float)(1.0 - rate * model->spec.l2), .scale = (float)-rate});
  return loss;
}

comity_score comity_model_score(const comity_model *model, const float *parameters,
                                comity_workspace *workspace, size_t count, float *scores) {
  const float *z = run_forward(model, parameters, workspace, count, false, NULL);
  return model->loss->score(z, workspace->y, count, model->outputs,
                            comity_model_is_binary(model) ? scores : NULL);
}
