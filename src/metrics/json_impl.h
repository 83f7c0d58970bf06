/* Values of one line of JSON, for the files that are written and read back. */
#ifndef COMITY_JSON_IMPL_H
#define COMITY_JSON_IMPL_H

#include "metrics_impl.h"

#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

/* Append; false when it cannot be done. A text that is not UTF-8 keeps what is ASCII; a number that is not finite
 * becomes null. */
bool comity_json_put_text(yajl_gen json, const char *text);
bool comity_json_put_number(yajl_gen json, double value);
/* A name and its value. */
bool comity_json_put_pair(yajl_gen json, const char *name, double value);
bool comity_json_put_word(yajl_gen json, const char *name, const char *text);

/* What is there, or NAN; `inner` may be NULL. */
double comity_json_number(yajl_val tree, const char *outer, const char *inner);
/* What is there, or "". Borrowed from the tree. */
const char *comity_json_text(yajl_val tree, const char *key);

#endif
