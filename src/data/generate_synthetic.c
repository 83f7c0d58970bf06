/* Synthetic(alpha, beta) of the FedProx paper. Everything about client k comes from streams keyed by k, so
 * its data do not change with the number of clients.
 *
 * With spreads as standard deviations, as the published generator has them:
 *   n_k = int(lognormal(4, 2)) + 50                 examples
 *   u_k ~ N(0, alpha); W_k ~ N(u_k, 1)^(60 x 10); b_k ~ N(u_k, 1)^10
 *   B_k ~ N(0, beta);  v_k ~ N(B_k, 1)^60
 *   x ~ N(v_k, diag(j^-1.2)); y = argmax softmax(x W_k + b_k)
 * and in the iid case v = 0 and one W, b ~ N(0, 1) for all. */
#include "import_impl.h"

#include <comity/data.h>

#include <math.h>

enum { FEATURES = 60, CLASSES = 10, BLOCK_ROWS = 256 };
enum { STREAM_MODEL, STREAM_ROWS, STREAM_GLOBAL };

typedef struct client_law {
  size_t count;
  double w[FEATURES][CLASSES], b[CLASSES], mean[FEATURES];
} client_law;

static void draw_model(client_law *law, comity_random *random, double mean) {
  for (size_t j = 0; j < FEATURES; j++)
    for (size_t c = 0; c < CLASSES; c++)
      law->w[j][c] = mean + comity_random_normal(random);
  for (size_t c = 0; c < CLASSES; c++)
    law->b[c] = mean + comity_random_normal(random);
}

static void draw_law(const comity_synthetic_options *options, size_t client, client_law *law) {
  comity_random random;
  comity_random_open(&random, options->seed, COMITY_RANDOM_GENERATE, STREAM_MODEL, client, 0);
  law->count = (size_t)exp(4.0 + 2.0 * comity_random_normal(&random)) + 50;
  double u = options->alpha * comity_random_normal(&random),
         centre = options->beta * comity_random_normal(&random);
  if (!options->iid)
    draw_model(law, &random, u);
  for (size_t j = 0; j < FEATURES; j++)
    law->mean[j] = options->iid ? 0.0 : centre + comity_random_normal(&random);
}

/* The label is that of the stored float features, not of the doubles before rounding. */
static float draw_row(const client_law *law, const double *deviation, comity_random *random, float *x) {
  double score[CLASSES];
  for (size_t c = 0; c < CLASSES; c++)
    score[c] = law->b[c];
  for (size_t j = 0; j < FEATURES; j++) {
    x[j] = (float)(law->mean[j] + deviation[j] * comity_random_normal(random));
    for (size_t c = 0; c < CLASSES; c++)
      score[c] += (double)x[j] * law->w[j][c];
  }
  size_t best = 0;
  for (size_t c = 1; c < CLASSES; c++)
    best = score[c] > score[best] ? c : best;
  return (float)best;
}

static comity_status write_client(const comity_synthetic_options *options, size_t client,
                                  const client_law *law, const double *deviation,
                                  comity_dataset_writer *writer) {
  float x[BLOCK_ROWS][FEATURES], y[BLOCK_ROWS];
  char name[32];
  comity_random random;
  size_t train = comity_train_part(law->count, options->test_fraction);
  snprintf(name, sizeof name, "f_%05zu", client);
  COMITY_TRY(comity_dataset_writer_client(writer, name));
  comity_random_open(&random, options->seed, COMITY_RANDOM_GENERATE, STREAM_ROWS, client, 0);
  for (size_t at = 0; at < law->count;) {
    size_t end = at < train ? train : law->count, rows = end - at < BLOCK_ROWS ? end - at : BLOCK_ROWS;
    for (size_t i = 0; i < rows; i++)
      y[i] = draw_row(law, deviation, &random, x[i]);
    COMITY_TRY(
        comity_dataset_writer_add(writer, at < train ? COMITY_SPLIT_TRAIN : COMITY_SPLIT_TEST, rows, x, y));
    at += rows;
  }
  return COMITY_OK;
}

comity_status comity_generate_synthetic(const comity_synthetic_options *options, const char *out) {
  COMITY_REQUIRE(options->clients > 0, COMITY_ERR_USAGE, "a synthetic dataset needs at least one client");
  COMITY_REQUIRE(options->clients <= UINT32_MAX, COMITY_ERR_USAGE,
                 "a synthetic dataset has at most 2^32 - 1 clients, not %zu", options->clients);
  COMITY_REQUIRE(options->alpha >= 0 && isfinite(options->alpha) && options->beta >= 0 &&
                     isfinite(options->beta),
                 COMITY_ERR_USAGE, "alpha and beta must be finite and not negative, not %g and %g",
                 options->alpha, options->beta);
  COMITY_REQUIRE(options->test_fraction >= 0 && options->test_fraction < 1, COMITY_ERR_USAGE,
                 "test_fraction must be at least 0 and below 1, not %g", options->test_fraction);
  comity_dataset_writer *writer = NULL;
  client_law law = {0};
  double deviation[FEATURES];
  comity_random global;
  comity_status status;
  for (size_t j = 0; j < FEATURES; j++)
    deviation[j] = sqrt(pow((double)j + 1.0, -1.2));
  comity_random_open(&global, options->seed, COMITY_RANDOM_GENERATE, STREAM_GLOBAL, 0, 0);
  if (options->iid)
    draw_model(&law, &global, 0.0);
  char *origin = options->iid ? comity_text("generated: FedProx synthetic, iid, seed %llu",
                                            (unsigned long long)options->seed)
                              : comity_text("generated: FedProx synthetic(%g, %g), seed %llu", options->alpha,
                                            options->beta, (unsigned long long)options->seed);
  COMITY_TRY_OR(done, origin == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  comity_dataset_writer_options form = {.type = COMITY_F32,
                                        .shape_rank = 1,
                                        .shape = {FEATURES},
                                        .scale = 1.0,
                                        .targets = 1,
                                        .classes = CLASSES,
                                        .origin = origin};
  COMITY_TRY_OR(done, comity_dataset_writer_new(out, &form, &writer));
  for (size_t k = 0; k < options->clients; k++) {
    draw_law(options, k, &law);
    COMITY_TRY_OR(done, write_client(options, k, &law, deviation, writer));
  }
  COMITY_TRY_OR(done, comity_dataset_writer_commit(writer));
done:
  comity_dataset_writer_destroy(&writer);
  comity_free(origin);
  return status;
}
