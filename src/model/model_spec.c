/* From the job file's words to a list of layers. */
#include "model_impl.h"

#include "core/core_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const item_names[] = {"type",   "name",   "units",   "filters",
                                         "kernel", "stride", "padding", "rate"};
enum { ITEM_NAMES = sizeof item_names / sizeof item_names[0] };

/* One item of model.layers on its way into a layer. */
typedef struct layer_item {
  const comity_config *config;
  size_t number;
  const comity_layer *layer;
  comity_layer_spec *spec;
} layer_item;

static const char *value_of(const layer_item *item, const char *name) {
  return comity_config_item(item->config, "model.layers", item->number, name);
}

/* Whether `word` is one of "a|b|c". */
static bool among(const char *words, const char *word) {
  size_t length = strlen(word);
  for (const char *at = words; *at != '\0';) {
    size_t span = strcspn(at, "|");
    if (span == length && strncmp(at, word, span) == 0)
      return true;
    at += span + (at[span] == '|');
  }
  return false;
}

static comity_status check_names(const layer_item *item) {
  const char *name;
  for (size_t n = 0; (name = comity_config_item_name(item->config, "model.layers", item->number, n)) != NULL;
       n++) {
    bool known = false;
    for (size_t i = 0; i < ITEM_NAMES; i++)
      known = known || strcmp(item_names[i], name) == 0;
    COMITY_REQUIRE(known, COMITY_ERR_CONFIG, "a layer has no setting '%s'; did you mean '%s'?", name,
                   comity_nearest(name, item_names, ITEM_NAMES));
    COMITY_REQUIRE(
        strcmp(name, "type") == 0 || strcmp(name, "name") == 0 || among(item->layer->settings, name),
        COMITY_ERR_CONFIG, "a layer of type %s has no setting '%s'; it has: type, name%s%s",
        item->layer->name, name, item->layer->settings[0] == '\0' ? "" : ", ", item->layer->settings);
  }
  return COMITY_OK;
}

/* A whole number at `*text`, which moves behind it. */
static bool take_size(const char **text, size_t *value) {
  while (**text == ' ')
    ++*text;
  if (**text < '0' || **text > '9')
    return false;
  char *end;
  errno = 0;
  unsigned long long number = strtoull(*text, &end, 10);
  if (errno != 0 || number > INT32_MAX)
    return false;
  while (*end == ' ')
    end++;
  *text = end;
  *value = (size_t)number;
  return true;
}

static comity_status read_size(const layer_item *item, const char *name, size_t *value) {
  const char *text = value_of(item, name), *rest = text;
  if (text == NULL)
    return COMITY_OK; /* whether it is needed is for the layer to say */
  COMITY_REQUIRE(take_size(&rest, value) && *rest == '\0' && *value >= 1, COMITY_ERR_CONFIG,
                 "'%s: %s' should be a whole number from 1", name, text);
  return COMITY_OK;
}

/* "5" for both directions, or "height,width". */
static comity_status read_pair(const layer_item *item, const char *name, size_t least, size_t pair[2]) {
  const char *text = value_of(item, name), *rest = text;
  if (text == NULL)
    return COMITY_OK;
  bool good = take_size(&rest, &pair[0]);
  pair[1] = pair[0];
  if (good && *rest == ',') {
    rest++;
    good = take_size(&rest, &pair[1]);
  }
  COMITY_REQUIRE(good && *rest == '\0' && pair[0] >= least && pair[1] >= least, COMITY_ERR_CONFIG,
                 "'%s: %s' should be a whole number from %zu, or two as \"height,width\"", name, text, least);
  return COMITY_OK;
}

static comity_status read_rate(const layer_item *item, double *rate) {
  const char *text = value_of(item, "rate");
  if (strcmp(item->layer->name, "dropout") != 0)
    return COMITY_OK;
  COMITY_REQUIRE(text != NULL, COMITY_ERR_CONFIG,
                 "'rate' is missing; give the probability of a zero, e.g. 0.5");
  char *end;
  *rate = strtod(text, &end);
  COMITY_REQUIRE(end != text && *end == '\0' && isfinite(*rate), COMITY_ERR_CONFIG,
                 "'rate: %s' should be a number from 0 to less than 1", text);
  return COMITY_OK;
}

static comity_status read_item(layer_item *item) {
  comity_layer_spec *spec = item->spec;
  const char *type = value_of(item, "type"), *name = value_of(item, "name"),
             *padding = value_of(item, "padding");
  COMITY_REQUIRE(type != NULL, COMITY_ERR_CONFIG,
                 "'type' is missing; a layer is e.g. {type: dense, units: 10}");
  COMITY_TRY(comity_layer_find(type, &item->layer));
  COMITY_TRY(check_names(item));
  snprintf(spec->kind, sizeof spec->kind, "%s", type);
  if (name != NULL) {
    COMITY_REQUIRE(strlen(name) < sizeof spec->name, COMITY_ERR_CONFIG,
                   "the name '%s' is longer than %zu characters", name, sizeof spec->name - 1);
    snprintf(spec->name, sizeof spec->name, "%s", name);
  }
  COMITY_TRY(read_size(item, "units", &spec->units));
  COMITY_TRY(read_size(item, "filters", &spec->units));
  COMITY_TRY(read_pair(item, "kernel", 1, spec->kernel));
  COMITY_TRY(read_pair(item, "stride", 1, spec->stride));
  spec->same = padding != NULL && strcmp(padding, "same") == 0;
  COMITY_REQUIRE(!spec->same || item->layer == &comity_layer_conv2d, COMITY_ERR_CONFIG,
                 "padding 'same' is for conv2d; give a number");
  if (!spec->same)
    COMITY_TRY(read_pair(item, "padding", 0, spec->padding));
  return read_rate(item, &spec->rate);
}

static comity_status read_layers(const comity_config *config, comity_model_spec *spec) {
  size_t count = comity_config_length(config, "model.layers");
  COMITY_REQUIRE(count <= COMITY_LAYERS_MAX, COMITY_ERR_CONFIG,
                 "%s: model.layers has %zu layers, %d are the most",
                 comity_config_origin(config, "model.layers"), count, COMITY_LAYERS_MAX);
  spec->count = count;
  for (size_t i = 0; i < count; i++) {
    const char *origin = comity_config_item_origin(config, "model.layers", i);
    snprintf(spec->layer[i].origin, sizeof spec->layer[i].origin, "%s", origin);
    layer_item item = {.config = config, .number = i, .spec = &spec->layer[i]};
    comity_status status = read_item(&item);
    if (status != COMITY_OK)
      return comity_fail_context(status, "%s: model.layers, layer %zu", spec->layer[i].origin, i + 1);
  }
  return COMITY_OK;
}

/* What 'auto' stands for. One logit for two classes can only mean logistic regression. */
static const char *automatic_loss(const comity_model_spec *spec) {
  size_t last = 0;
  for (size_t i = 0; i < spec->count; i++)
    if (spec->layer[i].units > 0)
      last = spec->layer[i].units;
  if (spec->classes == 0)
    return "mean_squared_error";
  return last == 1 && spec->classes == 2 ? "binary_cross_entropy" : "cross_entropy";
}

comity_status comity_model_spec_read(const comity_config *config, const comity_dataset_info *data,
                                     comity_model_spec *spec) {
  const char *preset = comity_config_text(config, "model.preset");
  const char *loss = comity_config_text(config, "model.loss");
  bool named = strcmp(preset, "none") != 0, listed = comity_config_length(config, "model.layers") > 0;
  COMITY_REQUIRE(named || listed, COMITY_ERR_CONFIG,
                 "the job has no model; set model.preset to one of %s, or list model.layers",
                 comity_model_preset_names());
  COMITY_REQUIRE(!named || !listed, COMITY_ERR_CONFIG,
                 "%s: model.preset is '%s' and model.layers (%s) lists layers, too; remove one of them",
                 comity_config_origin(config, "model.preset"), preset,
                 comity_config_origin(config, "model.layers"));
  comity_model_spec *made; /* too large for the stack of a library function */
  COMITY_TRY(COMITY_NEW(made, 1));
  comity_status status = COMITY_OK;
  made->l2 = comity_config_real(config, "model.l2");
  made->shape_rank = data->shape_rank;
  memcpy(made->shape, data->shape, sizeof made->shape);
  made->classes = data->classes;
  made->targets = data->targets;
  COMITY_TRY_OR(done, comity_kernels_read(comity_config_text(config, "model.kernels"), &made->kernels));
  if (listed)
    COMITY_TRY_OR(done, read_layers(config, made));
  if (strcmp(loss, "auto") == 0)
    loss = automatic_loss(made);
  snprintf(made->loss, sizeof made->loss, "%s", loss);
  const comity_loss *found;
  COMITY_TRY_OR(done, comity_loss_find(loss, &found));
  size_t outputs = found->outputs(data->classes, data->targets);
  if (outputs == 0 && data->classes == 0)
    status = comity_fail(COMITY_ERR_CONFIG, "%s: model.loss: %s is for %s, but %s has real targets",
                         comity_config_origin(config, "model.loss"), loss, found->labels, data->path);
  else if (outputs == 0)
    status = comity_fail(COMITY_ERR_CONFIG, "%s: model.loss: %s is for %s, but %s has %zu classes",
                         comity_config_origin(config, "model.loss"), loss, found->labels, data->path,
                         data->classes);
  else if (named)
    status = comity_preset_build(preset, config, outputs, made);
  if (status == COMITY_OK)
    *spec = *made;
done:
  comity_free(made);
  return status;
}
