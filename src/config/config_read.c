/* From YAML to values, event by event, so that every error knows its line and column. What a job file does
 * not need (anchors, tags, several documents) is refused, which also rules out documents that unfold to
 * gigabytes. */
#include "config_impl.h"

#include <string.h>
#include <yaml.h>

enum { NAMES_MAX = 32 }; /* in one item */

typedef struct config_reader {
  yaml_parser_t parser;
  yaml_event_t event;
  const comity_config_source *source;
  comity_config_value *values; /* one per setting */
  yaml_mark_t *group_marks;    /* where a group's mapping began; by the group's first setting */
  bool *group_seen;
} config_reader;

/* "job.yaml:12:3" or "command line"; owned by the caller. */
static char *place(const config_reader *reader, yaml_mark_t mark) {
  if (reader->source->name == NULL)
    return comity_text("command line");
  return comity_text("%s:%zu:%zu", reader->source->name, mark.line + 1, mark.column + 1);
}

/* Put the place before the message that is there. */
static comity_status at(const config_reader *reader, yaml_mark_t mark, comity_status status) {
  if (status == COMITY_OK)
    return status;
  if (reader->source->name == NULL)
    return comity_fail_context(status, "command line");
  return comity_fail_context(status, "%s:%zu:%zu", reader->source->name, mark.line + 1, mark.column + 1);
}

/* libyaml gives a byte offset, not a line, when bytes are no UTF-8. */
static yaml_mark_t mark_of_offset(const comity_config_source *source, size_t offset) {
  yaml_mark_t mark = {0};
  for (size_t i = 0; i < offset && i < source->length; i++) {
    if (source->yaml[i] == '\n') {
      mark.line++;
      mark.column = 0;
    } else if (((unsigned char)source->yaml[i] & 0xc0) != 0x80)
      mark.column++;
  }
  return mark;
}

static bool is_tab(const comity_config_source *source, yaml_mark_t mark) {
  size_t i = 0;
  for (size_t line = 0; line < mark.line && i < source->length; i++)
    line += source->yaml[i] == '\n';
  for (size_t column = 0; column < mark.column && i < source->length && source->yaml[i] != '\n'; column++)
    i++;
  return i < source->length && source->yaml[i] == '\t';
}

static comity_status syntax_error(const config_reader *reader) {
  const yaml_parser_t *parser = &reader->parser;
  const char *problem = parser->problem != NULL ? parser->problem : "cannot read this";
  if (parser->error == YAML_MEMORY_ERROR)
    return comity_fail(COMITY_ERR_MEMORY, "out of memory while reading YAML");
  if (parser->error == YAML_READER_ERROR) {
    yaml_mark_t mark = mark_of_offset(reader->source, parser->problem_offset);
    return at(reader, mark, comity_fail(COMITY_ERR_CONFIG, "not valid UTF-8 text (%s)", problem));
  }
  yaml_mark_t mark = parser->problem_mark;
  if (is_tab(reader->source, mark))
    return at(reader, mark, comity_fail(COMITY_ERR_CONFIG, "a tab where YAML allows only spaces"));
  if (parser->context == NULL)
    return at(reader, mark, comity_fail(COMITY_ERR_CONFIG, "not valid YAML: %s", problem));
  yaml_mark_t begin = parser->context_mark;
  return at(reader, mark,
            comity_fail(COMITY_ERR_CONFIG, "not valid YAML: %s that begins at line %zu, column %zu: %s",
                        parser->context, begin.line + 1, begin.column + 1, problem));
}

static comity_status refuse_extras(const config_reader *reader) {
  const yaml_event_t *event = &reader->event;
  const yaml_char_t *anchor = NULL, *tag = NULL;
  if (event->type == YAML_SCALAR_EVENT) {
    anchor = event->data.scalar.anchor;
    tag = event->data.scalar.tag;
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL)
      return at(reader, event->start_mark, comity_fail(COMITY_ERR_CONFIG, "a text with a NUL character"));
  } else if (event->type == YAML_SEQUENCE_START_EVENT) {
    anchor = event->data.sequence_start.anchor;
    tag = event->data.sequence_start.tag;
  } else if (event->type == YAML_MAPPING_START_EVENT) {
    anchor = event->data.mapping_start.anchor;
    tag = event->data.mapping_start.tag;
  }
  if (anchor != NULL || event->type == YAML_ALIAS_EVENT)
    return at(reader, event->start_mark,
              comity_fail(COMITY_ERR_CONFIG,
                          "anchors (&) and aliases (*) are not supported; write the value out, or quote it"));
  if (tag != NULL)
    return at(reader, event->start_mark,
              comity_fail(COMITY_ERR_CONFIG, "tags (!) are not supported; leave it out, or quote the value"));
  return COMITY_OK;
}

static comity_status next(config_reader *reader) {
  yaml_event_delete(&reader->event);
  if (!yaml_parser_parse(&reader->parser, &reader->event))
    return syntax_error(reader);
  return refuse_extras(reader);
}

static const char *scalar(const config_reader *reader) {
  return (const char *)reader->event.data.scalar.value;
}

static bool is_null(const config_reader *reader) {
  if (reader->event.type != YAML_SCALAR_EVENT || !reader->event.data.scalar.plain_implicit)
    return false;
  const char *text = scalar(reader);
  return *text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
         strcmp(text, "NULL") == 0;
}

static const char *event_text(yaml_event_type_t type) {
  return type == YAML_MAPPING_START_EVENT    ? "a mapping"
         : type == YAML_SEQUENCE_START_EVENT ? "a list"
                                             : "a single value";
}

static comity_status wrong_shape(const config_reader *reader, const comity_setting *setting) {
  return at(reader, reader->event.start_mark,
            comity_fail(COMITY_ERR_CONFIG, "'%s' needs %s, got %s", setting->key,
                        comity_config_type_text(setting->type), event_text(reader->event.type)));
}

/* A path means the same file wherever the job is read again; an empty one stays "none", and a public key is none. */
static comity_status take_text(const config_reader *reader, const comity_setting *setting, const char *text,
                               char **taken) {
  if (comity_setting_is_path(setting) && text[0] != '\0' && !comity_key_is_line(text))
    return comity_path_absolute(reader->source->base, text, taken);
  *taken = comity_text("%s", text);
  return *taken != NULL ? COMITY_OK : COMITY_ERR_MEMORY;
}

static comity_status append_entry(config_reader *reader, comity_config_value *value,
                                  comity_config_entry **entry) {
  COMITY_TRY(comity_config_value_append(value, entry));
  (*entry)->origin = place(reader, reader->event.start_mark);
  return (*entry)->origin != NULL ? COMITY_OK : COMITY_ERR_MEMORY;
}

static comity_status read_text_entry(config_reader *reader, const comity_setting *setting,
                                     comity_config_value *value) {
  if (reader->event.type != YAML_SCALAR_EVENT)
    return at(reader, reader->event.start_mark,
              comity_fail(COMITY_ERR_CONFIG,
                          "each element of '%s' must be a text, got %s; quote it if it is one", setting->key,
                          event_text(reader->event.type)));
  if (scalar(reader)[0] == '\0')
    return at(reader, reader->event.start_mark,
              comity_fail(COMITY_ERR_CONFIG, "an element of '%s' is empty", setting->key));
  comity_config_entry *entry;
  COMITY_TRY(append_entry(reader, value, &entry));
  return take_text(reader, setting, scalar(reader), &entry->text);
}

/* [5, 5] is kept as the text "5,5". The event is the list's start. */
static comity_status join_list(config_reader *reader, const comity_setting *setting, char **text) {
  yaml_mark_t begin = reader->event.start_mark;
  comity_status status = COMITY_OK;
  char *joined = NULL;
  for (;;) {
    COMITY_TRY_OR(fail, next(reader));
    if (reader->event.type == YAML_SEQUENCE_END_EVENT)
      break;
    if (reader->event.type != YAML_SCALAR_EVENT || scalar(reader)[0] == '\0') {
      status = at(reader, reader->event.start_mark,
                  comity_fail(COMITY_ERR_CONFIG, "a list inside an item of '%s' may hold only single values",
                              setting->key));
      goto fail;
    }
    size_t length = joined == NULL ? 0 : strlen(joined);
    if (length > 4096) {
      status = at(reader, begin,
                  comity_fail(COMITY_ERR_CONFIG, "a list inside an item of '%s' is too long", setting->key));
      goto fail;
    }
    char *longer =
        joined == NULL ? comity_text("%s", scalar(reader)) : comity_text("%s,%s", joined, scalar(reader));
    comity_free(joined);
    joined = longer;
    if (joined == NULL)
      return COMITY_ERR_MEMORY;
  }
  if (joined == NULL)
    return at(reader, begin,
              comity_fail(COMITY_ERR_CONFIG, "a list inside an item of '%s' is empty", setting->key));
  *text = joined;
  return COMITY_OK;
fail:
  comity_free(joined);
  return status;
}

static comity_status check_name(const config_reader *reader, const comity_setting *setting,
                                const comity_config_entry *entry) {
  if (reader->event.type != YAML_SCALAR_EVENT || scalar(reader)[0] == '\0')
    return at(reader, reader->event.start_mark,
              comity_fail(COMITY_ERR_CONFIG, "a name in an item of '%s' must be a plain word", setting->key));
  for (size_t i = 0; i < entry->count; i++)
    if (strcmp(entry->names[i], scalar(reader)) == 0)
      return at(reader, reader->event.start_mark,
                comity_fail(COMITY_ERR_CONFIG, "'%s' is given twice in one item of '%s'",
                            comity_config_quoted(scalar(reader)).text, setting->key));
  if (entry->count == NAMES_MAX)
    return at(
        reader, reader->event.start_mark,
        comity_fail(COMITY_ERR_CONFIG, "more than %d names in one item of '%s'", NAMES_MAX, setting->key));
  return COMITY_OK;
}

static comity_status read_pair(config_reader *reader, const comity_setting *setting,
                               comity_config_entry *entry) {
  COMITY_TRY(check_name(reader, setting, entry));
  char *name = comity_text("%s", scalar(reader)), *text = NULL;
  comity_status status = name != NULL ? next(reader) : COMITY_ERR_MEMORY;
  if (status == COMITY_OK) {
    if (reader->event.type == YAML_SCALAR_EVENT) {
      text = comity_text("%s", is_null(reader) ? "" : scalar(reader));
      status = text != NULL ? COMITY_OK : COMITY_ERR_MEMORY;
    } else if (reader->event.type == YAML_SEQUENCE_START_EVENT)
      status = join_list(reader, setting, &text);
    else
      status =
          at(reader, reader->event.start_mark,
             comity_fail(COMITY_ERR_CONFIG, "'%s' in an item of '%s' must be a single value, got a mapping",
                         comity_config_quoted(name).text, setting->key));
  }
  if (status == COMITY_OK)
    status = comity_config_entry_add(entry, name, text);
  comity_free(name);
  comity_free(text);
  return status;
}

/* A mapping, or a word that stands for {type: word}. */
static comity_status read_item(config_reader *reader, const comity_setting *setting,
                               comity_config_value *value) {
  yaml_mark_t begin = reader->event.start_mark;
  yaml_event_type_t type = reader->event.type;
  if (type == YAML_SEQUENCE_START_EVENT ||
      (type == YAML_SCALAR_EVENT && (is_null(reader) || scalar(reader)[0] == '\0')))
    return at(reader, begin,
              comity_fail(COMITY_ERR_CONFIG, "an item of '%s' must be a mapping such as {type: dense}",
                          setting->key));
  comity_config_entry *entry;
  COMITY_TRY(append_entry(reader, value, &entry));
  if (type == YAML_SCALAR_EVENT)
    return comity_config_entry_add(entry, "type", scalar(reader));
  for (;;) {
    COMITY_TRY(next(reader));
    if (reader->event.type == YAML_MAPPING_END_EVENT)
      break;
    COMITY_TRY(read_pair(reader, setting, entry));
  }
  if (entry->count == 0)
    return at(reader, begin, comity_fail(COMITY_ERR_CONFIG, "an item of '%s' is empty", setting->key));
  return COMITY_OK;
}

static comity_status read_list(config_reader *reader, const comity_setting *setting,
                               comity_config_value *value) {
  bool texts = setting->type == COMITY_SETTING_TEXTS;
  if (is_null(reader))
    return COMITY_OK;
  if (reader->event.type == YAML_SCALAR_EVENT && texts)
    return scalar(reader)[0] == '\0' ? COMITY_OK : read_text_entry(reader, setting, value);
  if (reader->event.type != YAML_SEQUENCE_START_EVENT)
    return wrong_shape(reader, setting);
  for (;;) {
    COMITY_TRY(next(reader));
    if (reader->event.type == YAML_SEQUENCE_END_EVENT)
      return COMITY_OK;
    COMITY_TRY(texts ? read_text_entry(reader, setting, value) : read_item(reader, setting, value));
  }
}

/* The event is the value's first. `mark` is where the setting stands: its key, if there is one. */
static comity_status read_value(config_reader *reader, const comity_setting *setting, yaml_mark_t mark) {
  comity_config_value *value = &reader->values[comity_setting_index(setting->key)];
  value->origin = place(reader, mark);
  if (value->origin == NULL)
    return COMITY_ERR_MEMORY;
  if (reader->source->base != NULL && (value->base = comity_text("%s", reader->source->base)) == NULL)
    return COMITY_ERR_MEMORY;
  if (setting->type == COMITY_SETTING_TEXTS || setting->type == COMITY_SETTING_ITEMS)
    return read_list(reader, setting, value);
  if (reader->event.type != YAML_SCALAR_EVENT)
    return wrong_shape(reader, setting);
  yaml_mark_t start = reader->event.start_mark;
  COMITY_TRY(at(reader, start, comity_config_value_set(setting, scalar(reader), is_null(reader), value)));
  if (setting->type != COMITY_SETTING_TEXT)
    return COMITY_OK;
  char *taken;
  COMITY_TRY(take_text(reader, setting, value->text, &taken));
  comity_free(value->text);
  value->text = taken;
  return COMITY_OK;
}

static comity_status read_group(config_reader *reader, const char *group);

static comity_status enter_group(config_reader *reader, const char *group, yaml_mark_t mark) {
  size_t index = comity_setting_group(group);
  if (reader->group_seen[index]) {
    char *first = place(reader, reader->group_marks[index]);
    comity_status status = first == NULL
                               ? COMITY_ERR_MEMORY
                               : at(reader, mark,
                                    comity_fail(COMITY_ERR_CONFIG,
                                                "'%s' is given twice, first at %s; put all its settings "
                                                "into one mapping",
                                                group, first));
    comity_free(first);
    return status;
  }
  reader->group_seen[index] = true;
  reader->group_marks[index] = mark;
  COMITY_TRY(next(reader));
  if (is_null(reader)) /* all its settings are commented out */
    return COMITY_OK;
  if (reader->event.type != YAML_MAPPING_START_EVENT)
    return at(
        reader, reader->event.start_mark,
        comity_fail(COMITY_ERR_CONFIG,
                    "'%s' is a group of settings and needs a mapping, got %s; 'comity help %s' lists them",
                    group, event_text(reader->event.type), group));
  return read_group(reader, group);
}

static comity_status enter_setting(config_reader *reader, const comity_setting *setting, yaml_mark_t mark) {
  const char *first = reader->values[comity_setting_index(setting->key)].origin;
  if (first != NULL)
    return at(reader, mark,
              comity_fail(COMITY_ERR_CONFIG, "'%s' is given twice, first at %s", setting->key, first));
  COMITY_TRY(next(reader));
  return read_value(reader, setting, mark);
}

/* The event is the start of the mapping with the settings below `group` ("" = all). The nesting of groups is
 * that of the declared keys, so recursion ends there. */
static comity_status read_group(config_reader *reader, const char *group) {
  for (;;) {
    COMITY_TRY(next(reader));
    if (reader->event.type == YAML_MAPPING_END_EVENT)
      return COMITY_OK;
    yaml_mark_t mark = reader->event.start_mark;
    if (reader->event.type != YAML_SCALAR_EVENT)
      return at(reader, mark,
                comity_fail(COMITY_ERR_CONFIG, "a setting's name is needed here, got %s",
                            event_text(reader->event.type)));
    char key[2 * COMITY_KEY_BYTES]; /* longer names than any declared one are cut and thus unknown */
    snprintf(key, sizeof key, "%s%s%s", group, group[0] != '\0' ? "." : "", scalar(reader));
    const comity_setting *setting = comity_setting_find(key);
    if (setting != NULL)
      COMITY_TRY(enter_setting(reader, setting, mark));
    else if (comity_setting_group(key) < comity_setting_count())
      COMITY_TRY(enter_group(reader, key, mark));
    else {
      char nearest[COMITY_KEY_BYTES];
      comity_setting_or_group_nearest(key, nearest);
      return at(reader, mark,
                comity_fail(COMITY_ERR_CONFIG,
                            "unknown setting '%s'; did you mean '%s'? 'comity help' lists all",
                            comity_config_quoted(key).text, nearest));
    }
  }
}

static comity_status read_root(config_reader *reader, const comity_setting *only) {
  if (only != NULL)
    return read_value(reader, only, reader->event.start_mark);
  if (is_null(reader))
    return COMITY_OK;
  if (reader->event.type != YAML_MAPPING_START_EVENT)
    return at(reader, reader->event.start_mark,
              comity_fail(COMITY_ERR_CONFIG, "a job is a mapping of settings, such as 'seed: 1', got %s",
                          event_text(reader->event.type)));
  return read_group(reader, "");
}

static comity_status read_stream(config_reader *reader, const comity_setting *only) {
  COMITY_TRY(next(reader)); /* the stream's start */
  COMITY_TRY(next(reader));
  if (reader->event.type == YAML_STREAM_END_EVENT) { /* nothing but comments: no setting, or no value */
    yaml_event_delete(&reader->event);
    if (!yaml_scalar_event_initialize(&reader->event, NULL, NULL, (const yaml_char_t *)"", 0, 1, 1,
                                      YAML_PLAIN_SCALAR_STYLE))
      return comity_fail(COMITY_ERR_MEMORY, "out of memory while reading YAML");
    return read_root(reader, only);
  }
  COMITY_TRY(next(reader));
  COMITY_TRY(read_root(reader, only));
  COMITY_TRY(next(reader)); /* the document's end */
  COMITY_TRY(next(reader));
  if (reader->event.type != YAML_STREAM_END_EVENT)
    return at(reader, reader->event.start_mark,
              comity_fail(COMITY_ERR_CONFIG, "a second document begins here; a job is a single one"));
  return COMITY_OK;
}

comity_status comity_config_read(const comity_config_source *source, const comity_setting *only,
                                 comity_config_value *values) {
  const char *name = source->name != NULL ? source->name : "command line";
  COMITY_REQUIRE(source->length <= COMITY_CONFIG_BYTES_MAX, COMITY_ERR_CONFIG,
                 "%s: larger than %zu MiB; this is no job file", name, COMITY_CONFIG_BYTES_MAX >> 20);
  config_reader reader = {.source = source, .values = values};
  comity_status status;
  COMITY_TRY_OR(done, COMITY_NEW(reader.group_marks, comity_setting_count()));
  COMITY_TRY_OR(done, COMITY_NEW(reader.group_seen, comity_setting_count()));
  if (!yaml_parser_initialize(&reader.parser)) {
    status = comity_fail(COMITY_ERR_MEMORY, "%s: out of memory while reading YAML", name);
    goto done;
  }
  yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source->yaml, source->length);
  yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
  status = read_stream(&reader, only);
  yaml_event_delete(&reader.event);
  yaml_parser_delete(&reader.parser);
done:
  comity_free(reader.group_marks);
  comity_free(reader.group_seen);
  return status;
}
