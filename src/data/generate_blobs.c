/* Gaussian classes: the features of class c are a centre of its own plus unit noise, so a linear model
 * suffices. Client k comes from a stream keyed by k. */
#include "import_impl.h"

#include <comity/data.h>

#include <math.h>
#include <string.h>

enum { STREAM_CENTRES, STREAM_ROWS };

/* Images show value v as grey level GREY_ZERO + GREY_STEP * v, cut to 0 ... 255. */
static const double GREY_ZERO = 127.5, GREY_STEP = 32.0;

/* Directions at right angles while there are as many dimensions as classes, so that the centres are exactly
 * `separation` apart; random directions, almost at right angles, beyond that. */
static void draw_centres(const comity_blobs_options *options, size_t width, double *centre) {
  comity_random random;
  comity_random_open(&random, options->seed, COMITY_RANDOM_GENERATE, STREAM_CENTRES, 0, 0);
  for (size_t c = 0; c < options->classes; c++) {
    double *own = centre + c * width, square = 0;
    for (size_t j = 0; j < width; j++)
      own[j] = comity_random_normal(&random);
    for (size_t e = 0; e < c && c < width; e++) {
      const double *other = centre + e * width;
      double along = 0;
      for (size_t j = 0; j < width; j++)
        along += own[j] * other[j];
      for (size_t j = 0; j < width; j++)
        own[j] -= along * other[j];
    }
    for (size_t j = 0; j < width; j++)
      square += own[j] * own[j];
    for (size_t j = 0; j < width; j++)
      own[j] /= sqrt(square);
  }
  for (size_t i = 0; i < options->classes * width; i++)
    centre[i] *= options->separation / sqrt(2.0);
}

static comity_status check_options(const comity_blobs_options *o, size_t *width) {
  COMITY_REQUIRE(o->clients > 0 && o->examples > 0, COMITY_ERR_USAGE,
                 "blobs need at least one client and one example per client");
  COMITY_REQUIRE(o->clients <= UINT32_MAX && o->examples <= UINT32_MAX, COMITY_ERR_USAGE,
                 "blobs have at most 2^32 - 1 clients and as many examples each, not %zu and %zu", o->clients,
                 o->examples);
  COMITY_REQUIRE(o->classes > 0 && o->classes <= 1 << 16, COMITY_ERR_USAGE,
                 "blobs have 1 to 65536 classes, not %zu", o->classes);
  COMITY_REQUIRE(o->image_side <= 4096, COMITY_ERR_USAGE,
                 "an image side of %zu is too large; the limit is 4096", o->image_side);
  *width = o->image_side > 0 ? o->image_side * o->image_side : o->features;
  COMITY_REQUIRE(*width > 0 && *width <= 1 << 24 && o->classes <= ((size_t)1 << 28) / *width,
                 COMITY_ERR_USAGE,
                 "blobs need at least one feature, and %zu features for %zu classes must fit into memory",
                 *width, o->classes);
  COMITY_REQUIRE(o->test_fraction >= 0 && o->test_fraction < 1, COMITY_ERR_USAGE,
                 "test_fraction must be at least 0 and below 1, not %g", o->test_fraction);
  COMITY_REQUIRE(o->separation >= 0 && isfinite(o->separation), COMITY_ERR_USAGE,
                 "separation must be finite and not negative, not %g", o->separation);
  return COMITY_OK;
}

/* One example into the buffer of floats or bytes. \return its class */
static size_t draw_row(const comity_blobs_options *options, size_t width, const double *centre,
                       comity_random *random, float *as_float, uint8_t *as_byte) {
  size_t c = comity_random_below(random, options->classes);
  for (size_t j = 0; j < width; j++) {
    double value = centre[c * width + j] + comity_random_normal(random);
    if (options->image_side > 0)
      as_byte[j] = (uint8_t)fmin(fmax(rint(GREY_ZERO + GREY_STEP * value), 0.0), 255.0);
    else
      as_float[j] = (float)value;
  }
  return c;
}

static comity_status write_clients(const comity_blobs_options *options, size_t width, const double *centre,
                                   comity_dataset_writer *writer) {
  bool image = options->image_side > 0;
  float *x = NULL, y;
  uint8_t *bytes = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, COMITY_NEW(x, image ? 0 : width));
  COMITY_TRY_OR(done, COMITY_NEW(bytes, image ? width : 0));
  size_t train = comity_train_part(options->examples, options->test_fraction);
  for (size_t k = 0; k < options->clients; k++) {
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_GENERATE, STREAM_ROWS, k, 0);
    COMITY_TRY_OR(done, comity_dataset_writer_client(writer, NULL));
    for (size_t i = 0; i < options->examples; i++) {
      y = (float)draw_row(options, width, centre, &random, x, bytes);
      COMITY_TRY_OR(done,
                    comity_dataset_writer_add(writer, i < train ? COMITY_SPLIT_TRAIN : COMITY_SPLIT_TEST, 1,
                                              image ? (const void *)bytes : x, &y));
    }
  }
done:
  comity_free(x);
  comity_free(bytes);
  return status;
}

comity_status comity_generate_blobs(const comity_blobs_options *options, const char *out) {
  size_t width = 0, side = options->image_side;
  double *centre = NULL;
  char *origin = NULL;
  comity_dataset_writer *writer = NULL;
  comity_status status;
  COMITY_TRY(check_options(options, &width));
  comity_dataset_writer_options form = {.type = side > 0 ? COMITY_U8 : COMITY_F32,
                                        .shape_rank = side > 0 ? 3 : 1,
                                        .shape = {side > 0 ? 1 : width, side, side},
                                        .scale = side > 0 ? 1.0 / 255.0 : 1.0,
                                        .targets = 1,
                                        .classes = options->classes};
  COMITY_TRY_OR(done, COMITY_NEW(centre, options->classes * width));
  form.origin = origin = comity_text("generated: %zu Gaussian classes %g apart, seed %llu", options->classes,
                                     options->separation, (unsigned long long)options->seed);
  COMITY_TRY_OR(done, origin == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  draw_centres(options, width, centre);
  COMITY_TRY_OR(done, comity_dataset_writer_new(out, &form, &writer));
  COMITY_TRY_OR(done, write_clients(options, width, centre, writer));
  COMITY_TRY_OR(done, comity_dataset_writer_commit(writer));
done:
  comity_dataset_writer_destroy(&writer);
  comity_free(centre);
  comity_free(origin);
  return status;
}
