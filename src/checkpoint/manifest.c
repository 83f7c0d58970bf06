/* The manifest: the list of a checkpoint's files that makes it one thing, written when all of them are safe.
 */
#include "checkpoint_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TITLE "comity checkpoint 1\n"

void comity_manifest_clear(comity_manifest *manifest) {
  comity_free(manifest->part);
  *manifest = (comity_manifest){0};
}

const comity_part *comity_manifest_find(const comity_manifest *manifest, const char *name) {
  for (size_t i = 0; i < manifest->count; i++)
    if (strcmp(manifest->part[i].name, name) == 0)
      return &manifest->part[i];
  return NULL;
}

comity_status comity_manifest_write(const char *folder, const comity_manifest *manifest) {
  enum { LINE = 2 * COMITY_HASH_BYTES + 64 };
  size_t room = (manifest->count + 4) * LINE, used = 0;
  char *text = NULL, *path = comity_text("%s/manifest", folder), hex[2 * COMITY_HASH_BYTES + 1];
  uint8_t digest[COMITY_HASH_BYTES];
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : COMITY_NEW(text, room);
  if (status == COMITY_OK) {
    used = (size_t)snprintf(text, room, TITLE "round %" PRIu64 "\nfiles %zu\n", manifest->round,
                            manifest->count);
    for (size_t i = 0; i < manifest->count; i++) {
      comity_hash_hex(manifest->part[i].digest, hex);
      used += (size_t)snprintf(text + used, room - used, "%s %" PRIu64 " %s\n", hex, manifest->part[i].bytes,
                               manifest->part[i].name);
    }
    status = comity_hash_bytes(text, used, digest);
  }
  if (status == COMITY_OK) {
    comity_hash_hex(digest, hex);
    used += (size_t)snprintf(text + used, room - used, "%s manifest\n", hex);
    status = comity_file_write(path, text, used);
  }
  comity_free(text);
  comity_free(path);
  return status;
}

/* A whole number and the character that must follow it. */
static bool take_number(char **at, char after, uint64_t *value) {
  if (**at < '0' || **at > '9')
    return false;
  errno = 0;
  char *end;
  *value = strtoull(*at, &end, 10);
  if (errno != 0 || *end != after)
    return false;
  *at = end + 1;
  return true;
}

static bool take_text(char **at, const char *text) {
  size_t length = strlen(text);
  if (strncmp(*at, text, length) != 0)
    return false;
  *at += length;
  return true;
}

static bool take_digest(char **at, uint8_t digest[COMITY_HASH_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < 2 * COMITY_HASH_BYTES; i++, (*at)++) {
    const char *digit = **at == '\0' ? NULL : strchr(digits, **at);
    if (digit == NULL)
      return false;
    unsigned value = (unsigned)(digit - digits);
    digest[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : digest[i / 2] | value);
  }
  return take_text(at, " ");
}

/* Only names that we give: nothing in a manifest can lead out of its folder. */
static bool take_name(char **at, char name[32]) {
  size_t length = strcspn(*at, "\n");
  if (length >= 32 || (*at)[length] != '\n')
    return false;
  memcpy(name, *at, length);
  name[length] = '\0';
  *at += length + 1;
  if (strcmp(name, "server.h5") == 0)
    return true;
  char *number = name;
  uint64_t rank;
  return take_text(&number, "clients-") && take_number(&number, '.', &rank) && strcmp(number, "h5") == 0;
}

/* What is wrong with the text, or NULL. */
static const char *parse(char *text, size_t length, comity_manifest *manifest, comity_status *status) {
  if (length == 0)
    return "is empty";
  if (strlen(text) != length)
    return "is not a text";
  char *at = text, *last = text + length - 1;
  uint64_t count;
  if (!take_text(&at, TITLE))
    return strncmp(text, TITLE, strlen("comity checkpoint ")) == 0
               ? "was written by another version of Comity"
               : "is not one of Comity's";
  while (last > text && last[-1] != '\n')
    last--;
  uint8_t listed[COMITY_HASH_BYTES], actual[COMITY_HASH_BYTES];
  char *tail = last;
  if (!take_digest(&tail, listed) || strcmp(tail, "manifest\n") != 0)
    return "is cut short";
  if ((*status = comity_hash_bytes(text, (size_t)(last - text), actual)) != COMITY_OK)
    return NULL;
  if (memcmp(listed, actual, sizeof actual) != 0)
    return "was altered: its digest differs";
  if (!take_text(&at, "round ") || !take_number(&at, '\n', &manifest->round) || !take_text(&at, "files ") ||
      !take_number(&at, '\n', &count) || count == 0 || count > length)
    return "is malformed";
  if ((*status = COMITY_NEW(manifest->part, count)) != COMITY_OK)
    return NULL;
  for (manifest->count = 0; manifest->count < count; manifest->count++) {
    comity_part *part = &manifest->part[manifest->count];
    if (!take_digest(&at, part->digest) || !take_number(&at, ' ', &part->bytes) ||
        !take_name(&at, part->name))
      return "is malformed";
  }
  return at != last ? "is malformed" : NULL;
}

comity_status comity_manifest_read(const char *folder, comity_manifest *manifest) {
  char *text = NULL, *path = comity_text("%s/manifest", folder), expected[48];
  size_t length = 0;
  comity_manifest read = {0};
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : comity_file_read(path, &text, &length);
  if (status == COMITY_ERR_NOT_FOUND)
    status = comity_fail(COMITY_ERR_CHECKPOINT, "%s: not there, so this is no complete checkpoint", path);
  if (status == COMITY_OK) {
    const char *wrong = parse(text, length, &read, &status);
    const char *name = strstr(folder, "checkpoint-");
    for (const char *next = name; next != NULL; next = strstr(next + 1, "checkpoint-"))
      name = next;
    size_t name_length = name == NULL ? 0 : strcspn(name, "/");
    snprintf(expected, sizeof expected, "checkpoint-%08" PRIu64, read.round);
    if (wrong != NULL)
      status = comity_fail(COMITY_ERR_CHECKPOINT, "%s: %s", path, wrong);
    else if (status == COMITY_OK &&
             (strlen(expected) != name_length || strncmp(name, expected, name_length) != 0))
      status = comity_fail(COMITY_ERR_CHECKPOINT,
                           "%s: is of round %" PRIu64 ", which the name of its folder does not say", path,
                           read.round);
    else if (status == COMITY_OK && comity_manifest_find(&read, "server.h5") == NULL)
      status = comity_fail(COMITY_ERR_CHECKPOINT, "%s: lists no server.h5", path);
  }
  comity_free(text);
  comity_free(path);
  if (status != COMITY_OK)
    comity_manifest_clear(&read);
  else
    *manifest = read;
  return status;
}

static comity_status digest_of(const char *path, uint64_t *bytes, uint8_t digest[COMITY_HASH_BYTES]) {
  enum { BLOCK = 1 << 20 };
  comity_hash *hash = NULL;
  uint8_t *block = NULL;
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return comity_fail_errno("%s: cannot open", path);
  comity_status status = comity_hash_new(&hash);
  COMITY_TRY_OR(done, status);
  COMITY_TRY_OR(done, COMITY_NEW(block, BLOCK));
  *bytes = 0;
  errno = 0;
  for (size_t got; (got = fread(block, 1, BLOCK, file)) > 0; *bytes += got)
    comity_hash_add(hash, block, got);
  if (ferror(file))
    status = comity_fail_errno("%s: cannot read", path);
  else
    comity_hash_finish(hash, digest);
done:
  comity_hash_destroy(&hash);
  comity_free(block);
  fclose(file);
  return status;
}

comity_status comity_part_measure(const char *folder, comity_part *part) {
  char *path = comity_text("%s/%s", folder, part->name);
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : digest_of(path, &part->bytes, part->digest);
  comity_free(path);
  return status;
}

comity_status comity_part_check(const char *folder, const comity_part *part, bool deep) {
  char *path = comity_text("%s/%s", folder, part->name);
  if (path == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = COMITY_OK;
  struct stat about;
  uint64_t bytes;
  uint8_t digest[COMITY_HASH_BYTES];
  if (stat(path, &about) != 0)
    status = errno == ENOENT ? comity_fail(COMITY_ERR_CHECKPOINT, "%s: is missing", path)
                             : comity_fail_errno("%s: cannot look at", path);
  else if ((uint64_t)about.st_size != part->bytes)
    status = comity_fail(COMITY_ERR_CHECKPOINT, "%s: is torn: %lld bytes instead of %" PRIu64, path,
                         (long long)about.st_size, part->bytes);
  else if (deep) {
    status = digest_of(path, &bytes, digest);
    if (status == COMITY_OK && (bytes != part->bytes || memcmp(digest, part->digest, sizeof digest) != 0))
      status = comity_fail(COMITY_ERR_CHECKPOINT, "%s: was altered: its digest differs", path);
  }
  comity_free(path);
  return status;
}

comity_status comity_checkpoint_verify(const char *folder, bool deep) {
  comity_manifest manifest;
  COMITY_TRY(comity_manifest_read(folder, &manifest));
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < manifest.count && status == COMITY_OK; i++)
    status = comity_part_check(folder, &manifest.part[i], deep);
  comity_manifest_clear(&manifest);
  return status;
}
