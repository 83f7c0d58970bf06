/* Inside src/config: what a setting's value is made of, and the way from bytes to values and back. */
#ifndef COMITY_CONFIG_IMPL_H
#define COMITY_CONFIG_IMPL_H

#include <comity/config.h>

/* Enough for any job; keeps a mistyped path to a dataset from filling the memory. */
#define COMITY_CONFIG_BYTES_MAX ((size_t)16 << 20)

/* One element of a list: a text, or the names and texts of an item. */
typedef struct comity_config_entry {
  char *text;
  char **names, **texts;
  size_t count;
  char *origin;
} comity_config_entry;

/* The value of one setting; which member counts is said by the setting's type. */
typedef struct comity_config_value {
  bool flag;
  int64_t integer;
  double real;
  char *text;
  comity_config_entry *entries;
  size_t length, room;
  char *origin; /* NULL = default */
  char *base;   /* absolute folder at which relative paths start; NULL = the working directory */
} comity_config_value;

struct comity_config {
  comity_config_value *defaults; /* one per setting, in the order of comity_setting_list */
  comity_config_value *values;   /* what was given; no origin = not given */
};

/* The value that holds for the i-th setting: the one that was given, or else the default. */
const comity_config_value *comity_config_value_at(const comity_config *config, size_t i);

/* What is read, and what to call it. */
typedef struct comity_config_source {
  const char *name; /* of the file, for positions; NULL = a value of the command line */
  const char *base; /* absolute folder at which relative paths start */
  const char *yaml;
  size_t length;
} comity_config_source;

/* config_read.c: read YAML into values (one per setting, zeroed; those with an origin were given).
 * only = NULL: a job; else the YAML is the value of that setting alone. */
COMITY_MUST_CHECK comity_status comity_config_read(const comity_config_source *source,
                                                   const comity_setting *only, comity_config_value *values);

/* config_value.c. Messages there name the key, and the reader puts the position before them. */

/* Take a scalar for a setting that is no list. */
COMITY_MUST_CHECK comity_status comity_config_value_set(const comity_setting *setting, const char *text,
                                                        bool is_null, comity_config_value *value);
/* Append an empty entry to a list; borrowed until the next one. */
COMITY_MUST_CHECK comity_status comity_config_value_append(comity_config_value *value,
                                                           comity_config_entry **entry);
/* Give an item one more name with its text. */
COMITY_MUST_CHECK comity_status comity_config_entry_add(comity_config_entry *entry, const char *name,
                                                        const char *text);
bool comity_config_value_equal(const comity_setting *setting, const comity_config_value *a,
                               const comity_config_value *b);
/* For people, on one line; owned by the caller. NULL when memory is short. */
COMITY_MUST_CHECK char *comity_config_value_show(const comity_setting *setting,
                                                 const comity_config_value *value);
/* Free what the value holds and make it all zero. */
void comity_config_value_clear(comity_config_value *value);
/* What a setting of this type needs: "a whole number", ... */
const char *comity_config_type_text(comity_setting_type type);
/* The text between quotes, cut when long, without control characters, for messages. */
typedef struct comity_config_quote {
  char text[80];
} comity_config_quote;
comity_config_quote comity_config_quoted(const char *text);
/* The whole text as a decimal number, as .inf or as .nan, in any locale. */
bool comity_config_number(const char *text, double *number);
/* The shortest text that reads back as the same number. */
typedef struct comity_config_digits {
  char text[40];
} comity_config_digits;
comity_config_digits comity_config_number_text(double number);

/* settings.c */

/* Index in comity_setting_list; the number of settings when there is no such key. */
size_t comity_setting_index(const char *key);
size_t comity_setting_count(void);
/* Index of the first setting below the group ("server" has "server.rounds"); the number of settings when
 * there is no such group. */
size_t comity_setting_group(const char *group);
/* As comity_setting_nearest, among settings and groups. */
#define COMITY_KEY_BYTES 64 /* room for any declared key */
void comity_setting_or_group_nearest(const char *key, char nearest[COMITY_KEY_BYTES]);

/* config_path.c */

/* `path` as an absolute path without "." and ".."; relative ones start at `base`, or at the working directory
 * when base is NULL. Looks at no file. */
COMITY_MUST_CHECK comity_status comity_path_absolute(const char *base, const char *path, char **absolute);
/* The folder that holds the file, absolute and without symbolic links. */
COMITY_MUST_CHECK comity_status comity_path_folder(const char *path, char **folder);
/* Whether the setting names input files (or holds the lines of public keys, which are no paths). */
bool comity_setting_is_path(const comity_setting *setting);

#endif
