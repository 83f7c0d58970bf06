/** \file core.h
 *  What every other folder stands on: status codes and the error record, memory, logging, clocks,
 * counter-based random numbers, hashes, and the layout of a message as named fields. Knows nothing of MPI.
 *
 *  The shape of a fallible function, everywhere in Comity:
 *
 *      comity_status comity_noun_verb(inputs, ..., results);
 *
 *  It returns COMITY_OK or the code of what went wrong; results go through trailing out-parameters and are
 * untouched on failure. The sentence for a person (which file, key, line, rank or client, and what to do)
 * waits in the calling thread's error record, as with errno: comity_error_message().
 */
#ifndef COMITY_CORE_H
#define COMITY_CORE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COMITY_API __attribute__((visibility("default")))
#define COMITY_MUST_CHECK __attribute__((warn_unused_result))
#define COMITY_PRINTF(text, first) __attribute__((format(printf, text, first)))

#define COMITY_VERSION_MAJOR 0
#define COMITY_VERSION_MINOR 1
#define COMITY_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------- status and errors */

/** Every status there is: X(name, value, exit code, text). The value orders severity: where ranks disagree,
 * the largest wins. Exit codes are those of BSD's sysexits where it has one; scripts may rely on them, so
 * values never change. */
#define COMITY_STATUS_LIST(X)                                                                                \
  X(OK, 0, 0, "success")                                                                                     \
  X(REQUEUE, 1, 75, "stopped on request after a checkpoint; submit the job again with --resume")             \
  X(ERR_QUORUM, 2, 69, "too few clients or participants are left")                                           \
  X(ERR_USAGE, 3, 64, "the command line is wrong")                                                           \
  X(ERR_CONFIG, 4, 78, "the job file or a setting is wrong")                                                 \
  X(ERR_DATA, 5, 65, "a dataset or model file does not hold what it should")                                 \
  X(ERR_NOT_FOUND, 6, 66, "a file or folder does not exist")                                                 \
  X(ERR_PERMISSION, 7, 77, "a file or folder may not be read or written")                                    \
  X(ERR_CHECKPOINT, 8, 79, "a checkpoint is torn, foreign or of another job")                                \
  X(ERR_IO, 9, 74, "reading or writing failed")                                                              \
  X(ERR_FULL, 10, 73, "the disk is full")                                                                    \
  X(ERR_NUMERIC, 11, 80, "a number overflowed or is not finite")                                             \
  X(ERR_MEMORY, 12, 71, "out of memory")                                                                     \
  X(ERR_TIMEOUT, 13, 68, "a deadline passed")                                                                \
  X(ERR_COMM, 14, 76, "MPI reported an error")                                                               \
  X(ERR_ARG, 15, 70, "a library function was called wrongly")                                                \
  X(ERR_INTERNAL, 16, 70, "Comity broke one of its own rules; please report this")                           \
  X(INTERRUPTED, 17, 70, "the membership changed, so the operation has to run again")                        \
  X(ERR_EXCLUDED, 18, 81, "the others went on without this process")                                         \
  X(ERR_SERVER, 19, 82, "the server is gone")                                                                \
  X(ERR_REFUSED, 20, 83, "the server refused this silo, or this silo the server")

typedef enum comity_status {
#define COMITY_STATUS_ENUM(name, value, exit_code, text) COMITY_##name = value,
  COMITY_STATUS_LIST(COMITY_STATUS_ENUM)
#undef COMITY_STATUS_ENUM
} comity_status;

/** "ERR_CONFIG" for COMITY_ERR_CONFIG; "unknown" for a value that is no status. */
COMITY_API const char *comity_status_name(comity_status status);
/** The one-line text of the list above. */
COMITY_API const char *comity_status_text(comity_status status);
/** The process exit code that the `comity` command ends with for this status. */
COMITY_API int comity_status_exit_code(comity_status status);

/** Put a message into this thread's error record and return `status`, so that one line reports and leaves:
 *  `return comity_fail(COMITY_ERR_DATA, "%s: no dataset 'x'; ...", path);` */
COMITY_API comity_status comity_fail(comity_status status, const char *format, ...) COMITY_PRINTF(2, 3);
/** As comity_fail, and appends the reason that errno gives. Maps ENOENT, EACCES, EPERM, EROFS, ENOSPC, EDQUOT
 * and ENOMEM to their own status; anything else is COMITY_ERR_IO. */
COMITY_API comity_status comity_fail_errno(const char *format, ...) COMITY_PRINTF(1, 2);
/** Put "<context>: " before the message that is there, and return `status`. */
COMITY_API comity_status comity_fail_context(comity_status status, const char *format, ...)
    COMITY_PRINTF(2, 3);
/** The last message of this thread; "" if there was none. Borrowed until this thread's next failure. */
COMITY_API const char *comity_error_message(void);
/** Forget the message, after a failure that was dealt with. */
COMITY_API void comity_error_clear(void);

/** Return what `expression` returned unless it is COMITY_OK. Never compiled out. */
#define COMITY_TRY(expression)                                                                               \
  do {                                                                                                       \
    comity_status comity_try_status_ = (expression);                                                         \
    if (comity_try_status_ != COMITY_OK)                                                                     \
      return comity_try_status_;                                                                             \
  } while (0)

/** For functions that must clean up: store in the local variable `status` and go to `label` unless COMITY_OK.
 */
#define COMITY_TRY_OR(label, expression)                                                                     \
  do {                                                                                                       \
    status = (expression);                                                                                   \
    if (status != COMITY_OK)                                                                                 \
      goto label;                                                                                            \
  } while (0)

/** A caller's mistake or bad input: report and return. Always on. */
#define COMITY_REQUIRE(condition, status_code, ...)                                                          \
  do {                                                                                                       \
    if (!(condition))                                                                                        \
      return comity_fail((status_code), __VA_ARGS__);                                                        \
  } while (0)

/** Our own invariants: checked in debug builds only, so the condition has no side effects. */
#ifdef NDEBUG
#define COMITY_ASSERT(condition) ((void)sizeof(condition))
#else
#define COMITY_ASSERT(condition)                                                                             \
  ((condition) ? (void)0 : comity_assert_failed(#condition, __FILE__, __LINE__))
#endif
COMITY_API void comity_assert_failed(const char *condition, const char *file, int line)
    __attribute__((noreturn));

/* ------------------------------------------------------------------------------------------------- memory */

/** `count` zeroed elements of `size` bytes, aligned to 64 bytes so that results never depend on where memory
 * happened to lie. A count of 0 gives a valid pointer. NULL, with a message, when memory or the size type is
 * exhausted. Owned by the caller; free with comity_free. */
COMITY_API void *comity_array(size_t count, size_t size) COMITY_MUST_CHECK;
/** Accepts NULL. */
COMITY_API void comity_free(void *memory);
/** The most bytes that this process has had resident; 0 where the system does not tell. */
COMITY_API double comity_memory_peak(void);
/** A copy of `text`, or NULL with a message. Owned by the caller; free with comity_free. */
COMITY_API char *comity_text(const char *format, ...) COMITY_PRINTF(1, 2) COMITY_MUST_CHECK;

/** `COMITY_TRY(COMITY_NEW(pointer, count))`: allocate for a typed pointer. */
#define COMITY_NEW(pointer, count)                                                                           \
  (((pointer) = comity_array((count), sizeof *(pointer))) != NULL ? COMITY_OK : COMITY_ERR_MEMORY)

/* -------------------------------------------------------------------------------------------------- clock */

/** Seconds on the monotonic clock; only differences mean something. */
COMITY_API double comity_clock_now(void);
/** Sleep that long, in seconds; a signal may end it early. */
COMITY_API void comity_clock_sleep(double seconds);

/* ---------------------------------------------------------------------------------------------------- log */

typedef enum comity_log_level {
  COMITY_LOG_ERROR,
  COMITY_LOG_WARN,
  COMITY_LOG_INFO,
  COMITY_LOG_DEBUG
} comity_log_level;

/** Where a run's messages go. The library writes to nothing else. A NULL logger is silent. */
typedef struct comity_logger comity_logger;

/** \param[in] terminal  stream for people, borrowed until destroy; NULL for none
 *  \param[in] path      log file, appended to; NULL for none
 *  \param[in] level     the least important level that is still written
 *  \param[in] rank      put before each line when >= 0 */
COMITY_API COMITY_MUST_CHECK comity_status comity_logger_new(FILE *terminal, const char *path,
                                                             comity_log_level level, int rank,
                                                             comity_logger **logger);
COMITY_API void comity_log(comity_logger *logger, comity_log_level level, const char *format, ...)
    COMITY_PRINTF(3, 4);
COMITY_API void comity_logger_destroy(comity_logger **logger);

/* ------------------------------------------------------------------------------------------------- random */

/** What a stream of random numbers is for. Part of its key, so streams of different purposes never meet.
 * Values are pinned: changing one changes every published result. */
typedef enum comity_purpose {
  COMITY_RANDOM_INIT = 1,      /* initial parameters;      index = tensor          */
  COMITY_RANDOM_SELECT = 2,    /* client selection;        index = round           */
  COMITY_RANDOM_SHUFFLE = 3,   /* order of local examples; index = round, client, epoch */
  COMITY_RANDOM_DROPOUT = 4,   /* dropout masks;           index = round, client, step, layer  */
  COMITY_RANDOM_STRAGGLER = 5, /* who is slow, how much;   index = round           */
  COMITY_RANDOM_HOLDOUT = 6,   /* local test split;        index = client          */
  COMITY_RANDOM_PARTITION = 7, /* dealing data to clients                          */
  COMITY_RANDOM_GENERATE = 8,  /* synthetic data;          index = client          */
  COMITY_RANDOM_TEST = 9,      /* unit tests                                       */
  COMITY_RANDOM_FAULTS = 10,   /* random entries of a schedule of faults; index = entry, fault */
  COMITY_RANDOM_DELAY = 11,    /* how slow;    index = round, rank or client, entry and stage */
  COMITY_RANDOM_CORRUPT = 12   /* corrupt messages; index = entry and epoch, sequence, ranks and piece */
} comity_purpose;

/** A stream of Philox4x64-10 (Salmon et al. 2011): a pure function of (seed, purpose, a, b, c) and the
 * position. Copying the struct copies the position. */
typedef struct comity_random {
  uint64_t key[2];
  uint64_t counter[4];
  uint64_t block[4];
  unsigned left;       /* unread words of block */
  double spare_normal; /* second number of the last Box-Muller pair */
  bool has_spare;
} comity_random;

/** Open the stream (seed, purpose, a, b, c). Up to 2^64 blocks can be read from it. */
COMITY_API void comity_random_open(comity_random *random, uint64_t seed, comity_purpose purpose, uint64_t a,
                                   uint64_t b, uint64_t c);
COMITY_API uint64_t comity_random_bits(comity_random *random);
/** Uniform in [0, 1), 53 bits. */
COMITY_API double comity_random_uniform(comity_random *random);
/** Uniform in {0, ..., bound-1}, without bias; bound >= 1. */
COMITY_API uint64_t comity_random_below(comity_random *random, uint64_t bound);
/** Standard normal (Box-Muller). */
COMITY_API double comity_random_normal(comity_random *random);
/** Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000; boosted below 1). For tiny shapes use
 * comity_random_log_gamma. */
COMITY_API double comity_random_gamma(comity_random *random, double shape);
/** log of a Gamma(shape, 1) variate: does not underflow for tiny shapes. */
COMITY_API double comity_random_log_gamma(comity_random *random, double shape);
/** Fisher-Yates. */
COMITY_API void comity_random_shuffle(comity_random *random, uint32_t *items, size_t count);

/* --------------------------------------------------------------------------------------------------- hash */

#define COMITY_HASH_BYTES 32

/** BLAKE2b-256, as `b2sum -l 256` computes it. For identities and for checksums of what is stored. */
typedef struct comity_hash comity_hash;
COMITY_API COMITY_MUST_CHECK comity_status comity_hash_new(comity_hash **hash);
COMITY_API void comity_hash_add(comity_hash *hash, const void *bytes, size_t count);
/** The digest of all that was added. The hash cannot be added to afterwards. */
COMITY_API void comity_hash_finish(comity_hash *hash, uint8_t digest[COMITY_HASH_BYTES]);
COMITY_API void comity_hash_destroy(comity_hash **hash);
/** new, add, finish, destroy in one. */
COMITY_API COMITY_MUST_CHECK comity_status comity_hash_bytes(const void *bytes, size_t count,
                                                             uint8_t digest[COMITY_HASH_BYTES]);
/** 64 lower-case hexadecimal digits and a NUL. */
COMITY_API void comity_hash_hex(const uint8_t digest[COMITY_HASH_BYTES], char hex[2 * COMITY_HASH_BYTES + 1]);

/* ------------------------------------------------------------------------------------------------- layout */

/** How the values that several clients send for one field become one. */
typedef enum comity_combine {
  COMITY_COMBINE_MEAN, /* sum_k p_k x_k, with p_k the client's weight over the total weight of those present
                        */
  COMITY_COMBINE_SUM   /* sum_k x_k */
} comity_combine;

#define COMITY_FIELDS_MAX 8

/** One named vector of float32 in a message or a state; a scalar is a vector of length 1. */
typedef struct comity_field {
  const char *name; /* static text */
  size_t length;
  size_t offset; /* in the packed buffer, filled in by comity_layout_add */
  comity_combine combine;
} comity_field;

/** Named fields that pack into one flat float buffer. What algorithms declare once and everybody else handles
 * blindly. */
typedef struct comity_layout {
  comity_field field[COMITY_FIELDS_MAX];
  size_t count;
  size_t length; /* floats in the packed buffer */
} comity_layout;

/** Append a field.
 *  \return COMITY_ERR_ARG when the layout is full or has that name already. */
COMITY_API COMITY_MUST_CHECK comity_status comity_layout_add(comity_layout *layout, const char *name,
                                                             size_t length, comity_combine combine);
/** The field of that name, or NULL. */
COMITY_API const comity_field *comity_layout_find(const comity_layout *layout, const char *name);

#ifdef __cplusplus
}
#endif
#endif
