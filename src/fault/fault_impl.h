/* An entry of a schedule, and what its reader, its writer and the dice share. */
#ifndef COMITY_FAULT_IMPL_H
#define COMITY_FAULT_IMPL_H

#include <comity/fault.h>

#include <time.h>

typedef enum fault_kind {
  FAULT_KILL, /* the strikes have the values of comity_strike_kind */
  FAULT_ABORT,
  FAULT_EXIT,
  FAULT_STOP,
  FAULT_DELAY,
  FAULT_CORRUPT,
  FAULT_DROP,
  FAULT_RANDOM,
  FAULT_KINDS
} fault_kind;

typedef enum fault_shape { FAULT_CONSTANT, FAULT_UNIFORM, FAULT_EXPONENTIAL, FAULT_LOGNORMAL } fault_shape;

typedef enum fault_whom { FAULT_ANYBODY, FAULT_RANKS, FAULT_CLIENTS } fault_whom;

enum { FAULT_RANGES = 16 };

/* Some numbers: the ranges of a list, in the order in which they were written. Without ranges: all numbers. */
typedef struct fault_list {
  size_t count;
  struct {
    uint64_t first, last; /* inclusive; UINT64_MAX = open */
  } range[FAULT_RANGES];
} fault_list;

typedef struct comity_fault {
  fault_kind kind;
  fault_whom whom;
  fault_list who, rounds;
  comity_fault_stage stage;
  double after, lasting; /* of strikes */
  fault_shape shape;     /* of a delay: */
  double a, b;    /* constant a; uniform a ... b; exponential of mean a; lognormal of median a and sigma b */
  double chance;  /* of a corrupt message */
  uint64_t count; /* of a random entry: how many, */
  unsigned kinds; /* of which kinds (1 << kind), */
  double within;  /* so many seconds after their stages began */
  char *text;     /* as it is written */

  /* Of strikes, on the rank that they hit. */
  uint64_t struck; /* the last round in which it did */
  bool armed;
  timer_t timer, go_on; /* go_on: of a stop that ends */
} comity_fault;

struct comity_faults {
  comity_fault_scope scope;
  comity_fault *fault; /* (count) */
  size_t count, room, entries;
  uint64_t round;                      /* of the last stage */
  uint64_t begun[COMITY_FAULT_STAGES]; /* the last round in which each stage began */
  uint64_t reached;                    /* by an earlier start of the job */
};

/* The words of kinds and stages, by value. */
extern const char *const comity_fault_kind_words[FAULT_KINDS];
extern const char *const comity_fault_stage_words[COMITY_FAULT_STAGES];

/* Read one entry. \param[out] fault  without text; written on success */
COMITY_MUST_CHECK comity_status comity_fault_read(const comity_fault_scope *scope, const char *where,
                                                  const char *entry, comity_fault *fault);
/* Write it: what comity_fault_read reads as the same fault. NULL without memory. */
char *comity_fault_write(const comity_fault *fault);
/* The i-th fault of the e-th entry of a schedule, which is a random one. */
void comity_fault_draw(const comity_fault_scope *scope, const comity_fault *random, uint64_t e, uint64_t i,
                       comity_fault *fault);
/* Whether a random entry can be drawn from in this scope. */
bool comity_fault_drawable(const comity_fault_scope *scope, const comity_fault *random);

bool comity_fault_lists(const fault_list *list, uint64_t number);
static inline bool comity_fault_strikes(const comity_fault *fault) { return fault->kind <= FAULT_STOP; }
/* Whether this fault strikes the rank there. */
bool comity_fault_hits(const comity_fault *fault, int rank, uint64_t round, comity_fault_stage stage);

#endif
