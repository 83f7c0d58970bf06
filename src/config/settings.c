/* The table of all settings, made from settings.def. */
#include "config_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <string.h>

#define NONE (-INFINITY)
#define FIXED false
#define FREE true

static const comity_setting settings[] = {
#define SETTING(name, kind, measure, initial, least, most, words, change, text)                              \
  {.key = name,                                                                                              \
   .type = COMITY_SETTING_##kind,                                                                            \
   .unit = measure,                                                                                          \
   .default_value = initial,                                                                                 \
   .minimum = least,                                                                                         \
   .maximum = (most) == NONE ? INFINITY : (most),                                                            \
   .choices = words,                                                                                         \
   .may_change = change,                                                                                     \
   .help = text},
#include "settings.def"
#undef SETTING
};
enum { COUNT = sizeof settings / sizeof *settings };

const comity_setting *comity_setting_list(size_t *count) {
  *count = COUNT;
  return settings;
}

size_t comity_setting_count(void) { return COUNT; }

size_t comity_setting_index(const char *key) {
  size_t i = 0;
  while (i < COUNT && strcmp(settings[i].key, key) != 0)
    i++;
  return i;
}

const comity_setting *comity_setting_find(const char *key) {
  size_t i = comity_setting_index(key);
  return i < COUNT ? &settings[i] : NULL;
}

size_t comity_setting_group(const char *group) {
  size_t length = strlen(group), i = 0;
  while (i < COUNT &&
         !(length > 0 && strncmp(settings[i].key, group, length) == 0 && settings[i].key[length] == '.'))
    i++;
  return i;
}

static const char *last_part(const char *key) {
  const char *dot = strrchr(key, '.');
  return dot == NULL ? key : dot + 1;
}

/* A key in the wrong group, or without one, is nearer in meaning than any key that is spelt alike. */
static size_t same_last_part(const char *key, const char **candidates) {
  size_t count = 0;
  for (size_t i = 0; i < COUNT; i++)
    if (strcmp(last_part(settings[i].key), last_part(key)) == 0)
      candidates[count++] = settings[i].key;
  return count;
}

const char *comity_setting_nearest(const char *key) {
  const char *candidates[COUNT];
  size_t count = same_last_part(key, candidates);
  if (count == 0)
    for (; count < COUNT; count++)
      candidates[count] = settings[count].key;
  return comity_nearest(key, candidates, count);
}

void comity_setting_or_group_nearest(const char *key, char nearest[COMITY_KEY_BYTES]) {
  char groups[COUNT][COMITY_KEY_BYTES];
  const char *candidates[COUNT + 1];
  size_t count = 0;
  candidates[count++] = comity_setting_nearest(key);
  const char *same[COUNT];
  bool only_settings = strchr(key, '.') != NULL || same_last_part(key, same) > 0;
  for (size_t i = 0; i < COUNT && !only_settings; i++) {
    const char *dot = strchr(settings[i].key, '.');
    if (dot == NULL)
      continue;
    snprintf(groups[i], sizeof groups[i], "%.*s", (int)(dot - settings[i].key), settings[i].key);
    candidates[count++] = groups[i];
  }
  snprintf(nearest, COMITY_KEY_BYTES, "%s", comity_nearest(key, candidates, count));
}
