/* Compile a list of layers into a plan: shapes, offsets into the parameter vector, and which outputs may take
 * the place of their inputs. */
#include "model_impl.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

/* Give the layer its name and see that no other has it. Names become parts of names in files. */
static comity_status name_layer(comity_model *model, size_t number) {
  comity_layer_spec *spec = &model->spec.layer[number];
  if (spec->name[0] == '\0') {
    size_t running = 1;
    for (size_t i = 0; i < number; i++)
      running += strcmp(model->spec.layer[i].kind, spec->kind) == 0;
    char name[sizeof spec->name] = "";
    snprintf(name, sizeof name, "%.15s%zu", spec->kind, running);
    memcpy(spec->name, name, sizeof name);
  }
  for (const char *c = spec->name; *c != '\0'; c++)
    COMITY_REQUIRE(isalnum((unsigned char)*c) || *c == '_' || *c == '-', COMITY_ERR_CONFIG,
                   "the name may have letters, digits, '_' and '-', but not '%c'", *c);
  for (size_t i = 0; i < number; i++)
    COMITY_REQUIRE(strcmp(model->spec.layer[i].name, spec->name) != 0, COMITY_ERR_CONFIG,
                   "layer %zu is called '%s', too; names must differ", i + 1, spec->name);
  return COMITY_OK;
}

static void add_tensor(comity_model *model, const comity_step *step, const char *part,
                       const comity_shape *shape, size_t *offset) {
  comity_tensor *tensor = &model->tensor[model->tensors++];
  *offset = model->parameters;
  *tensor = (comity_tensor){.offset = *offset, .length = comity_shape_width(shape), .rank = shape->rank};
  memcpy(tensor->shape, shape->size, sizeof tensor->shape);
  snprintf(tensor->name, sizeof tensor->name, "%s.%s", step->spec.name, part);
  model->parameters += tensor->length;
}

/* The matrix library counts in int; batches and copies are products of these. */
static comity_status check_sizes(const comity_step *step) {
  char text[96];
  COMITY_REQUIRE(comity_shape_width(&step->out) <= INT_MAX, COMITY_ERR_CONFIG,
                 "its output of %s is too large; fewer than 2^31 numbers an example are possible",
                 comity_shape_text(&step->out, text));
  COMITY_REQUIRE(comity_shape_width(&step->weight) <= INT_MAX && step->fan_in <= INT_MAX, COMITY_ERR_CONFIG,
                 "its weights of %s are too large; fewer than 2^31 are possible",
                 comity_shape_text(&step->weight, text));
  return COMITY_OK;
}

static comity_status plan_step(comity_model *model, size_t number, const comity_shape *in) {
  comity_step *step = &model->step[number];
  COMITY_TRY(comity_layer_find(model->spec.layer[number].kind, &step->layer));
  COMITY_TRY(name_layer(model, number));
  step->spec = model->spec.layer[number];
  step->number = number;
  step->kernels = model->spec.kernels;
  step->in = *in;
  COMITY_TRY(step->layer->plan(step));
  COMITY_TRY(check_sizes(step));
  model->spec.layer[number] = step->spec;
  if (step->weight.rank > 0) {
    if (model->parameters == 0)
      model->first = number;
    comity_shape bias = {.rank = 1, .size = {step->weight.size[0]}};
    add_tensor(model, step, "weight", &step->weight, &step->weight_offset);
    add_tensor(model, step, "bias", &bias, &step->bias_offset);
    COMITY_REQUIRE(model->parameters <= INT_MAX, COMITY_ERR_CONFIG,
                   "the model has more than 2^31 parameters with this layer");
  }
  return COMITY_OK;
}

static comity_status plan_steps(comity_model *model) {
  comity_shape in = {.rank = model->spec.shape_rank};
  memcpy(in.size, model->spec.shape, sizeof in.size);
  for (size_t i = 0; i < model->spec.count; i++) {
    comity_status status = plan_step(model, i, &in);
    if (status != COMITY_OK) {
      const comity_layer_spec *spec = &model->spec.layer[i];
      char text[96];
      return comity_fail_context(status, "%s%slayer %zu %s%s(%s, input %s)", spec->origin,
                                 spec->origin[0] == '\0' ? "" : ": ", i + 1, spec->name,
                                 spec->name[0] == '\0' ? "" : " ", spec->kind, comity_shape_text(&in, text));
    }
    in = model->step[i].out;
  }
  return COMITY_OK;
}

/* relu before maxpool gives the same bits after it, with less to do: relu keeps order, so where the largest
 * is positive it stays the first largest, and where it is not, value and gradient are 0 either way. */
static void pool_first(comity_model *model) {
  for (size_t i = 0; i + 1 < model->spec.count; i++) {
    comity_step *relu = &model->step[i], *pool = &model->step[i + 1];
    if (relu->layer != &comity_layer_relu || pool->layer != &comity_layer_maxpool)
      continue;
    comity_step moved = *relu;
    moved.in = moved.out = pool->out;
    *relu = *pool;
    *pool = moved;
  }
}

/* An output may take the place of the input unless that is the batch itself or somebody's backward reads it.
 */
static void plan_memory(comity_model *model) {
  bool read = true;
  for (size_t i = 0; i < model->spec.count; i++) {
    comity_step *step = &model->step[i];
    size_t width = comity_shape_width(&step->out);
    if (width > model->widest_output)
      model->widest_output = width;
    if (i >= model->first && width > model->widest_gradient)
      model->widest_gradient = width;
    if (step->scratch > model->scratch)
      model->scratch = step->scratch;
    step->in_place = step->layer->forward == NULL || (step->layer->elementwise && !read);
    if (step->layer->forward != NULL)
      read = step->layer->reads_output;
  }
}

/* The last layer must give what the loss wants for these labels. */
static comity_status check_loss(const comity_model *model) {
  const comity_model_spec *spec = &model->spec;
  const comity_step *last = &model->step[spec->count - 1];
  size_t wanted = model->loss->outputs(spec->classes, spec->targets);
  if (wanted == model->outputs)
    return COMITY_OK;
  const char *fits = NULL;
  for (size_t i = 0; i < comity_loss_count; i++)
    if (comity_losses[i]->outputs(spec->classes, spec->targets) == model->outputs)
      fits = comity_losses[i]->name;
  char labels[96], hint[96] = "", where[176] = "";
  if (spec->classes > 0)
    snprintf(labels, sizeof labels, "%zu classes", spec->classes);
  else
    snprintf(labels, sizeof labels, "%zu real target%s", spec->targets, spec->targets == 1 ? "" : "s");
  if (fits != NULL)
    snprintf(hint, sizeof hint, "%s set model.loss to %s, which fits", wanted == 0 ? ";" : ", or", fits);
  if (last->spec.origin[0] != '\0')
    snprintf(where, sizeof where, "%s: ", last->spec.origin);
  if (wanted == 0)
    return comity_fail(COMITY_ERR_CONFIG, "model.loss: %s is for %s, but the data has %s%s",
                       model->loss->name, model->loss->labels, labels, hint);
  return comity_fail(
      COMITY_ERR_CONFIG,
      "%slayer %zu %s (%s) is the last and %zu wide, but %s with %s needs %zu; make it %zu wide%s", where,
      spec->count, last->spec.name, last->spec.kind, model->outputs, model->loss->name, labels, wanted,
      wanted, hint);
}

static comity_status check_spec(const comity_model_spec *spec) {
  COMITY_REQUIRE(spec->count >= 1 && spec->count <= COMITY_LAYERS_MAX, COMITY_ERR_CONFIG,
                 "model: %zu layers; between 1 and %d are possible", spec->count, COMITY_LAYERS_MAX);
  COMITY_REQUIRE(spec->shape_rank >= 1 && spec->shape_rank <= COMITY_SHAPE_MAX, COMITY_ERR_CONFIG,
                 "model: examples of rank %zu; between 1 and %d are possible", spec->shape_rank,
                 COMITY_SHAPE_MAX);
  comity_shape shape = {.rank = spec->shape_rank};
  memcpy(shape.size, spec->shape, sizeof shape.size);
  char text[96];
  COMITY_REQUIRE(comity_shape_width(&shape) >= 1 && comity_shape_width(&shape) <= INT_MAX, COMITY_ERR_CONFIG,
                 "model: examples of shape %s are empty or too large", comity_shape_text(&shape, text));
  COMITY_REQUIRE(spec->targets >= 1 && spec->targets <= INT_MAX, COMITY_ERR_CONFIG,
                 "model: labels of %zu numbers; at least 1 is needed", spec->targets);
  COMITY_REQUIRE(spec->l2 >= 0.0, COMITY_ERR_CONFIG, "model.l2 is %g, but must not be negative", spec->l2);
  return COMITY_OK;
}

comity_status comity_model_new(const comity_model_spec *spec, comity_model **model) {
  COMITY_TRY(check_spec(spec));
  comity_model *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->spec = *spec;
  comity_status status;
  COMITY_TRY_OR(fail, comity_loss_find(spec->loss, &made->loss));
  COMITY_TRY_OR(fail, plan_steps(made));
  comity_shape in = {.rank = spec->shape_rank};
  memcpy(in.size, spec->shape, sizeof in.size);
  made->width = comity_shape_width(&in);
  made->outputs = comity_shape_width(&made->step[spec->count - 1].out);
  if (made->parameters == 0)
    status = comity_fail(COMITY_ERR_CONFIG, "model: no layer has parameters; add a dense or conv2d layer");
  else
    status = check_loss(made);
  if (status != COMITY_OK)
    goto fail;
  pool_first(made);
  plan_memory(made);
  *model = made;
  return COMITY_OK;
fail:
  comity_free(made);
  return status;
}

void comity_model_destroy(comity_model **model) {
  comity_free(*model);
  *model = NULL;
}

const comity_model_spec *comity_model_describe(const comity_model *model) { return &model->spec; }

size_t comity_model_parameters(const comity_model *model) { return model->parameters; }

size_t comity_model_outputs(const comity_model *model) { return model->outputs; }

size_t comity_model_tensors(const comity_model *model) { return model->tensors; }

const comity_tensor *comity_model_tensor(const comity_model *model, size_t i) { return &model->tensor[i]; }

bool comity_model_is_binary(const comity_model *model) {
  return model->loss->binary_when_two && model->spec.classes == 2;
}

bool comity_model_classifies(const comity_model *model) { return model->loss->classifies; }
