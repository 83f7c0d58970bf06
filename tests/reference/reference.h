/* Reads the stored training runs that make_reference.py wrote and describes. */
#ifndef COMITY_TEST_REFERENCE_H
#define COMITY_TEST_REFERENCE_H

#include "test.h"

#include <comity/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reference_run {
  FILE *file;
  comity_model_spec spec;
  size_t batch, steps, parameters, width, variants;
  float *initial; /* (parameters) */
  float *x;       /* (steps * batch, width) */
  float *y;       /* (steps * batch, spec.targets) */
} reference_run;

typedef struct reference_variant {
  char name[32];
  double rate, momentum, weight_decay, clip;
  int nesterov;
} reference_variant;

static inline void reference_word(reference_run *reference, const char *word) {
  char read[64] = "";
  assert_int_equal(fscanf(reference->file, "%63s", read), 1);
  assert_string_equal(read, word);
}

static inline double reference_number(reference_run *reference, const char *word) {
  double value = 0.0;
  if (word != NULL)
    reference_word(reference, word);
  assert_int_equal(fscanf(reference->file, "%lf", &value), 1);
  return value;
}

static inline void reference_values(reference_run *reference, const char *word, float *values, size_t count) {
  reference_word(reference, word);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)reference_number(reference, NULL);
}

static inline float *reference_array(reference_run *reference, const char *word, size_t count) {
  float *values = comity_array(count, sizeof *values);
  assert_non_null(values);
  reference_values(reference, word, values, count);
  return values;
}

/* Open <source>/tests/reference/<name>.txt and read up to the variants. */
static inline void reference_open(reference_run *reference, const char *name) {
  char path[1024];
  memset(reference, 0, sizeof *reference);
  snprintf(path, sizeof path, "%s/tests/reference/%s.txt", getenv("COMITY_SOURCE_DIR"), name);
  reference->file = fopen(path, "r");
  assert_non_null(reference->file);
  comity_model_spec *spec = &reference->spec;
  reference_word(reference, "case");
  reference_word(reference, name);
  spec->shape_rank = (size_t)reference_number(reference, "shape");
  reference->width = 1;
  for (size_t i = 0; i < spec->shape_rank; i++)
    reference->width *= spec->shape[i] = (size_t)reference_number(reference, NULL);
  spec->classes = (size_t)reference_number(reference, "classes");
  spec->targets = (size_t)reference_number(reference, "targets");
  reference_word(reference, "loss");
  assert_int_equal(fscanf(reference->file, "%31s", spec->loss), 1);
  spec->l2 = reference_number(reference, "l2");
  spec->count = (size_t)reference_number(reference, "layers");
  assert_true(spec->count <= COMITY_LAYERS_MAX);
  for (size_t i = 0; i < spec->count; i++) {
    comity_layer_spec *layer = &spec->layer[i];
    assert_int_equal(fscanf(reference->file, "%15s %zu %zu %zu %zu %zu %zu %zu", layer->kind, &layer->units,
                            &layer->kernel[0], &layer->kernel[1], &layer->stride[0], &layer->stride[1],
                            &layer->padding[0], &layer->padding[1]),
                     8);
  }
  reference->batch = (size_t)reference_number(reference, "batch");
  reference->steps = (size_t)reference_number(reference, "steps");
  reference->parameters = (size_t)reference_number(reference, "parameters");
  reference->initial = reference_array(reference, "initial", reference->parameters);
  reference->x = reference_array(reference, "x", reference->steps * reference->batch * reference->width);
  reference->y = reference_array(reference, "y", reference->steps * reference->batch * spec->targets);
  reference->variants = (size_t)reference_number(reference, "variants");
}

static inline void reference_read_variant(reference_run *reference, reference_variant *variant) {
  reference_word(reference, "variant");
  assert_int_equal(fscanf(reference->file, "%31s", variant->name), 1);
  variant->rate = reference_number(reference, "rate");
  variant->momentum = reference_number(reference, "momentum");
  variant->nesterov = (int)reference_number(reference, "nesterov");
  variant->weight_decay = reference_number(reference, "weight_decay");
  variant->clip = reference_number(reference, "clip");
}

static inline void reference_close(reference_run *reference) {
  comity_free(reference->initial);
  comity_free(reference->x);
  comity_free(reference->y);
  fclose(reference->file);
}

/* Each value agrees to `tolerance`, relative to the largest of the vector. */
static inline void assert_vectors_near(const float *ours, const float *theirs, size_t count,
                                       double tolerance) {
  double largest = 0.0;
  for (size_t i = 0; i < count; i++)
    largest = fmax(largest, fabs((double)theirs[i]));
  for (size_t i = 0; i < count; i++)
    if (!(fabs((double)ours[i] - (double)theirs[i]) <= tolerance * largest))
      fail_msg("value %zu of %zu is %.9g instead of %.9g", i, count, (double)ours[i], (double)theirs[i]);
}

#endif
