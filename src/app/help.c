/* comity help: the command, its exit codes and every setting, from the tables that the program itself uses.
 */
#include "app_impl.h"

#include <comity/algorithm.h>
#include <comity/config.h>

#include <math.h>
#include <string.h>

enum { COLUMNS = 80, VALUE_COLUMN = 18 };

static const struct {
  const char *usage, *summary;
} verbs[] = {
    {"train JOB [KEY=VALUE...]", "run the job; --resume goes on from its newest checkpoint"},
    {"check JOB [KEY=VALUE...]", "check the job, its data and its model without training"},
    {"evaluate --model FILE --data FILE", "measure a saved model"},
    {"inspect FILE...", "say what is in a dataset, checkpoint or model file"},
    {"data import|partition|generate", "make datasets from files of other formats, of others, or of nothing"},
    {"keygen --out FILE [--name NAME]", "make the key pair by which a silo or a server proves who it is"},
    {"serve JOB [KEY=VALUE...]", "serve silos that come by themselves"},
    {"join --server FILE --data FILE --key FILE", "join such a server as a silo"},
    {"help [KEY|GROUP|exit-codes]", "this list; or one setting, one group such as 'server', the exit codes"},
    {"version", "the version of the program and of what it was built with"},
};

/* Words of `text` in lines of at most COLUMNS, the first one beginning where `column` says. */
static void wrap(FILE *out, int column, int indent, const char *text) {
  while (*text != '\0') {
    int length = (int)strcspn(text, " ");
    if (column > indent && column + 1 + length > COLUMNS) {
      fprintf(out, "\n%*s", indent, "");
      column = indent;
    } else if (column > indent) {
      fputc(' ', out);
      column++;
    }
    fwrite(text, 1, (size_t)length, out);
    column += length;
    text += length;
    text += strspn(text, " ");
  }
  fputc('\n', out);
}

static void print_field(FILE *out, const char *name, const char *text) {
  fprintf(out, "  %-*s", VALUE_COLUMN - 2, name);
  wrap(out, VALUE_COLUMN, VALUE_COLUMN, text);
}

static const char *type_name(comity_setting_type type) {
  static const char *const names[] = {
      [COMITY_SETTING_FLAG] = "true or false",
      [COMITY_SETTING_INTEGER] = "whole number",
      [COMITY_SETTING_REAL] = "number",
      [COMITY_SETTING_TEXT] = "text",
      [COMITY_SETTING_CHOICE] = "one of the choices",
      [COMITY_SETTING_TEXTS] = "one text or a list of texts",
      [COMITY_SETTING_ITEMS] = "list of mappings",
  };
  return names[type];
}

static const char *default_text(const comity_setting *setting) {
  if (setting->default_value[0] == '\0')
    return "(empty)";
  return strcmp(setting->default_value, "[]") == 0 ? "(none)" : setting->default_value;
}

/* Length of the part before the dot; 0 for keys that stand alone. */
static size_t group_length(const char *key) {
  const char *dot = strchr(key, '.');
  return dot == NULL ? 0 : (size_t)(dot - key);
}

static void print_bounds(FILE *out, const comity_setting *setting) {
  char bounds[80];
  if (isinf(setting->minimum) && isinf(setting->maximum))
    return;
  if (isinf(setting->maximum))
    snprintf(bounds, sizeof bounds, "at least %.16g", setting->minimum);
  else if (isinf(setting->minimum))
    snprintf(bounds, sizeof bounds, "at most %.16g", setting->maximum);
  else
    snprintf(bounds, sizeof bounds, "from %.16g to %.16g", setting->minimum, setting->maximum);
  print_field(out, "bounds", bounds);
}

static void print_choices(FILE *out, const comity_setting *setting) {
  char spaced[512] = "";
  size_t used = 0;
  for (const char *letter = setting->choices; *letter != '\0' && used + 3 < sizeof spaced; letter++)
    used += (size_t)snprintf(spaced + used, sizeof spaced - used, *letter == '|' ? ", " : "%c", *letter);
  print_field(out, "choices", spaced);
}

static void print_algorithms(FILE *out) {
  size_t count;
  const comity_algorithm *const *algorithms = comity_algorithm_list(&count);
  fprintf(out, "\n  The algorithms:\n");
  for (size_t i = 0; i < count; i++) {
    fprintf(out, "\n  %-*s", VALUE_COLUMN - 2, algorithms[i]->name);
    wrap(out, VALUE_COLUMN, VALUE_COLUMN, algorithms[i]->summary);
    fprintf(out, "%*s", VALUE_COLUMN, "");
    wrap(out, VALUE_COLUMN, VALUE_COLUMN, algorithms[i]->source);
    if (algorithms[i]->settings == NULL)
      continue;
    fprintf(out, "%*ssettings:", VALUE_COLUMN, "");
    for (const char *name = algorithms[i]->settings; *name != '\0';) {
      int length = (int)strcspn(name, "|");
      fprintf(out, "\n%*salgorithm.%.*s", VALUE_COLUMN + 2, "", length, name);
      name += length + (name[length] == '|');
    }
    fprintf(out, "\n");
  }
}

static void print_setting(FILE *out, const comity_setting *setting) {
  fprintf(out, "%s\n  ", setting->key);
  wrap(out, 2, 2, setting->help);
  fprintf(out, "\n");
  print_field(out, "type", type_name(setting->type));
  if (setting->unit[0] != '\0')
    print_field(out, "unit", setting->unit);
  print_field(out, "default", default_text(setting));
  print_bounds(out, setting);
  if (setting->choices != NULL)
    print_choices(out, setting);
  print_field(out, "when resuming",
              setting->may_change ? "may be another value"
                                  : "must be the value that the run began with: results depend on it");
  if (strcmp(setting->key, "algorithm.name") == 0)
    print_algorithms(out);
}

static bool print_group(FILE *out, const char *group) {
  size_t count, length = strlen(group);
  const comity_setting *settings = comity_setting_list(&count);
  bool found = false;
  for (size_t i = 0; i < count; i++) {
    if (group_length(settings[i].key) != length || length == 0 ||
        strncmp(settings[i].key, group, length) != 0)
      continue;
    fprintf(out, "%s%s = %s%s%s\n    ", found ? "\n" : "", settings[i].key, default_text(&settings[i]),
            settings[i].unit[0] != '\0' ? " " : "", settings[i].unit);
    wrap(out, 4, 4, settings[i].help);
    found = true;
  }
  return found;
}

static void print_exit_codes(FILE *out) {
  fprintf(out, "Exit codes\n");
#define PRINT(name, value, exit_code, text)                                                                  \
  fprintf(out, "  %3d  ", exit_code);                                                                        \
  wrap(out, 7, 7, text);
  COMITY_STATUS_LIST(PRINT)
#undef PRINT
}

static void print_all(FILE *out) {
  fprintf(out, "comity: federated learning over MPI\n\n");
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    fprintf(out, "  comity %-34s", verbs[i].usage);
    wrap(out, 43, 43, verbs[i].summary);
  }
  fprintf(out, "\n");
  wrap(out, 0, 0,
       "JOB is a YAML file of settings; KEY=VALUE changes one of them. Settings and their defaults, each "
       "explained by 'comity help KEY':");
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  for (size_t i = 0; i < count; i++) {
    size_t length = group_length(settings[i].key);
    bool begins = i == 0 || length != group_length(settings[i - 1].key) ||
                  strncmp(settings[i].key, settings[i - 1].key, length) != 0;
    fprintf(out, "%s  %-34s %s%s%s\n", begins ? "\n" : "", settings[i].key, default_text(&settings[i]),
            settings[i].unit[0] != '\0' ? " " : "", settings[i].unit);
  }
}

int comity_app_help(int argc, char **argv, FILE *out, FILE *err) {
  if (argc == 0)
    print_all(out);
  for (int i = 0; i < argc; i++) {
    const comity_setting *setting = comity_setting_find(argv[i]);
    if (i > 0)
      fprintf(out, "\n");
    if (setting != NULL)
      print_setting(out, setting);
    else if (strcmp(argv[i], "exit-codes") == 0)
      print_exit_codes(out);
    else if (!print_group(out, argv[i])) {
      fprintf(err, "comity: error: unknown setting '%s'; did you mean '%s'? 'comity help' lists all\n",
              argv[i], comity_setting_nearest(argv[i]));
      return comity_status_exit_code(COMITY_ERR_USAGE);
    }
  }
  return comity_status_exit_code(COMITY_OK);
}
