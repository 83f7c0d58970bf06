/* One setting's value: from a scalar's text with all checks, compared, shown and freed. */
#include "config_impl.h"

#include "core/core_impl.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *comity_config_type_text(comity_setting_type type) {
  switch (type) {
  case COMITY_SETTING_FLAG:
    return "true or false";
  case COMITY_SETTING_INTEGER:
    return "a whole number";
  case COMITY_SETTING_REAL:
    return "a number";
  case COMITY_SETTING_TEXT:
    return "a text";
  case COMITY_SETTING_CHOICE:
    return "a word";
  case COMITY_SETTING_TEXTS:
    return "a text or a list of texts";
  case COMITY_SETTING_ITEMS:
    return "a list of mappings";
  }
  return "a value";
}

comity_config_quote comity_config_quoted(const char *text) {
  enum { SHOWN = 60 };
  comity_config_quote quote;
  size_t used = 0;
  for (; text[used] != '\0' && used < SHOWN; used++)
    quote.text[used] = (unsigned char)text[used] < ' ' || text[used] == 0x7f ? '?' : text[used];
  if (text[used] != '\0') {
    while (used > 0 && ((unsigned char)text[used] & 0xc0) == 0x80) /* do not cut a letter in two */
      used--;
    memcpy(quote.text + used, "...", 3);
    used += 3;
  }
  quote.text[used] = '\0';
  return quote;
}

/* strtod and printf follow the locale of the program that uses the library; job files do not. */
static locale_t enter_c_locale(void) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return c == (locale_t)0 ? c : uselocale(c);
}

static void leave_c_locale(locale_t before) {
  if (before == (locale_t)0)
    return;
  locale_t c = uselocale(before);
  freelocale(c);
}

static bool is_decimal(const char *text) {
  text += *text == '+' || *text == '-';
  size_t whole = strspn(text, "0123456789");
  text += whole;
  size_t part = 0;
  if (*text == '.') {
    part = strspn(text + 1, "0123456789");
    text += 1 + part;
  }
  if (whole + part == 0)
    return false;
  if (*text == 'e' || *text == 'E') {
    text++;
    text += *text == '+' || *text == '-';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
      return false;
    text += digits;
  }
  return *text == '\0';
}

bool comity_config_number(const char *text, double *number) {
  const char *bare = text + (*text == '+' || *text == '-');
  if (strcmp(text, ".nan") == 0 || strcmp(text, ".NaN") == 0 || strcmp(text, ".NAN") == 0)
    *number = NAN;
  else if (strcmp(bare, ".inf") == 0 || strcmp(bare, ".Inf") == 0 || strcmp(bare, ".INF") == 0)
    *number = *text == '-' ? -INFINITY : INFINITY;
  else if (is_decimal(text)) {
    locale_t before = enter_c_locale();
    *number = strtod(text, NULL);
    leave_c_locale(before);
    return isfinite(*number);
  } else
    return false;
  return true;
}

static comity_config_digits shortest(double number, int least_precision) {
  comity_config_digits digits;
  if (isnan(number))
    snprintf(digits.text, sizeof digits.text, ".nan");
  else if (isinf(number))
    snprintf(digits.text, sizeof digits.text, number < 0 ? "-.inf" : ".inf");
  else {
    locale_t before = enter_c_locale();
    for (int precision = least_precision; precision <= 17; precision++) {
      snprintf(digits.text, sizeof digits.text, "%.*g", precision, number);
      if (strtod(digits.text, NULL) == number)
        break;
    }
    leave_c_locale(before);
  }
  return digits;
}

comity_config_digits comity_config_number_text(double number) { return shortest(number, 15); }

static comity_status check_bounds(const comity_setting *setting, double number, const char *text) {
  bool unbounded = isinf(setting->minimum) && isinf(setting->maximum);
  if (unbounded || (number >= setting->minimum && number <= setting->maximum))
    return COMITY_OK;
  char bounds[2 * sizeof(comity_config_digits) + 32];
  if (isinf(setting->maximum))
    snprintf(bounds, sizeof bounds, "be at least %s", shortest(setting->minimum, 6).text);
  else if (isinf(setting->minimum))
    snprintf(bounds, sizeof bounds, "be at most %s", shortest(setting->maximum, 6).text);
  else
    snprintf(bounds, sizeof bounds, "lie between %s and %s", shortest(setting->minimum, 6).text,
             shortest(setting->maximum, 6).text);
  return comity_fail(COMITY_ERR_CONFIG, "'%s' must %s%s%s, got %s", setting->key, bounds,
                     setting->unit[0] != '\0' ? " " : "", setting->unit, comity_config_quoted(text).text);
}

static comity_status wrong_type(const comity_setting *setting, const char *text) {
  return comity_fail(COMITY_ERR_CONFIG, "'%s' needs %s, got '%s'", setting->key,
                     comity_config_type_text(setting->type), comity_config_quoted(text).text);
}

static comity_status set_flag(const comity_setting *setting, const char *text, comity_config_value *value) {
  if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0)
    value->flag = true;
  else if (strcmp(text, "false") == 0 || strcmp(text, "False") == 0 || strcmp(text, "FALSE") == 0)
    value->flag = false;
  else
    return wrong_type(setting, text);
  return COMITY_OK;
}

/* Digits alone are read exactly; 1e6 and 5.0 are whole numbers too, as far as a double counts exactly. */
static comity_status set_integer(const comity_setting *setting, const char *text,
                                 comity_config_value *value) {
  const int64_t exact = INT64_C(1) << 53;
  double number;
  if (!comity_config_number(text, &number) || !isfinite(number) || number != floor(number))
    return wrong_type(setting, text);
  COMITY_TRY(check_bounds(setting, number, text));
  const char *digits = text + (*text == '+' || *text == '-');
  bool plain = digits[strspn(digits, "0123456789")] == '\0';
  int64_t integer = plain ? strtoll(text, NULL, 10) : (int64_t)fmax(fmin(number, 9.2e18), -9.2e18);
  if (integer > exact || integer < -exact)
    return comity_fail(COMITY_ERR_CONFIG, "'%s' cannot be as large as %s: whole numbers end at 2^53",
                       setting->key, comity_config_quoted(text).text);
  value->integer = integer;
  return COMITY_OK;
}

static comity_status set_real(const comity_setting *setting, const char *text, comity_config_value *value) {
  double number;
  if (!comity_config_number(text, &number)) {
    if (is_decimal(text))
      return comity_fail(COMITY_ERR_CONFIG, "'%s' is too large for a number: %s", setting->key,
                         comity_config_quoted(text).text);
    return wrong_type(setting, text);
  }
  COMITY_TRY(check_bounds(setting, number, text));
  value->real = number;
  return COMITY_OK;
}

static comity_status set_text(const char *text, comity_config_value *value) {
  char *copy = comity_text("%s", text);
  if (copy == NULL)
    return COMITY_ERR_MEMORY;
  comity_free(value->text);
  value->text = copy;
  return COMITY_OK;
}

static comity_status set_choice(const comity_setting *setting, const char *text, comity_config_value *value) {
  enum { WORDS = 16 };
  char *list = comity_text("%s", setting->choices);
  if (list == NULL)
    return COMITY_ERR_MEMORY;
  const char *words[WORDS];
  size_t count = 0;
  bool known = false;
  char *rest = list;
  for (char *word; count < WORDS && (word = strsep(&rest, "|")) != NULL; words[count++] = word)
    known = known || strcmp(word, text) == 0;
  comity_status status =
      known ? set_text(text, value)
            : comity_fail(COMITY_ERR_CONFIG, "'%s' must be one of %s, got '%s'; did you mean '%s'?",
                          setting->key, setting->choices, comity_config_quoted(text).text,
                          comity_nearest(text, words, count));
  comity_free(list);
  return status;
}

comity_status comity_config_value_set(const comity_setting *setting, const char *text, bool is_null,
                                      comity_config_value *value) {
  if (is_null && setting->type != COMITY_SETTING_TEXT)
    return setting->type == COMITY_SETTING_CHOICE
               ? comity_fail(COMITY_ERR_CONFIG, "'%s' has no value; it must be one of %s", setting->key,
                             setting->choices)
               : comity_fail(COMITY_ERR_CONFIG, "'%s' has no value; it needs %s", setting->key,
                             comity_config_type_text(setting->type));
  switch (setting->type) {
  case COMITY_SETTING_FLAG:
    return set_flag(setting, text, value);
  case COMITY_SETTING_INTEGER:
    return set_integer(setting, text, value);
  case COMITY_SETTING_REAL:
    return set_real(setting, text, value);
  case COMITY_SETTING_TEXT:
    return set_text(is_null ? "" : text, value);
  case COMITY_SETTING_CHOICE:
    return set_choice(setting, text, value);
  case COMITY_SETTING_TEXTS:
  case COMITY_SETTING_ITEMS:
    break;
  }
  return comity_fail(COMITY_ERR_INTERNAL, "'%s' is a list and cannot take a scalar", setting->key);
}

comity_status comity_config_value_append(comity_config_value *value, comity_config_entry **entry) {
  COMITY_TRY(comity_array_grow(&value->entries, &value->room, value->length + 1, sizeof *value->entries));
  *entry = &value->entries[value->length++];
  return COMITY_OK;
}

comity_status comity_config_entry_add(comity_config_entry *entry, const char *name, const char *text) {
  size_t count = entry->count;
  char **names, **texts = NULL;
  comity_status status;
  COMITY_TRY(COMITY_NEW(names, count + 1));
  COMITY_TRY_OR(fail, COMITY_NEW(texts, count + 1));
  names[count] = comity_text("%s", name);
  texts[count] = comity_text("%s", text);
  if (names[count] == NULL || texts[count] == NULL) {
    comity_free(names[count]);
    comity_free(texts[count]);
    status = COMITY_ERR_MEMORY;
    goto fail;
  }
  for (size_t i = 0; i < count; i++) {
    names[i] = entry->names[i];
    texts[i] = entry->texts[i];
  }
  comity_free(entry->names);
  comity_free(entry->texts);
  entry->names = names;
  entry->texts = texts;
  entry->count = count + 1;
  return COMITY_OK;
fail:
  comity_free(names);
  comity_free(texts);
  return status;
}

static bool entries_equal(const comity_config_entry *a, const comity_config_entry *b) {
  if (a->count != b->count || (a->text == NULL) != (b->text == NULL))
    return false;
  if (a->text != NULL && strcmp(a->text, b->text) != 0)
    return false;
  for (size_t i = 0; i < a->count; i++) {
    size_t j = 0; /* the order of names does not matter */
    while (j < b->count && strcmp(a->names[i], b->names[j]) != 0)
      j++;
    if (j == b->count || strcmp(a->texts[i], b->texts[j]) != 0)
      return false;
  }
  return true;
}

bool comity_config_value_equal(const comity_setting *setting, const comity_config_value *a,
                               const comity_config_value *b) {
  switch (setting->type) {
  case COMITY_SETTING_FLAG:
    return a->flag == b->flag;
  case COMITY_SETTING_INTEGER:
    return a->integer == b->integer;
  case COMITY_SETTING_REAL:
    return a->real == b->real || (isnan(a->real) && isnan(b->real));
  case COMITY_SETTING_TEXT:
  case COMITY_SETTING_CHOICE:
    return strcmp(a->text, b->text) == 0;
  case COMITY_SETTING_TEXTS:
  case COMITY_SETTING_ITEMS:
    break;
  }
  if (a->length != b->length)
    return false;
  for (size_t i = 0; i < a->length; i++)
    if (!entries_equal(&a->entries[i], &b->entries[i]))
      return false;
  return true;
}

static void show_entry(FILE *out, const comity_config_entry *entry) {
  if (entry->text != NULL)
    fprintf(out, "%s", entry->text);
  for (size_t i = 0; i < entry->count; i++)
    fprintf(out, "%s%s: %s%s", i == 0 ? "{" : ", ", entry->names[i], entry->texts[i],
            i + 1 == entry->count ? "}" : "");
}

char *comity_config_value_show(const comity_setting *setting, const comity_config_value *value) {
  switch (setting->type) {
  case COMITY_SETTING_FLAG:
    return comity_text("%s", value->flag ? "true" : "false");
  case COMITY_SETTING_INTEGER:
    return comity_text("%" PRId64, value->integer);
  case COMITY_SETTING_REAL:
    return comity_text("%s", comity_config_number_text(value->real).text);
  case COMITY_SETTING_TEXT:
  case COMITY_SETTING_CHOICE:
    return comity_text("%s", value->text);
  case COMITY_SETTING_TEXTS:
  case COMITY_SETTING_ITEMS:
    break;
  }
  char *memory = NULL, *shown = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&memory, &length);
  if (out != NULL) {
    fprintf(out, "[");
    for (size_t i = 0; i < value->length; i++) {
      fprintf(out, "%s", i == 0 ? "" : ", ");
      show_entry(out, &value->entries[i]);
    }
    fprintf(out, "]");
    if (fclose(out) == 0)
      shown = comity_text("%s", memory);
  }
  if (shown == NULL)
    (void)comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot show '%s'", setting->key);
  free(memory);
  return shown;
}

void comity_config_value_clear(comity_config_value *value) {
  for (size_t i = 0; i < value->length; i++) {
    comity_config_entry *entry = &value->entries[i];
    for (size_t j = 0; j < entry->count; j++) {
      comity_free(entry->names[j]);
      comity_free(entry->texts[j]);
    }
    comity_free(entry->names);
    comity_free(entry->texts);
    comity_free(entry->text);
    comity_free(entry->origin);
  }
  comity_free(value->entries);
  comity_free(value->text);
  comity_free(value->origin);
  comity_free(value->base);
  *value = (comity_config_value){0};
}
