/* Values of one line of JSON: put, and taken. */
#include "json_impl.h"

#include <math.h>
#include <string.h>

bool comity_json_put_text(yajl_gen json, const char *text) {
  yajl_gen_status status = yajl_gen_string(json, (const unsigned char *)text, strlen(text));
  if (status != yajl_gen_invalid_string)
    return status == yajl_gen_status_ok;
  char plain[512]; /* not UTF-8, as when a name was cut inside a character: keep what is ASCII */
  snprintf(plain, sizeof plain, "%s", text);
  for (char *c = plain; *c != '\0'; c++)
    if ((unsigned char)*c >= 0x80)
      *c = '?';
  return yajl_gen_string(json, (const unsigned char *)plain, strlen(plain)) == yajl_gen_status_ok;
}

/* JSON has no word for NaN and infinity. */
bool comity_json_put_number(yajl_gen json, double value) {
  char text[COMITY_NUMBER_BYTES];
  if (!isfinite(value))
    return yajl_gen_null(json) == yajl_gen_status_ok;
  comity_number_text(value, text);
  return yajl_gen_number(json, text, strlen(text)) == yajl_gen_status_ok;
}

bool comity_json_put_pair(yajl_gen json, const char *name, double value) {
  return comity_json_put_text(json, name) && comity_json_put_number(json, value);
}

bool comity_json_put_word(yajl_gen json, const char *name, const char *text) {
  return comity_json_put_text(json, name) && comity_json_put_text(json, text);
}

double comity_json_number(yajl_val tree, const char *outer, const char *inner) {
  yajl_val value = yajl_tree_get(tree, (const char *[]){outer, inner, NULL}, yajl_t_number);
  return YAJL_IS_DOUBLE(value) ? YAJL_GET_DOUBLE(value) : (double)NAN;
}

const char *comity_json_text(yajl_val tree, const char *key) {
  yajl_val value = yajl_tree_get(tree, (const char *[]){key, NULL}, yajl_t_string);
  return value == NULL ? "" : YAJL_GET_STRING(value);
}
