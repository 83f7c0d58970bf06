/* Models by name, from the literature. The last layer is as wide as the data's labels ask for. */
#include "model_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>

static void add(comity_model_spec *spec, comity_layer_spec layer) {
  if (spec->count < COMITY_LAYERS_MAX)
    spec->layer[spec->count] = layer;
  spec->count++; /* too many are refused when the model is compiled */
}

static void add_plain(comity_model_spec *spec, const char *kind) {
  comity_layer_spec layer = {0};
  snprintf(layer.kind, sizeof layer.kind, "%s", kind);
  add(spec, layer);
}

static void add_dense(comity_model_spec *spec, size_t units) {
  add(spec, (comity_layer_spec){.kind = "dense", .units = units});
}

static void add_conv(comity_model_spec *spec, const char *name, size_t filters) {
  comity_layer_spec layer = {.kind = "conv2d", .units = filters, .kernel = {5, 5}, .same = true};
  snprintf(layer.name, sizeof layer.name, "%s", name);
  add(spec, layer);
  add_plain(spec, "relu");
  add(spec, (comity_layer_spec){.kind = "maxpool", .kernel = {2, 2}});
}

static comity_status logistic(const comity_config *config, size_t outputs, comity_model_spec *spec) {
  (void)config;
  add_dense(spec, outputs);
  return COMITY_OK;
}

static comity_status mlp(const comity_config *config, size_t outputs, comity_model_spec *spec) {
  for (size_t i = 0; i < comity_config_length(config, "model.hidden"); i++) {
    const char *text = comity_config_text_at(config, "model.hidden", i);
    char *end;
    long units = strtol(text, &end, 10);
    COMITY_REQUIRE(end != text && *end == '\0' && units >= 1, COMITY_ERR_CONFIG,
                   "%s: model.hidden: '%s' is no width of a layer; give whole numbers from 1, e.g. [64, 32]",
                   comity_config_origin(config, "model.hidden"), text);
    add_dense(spec, (size_t)units);
    add_plain(spec, "relu");
  }
  add_dense(spec, outputs);
  return COMITY_OK;
}

static comity_status mnist_2nn(const comity_config *config, size_t outputs, comity_model_spec *spec) {
  (void)config;
  for (int i = 0; i < 2; i++) {
    add_dense(spec, 200);
    add_plain(spec, "relu");
  }
  add_dense(spec, outputs);
  return COMITY_OK;
}

static comity_status mnist_cnn(const comity_config *config, size_t outputs, comity_model_spec *spec) {
  (void)config;
  add_conv(spec, "conv1", 32);
  add_conv(spec, "conv2", 64);
  add_plain(spec, "flatten");
  add_dense(spec, 512);
  add_plain(spec, "relu");
  add_dense(spec, outputs);
  return COMITY_OK;
}

static const struct preset {
  const char *name;
  comity_status (*build)(const comity_config *config, size_t outputs, comity_model_spec *spec);
} presets[] = {
    {"logistic", logistic},   /* softmax or logistic regression */
    {"mlp", mlp},             /* dense layers of model.hidden with relu between */
    {"mnist_2nn", mnist_2nn}, /* McMahan et al. 2017, "2NN": 199,210 parameters for 784 -> 10 */
    {"mnist_cnn", mnist_cnn}, /* McMahan et al. 2017, "CNN": 1,663,370 parameters for 1x28x28 -> 10 */
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

const char *comity_model_preset_names(void) { return "logistic|mlp|mnist_2nn|mnist_cnn"; }

comity_status comity_preset_build(const char *preset, const comity_config *config, size_t outputs,
                                  comity_model_spec *spec) {
  const char *names[PRESETS];
  for (size_t i = 0; i < PRESETS; i++) {
    names[i] = presets[i].name;
    if (strcmp(preset, names[i]) != 0)
      continue;
    spec->count = 0;
    COMITY_TRY(presets[i].build(config, outputs, spec));
    for (size_t k = 0; k < spec->count && k < COMITY_LAYERS_MAX; k++)
      snprintf(spec->layer[k].origin, sizeof spec->layer[k].origin, "%s: model.preset %s",
               comity_config_origin(config, "model.preset"), preset);
    return COMITY_OK;
  }
  return comity_fail(COMITY_ERR_CONFIG, "model.preset: no preset is called '%s'; did you mean '%s'?", preset,
                     comity_nearest(preset, names, PRESETS));
}
