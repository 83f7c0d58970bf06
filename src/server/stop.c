/* When a job ends. */
#include <comity/server.h>

#include <math.h>
#include <string.h>

void comity_stop_rule_read(const comity_config *config, comity_stop_rule *rule) {
  *rule = (comity_stop_rule){
      .rounds = (size_t)comity_config_integer(config, "server.rounds"),
      .target = comity_config_real(config, "server.target"),
      .patience = (size_t)comity_config_integer(config, "server.patience"),
      .min_delta = comity_config_real(config, "server.min_delta"),
      .wall_seconds = comity_config_real(config, "server.wall_time"),
  };
  snprintf(rule->metric, sizeof rule->metric, "%s", comity_config_text(config, "server.metric"));
  rule->larger_is_better = strstr(rule->metric, "loss") == NULL;
}

/* Whether `value` is better than `than` by more than `margin`. */
static bool better(const comity_stop_rule *rule, double value, double than, double margin) {
  return rule->larger_is_better ? value > than + margin : value < than - margin;
}

comity_stop_reason comity_stop_decide(const comity_stop_rule *rule, comity_stop_memory *memory, size_t round,
                                      double value, double seconds) {
  if (!isnan(value)) {
    memory->last = value;
    memory->last_round = round;
    if (memory->best_round == 0 || better(rule, value, memory->best, rule->min_delta)) {
      memory->best = value;
      memory->best_round = round;
    }
    if (!isnan(rule->target) && !better(rule, rule->target, value, 0.0))
      return COMITY_STOP_TARGET;
    if (rule->patience > 0 && round - memory->best_round >= rule->patience)
      return COMITY_STOP_PATIENCE;
  }
  if (round >= rule->rounds)
    return COMITY_STOP_ROUNDS;
  /* Last: a job that is complete need not be queued again. */
  return rule->wall_seconds > 0.0 && seconds >= rule->wall_seconds ? COMITY_STOP_WALL : COMITY_STOP_NOT;
}

comity_stop_reason comity_stop_resume(const comity_stop_rule *rule, const comity_stop_memory *memory,
                                      size_t round) {
  comity_stop_memory again = *memory;
  bool measured = round > 0 && memory->last_round == round;
  return comity_stop_decide(rule, &again, round, measured ? memory->last : NAN, 0.0);
}

const char *comity_stop_text(comity_stop_reason reason) {
  switch (reason) {
  case COMITY_STOP_NOT:
    return "not stopped";
  case COMITY_STOP_ROUNDS:
    return "after the last round";
  case COMITY_STOP_TARGET:
    return "target reached";
  case COMITY_STOP_PATIENCE:
    return "no improvement for server.patience rounds";
  case COMITY_STOP_WALL:
    return "server.wall_time is used up";
  case COMITY_STOP_SIGNAL:
    return "asked to by a signal";
  }
  return "unknown";
}
