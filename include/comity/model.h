/** \file model.h
 *  A model is a plan over one flat float32 vector. Layers named in the job file compile once into a list of
 * steps with offsets into parameters, gradients and one workspace; afterwards a training step allocates
 * nothing.
 *
 *      comity_model_spec_read (from a job) -> comity_model_new -> comity_model_init -> forward / gradient
 *
 *  Optimiser, clipping, aggregation and checkpoint see only (float *, size_t); names like "conv1.weight" map
 * to ranges of it. Images are channels first: (batch, channels, height, width). Not collective; knows nothing
 * of MPI.
 */
#ifndef COMITY_MODEL_H
#define COMITY_MODEL_H

#include <comity/config.h>
#include <comity/core.h>
#include <comity/data.h>
#include <comity/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One line of `model.layers`. Members that a kind does not use stay 0. As in PyTorch, weights are (outputs,
 * inputs) or (filters, channels, height, width), maxpool's padding never wins and avgpool's counts as zeros.
 * dense takes examples of any shape as flat ones; conv2d and the pools take (height, width) as one channel.
 */
typedef struct comity_layer_spec {
  char
      kind[16]; /* "dense", "conv2d", "maxpool", "avgpool", "relu", "tanh", "sigmoid", "flatten", "dropout" */
  char name[32];     /* "" = kind and running number, e.g. "dense1" */
  size_t units;      /* dense: outputs; conv2d: filters */
  size_t kernel[2];  /* conv2d, pools: height, width */
  size_t stride[2];  /* 0 = 1 for conv2d, the kernel for pools */
  size_t padding[2]; /* zeros on each side; conv2d, pools */
  bool same;         /* conv2d: padding chosen so that stride 1 keeps height and width (odd kernels) */
  double rate;       /* dropout: probability of a zero, [0,1) */
  char origin[160];  /* where the job file names it, for errors; may be "" */
} comity_layer_spec;

#define COMITY_LAYERS_MAX 64

typedef struct comity_model_spec {
  comity_layer_spec layer[COMITY_LAYERS_MAX];
  size_t count;
  char loss[32];     /* "cross_entropy" | "binary_cross_entropy" | "mean_squared_error" */
  double l2;         /* adds l2/2 * |parameters|^2 to the objective */
  size_t shape_rank; /* of one example */
  size_t shape[COMITY_SHAPE_MAX];
  size_t classes;         /* labels 0 ... classes-1; 0 = real targets */
  size_t targets;         /* numbers per label */
  comity_kernels kernels; /* who computes; no part of what is computed, so files don't keep it */
} comity_model_spec;

/** Read model.preset or model.layers, model.loss, model.l2 and model.kernels for data of this description. A preset that
 * ends in a layer as wide as there are classes takes the width from the data. Errors name the job file's
 * line. */
COMITY_API COMITY_MUST_CHECK comity_status comity_model_spec_read(const comity_config *config,
                                                                  const comity_dataset_info *data,
                                                                  comity_model_spec *spec);
/** Names of the presets, "logistic|mlp|mnist_2nn|mnist_cnn", and their sources, for help. */
COMITY_API const char *comity_model_preset_names(void);

typedef struct comity_model comity_model;

/** Compile. Checks shapes layer by layer.
 *  \return COMITY_OK, COMITY_ERR_CONFIG (names the layer, its shape and what would fit), COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_model_new(const comity_model_spec *spec,
                                                            comity_model **model);
COMITY_API void comity_model_destroy(comity_model **model);
COMITY_API const comity_model_spec *comity_model_describe(const comity_model *model);
/** Number of parameters. */
COMITY_API size_t comity_model_parameters(const comity_model *model);
/** Numbers per prediction (logits, or real outputs). */
COMITY_API size_t comity_model_outputs(const comity_model *model);

/** For people: a table of the layers with output shapes and parameters, and the loss. */
COMITY_API void comity_model_print(const comity_model *model, FILE *file);

/** A named range of the parameter vector. */
typedef struct comity_tensor {
  char name[48]; /* "conv1.weight" */
  size_t offset, length;
  size_t rank;
  size_t shape[COMITY_SHAPE_MAX];
} comity_tensor;
COMITY_API size_t comity_model_tensors(const comity_model *model);
COMITY_API const comity_tensor *comity_model_tensor(const comity_model *model, size_t i);

/** Initial parameters: every tensor of a layer from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), keyed (seed,
 *  COMITY_RANDOM_INIT, tensor); or zeros.
 *  \param[out] parameters  (P) */
COMITY_API void comity_model_init(const comity_model *model, uint64_t seed, bool zero, float *parameters);

/** Memory for activations and their gradients for up to `batch` examples. Reused by every call that is handed
 * it. */
typedef struct comity_workspace comity_workspace;
COMITY_API COMITY_MUST_CHECK comity_status comity_workspace_new(const comity_model *model, size_t batch,
                                                                bool training, comity_workspace **workspace);
COMITY_API void comity_workspace_destroy(comity_workspace **workspace);
/** Where to put a batch so that nothing is copied: x (batch, width), y (batch, targets). */
COMITY_API float *comity_workspace_x(comity_workspace *workspace);
COMITY_API float *comity_workspace_y(comity_workspace *workspace);
COMITY_API size_t comity_workspace_bytes(const comity_workspace *workspace);
/** How many examples to evaluate at once unless somebody says otherwise: 250, or as many as the outputs of the
 *  widest layer fit into 8 MiB. Follows from the model alone, for the last bits may depend on it. */
COMITY_API size_t comity_model_evaluation_batch(const comity_model *model);

/** Predictions for the batch in the workspace; dropout is off.
 *  \return (count, outputs) inside the workspace, borrowed until its next use */
COMITY_API const float *comity_model_forward(const comity_model *model, const float *parameters,
                                             comity_workspace *workspace, size_t count);

/** Loss and gradient for the batch in the workspace.
 *  \param[in]  dropout     stream for masks, opened by the caller per step and only read; NULL = nothing is
 *         dropped
 *  \param[out] gradient    (P) mean over the batch, plus l2 * parameters
 *  \return the mean loss over the batch, plus l2/2 |parameters|^2 */
COMITY_API double comity_model_gradient(const comity_model *model, const float *parameters,
                                        comity_workspace *workspace, size_t count,
                                        const comity_random *dropout, float *gradient);

/** One step of plain SGD, parameters -= rate * gradient, for when nobody needs to see the gradient: weight
 *  gradients are never stored. Equal to comity_model_gradient followed by the step up to rounding.
 *  \return as comity_model_gradient, before the step */
COMITY_API double comity_model_step(const comity_model *model, float *parameters, comity_workspace *workspace,
                                    size_t count, const comity_random *dropout, double rate);

/** What an evaluation counts for one block of examples. */
typedef struct comity_score {
  size_t examples;
  size_t correct; /* arg max = label; for binary, logit > 0 = label; for real targets 0 */
  double loss;    /* sum over the examples, without l2; of an example with several targets, their mean. NaN
                     when a label is none of the classes */
} comity_score;

/** Score the batch in the workspace.
 *  \param[out] scores  (count) for binary problems the logit (difference) of class 1, for AUC; may be NULL */
COMITY_API comity_score comity_model_score(const comity_model *model, const float *parameters,
                                           comity_workspace *workspace, size_t count, float *scores);
/** Whether labels are 0/1 and comity_model_score gives scores: two classes, or one logit. */
COMITY_API bool comity_model_is_binary(const comity_model *model);
/** Whether predictions are right or wrong, so that there is an accuracy. Not with mean_squared_error. */
COMITY_API bool comity_model_classifies(const comity_model *model);

#ifdef __cplusplus
}
#endif
#endif
