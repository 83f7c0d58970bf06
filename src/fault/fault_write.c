/* A fault becomes the text that is read as the same fault again. */
#include "fault_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct line {
  char text[2048]; /* two lists of 16 ranges of 41 letters, and less than 400 letters besides */
  size_t used;
} line;

static void put(line *to, const char *format, ...) COMITY_PRINTF(2, 3);

static void put(line *to, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(to->text + to->used, sizeof to->text - to->used, format, arguments);
  va_end(arguments);
  COMITY_ASSERT(length >= 0 && to->used + (size_t)length < sizeof to->text);
  to->used += length < 0 ? 0 : (size_t)length;
}

/* The shortest that reads as the same number. */
static void put_number(line *to, double number) {
  char text[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number)
      break;
  }
  put(to, " %s", text);
}

static void put_seconds(line *to, const char *word, double seconds) {
  put(to, " %s", word);
  put_number(to, seconds);
  put(to, " s");
}

/* " rank 3" or " ranks 3,5-7,9-"; nothing for all. */
static void put_list(line *to, const char *noun, const fault_list *list) {
  if (list->count == 0)
    return;
  put(to, list->count > 1 || list->range[0].first != list->range[0].last ? " %ss " : " %s ", noun);
  for (size_t i = 0; i < list->count; i++) {
    uint64_t first = list->range[i].first, last = list->range[i].last;
    put(to, "%s%llu", i > 0 ? "," : "", (unsigned long long)first);
    if (last == UINT64_MAX)
      put(to, "-");
    else if (last != first)
      put(to, "-%llu", (unsigned long long)last);
  }
}

static void put_strike(line *to, const comity_fault *fault) {
  put(to, " %s", comity_fault_stage_words[fault->stage]);
  if (fault->after > 0)
    put_seconds(to, "after", fault->after);
  if (fault->lasting > 0)
    put_seconds(to, "for", fault->lasting);
}

static void put_delay(line *to, const comity_fault *fault) {
  static const char *const shapes[] = {"constant", "uniform", "exponential", "lognormal"};
  if (fault->whom == FAULT_RANKS)
    put(to, " %s", comity_fault_stage_words[fault->stage]);
  if (fault->shape == FAULT_UNIFORM) {
    put(to, " uniform");
    put_number(to, fault->a);
    put_seconds(to, "to", fault->b);
    return;
  }
  put_seconds(to, shapes[fault->shape], fault->a);
  if (fault->shape == FAULT_LOGNORMAL) {
    put(to, " sigma");
    put_number(to, fault->b);
  }
}

static void put_random(line *to, const comity_fault *fault) {
  const char *before = " kinds ";
  for (int kind = 0; kind < FAULT_RANDOM; kind++)
    if ((fault->kinds >> kind & 1U) != 0) {
      put(to, "%s%s", before, comity_fault_kind_words[kind]);
      before = ",";
    }
  if (fault->within > 0)
    put_seconds(to, "within", fault->within);
}

char *comity_fault_write(const comity_fault *fault) {
  line to = {.used = 0};
  put(&to, "%s", comity_fault_kind_words[fault->kind]);
  if (fault->kind == FAULT_CORRUPT)
    put_number(&to, fault->chance);
  if (fault->kind == FAULT_RANDOM)
    put(&to, " %llu", (unsigned long long)fault->count);
  put_list(&to, fault->whom == FAULT_CLIENTS ? "client" : "rank", &fault->who);
  put_list(&to, "round", &fault->rounds);
  if (comity_fault_strikes(fault))
    put_strike(&to, fault);
  if (fault->kind == FAULT_DELAY)
    put_delay(&to, fault);
  if (fault->kind == FAULT_RANDOM)
    put_random(&to, fault);
  return comity_text("%s", to.text);
}
