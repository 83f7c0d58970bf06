/* Random entries: each becomes faults that are drawn by the seed. Which clients are dropped, and when, does not depend on
 * the number of ranks; whom other faults hit does. */
#include "fault_impl.h"

#include <math.h>

/* Numbers of the list from 1 to `end`, and the n-th of them. */
static uint64_t numbers(const fault_list *list, uint64_t end, uint64_t n, uint64_t *number) {
  uint64_t count = 0;
  for (size_t i = 0; i < list->count; i++) {
    uint64_t first = list->range[i].first, last = list->range[i].last < end ? list->range[i].last : end;
    uint64_t here = first <= last ? last - first + 1 : 0;
    if (n >= count && n - count < here)
      *number = first + (n - count);
    count += here;
  }
  if (list->count == 0)
    *number = 1 + n;
  return list->count == 0 ? end : count;
}

static bool hits_clients(const comity_fault *random) { return (random->kinds & 1U << FAULT_DROP) != 0; }
static bool hits_ranks(const comity_fault *random) { return (random->kinds & ~(1U << FAULT_DROP)) != 0; }

bool comity_fault_drawable(const comity_fault_scope *scope, const comity_fault *random) {
  uint64_t round;
  return (scope->clients > 0 || !hits_clients(random)) && (scope->ranks > 1 || !hits_ranks(random)) &&
         numbers(&random->rounds, scope->rounds, 0, &round) > 0;
}

static fault_list just(uint64_t number) {
  return (fault_list){.count = 1, .range[0] = {.first = number, .last = number}};
}

/* To a tenth of a millisecond, so that it can be read. */
static double rounded(double seconds) { return floor(seconds * 1e4) / 1e4; }

static fault_kind draw_kind(comity_random *random, unsigned kinds) {
  uint64_t count = 0;
  for (int kind = 0; kind < FAULT_RANDOM; kind++)
    count += kinds >> kind & 1U;
  uint64_t left = comity_random_below(random, count);
  for (int kind = 0; kind < FAULT_RANDOM; kind++)
    if ((kinds >> kind & 1U) != 0 && left-- == 0)
      return (fault_kind)kind;
  return FAULT_DROP;
}

/* All numbers are drawn for each, in this order, so that a fault changes with nothing but what it is drawn from. */
void comity_fault_draw(const comity_fault_scope *scope, const comity_fault *random, uint64_t e, uint64_t i,
                       comity_fault *fault) {
  comity_random dice;
  comity_random_open(&dice, scope->seed, COMITY_RANDOM_FAULTS, e, i, 0);
  *fault = (comity_fault){.kind = draw_kind(&dice, random->kinds), .whom = FAULT_RANKS};
  uint64_t round = 1, rounds = numbers(&random->rounds, scope->rounds, 0, &round);
  numbers(&random->rounds, scope->rounds, comity_random_below(&dice, rounds), &round);
  fault->rounds = just(round);
  uint64_t client = scope->clients > 0 ? comity_random_below(&dice, scope->clients) : 0;
  comity_fault_stage stage = (comity_fault_stage)comity_random_below(&dice, COMITY_FAULT_FINISH);
  double moment = rounded(random->within * comity_random_uniform(&dice));
  double length = comity_random_uniform(&dice), more = comity_random_uniform(&dice);
  uint64_t rank = scope->ranks > 1 ? 1 + comity_random_below(&dice, (uint64_t)scope->ranks - 1) : 0;

  fault->who = just(fault->kind == FAULT_DROP ? client : rank);
  if (fault->kind == FAULT_DROP)
    fault->whom = FAULT_CLIENTS;
  if (comity_fault_strikes(fault) || fault->kind == FAULT_DELAY)
    fault->stage = stage;
  if (comity_fault_strikes(fault))
    fault->after = moment;
  if (fault->kind == FAULT_STOP &&
      more < 0.67) /* else for ever; from 50 ms to 5 s, each magnitude as often */
    fault->lasting = rounded(0.05 * pow(100, length));
  if (fault->kind == FAULT_DELAY) {
    fault->shape = FAULT_EXPONENTIAL;
    fault->a = random->within > 0 ? random->within : 0.1;
  }
  if (fault->kind == FAULT_CORRUPT)
    fault->chance = (double)(1 + (int)(100 * length)) / 1000;
}
