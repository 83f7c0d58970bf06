/* How long the server waits for training: a deadline that was given, or one that follows from how long the rounds before
 * took; and how many more clients are asked than are needed. */
#include "server_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ the setting */

comity_status comity_deadline_read(const comity_config *config, comity_deadline *deadline) {
  static const char key[] = "round.deadline";
  const char *text = comity_config_text(config, key);
  *deadline = (comity_deadline){0};
  if (strcmp(text, "none") == 0)
    return COMITY_OK;
  double number;
  bool times = comity_config_quantity(config, key, "x", &number);
  COMITY_REQUIRE(times || comity_config_quantity(config, key, "", &number), COMITY_ERR_CONFIG,
                 "%s: '%s' is 'none', seconds as '30', or a multiple of the median time as '3x'; got '%.60s'",
                 comity_config_origin(config, key), key, text);
  COMITY_REQUIRE(number > (times ? 1 : 0) && number <= 1e9, COMITY_ERR_CONFIG, "%s: '%s' is '%.60s', but %s",
                 comity_config_origin(config, key), key, text,
                 times ? "a multiple of the median must be above 1x: half of all rounds take longer than that"
                       : "seconds must be above 0 and at most 1e9; 'none' waits for ever");
  *(times ? &deadline->times : &deadline->seconds) = number;
  return COMITY_OK;
}

/* -------------------------------------------------------------------------------------------------- the pace */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Of at least one value; sorts them. */
static double median(double *value, size_t count) {
  qsort(value, count, sizeof *value, compare);
  return count % 2 == 1 ? value[count / 2] : 0.5 * (value[count / 2 - 1] + value[count / 2]);
}

void comity_pace_add(comity_pace *pace, double *seconds, size_t count) {
  size_t trained = 0;
  for (size_t i = 0; i < count; i++)
    if (isfinite(seconds[i]) && seconds[i] > 0)
      seconds[trained++] = seconds[i];
  if (trained == 0)
    return;
  pace->seconds[pace->rounds % COMITY_PACE_WINDOW] = median(seconds, trained);
  pace->rounds++;
}

double comity_pace_median(const comity_pace *pace) {
  double sorted[COMITY_PACE_WINDOW];
  size_t count = pace->rounds < COMITY_PACE_WINDOW ? (size_t)pace->rounds : COMITY_PACE_WINDOW;
  if (count < COMITY_PACE_LEAST)
    return NAN;
  memcpy(sorted, pace->seconds, count * sizeof *sorted);
  return median(sorted, count);
}

double comity_deadline_seconds(const comity_deadline *deadline, const comity_pace *pace) {
  if (deadline->times == 0)
    return deadline->seconds;
  double typical = comity_pace_median(pace);
  return isnan(typical) ? 0 : fmax(COMITY_DEADLINE_LEAST, deadline->times * typical);
}

/* ------------------------------------------------------------------------------------------------- deciding */

comity_haste comity_deadline_decide(double seconds, double elapsed, double grace, double *next) {
  *next = 0;
  if (!(seconds > 0))
    return COMITY_HASTE_WAIT;
  double end = seconds + fmax(grace, COMITY_DEADLINE_GRACE * seconds);
  if (elapsed >= end)
    return COMITY_HASTE_EXCLUDE;
  *next = (elapsed < seconds ? seconds : end) - elapsed;
  return elapsed < seconds ? COMITY_HASTE_WAIT : COMITY_HASTE_HURRY;
}

size_t comity_over_select(size_t needed, double factor, size_t clients) {
  double asked = ceil(factor * (double)needed * (1 - 1e-12)); /* 1.1 * 10 is a little more than 11 */
  return asked >= (double)clients ? clients : asked > (double)needed ? (size_t)asked : needed;
}
