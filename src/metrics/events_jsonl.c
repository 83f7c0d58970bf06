/* events.jsonl: a line of JSON for each event, written and read back. */
#include "json_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* No line that comity_event_line makes is longer: its texts have 376 bytes, of which JSON makes at most six each. */
enum { LINE_BYTES = 4096 };

static bool put_event(yajl_gen json, const comity_event *event) {
  return yajl_gen_map_open(json) == yajl_gen_status_ok &&
         comity_json_put_pair(json, "time", round(1e6 * event->time) / 1e6) &&
         comity_json_put_word(json, "wall", event->wall) &&
         comity_json_put_pair(json, "round", (double)event->round) &&
         comity_json_put_word(json, "stage", event->stage) &&
         comity_json_put_word(json, "kind", comity_event_name(event->kind)) &&
         comity_json_put_pair(json, "rank", event->rank < 0 ? (double)NAN : event->rank) &&
         comity_json_put_word(json, "host", event->host) &&
         comity_json_put_pair(
             json, "client", event->client == COMITY_EVENT_NO_CLIENT ? (double)NAN : (double)event->client) &&
         comity_json_put_pair(json, "seconds_lost", round(1e6 * event->lost) / 1e6) &&
         comity_json_put_word(json, "text", event->text) && yajl_gen_map_close(json) == yajl_gen_status_ok;
}

comity_status comity_event_line(const comity_event *event, char **line, size_t *length) {
  yajl_gen json = yajl_gen_alloc(NULL);
  const unsigned char *text;
  if (json == NULL)
    return comity_fail(COMITY_ERR_MEMORY, "events.jsonl: out of memory");
  yajl_gen_config(json, yajl_gen_validate_utf8, 1);
  comity_status status = COMITY_OK;
  if (!put_event(json, event) || yajl_gen_get_buf(json, &text, length) != yajl_gen_status_ok)
    status = comity_fail(COMITY_ERR_INTERNAL, "events.jsonl: an event that is no JSON");
  else if ((*line = comity_text("%s\n", (const char *)text)) == NULL)
    status = COMITY_ERR_MEMORY;
  ++*length;
  yajl_gen_free(json);
  return status;
}

static bool kind_of(const char *name, comity_event_kind *kind) {
  for (int i = 0; i < COMITY_EVENT_COUNT; i++)
    if (strcmp(name, comity_event_name((comity_event_kind)i)) == 0) {
      *kind = (comity_event_kind)i;
      return true;
    }
  return false;
}

/* A number of the file, or `otherwise` when there is none that fits. */
static double within(yajl_val tree, const char *key, double least, double most, double otherwise) {
  double value = comity_json_number(tree, key, NULL);
  return value >= least && value < most ? value : otherwise;
}

static void take_text(yajl_val tree, const char *key, char *text, size_t size) {
  snprintf(text, size, "%s", comity_json_text(tree, key));
}

/* Whether the line is an event. */
static bool take_line(const char *line, comity_event *event) {
  char reason[256];
  yajl_val tree = yajl_tree_parse(line, reason, sizeof reason);
  *event = (comity_event){0};
  bool known = tree != NULL && kind_of(comity_json_text(tree, "kind"), &event->kind);
  if (known) {
    double client = within(tree, "client", 0, 0x1p63, -1);
    event->time = within(tree, "time", 0, 1e18, 0);
    event->round = (uint64_t)within(tree, "round", 0, 0x1p63, 0);
    event->rank = (int)within(tree, "rank", 0, 0x1p31, -1);
    event->client = client < 0 ? COMITY_EVENT_NO_CLIENT : (uint64_t)client;
    event->lost = within(tree, "seconds_lost", 0, 1e18, 0);
    take_text(tree, "wall", event->wall, sizeof event->wall);
    take_text(tree, "stage", event->stage, sizeof event->stage);
    take_text(tree, "host", event->host, sizeof event->host);
    take_text(tree, "text", event->text, sizeof event->text);
  }
  yajl_tree_free(tree);
  return known;
}

/* One line at a time, because there may be millions. */
static comity_status read_lines(const char *path, FILE *file, comity_events *events, uint64_t *kept) {
  char line[LINE_BYTES];
  uint64_t at = 0, number = 1;
  size_t used = 0;
  bool good = true;
  for (int c; (c = getc_unlocked(file)) != EOF;) {
    at++;
    if (used < sizeof line)
      line[used++] = (char)c;
    if (c != '\n')
      continue;
    comity_event event;
    COMITY_REQUIRE(good, COMITY_ERR_DATA,
                   "%s:%" PRIu64 ": is not an event; mend the line or move the file away", path, number - 1);
    good = line[used - 1] == '\n' && memchr(line, '\0', used) == NULL;
    line[used - 1] = '\0';
    good = good && take_line(line, &event); /* or, at the end, what a crash left of a line */
    if (good) {
      COMITY_TRY(comity_events_reserve(events));
      comity_events_add(events, &event);
      *kept = at;
    }
    used = 0;
    number++;
  }
  return ferror(file) ? comity_fail_errno("%s: cannot read", path) : COMITY_OK;
}

comity_status comity_events_read(const char *path, comity_events *events, uint64_t *kept) {
  FILE *file = fopen(path, "re");
  *kept = 0;
  if (file == NULL)
    return comity_fail_errno("%s: cannot open", path);
  comity_status status = read_lines(path, file, events, kept);
  fclose(file);
  return status;
}
