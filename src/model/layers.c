/* The list of all kinds of layer. */
#include "model_impl.h"

#include "core/core_impl.h"

const comity_layer *const comity_layers[] = {
    &comity_layer_dense,   &comity_layer_conv2d,  &comity_layer_maxpool,
    &comity_layer_avgpool, &comity_layer_relu,    &comity_layer_tanh,
    &comity_layer_sigmoid, &comity_layer_flatten, &comity_layer_dropout,
};
enum { LAYERS = sizeof comity_layers / sizeof comity_layers[0] };
const size_t comity_layer_count = LAYERS;

comity_status comity_layer_find(const char *name, const comity_layer **layer) {
  const char *names[LAYERS];
  size_t found;
  for (size_t i = 0; i < LAYERS; i++)
    names[i] = comity_layers[i]->name;
  COMITY_TRY(comity_word_find(NULL, "type of layer", name, names, LAYERS, &found));
  *layer = comity_layers[found];
  return COMITY_OK;
}
