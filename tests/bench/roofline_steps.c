/* One training step of a job's model against the roofs of the machine: how many operations and bytes it needs at least, how
 * long it takes, and in which layers. The layers' tables are replaced by copies that watch the clock, so the time of each layer is
 * that inside of a real step, with the caches as its neighbours leave them. */
#include "roofline.h"

#include "model/model_impl.h"

#include <string.h>

enum { CHUNKS_MOST = 51 };

/* Seconds a step, as several chunks of steps found it; medians are reported. */
typedef struct times {
  size_t chunks;
  double whole[CHUNKS_MOST], hooked[CHUNKS_MOST], fetch[CHUNKS_MOST], loss[CHUNKS_MOST];
  double forward[COMITY_LAYERS_MAX][CHUNKS_MOST], backward[COMITY_LAYERS_MAX][CHUNKS_MOST];
} times;

typedef struct bench {
  comity_config *config;
  comity_dataset *dataset;
  comity_examples examples;
  comity_model *model;
  comity_workspace *workspace;
  float *parameters;
  size_t batch;
  uint32_t *order;
  size_t at; /* where the next batch begins in the order */
} bench;

/* ------------------------------------------------------------------------------------------------- hooks */

/* Where hooks find the tables that they stand in for. One model is looked at at a time. */
static struct hooks {
  const comity_step *first; /* steps may stand in another order than the job's layers: their places count */
  comity_layer layer[COMITY_LAYERS_MAX];
  const comity_layer *real[COMITY_LAYERS_MAX];
  comity_loss loss;
  const comity_loss *real_loss;
  double forward[COMITY_LAYERS_MAX], backward[COMITY_LAYERS_MAX], in_loss, tick;
} hooks;

/* Time since `begin` without that of looking at the clock. */
static double since(double begin) { return comity_clock_now() - begin - hooks.tick; }

static size_t place_of(const comity_pass *pass) { return (size_t)(pass->step - hooks.first); }

static void timed_forward(const comity_pass *pass) {
  double begin = comity_clock_now();
  hooks.real[place_of(pass)]->forward(pass);
  hooks.forward[place_of(pass)] += since(begin);
}

static void timed_backward(const comity_pass *pass) {
  double begin = comity_clock_now();
  hooks.real[place_of(pass)]->backward(pass);
  hooks.backward[place_of(pass)] += since(begin);
}

static double timed_loss(const float *z, const float *y, size_t count, size_t width, float *dz) {
  double begin = comity_clock_now();
  double loss = hooks.real_loss->gradient(z, y, count, width, dz);
  hooks.in_loss += since(begin);
  return loss;
}

static void look_at_clock(void *context) { *(double *)context = comity_clock_now(); }

static void make_hooks(const comity_model *model, double seconds) {
  double now;
  hooks = (struct hooks){.first = model->step, .real_loss = model->loss, .loss = *model->loss};
  hooks.tick = time_call(look_at_clock, &now, seconds / 10);
  hooks.loss.gradient = timed_loss;
  for (size_t i = 0; i < model->spec.count; i++) {
    comity_layer *layer = &hooks.layer[i];
    hooks.real[i] = model->step[i].layer;
    *layer = *hooks.real[i];
    if (layer->forward != NULL)
      layer->forward = timed_forward;
    if (layer->backward != NULL)
      layer->backward = timed_backward;
  }
}

static void put_hooks(comity_model *model, bool on) {
  model->loss = on ? &hooks.loss : hooks.real_loss;
  for (size_t i = 0; i < model->spec.count; i++)
    model->step[i].layer = on ? &hooks.layer[i] : hooks.real[i];
}

/* ------------------------------------------------------------------------------------------- a job's model */

static comity_status open_bench(const char *job, const char *data, bench *b) {
  COMITY_TRY(comity_config_new(&b->config));
  COMITY_TRY(comity_config_load(b->config, job));
  COMITY_TRY(comity_dataset_open(data, NULL, &b->dataset));
  COMITY_TRY(comity_dataset_load(b->dataset, COMITY_SPLIT_TRAIN, 0, &b->examples));
  comity_model_spec spec;
  COMITY_TRY(comity_model_spec_read(b->config, comity_dataset_describe(b->dataset), &spec));
  COMITY_TRY(comity_model_new(&spec, &b->model));
  b->batch = (size_t)comity_config_integer(b->config, "train.batch");
  COMITY_REQUIRE(b->batch >= 1 && b->batch <= b->examples.count, COMITY_ERR_CONFIG,
                 "%s: train.batch %zu is not between 1 and the %zu examples of client 0", job, b->batch,
                 b->examples.count);
  COMITY_TRY(comity_workspace_new(b->model, b->batch, true, &b->workspace));
  COMITY_TRY(COMITY_NEW(b->parameters, comity_model_parameters(b->model)));
  COMITY_TRY(COMITY_NEW(b->order, b->examples.count));
  comity_model_init(b->model, 1, false, b->parameters);
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t i = 0; i < b->examples.count; i++)
    b->order[i] = (uint32_t)i;
  comity_random_shuffle(&random, b->order, b->examples.count);
  return COMITY_OK;
}

static void close_bench(bench *b) {
  comity_free(b->order);
  comity_free(b->parameters);
  comity_workspace_destroy(&b->workspace);
  comity_model_destroy(&b->model);
  comity_dataset_destroy(&b->dataset);
  comity_config_destroy(&b->config);
}

static void fetch(void *context) {
  bench *b = context;
  if (b->at + b->batch > b->examples.count)
    b->at = 0;
  comity_examples_batch(&b->examples, b->order + b->at, 0, b->batch, comity_workspace_x(b->workspace),
                        comity_workspace_y(b->workspace));
  b->at += b->batch;
}

/* A learning rate so small that the model stays what it is, however long it is measured. */
static void step(void *context) {
  bench *b = context;
  (void)comity_model_step(b->model, b->parameters, b->workspace, b->batch, NULL, 1e-6);
}

static void fetch_and_step(void *context) {
  fetch(context);
  step(context);
}

/* --------------------------------------------------------------------------------------------- operations */

/* A layer with weights multiplies and adds fan_in times for each output, and as often for the gradient of its weights and for that
 * of its input, which the first such layer does without. Other layers have no products and count nothing. */
static double operations_of(const comity_model *model, size_t i, size_t batch) {
  const comity_step *s = &model->step[i];
  if (s->weight.rank == 0)
    return 0.0;
  double product = 2.0 * (double)batch * (double)s->fan_in * (double)comity_shape_width(&s->out);
  return product * (i == model->first ? 2.0 : 3.0);
}

/* The least time that moving the weights takes: forward reads them, backward reads and writes them. */
static double weight_time(const machine *m, size_t parameters, place *lives) {
  double bytes = 4.0 * (double)parameters;
  *lives = machine_place(m, (size_t)bytes);
  return bytes / m->read[*lives] + 2.0 * bytes / m->modify[*lives];
}

/* ------------------------------------------------------------------------------------------------- times */

static double run_chunk(bench *b, void (*call)(void *context), size_t steps) {
  double begin = comity_clock_now();
  for (size_t i = 0; i < steps; i++)
    call(b);
  return (comity_clock_now() - begin) / (double)steps;
}

/* Steps alone and steps under observation take turns, so that a machine that slows down does so for both. */
static void take_times(bench *b, double seconds, times *t) {
  size_t layers = b->model->spec.count;
  double one = time_call(fetch_and_step, b, seconds), chunk = 2e-3;
  size_t steps = one < chunk ? (size_t)(chunk / one) : 1;
  make_hooks(b->model, seconds);
  t->chunks = 0;
  double end = comity_clock_now() + 8 * seconds;
  for (size_t c = 0; c < 3 || (c < CHUNKS_MOST && comity_clock_now() < end); c = ++t->chunks) {
    t->fetch[c] = run_chunk(b, fetch, steps);
    t->whole[c] = run_chunk(b, fetch_and_step, steps);
    memset(hooks.forward, 0, sizeof hooks.forward);
    memset(hooks.backward, 0, sizeof hooks.backward);
    hooks.in_loss = 0.0;
    put_hooks(b->model, true);
    t->hooked[c] = run_chunk(b, fetch_and_step, steps);
    put_hooks(b->model, false);
    t->loss[c] = hooks.in_loss / (double)steps;
    for (size_t i = 0; i < layers; i++) {
      t->forward[i][c] = hooks.forward[i] / (double)steps;
      t->backward[i][c] = hooks.backward[i] / (double)steps;
    }
  }
}

/* ------------------------------------------------------------------------------------------------- report */

/* Layers that take less than a thousandth of the step are left to the rest. \return seconds of all others */
static double report_layers(const bench *b, times *t, double scale, double whole, const char *job,
                            FILE *csv) {
  double found = 0.0;
  for (size_t i = 0; i < b->model->spec.count; i++) {
    const char *name = b->model->step[i].spec.name;
    double forward = scale * median(t->forward[i], t->chunks),
           backward = scale * median(t->backward[i], t->chunks);
    double both = forward + backward, operations = operations_of(b->model, i, b->batch);
    if (both < 1e-3 * whole && operations == 0.0)
      continue;
    found += both;
    printf("  %-12s %10.2f %10.2f %7.1f %%", name, forward * 1e6, backward * 1e6, 100 * both / whole);
    fprintf(csv, "layer,%s %s forward,%.5g,us\nlayer,%s %s backward,%.5g,us\n", job, name, forward * 1e6, job,
            name, backward * 1e6);
    if (operations > 0.0) {
      printf(" %9.1f", operations / both * 1e-9);
      fprintf(csv, "layer,%s %s rate,%.4g,GFLOP/s\n", job, name, operations / both * 1e-9);
    }
    printf("\n");
  }
  return found;
}

static void report_part(const char *job, const char *what, double seconds, double whole, FILE *csv) {
  printf("  %-12s %10.2f %10s %7.1f %%\n", what, seconds * 1e6, "", 100 * seconds / whole);
  fprintf(csv, "layer,%s %s,%.5g,us\n", job, what, seconds * 1e6);
}

static void report_roofs(const machine *m, const bench *b, const char *job, double total, FILE *csv) {
  double operations = 0.0;
  for (size_t i = 0; i < b->model->spec.count; i++)
    operations += operations_of(b->model, i, b->batch);
  place lives;
  double moving = weight_time(m, b->model->parameters, &lives), computing = operations / m->peak;
  double roof = moving > computing ? moving : computing;
  printf("\n%s: %zu parameters, batches of %zu, %.4g million operations a step\n", job, b->model->parameters,
         b->batch, operations * 1e-6);
  printf("  a step takes %.2f us: %.1f GFLOP/s, %.1f %% of the peak, %.1f %% of the best product\n",
         total * 1e6, operations / total * 1e-9, 100 * operations / total / m->peak,
         100 * operations / total / m->gemm);
  printf("  at least %.2f us for the operations, %.2f us for the weights in %s: %.1f %% of the roof\n",
         computing * 1e6, moving * 1e6, place_name[lives], 100 * roof / total);
  fprintf(csv, "step,%s step with fetch,%.5g,us\nstep,%s operations,%.6g,FLOP\nstep,%s rate,%.4g,GFLOP/s\n",
          job, total * 1e6, job, operations, job, operations / total * 1e-9);
  fprintf(csv, "step,%s of the peak,%.4g,%%\nstep,%s of the best product,%.4g,%%\n", job,
          100 * operations / total / m->peak, job, 100 * operations / total / m->gemm);
  fprintf(csv, "step,%s least for operations,%.5g,us\nstep,%s least for weights in %s,%.5g,us\n", job,
          computing * 1e6, job, place_name[lives], moving * 1e6);
  fprintf(csv, "step,%s of the roof,%.4g,%%\n", job, 100 * roof / total);
}

/* Looking at the clock slows small steps down, so the parts are scaled to add up to an undisturbed step. */
static void report(const machine *m, bench *b, const char *job, double seconds, FILE *csv) {
  static times t; /* too large for the stack */
  take_times(b, seconds, &t);
  double whole = median(t.whole, t.chunks), scale = whole / median(t.hooked, t.chunks);
  report_roofs(m, b, job, whole, csv);
  printf("  %-12s %10s %10s %9s %9s\n", "", "forward us", "back us", "of step", "GFLOP/s");
  double loss = scale * median(t.loss, t.chunks), fetching = scale * median(t.fetch, t.chunks);
  double found = report_layers(b, &t, scale, whole, job, csv) + loss + fetching;
  report_part(job, "loss", loss, whole, csv);
  report_part(job, "fetch", fetching, whole, csv);
  report_part(job, "rest", whole - found, whole, csv);
}

comity_status steps_report(const machine *m, const char *job, const char *data, double seconds, FILE *csv) {
  bench b = {0};
  comity_status status = open_bench(job, data, &b);
  const char *name = strrchr(job, '/');
  char shortened[32];
  snprintf(shortened, sizeof shortened, "%.*s", (int)strcspn(name == NULL ? job : name + 1, "."),
           name == NULL ? job : name + 1);
  if (status == COMITY_OK)
    report(m, &b, shortened, seconds, csv);
  close_bench(&b);
  return status;
}
