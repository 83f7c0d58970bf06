/* Small models and batches for the tests of src/model. */
#ifndef COMITY_TEST_MODEL_H
#define COMITY_TEST_MODEL_H

#include "test.h"

#include <comity/model.h>

#include <math.h>
#include <string.h>

/* A model, its parameters and a workspace with a random batch in it. */
typedef struct model_bench {
  comity_model *model;
  comity_workspace *workspace;
  size_t count, batch;
  float *parameters, *gradient;
} model_bench;

static inline void fill_batch(const comity_model *model, comity_workspace *workspace, size_t batch,
                              uint64_t seed) {
  const comity_model_spec *spec = comity_model_describe(model);
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_TEST, 0, 0, 0);
  size_t width = batch;
  for (size_t i = 0; i < spec->shape_rank; i++)
    width *= spec->shape[i];
  for (size_t i = 0; i < width; i++)
    comity_workspace_x(workspace)[i] = (float)comity_random_normal(&random);
  for (size_t i = 0; i < batch * spec->targets; i++)
    comity_workspace_y(workspace)[i] = spec->classes > 0 ? (float)comity_random_below(&random, spec->classes)
                                                         : (float)comity_random_normal(&random);
}

static inline void model_bench_open(model_bench *bench, const comity_model_spec *spec, size_t batch) {
  assert_int_equal(comity_model_new(spec, &bench->model), COMITY_OK);
  assert_int_equal(comity_workspace_new(bench->model, batch, true, &bench->workspace), COMITY_OK);
  bench->count = comity_model_parameters(bench->model);
  bench->batch = batch;
  bench->parameters = comity_array(bench->count, sizeof(float));
  bench->gradient = comity_array(bench->count, sizeof(float));
  assert_true(bench->parameters != NULL && bench->gradient != NULL);
  comity_model_init(bench->model, 1, false, bench->parameters);
  fill_batch(bench->model, bench->workspace, batch, 1);
}

static inline void model_bench_close(model_bench *bench) {
  comity_free(bench->parameters);
  comity_free(bench->gradient);
  comity_workspace_destroy(&bench->workspace);
  comity_model_destroy(&bench->model);
}

#define MODEL_LAYERS(...)                                                                                    \
  .layer = {__VA_ARGS__}, .count = sizeof((comity_layer_spec[]){__VA_ARGS__}) / sizeof(comity_layer_spec)

/* Models that together use every layer and loss, with inputs that are not square. */
static const comity_model_spec small_models[] = {
    {MODEL_LAYERS({.kind = "dense", .units = 1}), .loss = "binary_cross_entropy", .shape_rank = 1,
     .shape = {13}, .classes = 2, .targets = 1},
    {MODEL_LAYERS({.kind = "dense", .units = 6}, {.kind = "tanh"}, {.kind = "sigmoid"},
                  {.kind = "dense", .units = 5}, {.kind = "sigmoid"}, {.kind = "dense", .units = 3}),
     .loss = "cross_entropy", .l2 = 0.25, .shape_rank = 2, .shape = {2, 4}, .classes = 3, .targets = 1},
    {MODEL_LAYERS({.kind = "conv2d", .units = 3, .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}},
                  {.kind = "tanh"},
                  {.kind = "maxpool", .kernel = {2, 3}, .stride = {1, 2}, .padding = {1, 0}},
                  {.kind = "conv2d", .units = 4, .kernel = {3, 3}, .same = true}, {.kind = "tanh"},
                  {.kind = "avgpool", .kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}},
                  {.kind = "flatten"}, {.kind = "dropout", .rate = 0.25}, {.kind = "dense", .units = 3}),
     .loss = "cross_entropy", .shape_rank = 3, .shape = {2, 7, 6}, .classes = 3, .targets = 1},
    {MODEL_LAYERS({.kind = "sigmoid"}, {.kind = "dropout", .rate = 0.5}, {.kind = "dense", .units = 8},
                  {.kind = "relu"}, {.kind = "dropout", .rate = 0.5}, {.kind = "dense", .units = 2},
                  {.kind = "tanh"}),
     .loss = "mean_squared_error", .l2 = 0.01, .shape_rank = 1, .shape = {5}, .targets = 2},
};
enum { SMALL_MODELS = sizeof small_models / sizeof small_models[0] };

#endif
