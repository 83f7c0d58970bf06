/* An opened algorithm: settings checked, fields declared, defaults filled in. */
#include "algorithm_impl.h"

#include <comity/kernel.h>
#include <math.h>
#include <string.h>

static const char prefix[] = "algorithm.";

/* Numbers that two passes find in the first-level cache. */
enum { BLOCK = 2048 };

/* Whether `word` is one of the words of "a|b|c". */
static bool in_words(const char *words, const char *word) {
  size_t length = strlen(word);
  for (const char *at = words; at != NULL && *at != '\0';) {
    size_t span = strcspn(at, "|");
    if (span == length && memcmp(at, word, length) == 0)
      return true;
    at += span + (at[span] == '|');
  }
  return false;
}

/* "fedprox, scaffold": the algorithms that read a setting. */
static void readers_of(const char *setting, char *text, size_t room) {
  size_t count, length = 0;
  const comity_algorithm *const *list = comity_algorithm_list(&count);
  text[0] = '\0';
  for (size_t i = 0; i < count; i++)
    if (in_words(list[i]->settings, setting) && length < room)
      length += (size_t)snprintf(text + length, room - length, "%s%s", length > 0 ? ", " : "", list[i]->name);
}

/* A setting that the chosen algorithm does not read is a misunderstanding that would cost a whole run. */
static comity_status refuse_unread(const comity_config *config, const comity_algorithm *algorithm) {
  size_t count;
  const comity_setting *setting = comity_setting_list(&count);
  for (size_t i = 0; i < count; i++) {
    const char *key = setting[i].key;
    if (strncmp(key, prefix, sizeof prefix - 1) != 0 || strcmp(key, "algorithm.name") == 0 ||
        !comity_config_given(config, key) || in_words(algorithm->settings, key + sizeof prefix - 1))
      continue;
    char readers[256];
    readers_of(key + sizeof prefix - 1, readers, sizeof readers);
    return comity_fail(
        COMITY_ERR_CONFIG,
        "%s: %s is not read by the algorithm '%s', only by %s; remove it or change algorithm.name",
        comity_config_origin(config, key), key, algorithm->name, readers[0] == '\0' ? "none" : readers);
  }
  return COMITY_OK;
}

comity_status comity_method_open(const comity_config *config, const comity_problem *problem,
                                 comity_method *method) {
  COMITY_REQUIRE(problem->parameters > 0 && problem->clients > 0, COMITY_ERR_ARG,
                 "a method needs parameters and clients, not %zu and %zu", problem->parameters,
                 problem->clients);
  comity_method opened = {0};
  comity_status status =
      comity_algorithm_find(comity_config_text(config, "algorithm.name"), &opened.algorithm);
  if (status != COMITY_OK)
    return comity_fail_context(status, "%s", comity_config_origin(config, "algorithm.name"));
  COMITY_TRY(refuse_unread(config, opened.algorithm));
  status = opened.algorithm->open(config, problem, &opened.protocol, &opened.self);
  const comity_field *model = status == COMITY_OK ? comity_layout_find(&opened.protocol.down, "model") : NULL;
  if (status == COMITY_OK && (model == NULL || model->length != problem->parameters))
    status = comity_fail(COMITY_ERR_INTERNAL, "the algorithm '%s' declares no field 'model' of %zu numbers",
                         opened.algorithm->name, problem->parameters);
  if (status != COMITY_OK) {
    comity_method_close(&opened);
    return status;
  }
  opened.down_model = (size_t)(model - opened.protocol.down.field);
  *method = opened;
  return COMITY_OK;
}

void comity_method_announce(const comity_method *method, const comity_server_view *server, float *down) {
  if (method->algorithm->server_announce != NULL) {
    method->algorithm->server_announce(method->self, server, down);
    return;
  }
  const comity_field *model = &method->protocol.down.field[method->down_model];
  if (server->model != down + model->offset) /* it may live there */
    memcpy(down + model->offset, server->model, model->length * sizeof *down);
}

/* up = model - before, and the largest magnitude in it, found while a block is still in the cache. up may be
 * model. */
static float subtract(const float *model, const float *before, size_t count, float *up) {
  float largest = 0;
  for (size_t at = 0; at < count; at += BLOCK) {
    size_t block = count - at < BLOCK ? count - at : BLOCK;
    if (up != model)
      memcpy(up + at, model + at, block * sizeof *up);
    for (size_t i = at; i < at + block; i++)
      up[i] -= before[i];
    float here = comity_passes_best()->largest(up + at, block);
    largest = isnan(largest) || largest >= here ? largest : here;
  }
  return largest;
}

float comity_method_end(const comity_method *method, const comity_client_view *client) {
  const comity_layout *layout = &method->protocol.up;
  if (method->algorithm->client_end != NULL) {
    method->algorithm->client_end(method->self, client);
    return comity_passes_best()->largest(client->up, layout->length);
  }
  const comity_field *model = &method->protocol.down.field[method->down_model];
  const comity_field *update = comity_layout_find(layout, "update");
  COMITY_ASSERT(update != NULL && update->length == model->length);
  return subtract(client->model, client->down + model->offset, model->length, client->up + update->offset);
}

void comity_method_close(comity_method *method) {
  if (method->algorithm != NULL && method->self != NULL) {
    if (method->algorithm->close != NULL)
      method->algorithm->close(method->self);
    else
      comity_free(method->self);
  }
  *method = (comity_method){0};
}

comity_status comity_protocol_begin(comity_protocol *protocol, size_t parameters) {
  COMITY_TRY(comity_layout_add(&protocol->down, "model", parameters, COMITY_COMBINE_MEAN));
  return comity_layout_add(&protocol->up, "update", parameters, COMITY_COMBINE_MEAN);
}

comity_status comity_combined_check(const char *algorithm, const comity_layout *up,
                                    const comity_server_view *server, const float *combined) {
  if (server->finite || isfinite(comity_passes_best()->largest(combined, up->length)))
    return COMITY_OK;
  for (size_t f = 0; f < up->count; f++)
    for (size_t i = 0; i < up->field[f].length; i++)
      COMITY_REQUIRE(isfinite(combined[up->field[f].offset + i]), COMITY_ERR_NUMERIC,
                     "%s: number %zu of the combined field '%s' is not finite; lower the learning rates",
                     algorithm, i, up->field[f].name);
  return COMITY_OK;
}

comity_status comity_stepped_check(const char *algorithm, const float *model, size_t parameters) {
  if (isfinite(comity_passes_best()->largest(model, parameters)))
    return COMITY_OK;
  for (size_t i = 0; i < parameters; i++)
    COMITY_REQUIRE(isfinite(model[i]), COMITY_ERR_NUMERIC,
                   "%s: the server's step makes parameter %zu overflow; lower the learning rates", algorithm,
                   i);
  return COMITY_OK;
}

comity_status comity_step_along(const char *algorithm, const float *direction, size_t parameters, double rate,
                                float *model) {
  bool finite = true;
  for (size_t at = 0; at < parameters; at += BLOCK) {
    size_t block = parameters - at < BLOCK ? parameters - at : BLOCK;
    comity_passes_best()->add(direction + at, block, rate, model + at);
    finite = finite && isfinite(comity_passes_best()->largest(model + at, block));
  }
  return finite ? COMITY_OK : comity_stepped_check(algorithm, model, parameters);
}

/* With momentum m, the gradient of step j (of tau) is in the velocity of all later steps:
 *   a_j = 1 + m + ... + m^(tau-j) = (1 - m^(tau-j+1)) / (1 - m), and one power more with Nesterov's momentum,
 * so
 *   ||a||_1 = (tau - m (1 - m^tau) / (1 - m)) / (1 - m)          (Wang et al. 2020, sec. 4.1)
 *   and with Nesterov's  (tau - m^2 (1 - m^tau) / (1 - m)) / (1 - m). */
double comity_steps_weight(size_t steps, double momentum, bool nesterov) {
  double tau = (double)steps, m = momentum;
  if (m == 0.0)
    return tau;
  double tail = (nesterov ? m * m : m) * (1.0 - pow(m, tau)) / (1.0 - m);
  return (tau - tail) / (1.0 - m);
}
