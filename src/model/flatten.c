/* flatten: forget the shape. Row-major examples already lie flat, so nothing moves. */
#include "model_impl.h"

static comity_status plan(comity_step *step) {
  step->out = (comity_shape){.rank = 1, .size = {comity_shape_width(&step->in)}};
  return COMITY_OK;
}

const comity_layer comity_layer_flatten = {
    .name = "flatten",
    .settings = "",
    .elementwise = true,
    .plan = plan,
};
