/* What the files of this folder share: the manifest of a checkpoint, and blocks of client states. */
#ifndef COMITY_CHECKPOINT_IMPL_H
#define COMITY_CHECKPOINT_IMPL_H

#include <comity/checkpoint.h>

#include "core/core_impl.h"

enum { COMITY_CHECKPOINT_VERSION = 1, COMITY_STATE_BLOCK_BYTES = 4 << 20 };

/* Floats of one state. */
size_t comity_states_length(const comity_states *states);

/* One file of a checkpoint, as its writer reports it and the manifest lists it. */
typedef struct comity_part {
  char name[32]; /* "server.h5", "clients-12.h5" */
  uint64_t bytes;
  uint8_t digest[COMITY_HASH_BYTES];
} comity_part;

/* What a manifest says. */
typedef struct comity_manifest {
  uint64_t round;
  size_t count;
  comity_part *part; /* (count) owned */
} comity_manifest;

/* Write `folder`/manifest, aside and flushed. */
COMITY_MUST_CHECK comity_status comity_manifest_write(const char *folder, const comity_manifest *manifest);
/* Read and check it: its own digest, and that the folder is called after its round. COMITY_ERR_CHECKPOINT
 * says what is wrong. */
COMITY_MUST_CHECK comity_status comity_manifest_read(const char *folder, comity_manifest *manifest);
void comity_manifest_clear(comity_manifest *manifest);
/* NULL when the manifest does not list it. */
const comity_part *comity_manifest_find(const comity_manifest *manifest, const char *name);

/* Fill in size and digest of `folder`/part->name. */
COMITY_MUST_CHECK comity_status comity_part_measure(const char *folder, comity_part *part);
/* Check that the file is there with the listed size, and, if `deep`, with the listed digest. */
COMITY_MUST_CHECK comity_status comity_part_check(const char *folder, const comity_part *part, bool deep);
/* Check the manifest and every file that it lists. */
COMITY_MUST_CHECK comity_status comity_checkpoint_verify(const char *folder, bool deep);

/* The checkpoints under a run folder, by the names of their folders alone, newest first. */
typedef struct comity_checkpoint_names {
  size_t count;
  uint64_t *round; /* (count) owned */
} comity_checkpoint_names;
COMITY_MUST_CHECK comity_status comity_checkpoint_list(const char *folder, comity_checkpoint_names *names);
/* "<folder>/checkpoint-<round><suffix>"; owned by the caller, free with comity_free. */
char *comity_checkpoint_path(const char *folder, uint64_t round, const char *suffix);
/* Remove what killed writers left behind, and finish a replacement that was cut in two. */
COMITY_MUST_CHECK comity_status comity_checkpoint_tidy(const char *folder, comity_logger *logger);
/* comity_checkpoint_find for one process. */
COMITY_MUST_CHECK comity_status comity_checkpoint_newest(const char *folder, comity_logger *logger,
                                                         char **path);

#endif
