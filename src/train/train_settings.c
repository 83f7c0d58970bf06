/* The section "train" of a job, and the learning rate of a round. */
#include <comity/train.h>

#include <math.h>
#include <string.h>

void comity_train_settings_read(const comity_config *config, comity_train_settings *settings) {
  *settings = (comity_train_settings){
      .seed = (uint64_t)comity_config_integer(config, "seed"),
      .epochs = (size_t)comity_config_integer(config, "train.epochs"),
      .steps = (size_t)comity_config_integer(config, "train.steps"),
      .batch = (size_t)comity_config_integer(config, "train.batch"),
      .rate = comity_config_real(config, "train.learning_rate"),
      .decay = comity_config_real(config, "train.decay"),
      .decay_rounds = (size_t)comity_config_integer(config, "train.decay_rounds"),
      .momentum = comity_config_real(config, "train.momentum"),
      .nesterov = comity_config_flag(config, "train.nesterov"),
      .weight_decay = comity_config_real(config, "train.weight_decay"),
      .clip = comity_config_real(config, "train.clip_norm"),
  };
  snprintf(settings->schedule, sizeof settings->schedule, "%s", comity_config_text(config, "train.schedule"));
}

double comity_train_rate(const comity_train_settings *settings, size_t round) {
  double past = round > 1 ? (double)(round - 1) : 0.0; /* rounds before this one */
  double span = (double)settings->decay_rounds;
  if (strcmp(settings->schedule, "exponential") == 0)
    return settings->rate * pow(settings->decay, past);
  if (strcmp(settings->schedule, "step") == 0)
    return settings->rate * pow(settings->decay, floor(past / span));
  if (strcmp(settings->schedule, "cosine") == 0)
    return past >= span ? 0.0 : settings->rate * 0.5 * (1.0 + cos(3.14159265358979323846 * past / span));
  return settings->rate;
}
