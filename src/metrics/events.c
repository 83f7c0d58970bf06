/* What happened to the members of a run: counts by kind, the last events, and the sentence that sums them up. */
#include "metrics_impl.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static const struct {
  const char *name, *one, *many, *verb;
} kinds[COMITY_EVENT_COUNT] = {
#define ENTRY(id, name, one, many, verb) {name, one, many, verb},
    COMITY_EVENT_LIST(ENTRY)
#undef ENTRY
};

const char *comity_event_name(comity_event_kind kind) { return kinds[kind].name; }

void comity_wall_text(char wall[COMITY_WALL_BYTES]) {
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  wall[0] = '\0';
  if (gmtime_r(&now.tv_sec, &parts) == NULL)
    return;
  size_t used = strftime(wall, COMITY_WALL_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(wall + used, COMITY_WALL_BYTES - used, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

size_t comity_events_kept(const comity_events *events) {
  return events->count < COMITY_EVENTS_KEPT ? (size_t)events->count : COMITY_EVENTS_KEPT;
}

const comity_event *comity_events_at(const comity_events *events, size_t i) {
  return &events->ring[(events->count - comity_events_kept(events) + i) % COMITY_EVENTS_KEPT];
}

comity_status comity_events_reserve(comity_events *events) {
  size_t kept = comity_events_kept(events);
  return comity_array_grow(&events->ring, &events->room, kept < COMITY_EVENTS_KEPT ? kept + 1 : kept,
                           sizeof *events->ring);
}

void comity_events_add(comity_events *events, const comity_event *event) {
  events->ring[events->count % COMITY_EVENTS_KEPT] = *event;
  events->count++;
  events->of[event->kind]++;
  events->lost += event->lost > 0 ? event->lost : 0;
}

void comity_events_print(const comity_events *events, FILE *stream) {
  const char *said = ""; /* "2 participants lost, 1 rejoined": whoever is counted is named once */
  for (int kind = 0; kind < COMITY_EVENT_COUNT; kind++) {
    uint64_t count = events->of[kind];
    if (count == 0)
      continue;
    const char *noun = count == 1 ? kinds[kind].one : kinds[kind].many;
    bool again = strcmp(said, kinds[kind].one) == 0;
    fprintf(stream, "%s%" PRIu64 "%s%s%s%s", said[0] == '\0' ? "" : ", ", count, again ? "" : " ",
            again ? "" : noun, kinds[kind].verb[0] == '\0' ? "" : " ", kinds[kind].verb);
    said = kinds[kind].one;
  }
  if (events->lost > 0)
    fprintf(stream, "; %.*f s lost", events->lost < 0.995 ? 2 : 1, events->lost);
  if (events->count > 0)
    fputc('\n', stream);
}
