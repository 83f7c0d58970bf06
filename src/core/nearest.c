/* "Did you mean": the known word with the least edit distance to what was written. */
#include "core_impl.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 128 }; /* what lies behind that does not decide what a person meant */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static unsigned char folded(char letter) { return (unsigned char)tolower((unsigned char)letter); }

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1 each. The
 * case of letters does not count. */
static size_t edit_distance(const char *a, const char *b) {
  size_t rows[3][LONGEST + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  size_t a_length = strnlen(a, LONGEST), b_length = strnlen(b, LONGEST);
  for (size_t j = 0; j <= b_length; j++) {
    before[j] = 0;
    last[j] = j;
  }
  for (size_t i = 1; i <= a_length; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t differs = folded(a[i - 1]) != folded(b[j - 1]);
      row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + differs);
      if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]))
        row[j] = least(row[j], before[j - 2] + 1);
    }
    size_t *free_row = before;
    before = last;
    last = row;
    row = free_row;
  }
  return last[b_length];
}

const char *comity_nearest(const char *word, const char *const *candidates, size_t count) {
  const char *best = NULL;
  size_t best_distance = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    size_t distance = edit_distance(word, candidates[i]);
    if (distance < best_distance) {
      best = candidates[i];
      best_distance = distance;
    }
  }
  return best;
}

comity_status comity_word_find(const char *where, const char *kind, const char *word,
                               const char *const *names, size_t count, size_t *index) {
  char known[512] = "";
  for (size_t i = 0, used = 0; i < count; i++) {
    if (strcmp(names[i], word) == 0) {
      *index = i;
      return COMITY_OK;
    }
    if (used < sizeof known)
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", names[i]);
  }
  return comity_fail(COMITY_ERR_CONFIG, "%s%sthere is no %s '%s'; did you mean '%s'? Known are %s",
                     where == NULL ? "" : where, where == NULL ? "" : ": ", kind, word,
                     comity_nearest(word, names, count), known);
}
