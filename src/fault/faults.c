/* A schedule, and the questions that it answers. */
#include "fault_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- the schedule */

comity_status comity_faults_new(const comity_fault_scope *scope, comity_faults **faults) {
  comity_faults *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->scope = *scope;
  *faults = made;
  return COMITY_OK;
}

static comity_status append(comity_faults *faults, const comity_fault *fault) {
  COMITY_TRY(comity_array_grow(&faults->fault, &faults->room, faults->count + 1, sizeof *faults->fault));
  comity_fault *last = &faults->fault[faults->count];
  *last = *fault;
  last->text = comity_fault_write(fault);
  if (last->text == NULL)
    return COMITY_ERR_MEMORY;
  faults->count++;
  return COMITY_OK;
}

static void cut(comity_faults *faults, size_t count) {
  while (faults->count > count)
    comity_free(faults->fault[--faults->count].text);
}

comity_status comity_faults_add(comity_faults *faults, const char *where, const char *entry) {
  comity_fault fault, drawn;
  COMITY_TRY(comity_fault_read(&faults->scope, where, entry, &fault));
  size_t before = faults->count;
  comity_status status = COMITY_OK;
  if (fault.kind != FAULT_RANDOM || !comity_fault_drawable(&faults->scope, &fault))
    status = append(faults, &fault);
  else
    for (uint64_t i = 0; i < fault.count && status == COMITY_OK; i++) {
      comity_fault_draw(&faults->scope, &fault, faults->entries, i, &drawn);
      status = append(faults, &drawn);
    }
  if (status != COMITY_OK)
    cut(faults, before);
  else
    faults->entries++;
  return status;
}

size_t comity_faults_count(const comity_faults *faults) { return faults == NULL ? 0 : faults->count; }

const char *comity_faults_text(const comity_faults *faults, size_t i) { return faults->fault[i].text; }

comity_status comity_faults_drops(const comity_faults *faults, char **text) {
  size_t length = 0, used = 0;
  for (size_t i = 0; i < comity_faults_count(faults); i++)
    if (faults->fault[i].kind == FAULT_DROP)
      length += strlen(faults->fault[i].text) + 2;
  COMITY_TRY(COMITY_NEW(*text, length + 1));
  for (size_t i = 0; i < comity_faults_count(faults); i++)
    if (faults->fault[i].kind == FAULT_DROP)
      used += (size_t)snprintf(*text + used, length + 1 - used, "%s%s", used > 0 ? "; " : "",
                               faults->fault[i].text);
  return COMITY_OK;
}

void comity_faults_resume(comity_faults *faults, uint64_t reached) {
  if (faults != NULL)
    faults->reached = reached;
}

/* ---------------------------------------------------------------------------------------------- questions */

bool comity_fault_lists(const fault_list *list, uint64_t number) {
  for (size_t i = 0; i < list->count; i++)
    if (number >= list->range[i].first && number <= list->range[i].last)
      return true;
  return list->count == 0;
}

static bool holds_in(const comity_fault *fault, fault_kind kind, uint64_t round) {
  return fault->kind == kind && comity_fault_lists(&fault->rounds, round);
}

static bool is_about(const comity_fault *fault, fault_whom whom, uint64_t number) {
  return fault->whom == whom && comity_fault_lists(&fault->who, number);
}

bool comity_faults_absent(const comity_faults *faults, uint64_t round, uint64_t client, int rank) {
  for (size_t i = 0; i < comity_faults_count(faults); i++) {
    const comity_fault *fault = &faults->fault[i];
    if (holds_in(fault, FAULT_DROP, round) &&
        (is_about(fault, FAULT_CLIENTS, client) || is_about(fault, FAULT_RANKS, (uint64_t)rank)))
      return true;
  }
  return false;
}

static double seconds_of(const comity_fault *fault, comity_random *random) {
  double u = comity_random_uniform(random);
  switch (fault->shape) {
  case FAULT_UNIFORM:
    return fault->a + (fault->b - fault->a) * u;
  case FAULT_EXPONENTIAL:
    return -fault->a * log1p(-u);
  case FAULT_LOGNORMAL:
    return fault->a * exp(fault->b * comity_random_normal(random));
  default:
    return fault->a;
  }
}

/* All delays of one rank in one stage, or of one client. */
static double delay_of(const comity_faults *faults, fault_whom whom, uint64_t number, uint64_t round,
                       comity_fault_stage stage) {
  double seconds = 0;
  for (size_t i = 0; i < comity_faults_count(faults); i++) {
    const comity_fault *fault = &faults->fault[i];
    if (!holds_in(fault, FAULT_DELAY, round) || !is_about(fault, whom, number) || fault->stage != stage)
      continue;
    comity_random random;
    comity_random_open(&random, faults->scope.seed, COMITY_RANDOM_DELAY, round, number,
                       (uint64_t)i << 8 | (uint64_t)stage);
    seconds += seconds_of(fault, &random);
  }
  return seconds;
}

double comity_faults_delay(const comity_faults *faults, int rank, uint64_t round, comity_fault_stage stage) {
  return delay_of(faults, FAULT_RANKS, (uint64_t)rank, round, stage);
}

double comity_faults_client_delay(const comity_faults *faults, uint64_t client, uint64_t round) {
  return delay_of(faults, FAULT_CLIENTS, client, round, COMITY_FAULT_TRAIN);
}

bool comity_fault_hits(const comity_fault *fault, int rank, uint64_t round, comity_fault_stage stage) {
  return comity_fault_strikes(fault) && fault->stage == stage && comity_fault_lists(&fault->rounds, round) &&
         is_about(fault, FAULT_RANKS, (uint64_t)rank);
}

size_t comity_faults_strikes(const comity_faults *faults, int rank, uint64_t round, comity_fault_stage stage,
                             comity_strike *strikes, size_t room) {
  size_t count = 0;
  for (size_t i = 0; i < comity_faults_count(faults); i++) {
    const comity_fault *fault = &faults->fault[i];
    if (!comity_fault_hits(fault, rank, round, stage))
      continue;
    if (count < room)
      strikes[count] = (comity_strike){
          .kind = (comity_strike_kind)fault->kind, .after = fault->after, .lasting = fault->lasting};
    count++;
  }
  return count;
}

bool comity_faults_corrupts(const comity_faults *faults, uint64_t epoch, uint64_t sequence, int from, int to,
                            uint64_t piece) {
  for (size_t i = 0; i < comity_faults_count(faults); i++) {
    const comity_fault *fault = &faults->fault[i];
    if (!holds_in(fault, FAULT_CORRUPT, faults->round) ||
        (fault->whom == FAULT_RANKS && !comity_fault_lists(&fault->who, (uint64_t)from)))
      continue;
    comity_random random; /* 32 bits of epoch, 20 of each rank and 24 of a piece are more than a job has */
    comity_random_open(&random, faults->scope.seed, COMITY_RANDOM_CORRUPT, epoch << 32 | i, sequence,
                       (uint64_t)from << 44 | (uint64_t)to << 24 | piece);
    if (comity_random_uniform(&random) < fault->chance)
      return true;
  }
  return false;
}
