/* One client's round of local training, in memory that was planned once. */
#include "train_impl.h"

#include <comity/kernel.h>
#include <math.h>
#include <string.h>

/* A batch above this many examples is computed in pieces of this many, so that the workspace stays small. The
 * limits are constants of the job, never of the rank: a matrix product may round differently for another
 * number of rows. */
enum { PIECE_MOST = 256, PIECE_OF_HOOKS = 64 };
/* Pieces of one step draw different dropout masks: the piece's number stands above the step's. */
enum { STEP_BITS = 44 };

struct comity_trainer {
  comity_train_settings settings;
  const comity_model *model;
  const comity_method *method;
  size_t parameters, width, targets, most_examples;
  size_t piece; /* examples computed at once */
  bool plain;   /* nobody needs to see the gradient */
  bool drops;   /* the model has dropout */
  size_t bytes;
  float *local;    /* (P) the model in training: `own`, or the task's room for the update */
  float *own;      /* (P) NULL when the update is all that goes up, and so can be made in its own place */
  float *gradient; /* (P) NULL when never needed, as all below */
  float *partial;  /* (P) gradient of one piece */
  float *velocity; /* (P) */
  uint32_t *order; /* (most_examples) */
  float *state;    /* a copy to work on, so that a client that fails keeps its state */
  comity_workspace *workspace;
};

/* What hooks see, and what full_gradient needs behind it. */
typedef struct session {
  comity_client_view view;
  comity_trainer *trainer;
  const comity_examples *examples;
  size_t gradients; /* full gradients asked for */
  const comity_train_task *task;
  comity_status ended; /* what the tick said, when it wants no more work */
} session;

/* \return whether to go on */
static bool tick(session *now) {
  if (now->task->tick != NULL && now->ended == COMITY_OK)
    now->ended = now->task->tick(now->task->tick_self);
  return now->ended == COMITY_OK;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Examples computed at once: a batch, or enough for efficient full gradients when the algorithm has hooks
 * that may ask for them. Depends on job and algorithm only. */
static size_t choose_piece(const comity_train_settings *settings, const comity_algorithm *algorithm) {
  if (settings->batch == 0 || algorithm->client_train != NULL)
    return PIECE_MOST;
  bool hooks =
      algorithm->client_begin != NULL || algorithm->client_gradient != NULL || algorithm->client_end != NULL;
  return smaller(larger(settings->batch, hooks ? PIECE_OF_HOOKS : 1), PIECE_MOST);
}

/* Whether the model can be trained where its update is to go: then nothing else goes up, and no hook sees
 * both. */
static bool trains_in_place(const comity_method *method, size_t parameters) {
  const comity_algorithm *algorithm = method->algorithm;
  return algorithm->client_train == NULL && algorithm->client_end == NULL &&
         method->protocol.up.length == parameters;
}

static comity_status plan(comity_trainer *trainer) {
  const comity_algorithm *algorithm = trainer->method->algorithm;
  const comity_protocol *protocol = &trainer->method->protocol;
  const comity_train_settings *settings = &trainer->settings;
  size_t most = trainer->most_examples, parameters = trainer->parameters;
  size_t batch = settings->batch == 0 ? most : smaller(settings->batch, most);
  bool replaced = algorithm->client_train != NULL;
  bool partial =
      most > trainer->piece && (replaced || batch > trainer->piece || algorithm->client_begin != NULL ||
                                algorithm->client_gradient != NULL || algorithm->client_end != NULL);
  bool gradient = !replaced && (!trainer->plain || batch > trainer->piece);
  bool velocity = !replaced && settings->momentum > 0.0;
  bool order = !replaced && batch < most;
  bool own = !trains_in_place(trainer->method, parameters);
  size_t floats = parameters * ((size_t)own + gradient + partial + velocity) + protocol->client_state.length;
  if (own)
    COMITY_TRY(COMITY_NEW(trainer->own, parameters));
  if (gradient)
    COMITY_TRY(COMITY_NEW(trainer->gradient, parameters));
  if (partial)
    COMITY_TRY(COMITY_NEW(trainer->partial, parameters));
  if (velocity)
    COMITY_TRY(COMITY_NEW(trainer->velocity, parameters));
  if (order)
    COMITY_TRY(COMITY_NEW(trainer->order, most));
  COMITY_TRY(COMITY_NEW(trainer->state, protocol->client_state.length));
  COMITY_TRY(comity_workspace_new(trainer->model, smaller(trainer->piece, larger(most, 1)), true,
                                  &trainer->workspace));
  trainer->bytes = sizeof *trainer + floats * sizeof(float) + (order ? most * sizeof(uint32_t) : 0) +
                   comity_workspace_bytes(trainer->workspace);
  return COMITY_OK;
}

comity_status comity_trainer_new(const comity_train_settings *settings, const comity_model *model,
                                 const comity_method *method, size_t most_examples,
                                 comity_trainer **trainer) {
  COMITY_REQUIRE(most_examples <= UINT32_MAX, COMITY_ERR_DATA,
                 "a client has %zu train examples; at most %lu are supported, split it into several clients",
                 most_examples, (unsigned long)UINT32_MAX);
  comity_trainer *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  const comity_model_spec *spec = comity_model_describe(model);
  made->settings = *settings;
  made->model = model;
  made->method = method;
  made->most_examples = most_examples;
  made->parameters = comity_model_parameters(model);
  made->targets = spec->targets;
  made->width = 1;
  for (size_t i = 0; i < spec->shape_rank; i++)
    made->width *= spec->shape[i];
  for (size_t i = 0; i < spec->count; i++)
    made->drops |= strcmp(spec->layer[i].kind, "dropout") == 0;
  made->piece = choose_piece(settings, method->algorithm);
  made->plain = method->algorithm->client_gradient == NULL && settings->momentum == 0.0 &&
                settings->weight_decay == 0.0 && settings->clip == 0.0;
  comity_status status = plan(made);
  if (status != COMITY_OK) {
    comity_trainer_destroy(&made);
    return comity_fail_context(status, "training memory for %zu parameters", comity_model_parameters(model));
  }
  *trainer = made;
  return COMITY_OK;
}

void comity_trainer_destroy(comity_trainer **trainer) {
  comity_trainer *old = *trainer;
  if (old == NULL)
    return;
  comity_free(old->own);
  comity_free(old->gradient);
  comity_free(old->partial);
  comity_free(old->velocity);
  comity_free(old->order);
  comity_free(old->state);
  comity_workspace_destroy(&old->workspace);
  comity_free(old);
  *trainer = NULL;
}

size_t comity_trainer_bytes(const comity_trainer *trainer) { return trainer->bytes; }

/* ---------------------------------------------------------------------------------------------- gradients */

static void fetch(const comity_trainer *trainer, const comity_examples *examples, const uint32_t *index,
                  size_t first, size_t count) {
  comity_examples_batch(examples, index == NULL ? NULL : index + first, first, count,
                        comity_workspace_x(trainer->workspace), comity_workspace_y(trainer->workspace));
}

/* Dropout's stream for a piece of a step; NULL when the model does not drop. */
static const comity_random *dropout(const session *at, size_t piece, comity_random *random) {
  if (!at->trainer->drops)
    return NULL;
  comity_random_open(random, at->trainer->settings.seed, COMITY_RANDOM_DROPOUT, at->view.round,
                     at->view.client, (uint64_t)at->view.steps | (uint64_t)piece << STEP_BITS);
  return random;
}

/* Mean gradient and loss over a batch of any size: sum over pieces of (n_piece / n) g_piece. */
static double batch_gradient(session *now, const uint32_t *index, size_t count, bool dropping,
                             const float *at, float *gradient) {
  const comity_trainer *trainer = now->trainer;
  comity_random random;
  if (count <= trainer->piece) {
    fetch(trainer, now->examples, index, 0, count);
    return comity_model_gradient(trainer->model, at, trainer->workspace, count,
                                 dropping ? dropout(now, 0, &random) : NULL, gradient);
  }
  double loss = 0.0;
  memset(gradient, 0, trainer->parameters * sizeof *gradient);
  for (size_t first = 0, piece = 0; first < count; first += trainer->piece, piece++) {
    size_t rows = smaller(trainer->piece, count - first);
    fetch(trainer, now->examples, index, first, rows);
    double share = (double)rows / (double)count;
    loss += share * comity_model_gradient(trainer->model, at, trainer->workspace, rows,
                                          dropping ? dropout(now, piece, &random) : NULL, trainer->partial);
    for (size_t i = 0; i < trainer->parameters; i++)
      gradient[i] += (float)share * trainer->partial[i];
    if (!tick(now))
      break;
  }
  return loss;
}

/* The gradient that a local step with all examples would follow, so with the job's clipping and weight decay.
 */
static double full_gradient(const comity_client_view *view, const float *at, float *gradient) {
  session *now = view->trainer;
  const comity_train_settings *settings = &now->trainer->settings;
  now->gradients++;
  double loss = batch_gradient(now, NULL, now->examples->count, false, at, gradient);
  (void)tick(now); /* the training ends when the method has */
  size_t parameters = now->trainer->parameters;
  float factor = (float)comity_gradient_factor(gradient, parameters, settings->clip);
  float decay = (float)settings->weight_decay;
  if (factor != 1.0F || decay != 0.0F)
    for (size_t i = 0; i < parameters; i++)
      gradient[i] = factor * gradient[i] + decay * at[i];
  return loss;
}

/* -------------------------------------------------------------------------------------------- local steps */

static double local_step(session *now, const uint32_t *index, size_t count) {
  comity_trainer *trainer = now->trainer;
  const comity_algorithm *algorithm = trainer->method->algorithm;
  comity_random random;
  if (trainer->plain && count <= trainer->piece) {
    fetch(trainer, now->examples, index, 0, count);
    return comity_model_step(trainer->model, trainer->local, trainer->workspace, count,
                             dropout(now, 0, &random), now->view.rate);
  }
  double loss = batch_gradient(now, index, count, true, trainer->local, trainer->gradient);
  if (algorithm->client_gradient != NULL)
    algorithm->client_gradient(trainer->method->self, &now->view, trainer->gradient);
  comity_sgd_step(&trainer->settings, now->view.rate, trainer->parameters, trainer->gradient,
                  trainer->velocity, trainer->local);
  return loss;
}

/* A number that is not finite comes from the data or from the learning rate: find out which. */
static comity_status not_finite(const comity_train_task *task, const char *what, size_t step, double rate) {
  comity_status status = comity_examples_check(&task->examples);
  if (status != COMITY_OK)
    return comity_fail_context(status, "client %zu", task->client);
  return comity_fail(
      COMITY_ERR_NUMERIC,
      "client %zu, round %zu: %s is not finite at local step %zu, and the data are; the "
      "learning rate %g is too high: lower train.learning_rate, set train.clip_norm, or bring features of "
      "large numbers to one scale by data.standardize",
      task->client, task->round, what, step, rate);
}

static comity_status local_training(session *now, const comity_train_task *task, double *loss) {
  comity_trainer *trainer = now->trainer;
  const comity_train_settings *settings = &trainer->settings;
  comity_batches batches;
  comity_batches_open(&batches, settings, task->round, task->client, task->examples.count, trainer->order);
  size_t steps;
  if (settings->steps > 0)
    steps = task->epochs > 0 ? task->epochs : settings->steps;
  else
    steps = (task->epochs > 0 ? task->epochs : settings->epochs) * comity_batches_per_epoch(&batches);
  if (trainer->velocity != NULL)
    memset(trainer->velocity, 0, trainer->parameters * sizeof *trainer->velocity);
  double sum = 0.0;
  while (now->view.steps < steps) {
    const uint32_t *index;
    size_t count = comity_batches_next(&batches, &index);
    double step_loss = local_step(now, index, count);
    now->view.steps++;
    if (!tick(now))
      return now->ended;
    if (!isfinite(step_loss))
      return not_finite(task, "the training loss", now->view.steps, now->view.rate);
    sum += step_loss;
    if (task->enough != NULL && task->enough(task->tick_self))
      break;
  }
  *loss = sum / (double)now->view.steps;
  return COMITY_OK;
}

static comity_status check_task(const comity_trainer *trainer, const comity_train_task *task) {
  const comity_examples *examples = &task->examples;
  COMITY_REQUIRE(examples->count > 0, COMITY_ERR_DATA,
                 "client %zu: it has no train examples; leave it out of the data", task->client);
  COMITY_REQUIRE(examples->count <= trainer->most_examples, COMITY_ERR_ARG,
                 "client %zu: %zu examples, but the trainer was planned for %zu", task->client,
                 examples->count, trainer->most_examples);
  COMITY_REQUIRE(examples->width == trainer->width && examples->targets == trainer->targets, COMITY_ERR_DATA,
                 "client %zu: examples of %zu features and %zu targets do not fit the model's %zu and %zu",
                 task->client, examples->width, examples->targets, trainer->width, trainer->targets);
  return COMITY_OK;
}

/* The model starts as the global one, the up fields as zeros, the state as it was. */
static void start_local(comity_trainer *trainer, const comity_train_task *task) {
  const comity_protocol *protocol = &trainer->method->protocol;
  const float *global = task->down + protocol->down.field[trainer->method->down_model].offset;
  trainer->local = trainer->own == NULL ? task->up : trainer->own;
  memcpy(trainer->local, global, trainer->parameters * sizeof *global);
  if (trainer->own != NULL)
    memset(task->up, 0, protocol->up.length * sizeof *task->up);
  if (protocol->client_state.length > 0)
    memcpy(trainer->state, task->state, protocol->client_state.length * sizeof *trainer->state);
}

comity_status comity_trainer_run(comity_trainer *trainer, const comity_train_task *task,
                                 comity_train_result *result) {
  COMITY_TRY(check_task(trainer, task));
  const comity_method *method = trainer->method;
  const comity_algorithm *algorithm = method->algorithm;
  size_t kept = method->protocol.client_state.length;
  start_local(trainer, task);
  session now = {.trainer = trainer,
                 .examples = &task->examples,
                 .task = task,
                 .view = {.round = task->round,
                          .client = task->client,
                          .examples = task->examples.count,
                          .down = task->down,
                          .up = task->up,
                          .state = trainer->state,
                          .model = trainer->local,
                          .rate = comity_train_rate(&trainer->settings, task->round),
                          .momentum = trainer->settings.momentum,
                          .full_gradient = full_gradient}};
  now.view.trainer = &now;

  double loss = 0.0;
  if (algorithm->client_begin != NULL)
    algorithm->client_begin(method->self, &now.view);
  if (algorithm->client_train != NULL) {
    now.gradients = 0;
    comity_status status = algorithm->client_train(method->self, &now.view, &loss);
    COMITY_TRY(now.ended == COMITY_OK ? status : now.ended);
    now.view.steps = now.gradients;
  } else {
    COMITY_TRY(local_training(&now, task, &loss));
  }
  float largest = comity_method_end(method, &now.view);
  if (!isfinite(loss))
    return not_finite(task, "the training loss", now.view.steps, now.view.rate);
  if (!isfinite(largest) || !isfinite(comity_passes_best()->largest(trainer->state, kept)))
    return not_finite(task, "the update", now.view.steps, now.view.rate);

  if (kept > 0)
    memcpy(task->state, trainer->state, kept * sizeof *trainer->state);
  *result = (comity_train_result){.steps = now.view.steps, .loss = loss, .largest = largest};
  return COMITY_OK;
}
