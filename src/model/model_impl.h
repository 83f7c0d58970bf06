/* What the files of src/model share: a kind of layer and a loss as ops tables, and a model as the list of
 * steps that layers compile to. All matrices are row-major; a batch is (count, width). */
#ifndef COMITY_MODEL_IMPL_H
#define COMITY_MODEL_IMPL_H

#include <comity/model.h>

typedef struct comity_layer comity_layer;
typedef struct comity_loss comity_loss;

/* Shape of one example, channels first. */
typedef struct comity_shape {
  size_t rank;
  size_t size[COMITY_SHAPE_MAX];
} comity_shape;

/* Product of the sizes; SIZE_MAX when it overflows. */
size_t comity_shape_width(const comity_shape *shape);
/* "1x28x28" into `text`; returned for use inside a call. */
const char *comity_shape_text(const comity_shape *shape, char text[96]);

/* How conv2d and the pools slide over an image. */
typedef struct comity_window {
  size_t channels, height, width; /* of the image */
  size_t kernel[2], stride[2], padding[2];
  size_t rows, columns; /* of the result */
} comity_window;

/* The part of the image that a window sees: rows [top, bottom), columns [left, right). */
typedef struct comity_view {
  size_t top, bottom, left, right;
} comity_view;

static inline comity_view comity_window_view(const comity_window *window, size_t row, size_t column) {
  const size_t *padding = window->padding;
  size_t y = row * window->stride[0], x = column * window->stride[1];
  size_t y_end = y + window->kernel[0] - padding[0], x_end = x + window->kernel[1] - padding[1];
  return (comity_view){.top = y > padding[0] ? y - padding[0] : 0,
                       .bottom = y_end < window->height ? y_end : window->height,
                       .left = x > padding[1] ? x - padding[1] : 0,
                       .right = x_end < window->width ? x_end : window->width};
}

/* One layer, compiled. */
typedef struct comity_step {
  const comity_layer *layer;
  comity_layer_spec spec; /* name, stride and padding filled in */
  size_t number;          /* place in the model, from 0 */
  comity_kernels kernels;
  comity_shape in;

  /* What the layer's plan fills in. */
  comity_shape out;
  comity_window window;
  comity_shape weight; /* rank 0 = the layer has no parameters; size[0] = length of the bias */
  size_t fan_in;       /* inputs that one output sees; bounds initial parameters */
  size_t kept;         /* bytes an example that training keeps from forward to backward */
  size_t scratch;      /* floats that are only needed inside one call, whatever the batch */

  /* What the compiler fills in. */
  size_t weight_offset, bias_offset; /* in the parameter vector */
  bool in_place;                     /* in training, the output takes the place of the input */
} comity_step;

/* One call of a layer's forward or backward. */
typedef struct comity_pass {
  const comity_step *step;
  size_t count;                 /* examples */
  const float *weight, *bias;   /* the layer's parameters */
  const float *x;               /* (count, in) */
  float *y;                     /* (count, out); x itself when the step is in place */
  void *kept;                   /* (count * step->kept) bytes, 64-byte aligned; NULL when not training */
  float *scratch;               /* (step->scratch), shared by all layers */
  const comity_random *dropout; /* NULL = nothing is dropped */

  /* backward only */
  const float *dy; /* (count, out) d loss / d y */
  float *dx; /* (count, in) d loss / d x to write; NULL = not needed; dy itself for elementwise layers */
  /* Where gradients of parameters go: sink = keep * sink + scale * gradient. With keep 0, scale 1 and a
   * gradient vector this stores it; with keep 1 - rate*l2, scale -rate and the parameters themselves it is a
   * step of SGD, so both cost the same matrix products. The sinks may be `weight` and `bias`: dx comes first.
   */
  float *weight_sink, *bias_sink;
  float keep, scale;
} comity_pass;

/* A kind of layer. */
struct comity_layer {
  const char *name;     /* as in model.layers */
  const char *settings; /* names in an item that it reads besides type and name, "a|b"; "" for none */
  /* Backward wants only y (or less) and writes dx over dy; forward may write y over x. */
  bool elementwise;
  bool reads_output; /* backward needs y as forward left it */
  bool random;       /* forward draws from the dropout stream in training */

  /* REQUIRED. Check step->spec against step->in and fill in what the step says that plan fills in. Errors are
   * sentences without the layer's name, which the compiler puts before them. */
  comity_status (*plan)(comity_step *step);
  /* OPTIONAL (default, for both together: values pass unchanged and nothing is copied). */
  void (*forward)(const comity_pass *pass);
  void (*backward)(const comity_pass *pass);
};

/* All kinds, in the order of the help. */
extern const comity_layer *const comity_layers[];
extern const size_t comity_layer_count;
comity_status comity_layer_find(const char *name, const comity_layer **layer) COMITY_MUST_CHECK;

extern const comity_layer comity_layer_dense, comity_layer_conv2d, comity_layer_maxpool, comity_layer_avgpool,
    comity_layer_relu, comity_layer_tanh, comity_layer_sigmoid, comity_layer_flatten, comity_layer_dropout;

/* The plan of a layer that works on each number by itself: the output has the shape of the input. */
comity_status comity_shape_keep(comity_step *step) COMITY_MUST_CHECK;

/* Fill in step->window and step->out, for that many output channels (0 = as many as come in), from step->in
 * and kernel, stride and padding of the spec; for layers over images. A rank-2 input is an image of one
 * channel. */
comity_status comity_window_plan(comity_step *step, size_t channels) COMITY_MUST_CHECK;

/* A loss. `z` are a batch's outputs (count, width), `y` its labels (count, targets). */
struct comity_loss {
  const char *name;
  bool classifies;      /* score counts correct predictions */
  bool binary_when_two; /* with two classes comity_model_score gives scores */
  /* REQUIRED. The width of the last layer that fits the labels; 0 when none does. */
  size_t (*outputs)(size_t classes, size_t targets);
  /* REQUIRED. What labels it is for, for errors. */
  const char *labels;
  /* REQUIRED. d (mean loss) / d z into dz (count, width), and the sum of losses over examples. A label
   * outside of the classes makes the loss NaN. */
  double (*gradient)(const float *z, const float *y, size_t count, size_t width, float *dz);
  /* REQUIRED. The same sum and the right answers; scores as comity_model_score, may be NULL. */
  comity_score (*score)(const float *z, const float *y, size_t count, size_t width, float *scores);
};

extern const comity_loss *const comity_losses[];
extern const size_t comity_loss_count;
comity_status comity_loss_find(const char *name, const comity_loss **loss) COMITY_MUST_CHECK;

extern const comity_loss comity_loss_cross_entropy, comity_loss_binary_cross_entropy,
    comity_loss_mean_squared_error;

/* Write the preset's layers into spec->layer; `outputs` is the width of the last one. */
comity_status comity_preset_build(const char *preset, const comity_config *config, size_t outputs,
                                  comity_model_spec *spec) COMITY_MUST_CHECK;

struct comity_model {
  comity_model_spec spec;
  const comity_loss *loss;
  comity_step step[COMITY_LAYERS_MAX];
  size_t parameters;
  size_t width, outputs;  /* numbers of one example, of one prediction */
  size_t first;           /* the first step with parameters: no gradient is needed before it */
  size_t widest_output;   /* floats an example of the largest output */
  size_t widest_gradient; /* the same over the steps that gradients pass */
  size_t scratch;         /* floats */
  comity_tensor tensor[2 * COMITY_LAYERS_MAX];
  size_t tensors;
};

struct comity_workspace {
  const comity_model *model;
  size_t batch;
  bool training;
  size_t bytes;
  float *x, *y;
  float *output[COMITY_LAYERS_MAX]; /* of each step; several steps may share one */
  void *kept[COMITY_LAYERS_MAX];    /* NULL where a step keeps nothing */
  float *gradient[2];               /* d loss / d output, of this step and of the one before it */
  float *scratch;
  void *owned[2 * COMITY_LAYERS_MAX + 8];
  size_t pieces;
};

#endif
