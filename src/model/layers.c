/* The list of all kinds of layer. */
#include "model_impl.h"

#include "core/core_impl.h"

#include <string.h>

const comity_layer *const comity_layers[] = {
    &comity_layer_dense,   &comity_layer_conv2d,  &comity_layer_maxpool,
    &comity_layer_avgpool, &comity_layer_relu,    &comity_layer_tanh,
    &comity_layer_sigmoid, &comity_layer_flatten, &comity_layer_dropout,
};
enum { LAYERS = sizeof comity_layers / sizeof comity_layers[0] };
const size_t comity_layer_count = LAYERS;

comity_status comity_layer_find(const char *name, const comity_layer **layer) {
  const char *names[LAYERS];
  for (size_t i = 0; i < LAYERS; i++) {
    names[i] = comity_layers[i]->name;
    if (strcmp(names[i], name) == 0) {
      *layer = comity_layers[i];
      return COMITY_OK;
    }
  }
  char known[256] = "";
  for (size_t i = 0; i < LAYERS; i++)
    snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i == 0 ? "" : ", ", names[i]);
  return comity_fail(COMITY_ERR_CONFIG, "no layer is of type '%s'; did you mean '%s'? Known types: %s", name,
                     comity_nearest(name, names, LAYERS), known);
}
