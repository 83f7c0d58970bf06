/* One entry of a schedule becomes a fault: a word that says which, then clauses in any order, of which each kind of fault
 * allows some and needs some. */
#include "fault_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  char place[160]; /* what a message begins with */
  char *text, *rest;
  char *word, *next; /* the word in hand, and the one after it; NULL = no more */
  comity_fault *fault;
} reader;

enum clause_bit {
  RANKS = 1,
  CLIENTS = 2,
  ROUNDS = 4,
  STAGE = 8,
  AFTER = 16,
  LASTING = 32,
  KINDS = 64,
  WITHIN = 128,
  SHAPE = 256
};

typedef struct clause {
  const char *word;
  unsigned bit;
  int value;
  comity_status (*read)(reader *from, int value);
} clause;

/* -------------------------------------------------------------------------------------- words and numbers */

static char *split(char **rest) {
  char *start = *rest + strspn(*rest, " \t\r\n");
  size_t length = strcspn(start, " \t\r\n");
  if (length == 0)
    return NULL;
  *rest = start + length;
  if (**rest != '\0')
    *(*rest)++ = '\0';
  return start;
}

static void step(reader *from) {
  from->word = from->next;
  from->next = split(&from->rest);
}

/* The next word, or a message that something is missing. */
static comity_status take(reader *from, const char *what) {
  COMITY_REQUIRE(from->next != NULL, COMITY_ERR_CONFIG, "%s: ends where %s is expected", from->place, what);
  step(from);
  return COMITY_OK;
}

/* `text` as a number from `least` to `most`; what follows it, nothing or a unit, is at *behind. */
static comity_status number_of(const reader *from, const char *text, const char *what, double least,
                               double most, double *number, const char **behind) {
  char *end = (char *)text;
  bool plain = text[0] == '.' || (text[0] >= '0' && text[0] <= '9'); /* no sign, no "nan", no "0x" */
  double value = plain && text[strspn(text, "0123456789.eE+-")] != 'x' ? strtod(text, &end) : 0;
  COMITY_REQUIRE(end != text && value >= least && value <= most, COMITY_ERR_CONFIG,
                 "%s: '%.40s' stands where %s is expected, a number from %g to %g", from->place, text, what,
                 least, most);
  *number = value;
  *behind = end;
  return COMITY_OK;
}

static comity_status take_number(reader *from, const char *what, double least, double most, double *number) {
  const char *behind = "";
  COMITY_TRY(take(from, what));
  COMITY_TRY(number_of(from, from->word, what, least, most, number, &behind));
  COMITY_REQUIRE(behind[0] == '\0', COMITY_ERR_CONFIG, "%s: '%.40s' stands where %s is expected", from->place,
                 from->word, what);
  return COMITY_OK;
}

/* "0.1 s" or "0.1s". */
static comity_status take_seconds(reader *from, const char *what, double *seconds) {
  const char *unit = "";
  double value = 0;
  COMITY_TRY(take(from, what));
  COMITY_TRY(number_of(from, from->word, what, 0, 1e6, &value, &unit));
  if (unit[0] == '\0') {
    COMITY_TRY(take(from, "'s', for seconds,"));
    unit = from->word;
  }
  COMITY_REQUIRE(strcmp(unit, "s") == 0, COMITY_ERR_CONFIG,
                 "%s: '%.40s' stands where 's' is expected: times are in seconds, as in '0.1 s'", from->place,
                 unit);
  *seconds = value;
  return COMITY_OK;
}

/* Digits at *at; false when there is none or too many. */
static bool digits(const char **at, uint64_t *number) {
  size_t length = strspn(*at, "0123456789");
  if (length == 0 || length > 15)
    return false;
  *number = strtoull(*at, NULL, 10);
  *at += length;
  return true;
}

/* "3", "3-5", "3-", or some of these with commas. */
static comity_status take_list(reader *from, const char *what, uint64_t least, fault_list *list) {
  COMITY_TRY(take(from, what));
  list->count = 0;
  for (const char *at = from->word;;) {
    uint64_t first, last;
    bool good = digits(&at, &first);
    last = first;
    if (good && *at == '-' && (at++, !digits(&at, &last)))
      last = UINT64_MAX;
    COMITY_REQUIRE(good && (*at == ',' || *at == '\0'), COMITY_ERR_CONFIG,
                   "%s: '%.40s' stands where %s is expected, like 3 or 3-5 or 3- or 1,4,7-9", from->place,
                   from->word, what);
    COMITY_REQUIRE(first >= least && last >= first, COMITY_ERR_CONFIG,
                   "%s: '%.40s' stands where %s is expected: numbers begin at %llu, and ranges grow",
                   from->place, from->word, what, (unsigned long long)least);
    COMITY_REQUIRE(list->count < FAULT_RANGES, COMITY_ERR_CONFIG,
                   "%s: more than %d ranges in one list; write two entries", from->place, FAULT_RANGES);
    list->range[list->count].first = first;
    list->range[list->count++].last = last;
    if (*at++ == '\0')
      return COMITY_OK;
  }
}

/* ------------------------------------------------------------------------------------------------ clauses */

static comity_status read_who(reader *from, int whom) {
  from->fault->whom = (fault_whom)whom;
  return take_list(from, whom == FAULT_RANKS ? "a list of ranks" : "a list of clients", 0, &from->fault->who);
}

static comity_status read_rounds(reader *from, int value) {
  (void)value;
  return take_list(from, "a list of rounds", 1, &from->fault->rounds);
}

static comity_status read_stage(reader *from, int stage) {
  from->fault->stage = (comity_fault_stage)stage;
  return COMITY_OK;
}

static comity_status read_after(reader *from, int value) {
  (void)value;
  return take_seconds(from, "a time after the stage began", &from->fault->after);
}

static comity_status read_lasting(reader *from, int value) {
  (void)value;
  COMITY_TRY(take_seconds(from, "the time that it stops", &from->fault->lasting));
  COMITY_REQUIRE(from->fault->lasting >= 0.01, COMITY_ERR_CONFIG, "%s: stops for less than 0.01 s",
                 from->place);
  return COMITY_OK;
}

static comity_status read_within(reader *from, int value) {
  (void)value;
  return take_seconds(from, "a time after stages began", &from->fault->within);
}

static comity_status read_kinds(reader *from, int value) {
  (void)value;
  COMITY_TRY(take(from, "a list of kinds"));
  from->fault->kinds = 0;
  for (char *name = from->word, *comma; name != NULL; name = comma == NULL ? NULL : comma + 1) {
    comma = strchr(name, ',');
    if (comma != NULL)
      *comma = '\0';
    size_t kind;
    COMITY_TRY(
        comity_word_find(from->place, "kind of fault", name, comity_fault_kind_words, FAULT_RANDOM, &kind));
    from->fault->kinds |= 1U << kind;
  }
  return COMITY_OK;
}

static comity_status read_shape(reader *from, int shape) {
  comity_fault *fault = from->fault;
  fault->shape = (fault_shape)shape;
  if (shape == FAULT_UNIFORM) {
    COMITY_TRY(take_number(from, "the shortest delay", 0, 1e6, &fault->a));
    COMITY_TRY(take(from, "'to'"));
    COMITY_REQUIRE(strcmp(from->word, "to") == 0, COMITY_ERR_CONFIG,
                   "%s: '%.40s' stands where 'to' is expected, as in 'uniform 0.1 to 0.3 s'", from->place,
                   from->word);
    COMITY_TRY(take_seconds(from, "the longest delay", &fault->b));
    COMITY_REQUIRE(fault->a <= fault->b, COMITY_ERR_CONFIG, "%s: the longest delay is less than the shortest",
                   from->place);
    return COMITY_OK;
  }
  COMITY_TRY(take_seconds(from, "a delay", &fault->a));
  if (shape != FAULT_LOGNORMAL)
    return COMITY_OK;
  COMITY_TRY(take(from, "'sigma'"));
  COMITY_REQUIRE(strcmp(from->word, "sigma") == 0, COMITY_ERR_CONFIG,
                 "%s: '%.40s' stands where 'sigma' is expected, as in 'lognormal 0.1 s sigma 0.5'",
                 from->place, from->word);
  return take_number(from, "a sigma", 0, 10, &fault->b);
}

#define STAGE_CLAUSE(name, word, text) {word, STAGE, COMITY_FAULT_##name, read_stage},
static const clause clauses[] = {{"rank", RANKS, FAULT_RANKS, read_who},
                                 {"ranks", RANKS, FAULT_RANKS, read_who},
                                 {"client", CLIENTS, FAULT_CLIENTS, read_who},
                                 {"clients", CLIENTS, FAULT_CLIENTS, read_who},
                                 {"round", ROUNDS, 0, read_rounds},
                                 {"rounds", ROUNDS, 0, read_rounds},
                                 COMITY_FAULT_STAGE_LIST(STAGE_CLAUSE){"after", AFTER, 0, read_after},
                                 {"for", LASTING, 0, read_lasting},
                                 {"kinds", KINDS, 0, read_kinds},
                                 {"within", WITHIN, 0, read_within},
                                 {"constant", SHAPE, FAULT_CONSTANT, read_shape},
                                 {"uniform", SHAPE, FAULT_UNIFORM, read_shape},
                                 {"exponential", SHAPE, FAULT_EXPONENTIAL, read_shape},
                                 {"lognormal", SHAPE, FAULT_LOGNORMAL, read_shape}};
enum { CLAUSES = sizeof clauses / sizeof *clauses };

/* What each kind of fault allows, and needs one of (0 = nothing). */
typedef struct grammar {
  unsigned allows, needs, needs_too;
  const char *example;
} grammar;

static const grammar grammars[FAULT_KINDS] = {
    [FAULT_KILL] = {RANKS | ROUNDS | STAGE | AFTER, RANKS, ROUNDS, "kill rank 2 round 4 sum"},
    [FAULT_ABORT] = {RANKS | ROUNDS | STAGE | AFTER, RANKS, ROUNDS, "abort rank 2 round 4 train after 0.2 s"},
    [FAULT_EXIT] = {RANKS | ROUNDS | STAGE | AFTER, RANKS, ROUNDS, "exit rank 2 round 4 record"},
    [FAULT_STOP] = {RANKS | ROUNDS | STAGE | AFTER | LASTING, RANKS, ROUNDS,
                    "stop rank 2 round 4 sum for 2 s"},
    [FAULT_DELAY] = {RANKS | CLIENTS | ROUNDS | STAGE | SHAPE, RANKS | CLIENTS, SHAPE,
                     "delay rank 3 rounds 2-9 train exponential 0.1 s"},
    [FAULT_CORRUPT] = {RANKS | ROUNDS, 0, 0, "corrupt 0.001 rank 2"},
    [FAULT_DROP] = {RANKS | CLIENTS | ROUNDS, RANKS | CLIENTS, 0, "drop client 7 rounds 3-5"},
    [FAULT_RANDOM] = {ROUNDS | KINDS | WITHIN, 0, 0, "random 5 rounds 2-10 kinds kill,stop within 0.3 s"}};

const char *const comity_fault_kind_words[FAULT_KINDS] = {
    [FAULT_KILL] = "kill",   [FAULT_ABORT] = "abort",     [FAULT_EXIT] = "exit", [FAULT_STOP] = "stop",
    [FAULT_DELAY] = "delay", [FAULT_CORRUPT] = "corrupt", [FAULT_DROP] = "drop", [FAULT_RANDOM] = "random"};

#define STAGE_WORD(name, word, text) word,
const char *const comity_fault_stage_words[COMITY_FAULT_STAGES] = {COMITY_FAULT_STAGE_LIST(STAGE_WORD)};

/* The next clause, of those that this kind of fault allows. */
static comity_status read_clause(reader *from, const grammar *rules, unsigned *seen) {
  const char *words[CLAUSES];
  const clause *of[CLAUSES];
  size_t allowed = 0, chosen;
  for (size_t i = 0; i < CLAUSES; i++)
    if ((clauses[i].bit & rules->allows) != 0) {
      words[allowed] = clauses[i].word;
      of[allowed++] = &clauses[i];
    }
  step(from);
  COMITY_TRY(comity_word_find(from->place, "word", from->word, words, allowed, &chosen));
  unsigned bit = of[chosen]->bit, group = (bit & (RANKS | CLIENTS)) != 0 ? RANKS | CLIENTS : bit;
  COMITY_REQUIRE((*seen & group) == 0, COMITY_ERR_CONFIG,
                 "%s: '%s' says for a second time what is said before", from->place, from->word);
  *seen |= bit;
  return of[chosen]->read(from, of[chosen]->value);
}

/* -------------------------------------------------------------------------------------------- whole entry */

static comity_status check_list(const reader *from, const fault_list *list, const char *noun, uint64_t end) {
  for (size_t i = 0; i < list->count && end > 0; i++) {
    uint64_t first = list->range[i].first, last = list->range[i].last;
    uint64_t worst = last != UINT64_MAX ? last : first;
    COMITY_REQUIRE(worst < end, COMITY_ERR_CONFIG, "%s: there is no %s %llu; this job has %ss 0 to %llu",
                   from->place, noun, (unsigned long long)worst, noun, (unsigned long long)end - 1);
  }
  return COMITY_OK;
}

/* What a job's size tells about a random entry. */
static comity_status check_random(const reader *from, const comity_fault_scope *scope) {
  const comity_fault *fault = from->fault;
  COMITY_REQUIRE(
      scope->ranks != 1 || fault->kinds == 1U << FAULT_DROP, COMITY_ERR_CONFIG,
      "%s: random faults hit ranks from 1 on, and this job has only rank 0; start it on more ranks, or let "
      "it 'random ... kinds drop'",
      from->place);
  COMITY_REQUIRE(scope->clients == 0 || scope->ranks == 0 || scope->rounds == 0 ||
                     comity_fault_drawable(scope, fault),
                 COMITY_ERR_CONFIG, "%s: its rounds come after the last one of the job, %llu", from->place,
                 (unsigned long long)scope->rounds);
  return COMITY_OK;
}

static comity_status check(const reader *from, const comity_fault_scope *scope, unsigned seen) {
  const comity_fault *fault = from->fault;
  const grammar *rules = &grammars[fault->kind];
  COMITY_REQUIRE((rules->needs == 0 || (seen & rules->needs) != 0) &&
                     (rules->needs_too == 0 || (seen & rules->needs_too) != 0),
                 COMITY_ERR_CONFIG, "%s: does not say all that '%s' needs, as in '%s'", from->place,
                 comity_fault_kind_words[fault->kind], rules->example);
  if (fault->whom == FAULT_CLIENTS)
    COMITY_TRY(check_list(from, &fault->who, "client", scope->clients));
  else
    COMITY_TRY(check_list(from, &fault->who, "rank", scope->ranks > 0 ? (uint64_t)scope->ranks : 0));
  COMITY_REQUIRE(fault->whom != FAULT_CLIENTS || fault->stage == COMITY_FAULT_TRAIN, COMITY_ERR_CONFIG,
                 "%s: clients are only in 'train'; the other stages are those of ranks", from->place);
  COMITY_REQUIRE(fault->kind != FAULT_DROP || fault->whom != FAULT_RANKS || scope->ranks < 2 ||
                     !comity_fault_lists(&fault->who, 0),
                 COMITY_ERR_CONFIG, "%s: rank 0 is the server and has no clients to drop", from->place);
  return fault->kind == FAULT_RANDOM ? check_random(from, scope) : COMITY_OK;
}

/* The number that stands before the clauses of some kinds. */
static comity_status read_head(reader *from) {
  double count = 1;
  if (from->fault->kind == FAULT_CORRUPT)
    return take_number(from, "a chance", 0, 1, &from->fault->chance);
  if (from->fault->kind == FAULT_RANDOM) {
    COMITY_TRY(take_number(from, "a number of faults", 1, 100000, &count));
    COMITY_REQUIRE(count == floor(count), COMITY_ERR_CONFIG, "%s: '%.40s' is no whole number", from->place,
                   from->word);
    from->fault->count = (uint64_t)count;
    from->fault->kinds = (1U << FAULT_RANDOM) - 1;
  }
  return COMITY_OK;
}

static comity_status read_words(reader *from, const comity_fault_scope *scope) {
  size_t kind;
  unsigned seen = 0;
  from->next = split(&from->rest);
  COMITY_TRY(take(from, "a kind of fault"));
  COMITY_TRY(comity_word_find(from->place, "fault", from->word, comity_fault_kind_words, FAULT_KINDS, &kind));
  *from->fault = (comity_fault){.kind = (fault_kind)kind, .stage = COMITY_FAULT_TRAIN};
  COMITY_TRY(read_head(from));
  while (from->next != NULL)
    COMITY_TRY(read_clause(from, &grammars[kind], &seen));
  return check(from, scope, seen);
}

comity_status comity_fault_read(const comity_fault_scope *scope, const char *where, const char *entry,
                                comity_fault *fault) {
  comity_fault made;
  reader from = {.text = comity_text("%s", entry), .fault = &made};
  if (from.text == NULL)
    return COMITY_ERR_MEMORY;
  from.rest = from.text;
  snprintf(from.place, sizeof from.place, "%.60s%s'%.70s%s'", where == NULL ? "" : where,
           where == NULL ? "" : ": ", entry, strlen(entry) > 70 ? "..." : "");
  comity_status status = read_words(&from, scope);
  if (status == COMITY_OK)
    *fault = made;
  comity_free(from.text);
  return status;
}
