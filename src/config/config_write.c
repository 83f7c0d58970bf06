/* The resolved job as YAML: every setting with its value, group by group, quoted so that it reads back as the
 * same job, and other programs see a text where we do. */
#include "config_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* Whether YAML readers take the unquoted text for this very text. Numbers may stay bare in lists and items,
 * whose elements have no type of their own: units: 200. */
static bool is_plain(const char *text, bool may_be_number) {
  static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  double number;
  if (comity_config_number(text, &number))
    return may_be_number;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(text, words[i]) == 0)
      return false;
  size_t fine = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-");
  return *text != '\0' && text[fine] == '\0' && (*text == '/' || strchr(letters, *text) != NULL);
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, bool plain) {
  yaml_event_t event;
  return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), plain,
                                      1, plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE) &&
         yaml_emitter_emit(emitter, &event);
}

static bool emit_text(yaml_emitter_t *emitter, const char *text, bool may_be_number) {
  return emit_scalar(emitter, text, is_plain(text, may_be_number));
}

static bool begin_mapping(yaml_emitter_t *emitter, yaml_mapping_style_t style) {
  yaml_event_t event;
  return yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) &&
         yaml_emitter_emit(emitter, &event);
}

static bool end_mapping(yaml_emitter_t *emitter) {
  yaml_event_t event;
  return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_entry(yaml_emitter_t *emitter, const comity_config_entry *entry) {
  if (entry->text != NULL)
    return emit_text(emitter, entry->text, true);
  bool fine = begin_mapping(emitter, YAML_FLOW_MAPPING_STYLE);
  for (size_t i = 0; i < entry->count && fine; i++)
    fine = emit_text(emitter, entry->names[i], true) && emit_text(emitter, entry->texts[i], true);
  return fine && end_mapping(emitter);
}

static bool emit_list(yaml_emitter_t *emitter, const comity_setting *setting,
                      const comity_config_value *value) {
  bool block = setting->type == COMITY_SETTING_ITEMS && value->length > 0;
  yaml_event_t event;
  bool fine = yaml_sequence_start_event_initialize(
                  &event, NULL, NULL, 1, block ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE) &&
              yaml_emitter_emit(emitter, &event);
  for (size_t i = 0; i < value->length && fine; i++)
    fine = emit_entry(emitter, &value->entries[i]);
  return fine && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_value(yaml_emitter_t *emitter, const comity_setting *setting,
                       const comity_config_value *value) {
  char digits[32];
  switch (setting->type) {
  case COMITY_SETTING_FLAG:
    return emit_scalar(emitter, value->flag ? "true" : "false", true);
  case COMITY_SETTING_INTEGER:
    snprintf(digits, sizeof digits, "%" PRId64, value->integer);
    return emit_scalar(emitter, digits, true);
  case COMITY_SETTING_REAL:
    return emit_scalar(emitter, comity_config_number_text(value->real).text, true);
  case COMITY_SETTING_TEXT:
  case COMITY_SETTING_CHOICE:
    return emit_text(emitter, value->text, false);
  case COMITY_SETTING_TEXTS:
  case COMITY_SETTING_ITEMS:
    break;
  }
  return emit_list(emitter, setting, value);
}

/* Settings of a group stand next to each other in the table, so a group is one mapping. */
static bool emit_settings(yaml_emitter_t *emitter, const comity_config *config, const char *prefix) {
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  char group[COMITY_KEY_BYTES] = "";
  bool fine = begin_mapping(emitter, YAML_BLOCK_MAPPING_STYLE);
  for (size_t i = 0; i < count && fine; i++) {
    const char *key = settings[i].key, *dot = strchr(key, '.');
    if (strncmp(key, prefix, strlen(prefix)) != 0)
      continue;
    size_t length = dot == NULL ? 0 : (size_t)(dot - key);
    if (strncmp(key, group, length) != 0 || group[length] != '\0') {
      fine = group[0] == '\0' || end_mapping(emitter);
      snprintf(group, sizeof group, "%.*s", (int)length, key);
      if (fine && length > 0)
        fine = emit_scalar(emitter, group, true) && begin_mapping(emitter, YAML_BLOCK_MAPPING_STYLE);
    }
    fine = fine && emit_text(emitter, dot == NULL ? key : dot + 1, false) &&
           emit_value(emitter, &settings[i], comity_config_value_at(config, i));
  }
  return fine && (group[0] == '\0' || end_mapping(emitter)) && end_mapping(emitter);
}

static bool emit_document(yaml_emitter_t *emitter, const comity_config *config, const char *prefix) {
  yaml_event_t event;
  yaml_emitter_set_unicode(emitter, 1);
  yaml_emitter_set_width(emitter, -1);
  return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
         yaml_emitter_emit(emitter, &event) &&
         yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
         yaml_emitter_emit(emitter, &event) && emit_settings(emitter, config, prefix) &&
         yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event) &&
         yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

comity_status comity_config_write(const comity_config *config, const char *prefix, char **yaml) {
  char *memory = NULL, *copy = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&memory, &length);
  if (out == NULL)
    return comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot write the job as YAML");
  comity_status status = COMITY_OK;
  yaml_emitter_t emitter;
  if (!yaml_emitter_initialize(&emitter))
    status = comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot write the job as YAML");
  else {
    yaml_emitter_set_output_file(&emitter, out);
    if (!emit_document(&emitter, config, prefix != NULL ? prefix : ""))
      status = comity_fail(COMITY_ERR_INTERNAL, "cannot write the job as YAML: %s",
                           emitter.problem != NULL ? emitter.problem : "out of memory");
    yaml_emitter_delete(&emitter);
  }
  if (fclose(out) != 0 && status == COMITY_OK)
    status = comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot write the job as YAML");
  if (status == COMITY_OK && (copy = comity_text("%s", memory)) == NULL)
    status = COMITY_ERR_MEMORY;
  free(memory);
  if (status == COMITY_OK)
    *yaml = copy;
  return status;
}
