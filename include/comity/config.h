/** \file config.h
 *  A job: one YAML file plus `key=value` overrides, turned into checked settings. Each setting is declared
 * once, in src/config/settings.def, with type, unit, default, bounds and help; from that come parsing,
 * `comity help KEY`, the resolved job file that each run stores, and errors with file, line and column.
 *
 *  A job file is UTF-8 YAML, one document of at most 16 MiB. Groups nest (`server: {rounds: 5}`) or are
 * written out (`server.rounds: 5`); nothing may be given twice. Numbers may be quoted; whole numbers may be
 * written as 1e6; flags are true or false. Elements of a list of items are mappings with single values; a
 * list inside is kept as its elements joined by commas ("5,5"), and a bare word stands for {type: word}.
 * Anchors, aliases and tags are refused.
 *
 *  Keys are dotted paths ("server.rounds"). Asking for a key that is not declared, or with the wrong type, is
 * a mistake in Comity's source and asserts.
 */
#ifndef COMITY_CONFIG_H
#define COMITY_CONFIG_H

#include <comity/core.h>
#include <comity/identity.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct comity_config comity_config;

typedef enum comity_setting_type {
  COMITY_SETTING_FLAG,    /* true | false */
  COMITY_SETTING_INTEGER, /* int64 */
  COMITY_SETTING_REAL,    /* double */
  COMITY_SETTING_TEXT,    /* any text */
  COMITY_SETTING_CHOICE,  /* one of a list of words */
  COMITY_SETTING_TEXTS,   /* one text or a list of texts */
  COMITY_SETTING_ITEMS    /* a list of mappings with scalar values, e.g. model.layers */
} comity_setting_type;

/** The declaration of a setting. All text is static. */
typedef struct comity_setting {
  const char *key;
  comity_setting_type type;
  const char *unit;          /* "" when dimensionless */
  const char *default_value; /* as written in YAML */
  double minimum, maximum;   /* inclusive; -INFINITY / INFINITY = unbounded; numbers only */
  const char *choices;       /* "all|uniform|..." for a choice, or NULL */
  bool may_change;           /* whether a run may be resumed with another value */
  const char *help;          /* sentences */
} comity_setting;

/** All settings, in the order of the data's way. Not collective. */
COMITY_API const comity_setting *comity_setting_list(size_t *count);
/** The declaration of `key`, or NULL. */
COMITY_API const comity_setting *comity_setting_find(const char *key);
/** The declared key most like `key` (least edit distance), for "did you mean". */
COMITY_API const char *comity_setting_nearest(const char *key);

/** A job with every setting at its default. Not collective. */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_new(comity_config **config);
/** Read a job file over what is there, all of it or, on failure, nothing. Errors name file, line and column.
 * Relative paths in data.path, data.test, silos.keys and silos.server_key start at the job file's folder; they are made
 * absolute. */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_load(comity_config *config, const char *path);
/** As comity_config_load, from memory; `name` stands in for the file in errors, and relative paths start at
 * the working directory. */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_parse(comity_config *config, const char *name,
                                                               const char *yaml, size_t length);
/** Apply one `key=value`; the value is read as YAML (nothing = the empty text or list). Relative paths start
 *  at the working directory.
 *  \return COMITY_ERR_USAGE when there is no '=', COMITY_ERR_CONFIG for unknown keys and bad values */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_override(comity_config *config,
                                                                  const char *assignment);
/** Refuse settings that contradict each other, with the reason. Touches no file but the job's own. */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_check(const comity_config *config);
COMITY_API void comity_config_destroy(comity_config **config);

COMITY_API bool comity_config_flag(const comity_config *config, const char *key);
COMITY_API int64_t comity_config_integer(const comity_config *config, const char *key);
COMITY_API double comity_config_real(const comity_config *config, const char *key);
/** For text and choices. Borrowed until the config changes. */
COMITY_API const char *comity_config_text(const comity_config *config, const char *key);
/** Whether a text is a decimal number with `unit` right behind it ("" = nothing): "3x" is 3 of the unit "x". In any
 *  locale. */
COMITY_API bool comity_config_quantity(const comity_config *config, const char *key, const char *unit,
                                       double *number);
/** Number of texts or items. */
COMITY_API size_t comity_config_length(const comity_config *config, const char *key);
/** The i-th text of a list. */
COMITY_API const char *comity_config_text_at(const comity_config *config, const char *key, size_t i);
/** The value of `name` in the i-th item, as text; NULL when the item does not have it. */
COMITY_API const char *comity_config_item(const comity_config *config, const char *key, size_t i,
                                          const char *name);
/** The n-th name in the i-th item, NULL past the last: to find names that nobody knows. */
COMITY_API const char *comity_config_item_name(const comity_config *config, const char *key, size_t i,
                                               size_t n);
/** Whether the job file or an override gave the key a value other than its default: so a resolved job, which
 * spells out every setting, says the same as the job that it was made from. */
COMITY_API bool comity_config_given(const comity_config *config, const char *key);
/** "job.yaml:12:3" or "command line" or "default": where the key's value comes from. Borrowed until the
 * config changes. */
COMITY_API const char *comity_config_origin(const comity_config *config, const char *key);
/** Where the i-th item of a list stands, as "job.yaml:14:5". Borrowed until the config changes. */
COMITY_API const char *comity_config_item_origin(const comity_config *config, const char *key, size_t i);

/** `path` as an absolute path, as if it were written where the value of `key` stands: relative to the folder
 *  of the job file that gave it, else to the working directory. The paths that comity_config_load names are
 *  so already.
 *  \param[out] resolved  owned by the caller; free with comity_free */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_resolve_path(const comity_config *config,
                                                                      const char *key, const char *path,
                                                                      char **resolved);

/** The public keys that a list of texts names, silos.keys for example: lines and paths, mixed. Reads those files. Not collective.
 *  \param[out] keys   (count) in the list's order, no two alike; owned by the caller; free with comity_free
 *  \return as comity_public_key_read, with the place in the job file; COMITY_ERR_CONFIG when a key is listed twice */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_public_keys(const comity_config *config,
                                                                     const char *key,
                                                                     comity_public_key **keys, size_t *count);

/** The resolved job as YAML, every setting with its value; parsing it again gives the same job.
 *  \param[in]  prefix  only keys that start with it, e.g. "model."; NULL = all
 *  \param[out] yaml    owned by the caller; free with comity_free */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_write(const comity_config *config,
                                                               const char *prefix, char **yaml);

/** Name the differences that make results differ: compare all settings but those that may change between a
 *  run and its resumption (where things are written, how much is logged, when to stop); paths count as
 *  absolute ones.
 *  \param[out] difference "" if none, else "key: 'old' here, 'new' there; ..."; owned by the caller */
COMITY_API COMITY_MUST_CHECK comity_status comity_config_compare(const comity_config *ours,
                                                                 const comity_config *theirs,
                                                                 char **difference);

#ifdef __cplusplus
}
#endif
#endif
