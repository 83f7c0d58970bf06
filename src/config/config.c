/* A job: one value for each setting; what is read goes over what was there, all of it or nothing. */
#include "config_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void free_values(comity_config_value *values) {
  for (size_t i = 0; values != NULL && i < comity_setting_count(); i++)
    comity_config_value_clear(&values[i]);
  comity_free(values);
}

/* Read aside, and take over what was given only when all of it was right. */
static comity_status take_over(comity_config *config, const comity_config_source *source,
                               const comity_setting *only) {
  comity_config_value *given;
  COMITY_TRY(COMITY_NEW(given, comity_setting_count()));
  comity_status status = comity_config_read(source, only, given);
  for (size_t i = 0; status == COMITY_OK && i < comity_setting_count(); i++)
    if (given[i].origin != NULL) {
      comity_config_value before = config->values[i];
      config->values[i] = given[i];
      given[i] = before;
    }
  free_values(given);
  return status;
}

/* The defaults are a job as well: "key: default", line by line. */
static comity_status read_defaults(comity_config *config) {
  char *yaml = NULL;
  size_t length = 0, count;
  const comity_setting *settings = comity_setting_list(&count);
  FILE *out = open_memstream(&yaml, &length);
  if (out == NULL)
    return comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot write the default job");
  for (size_t i = 0; i < count; i++)
    fprintf(out, "%s: %s\n", settings[i].key, settings[i].default_value);
  comity_config_source source = {.name = "settings.def"};
  comity_status status = COMITY_OK;
  if (fclose(out) != 0)
    status = comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot write the default job");
  source.yaml = yaml;
  source.length = length;
  if (status == COMITY_OK)
    status = comity_config_read(&source, NULL, config->defaults);
  if (status == COMITY_ERR_CONFIG)
    status = comity_fail_context(COMITY_ERR_INTERNAL, "a default is wrong");
  free(yaml);
  return status;
}

comity_status comity_config_new(comity_config **config) {
  comity_config *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  comity_status status;
  COMITY_TRY_OR(fail, COMITY_NEW(made->values, comity_setting_count()));
  COMITY_TRY_OR(fail, COMITY_NEW(made->defaults, comity_setting_count()));
  COMITY_TRY_OR(fail, read_defaults(made));
  *config = made;
  return COMITY_OK;
fail:
  comity_config_destroy(&made);
  return status;
}

void comity_config_destroy(comity_config **config) {
  if (config == NULL || *config == NULL)
    return;
  free_values((*config)->values);
  free_values((*config)->defaults);
  comity_free(*config);
  *config = NULL;
}

comity_status comity_config_load(comity_config *config, const char *path) {
  struct stat about;
  if (stat(path, &about) != 0)
    return comity_fail_errno("%s: cannot open the job file", path);
  COMITY_REQUIRE(S_ISREG(about.st_mode) || S_ISFIFO(about.st_mode), COMITY_ERR_CONFIG,
                 "%s: not a file; name the job's YAML file", path);
  COMITY_REQUIRE((size_t)about.st_size <= COMITY_CONFIG_BYTES_MAX, COMITY_ERR_CONFIG,
                 "%s: larger than %zu MiB; this is no job file", path, COMITY_CONFIG_BYTES_MAX >> 20);
  char *yaml = NULL, *folder = NULL;
  size_t length;
  comity_status status;
  COMITY_TRY_OR(done, comity_file_read(path, &yaml, &length));
  COMITY_TRY_OR(done, comity_path_folder(path, &folder));
  comity_config_source source = {.name = path, .base = folder, .yaml = yaml, .length = length};
  status = take_over(config, &source, NULL);
done:
  comity_free(yaml);
  comity_free(folder);
  return status;
}

comity_status comity_config_parse(comity_config *config, const char *name, const char *yaml, size_t length) {
  comity_config_source source = {.name = name, .yaml = yaml, .length = length};
  return take_over(config, &source, NULL);
}

/* A path such as {rank}.h5 looks like a mapping, which no text can be: read it as if it were quoted. */
static char *quote_braces(const comity_setting *setting, const char *value) {
  bool text = setting->type == COMITY_SETTING_TEXT || setting->type == COMITY_SETTING_TEXTS;
  if (!text || value[0] != '{')
    return comity_text("%s", value);
  char *quoted;
  if (COMITY_NEW(quoted, 2 * strlen(value) + 3) != COMITY_OK)
    return NULL;
  char *end = quoted;
  *end++ = '\'';
  for (const char *letter = value; *letter != '\0'; *end++ = *letter++)
    if (*letter == '\'')
      *end++ = '\'';
  *end = '\'';
  return quoted;
}

comity_status comity_config_override(comity_config *config, const char *assignment) {
  const char *equals = strchr(assignment, '=');
  COMITY_REQUIRE(equals != NULL && equals != assignment, COMITY_ERR_USAGE,
                 "command line: '%s' is not of the form key=value", comity_config_quoted(assignment).text);
  char *key = comity_text("%.*s", (int)(equals - assignment), assignment);
  if (key == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = COMITY_OK;
  const comity_setting *setting = comity_setting_find(key);
  if (setting == NULL && comity_setting_group(key) < comity_setting_count())
    status = comity_fail(COMITY_ERR_CONFIG,
                         "command line: '%s' is a group of settings; give one of them, as in %s=...", key,
                         comity_setting_list(&(size_t){0})[comity_setting_group(key)].key);
  else if (setting == NULL)
    status = comity_fail(COMITY_ERR_CONFIG,
                         "command line: unknown setting '%s'; did you mean '%s'? 'comity help' lists all",
                         comity_config_quoted(key).text, comity_setting_nearest(key));
  comity_free(key);
  COMITY_TRY(status);
  char *yaml = quote_braces(setting, equals + 1);
  if (yaml == NULL)
    return COMITY_ERR_MEMORY;
  char *here = NULL;
  if (comity_setting_is_path(setting))
    status = comity_path_absolute(NULL, ".", &here);
  if (status == COMITY_OK)
    status = take_over(config, &(comity_config_source){.base = here, .yaml = yaml, .length = strlen(yaml)},
                       setting);
  if (status == COMITY_ERR_CONFIG && strncmp(comity_error_message(), "command line: '", 15) != 0)
    status = comity_fail(status, "command line: '%s': %s", setting->key,
                         comity_error_message() + strlen("command line: "));
  comity_free(here);
  comity_free(yaml);
  return status;
}

const comity_config_value *comity_config_value_at(const comity_config *config, size_t i) {
  return config->values[i].origin != NULL ? &config->values[i] : &config->defaults[i];
}

bool comity_config_given(const comity_config *config, const char *key) {
  size_t i = comity_setting_index(key);
  COMITY_ASSERT(i < comity_setting_count());
  return i < comity_setting_count() && config->values[i].origin != NULL &&
         !comity_config_value_equal(comity_setting_find(key), &config->values[i], &config->defaults[i]);
}

/* The value of a declared key of one of two types; NULL is a mistake in the caller's source. */
static const comity_config_value *look_up(const comity_config *config, const char *key,
                                          comity_setting_type type, comity_setting_type or_type) {
  size_t i = comity_setting_index(key);
  if (i == comity_setting_count())
    return NULL;
  comity_setting_type declared = comity_setting_find(key)->type;
  return declared == type || declared == or_type ? comity_config_value_at(config, i) : NULL;
}

bool comity_config_flag(const comity_config *config, const char *key) {
  const comity_config_value *value = look_up(config, key, COMITY_SETTING_FLAG, COMITY_SETTING_FLAG);
  COMITY_ASSERT(value != NULL);
  return value != NULL && value->flag;
}

int64_t comity_config_integer(const comity_config *config, const char *key) {
  const comity_config_value *value = look_up(config, key, COMITY_SETTING_INTEGER, COMITY_SETTING_INTEGER);
  COMITY_ASSERT(value != NULL);
  return value != NULL ? value->integer : 0;
}

double comity_config_real(const comity_config *config, const char *key) {
  const comity_config_value *value = look_up(config, key, COMITY_SETTING_REAL, COMITY_SETTING_REAL);
  COMITY_ASSERT(value != NULL);
  return value != NULL ? value->real : 0.0;
}

const char *comity_config_text(const comity_config *config, const char *key) {
  const comity_config_value *value = look_up(config, key, COMITY_SETTING_TEXT, COMITY_SETTING_CHOICE);
  COMITY_ASSERT(value != NULL);
  return value != NULL ? value->text : "";
}

bool comity_config_quantity(const comity_config *config, const char *key, const char *unit, double *number) {
  const char *text = comity_config_text(config, key);
  size_t length = strlen(text), tail = strlen(unit);
  char digits[32];
  if (length < tail || length - tail >= sizeof digits || strcmp(text + length - tail, unit) != 0)
    return false;
  memcpy(digits, text, length - tail);
  digits[length - tail] = '\0';
  return comity_config_number(digits, number);
}

size_t comity_config_length(const comity_config *config, const char *key) {
  const comity_config_value *value = look_up(config, key, COMITY_SETTING_TEXTS, COMITY_SETTING_ITEMS);
  COMITY_ASSERT(value != NULL);
  return value != NULL ? value->length : 0;
}

static const comity_config_entry *entry_at(const comity_config_value *value, size_t i) {
  COMITY_ASSERT(value != NULL && i < value->length);
  return value != NULL && i < value->length ? &value->entries[i] : NULL;
}

const char *comity_config_text_at(const comity_config *config, const char *key, size_t i) {
  const comity_config_entry *entry =
      entry_at(look_up(config, key, COMITY_SETTING_TEXTS, COMITY_SETTING_TEXTS), i);
  return entry != NULL ? entry->text : "";
}

const char *comity_config_item(const comity_config *config, const char *key, size_t i, const char *name) {
  const comity_config_entry *entry =
      entry_at(look_up(config, key, COMITY_SETTING_ITEMS, COMITY_SETTING_ITEMS), i);
  for (size_t n = 0; entry != NULL && n < entry->count; n++)
    if (strcmp(entry->names[n], name) == 0)
      return entry->texts[n];
  return NULL;
}

const char *comity_config_item_name(const comity_config *config, const char *key, size_t i, size_t n) {
  const comity_config_entry *entry =
      entry_at(look_up(config, key, COMITY_SETTING_ITEMS, COMITY_SETTING_ITEMS), i);
  return entry != NULL && n < entry->count ? entry->names[n] : NULL;
}

const char *comity_config_item_origin(const comity_config *config, const char *key, size_t i) {
  const comity_config_entry *entry =
      entry_at(look_up(config, key, COMITY_SETTING_ITEMS, COMITY_SETTING_TEXTS), i);
  return entry != NULL ? entry->origin : "default";
}

const char *comity_config_origin(const comity_config *config, const char *key) {
  size_t i = comity_setting_index(key);
  COMITY_ASSERT(i < comity_setting_count());
  return i < comity_setting_count() && config->values[i].origin != NULL ? config->values[i].origin
                                                                        : "default";
}
