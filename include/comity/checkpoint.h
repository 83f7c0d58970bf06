/** \file checkpoint.h
 *  Leaving and coming back. A checkpoint is a folder `checkpoint-<round>` that appears under this name by one
 * atomic rename, when every rank has written its part, flushed and checksummed it. The server's part holds
 * the model, server state, counters and the resolved job; each participant's part holds the state of the
 * clients it hosts, by client id, so that any number of ranks can read it back. A torn, foreign or altered
 * checkpoint is refused by name and the one before it is used.
 *
 *  Also here: `model.h5`, the trained model as one self-contained file, and the memory for client state
 * between rounds.
 */
#ifndef COMITY_CHECKPOINT_H
#define COMITY_CHECKPOINT_H

#include <comity/comm.h>
#include <comity/config.h>
#include <comity/core.h>
#include <comity/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------ client states */

/** States of the clients that this rank hosts: one packed vector each, absent until first written, in memory
 * or spilled to one file. Not collective. */
typedef struct comity_states comity_states;

/** \param[in] length      floats of one state; 0 is allowed and makes every call cheap
 *  \param[in] spill_path  file that holds the states instead of memory, removed on destroy; NULL = memory */
COMITY_API COMITY_MUST_CHECK comity_status comity_states_new(size_t length, const char *spill_path,
                                                             comity_states **states);
COMITY_API void comity_states_destroy(comity_states **states);
/** Copy a client's state out; zeros when it has none yet. */
COMITY_API COMITY_MUST_CHECK comity_status comity_states_read(const comity_states *states, uint64_t client,
                                                              float *state);
COMITY_API COMITY_MUST_CHECK comity_status comity_states_write(comity_states *states, uint64_t client,
                                                               const float *state);
/** Clients that have a state; `client` (count) is filled in ascending order when not NULL. */
COMITY_API size_t comity_states_list(const comity_states *states, uint64_t *client);
/** Copy every state of `from` into `to`; afterwards `from` holds none, but keeps its memory for the next. Both
 * are of one length. After a failure `from` is unchanged and `to` may have some of them. */
COMITY_API COMITY_MUST_CHECK comity_status comity_states_move(comity_states *from, comity_states *to);
/** Clients for which `forget` says yes no longer have a state. After a failure some of them still do. */
COMITY_API COMITY_MUST_CHECK comity_status
comity_states_forget(comity_states *states, bool (*forget)(void *context, uint64_t client), void *context);
/** No client has a state any more; the memory is kept for the next. */
COMITY_API void comity_states_clear(comity_states *states);

/* -------------------------------------------------------------------------------------------- checkpoints */

/* A checkpoint folder holds
 *
 *   server.h5          model (P), server_state (n) float32, counter (8) uint64, job as text; attributes
 *                      format = "comity-checkpoint", version = 1, comity, round
 *   clients-<rank>.h5  client (n) uint64 ascending, state (n, length) float32; attributes format =
 *                      "comity-clients", version = 1, round, length. One per rank that has states
 *   manifest           text, written last: "comity checkpoint 1", "round <n>", "files <n>", a line
 *                      "<BLAKE2b-256> <bytes> <name>" for each file, and "<BLAKE2b-256> manifest", the digest
 *                      of all lines before
 *
 * and is called checkpoint-<round>.part until it is complete. All ranks must see the same folder. */

/** What the server's part holds besides the model. Vectors are borrowed. */
typedef struct comity_checkpoint {
  uint64_t round;       /* the last round that is complete */
  size_t parameters;    /* P */
  float *model;         /* (P) */
  size_t server_length; /* floats of the packed server state */
  float *server_state;  /* (server_length) */
  uint64_t counter[8];  /* the loop's own numbers (stop memory, ...), opaque here */
  const char *job;      /* resolved job as YAML */
} comity_checkpoint;

/** Write checkpoint-<round> under `folder` and remove all but the newest `keep`. Collective; every rank
 * passes its own states, only the server's `checkpoint` is read. Either the whole checkpoint exists
 * afterwards, or nothing of it: after COMITY_INTERRUPTED it can be written again from the beginning, by those who are
 * members then, which may not be a rank any more whose report of its files does not hold. A server whose checkpoint exists is not interrupted here any more, but in its next operation. */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_write(comity_comm *comm, const char *folder,
                                                                   const comity_checkpoint *checkpoint,
                                                                   const comity_states *states, size_t keep,
                                                                   comity_logger *logger);

/** Find the newest good checkpoint under `folder` and verify it. Refused ones are logged by name with the
 *  reason. Collective.
 *  \param[out] path  on all ranks; owned by the caller, free with comity_free; NULL when there is none
 *  \return COMITY_ERR_CHECKPOINT when there are some and none is good */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_find(comity_comm *comm, const char *folder,
                                                                  comity_logger *logger, char **path);

/** The newest checkpoint under `folder` of a round up to `round` whose files all have the sizes that they were committed
 * with; changes nothing there. For a rank that needs clients' states in the middle of a run. Not collective.
 *  \param[out] path  owned by the caller, free with comity_free; NULL when there is none */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_latest(const char *folder, uint64_t round,
                                                                    char **path);

/** Read the server's part. Not collective.
 *  \param[in,out] checkpoint  sizes and vectors given by the caller; model and server_state are filled, as
 *         are round and counter
 *  \param[out]    job         resolved job text; owned by the caller, free with comity_free; may be NULL
 *  \return COMITY_ERR_CHECKPOINT naming file and reason (torn, checksum, sizes differ) */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_read(const char *path,
                                                                  comity_checkpoint *checkpoint, char **job);
/** Read only the resolved job of a checkpoint. */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_job(const char *path, char **job);
/** Read the states of those clients for which `wanted` says yes, whichever ranks wrote them. Not collective.
 */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_states(
    const char *path, bool (*wanted)(void *context, uint64_t client), void *context, comity_states *states);

/** Print for people what a checkpoint holds, after checking it. Not collective. */
COMITY_API COMITY_MUST_CHECK comity_status comity_checkpoint_print(const char *path, FILE *out);

/* --------------------------------------------------------------------------------------------- model file */

/* model.h5 holds
 *
 *   parameters   (P) float32
 *   tensors/     name (T) text, offset (T), length (T) uint64, shape (T, 4) uint64 with zeros behind the last
 *                extent: tensor i is parameters[offset[i] : offset[i]+length[i]], reshaped
 *   input_shape  (rank) uint64, of one example; images channels first
 *   mean, inverse (width) float32, when inputs are standardised: x = (stored * scale - mean) * inverse
 *   job          the resolved job as text, from which the model is built again
 *   attributes   format = "comity-model", version = 1, comity, round, scale, classes (0 = real targets),
 *                targets (numbers per label), loss, digest (BLAKE2b-256 of the parameters' little-endian
 *                bytes, which readers check) */

/** Everything needed to use a model elsewhere. */
typedef struct comity_model_file {
  const comity_model *model;
  const float *parameters;     /* (P) */
  const float *mean, *inverse; /* (width) standardisation that the inputs need, or NULL */
  double scale;                /* of stored features */
  uint64_t round;
  const char *job; /* resolved job */
} comity_model_file;

/** Write model.h5: aside, then renamed. Not collective. */
COMITY_API COMITY_MUST_CHECK comity_status comity_model_write(const char *path,
                                                              const comity_model_file *file);

/** A model read back; everything owned by it. */
typedef struct comity_loaded_model {
  comity_model *model;
  float *parameters; /* (P) */
  float *mean, *inverse;
  double scale;
  uint64_t round;
  char *job;
} comity_loaded_model;
/** Read a model file.
 *  \return COMITY_ERR_DATA, _NOT_FOUND, _PERMISSION naming the file */
COMITY_API COMITY_MUST_CHECK comity_status comity_model_read(const char *path, comity_loaded_model *loaded);
COMITY_API void comity_loaded_model_clear(comity_loaded_model *loaded);
/** BLAKE2b-256 of the parameters' little-endian bits alone, of a model file or a checkpoint folder. */
COMITY_API COMITY_MUST_CHECK comity_status comity_model_hash(const char *path,
                                                             uint8_t digest[COMITY_HASH_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
