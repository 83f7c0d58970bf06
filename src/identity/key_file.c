/* Key files: the secret key, open to its owner alone, and beside it the public key to be given away. They are small and read
 * into memory that is wiped. */
#include "identity_impl.h"

#include "core/core_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MODE = 0600, PUBLIC_MODE = 0644, OTHERS = 077 };

/* ------------------------------------------------------------------------------------------------- reading */

static comity_status check_file(const char *path, bool secret, int file) {
  struct stat about;
  if (fstat(file, &about) != 0)
    return comity_fail_errno("%s: cannot look at the key file", path);
  COMITY_REQUIRE(S_ISREG(about.st_mode), COMITY_ERR_CONFIG, "%s: not a key file", path);
  COMITY_REQUIRE(
      !secret || (about.st_mode & OTHERS) == 0, COMITY_ERR_PERMISSION,
      "%s: others than its owner may use this secret key (mode %03o); say 'chmod 600 %s', and make a new pair with "
      "'comity keygen' if others have had it",
      path, (unsigned)about.st_mode & 0777, path);
  return COMITY_OK;
}

/* Not comity_file_read: its memory would keep copies of a secret. */
comity_status comity_key_file_load(const char *path, bool secret, char text[COMITY_KEY_FILE_BYTES_MAX + 1],
                                   size_t *length) {
  int file =
      open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nonblocking: a pipe is refused, not waited for */
  if (file < 0)
    return comity_fail_errno("%s: cannot open the key file", path);
  comity_status status = check_file(path, secret, file);
  size_t used = 0;
  while (status == COMITY_OK) {
    ssize_t got = read(file, text + used, COMITY_KEY_FILE_BYTES_MAX + 1 - used);
    if (got < 0)
      status = comity_fail_errno("%s: cannot read the key file", path);
    else if (got == 0)
      break;
    else if ((used += (size_t)got) > COMITY_KEY_FILE_BYTES_MAX)
      status = comity_fail(COMITY_ERR_CONFIG, "%s: too long for a key file", path);
  }
  close(file);
  if (status == COMITY_OK) {
    text[used] = '\0';
    *length = used;
  }
  return status;
}

/* The only line that counts, as text in `line`, and its place, as "path:line", in *where. */
static comity_status find_line(const char *path, const char *text, size_t length,
                               char line[COMITY_KEY_FILE_BYTES_MAX + 1], char **where) {
  size_t number = 0, found = 0;
  COMITY_REQUIRE(length <= COMITY_KEY_FILE_BYTES_MAX, COMITY_ERR_CONFIG, "%s: too long for a key file", path);
  for (size_t begin = 0, end; begin < length; begin = end + 1) {
    const char *newline = memchr(text + begin, '\n', length - begin);
    end = newline == NULL ? length : (size_t)(newline - text);
    size_t count = end - begin;
    count -= count > 0 && text[end - 1] == '\r';
    number++;
    COMITY_REQUIRE(memchr(text + begin, '\0', count) == NULL, COMITY_ERR_CONFIG, "%s:%zu: not text", path,
                   number);
    if (count == 0 || text[begin] == '#')
      continue;
    COMITY_REQUIRE(found == 0, COMITY_ERR_CONFIG, "%s:%zu: a key file holds one key, and line %zu has it",
                   path, number, found);
    found = number;
    memcpy(line, text + begin, count);
    line[count] = '\0';
  }
  COMITY_REQUIRE(found > 0, COMITY_ERR_CONFIG, "%s:%zu: no key up to here; 'comity keygen' makes key files",
                 path, number == 0 ? 1 : number);
  *where = comity_text("%s:%zu", path, found);
  return *where == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

comity_status comity_key_file_public(const char *path, const char *text, size_t length,
                                     comity_public_key *key) {
  char line[COMITY_KEY_FILE_BYTES_MAX + 1], *where = NULL;
  comity_status status = find_line(path, text, length, line, &where);
  if (status == COMITY_OK)
    status = comity_public_key_parse(where, line, key);
  comity_free(where);
  sodium_memzero(line, sizeof line); /* it may be a secret in the wrong place */
  return status;
}

comity_status comity_key_file_secret(const char *path, const char *text, size_t length,
                                     comity_identity **identity) {
  char line[COMITY_KEY_FILE_BYTES_MAX + 1], *where = NULL;
  uint8_t seed[crypto_sign_SEEDBYTES] = {0};
  comity_identity *made = NULL;
  comity_status status;
  COMITY_TRY_OR(done, comity_sodium_ready());
  COMITY_TRY_OR(done, COMITY_NEW(made, 1));
  COMITY_TRY_OR(done, find_line(path, text, length, line, &where));
  COMITY_TRY_OR(done, comity_key_line_read(where, true, line, seed, made->key.name));
  crypto_sign_seed_keypair(made->key.bytes, made->secret, seed);
  *identity = made;
  made = NULL;
done:
  comity_identity_destroy(&made);
  comity_free(where);
  sodium_memzero(seed, sizeof seed);
  sodium_memzero(line, sizeof line);
  return status;
}

comity_status comity_public_key_read(const char *where, const char *text, comity_public_key *key) {
  if (comity_key_is_line(text))
    return comity_public_key_parse(where, text, key);
  char read[COMITY_KEY_FILE_BYTES_MAX + 1];
  size_t length;
  comity_status status = comity_key_file_load(text, false, read, &length);
  if (status == COMITY_OK)
    status = comity_key_file_public(text, read, length, key);
  sodium_memzero(read, sizeof read);
  return status == COMITY_OK ? status : comity_fail_context(status, "%s", where);
}

comity_status comity_identity_read(const char *path, comity_identity **identity) {
  char text[COMITY_KEY_FILE_BYTES_MAX + 1];
  size_t length;
  comity_status status = comity_key_file_load(path, true, text, &length);
  if (status == COMITY_OK)
    status = comity_key_file_secret(path, text, length, identity);
  sodium_memzero(text, sizeof text);
  return status;
}

/* ------------------------------------------------------------------------------------------------- writing */

/* Create `path`, which must not exist, with this text, flushed to the disk. */
static comity_status create(const char *path, mode_t mode, const char *text) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0 && errno == EEXIST)
    return comity_fail(
        COMITY_ERR_USAGE,
        "%s: exists already, and who loses a secret key cannot prove any more who it is; choose another name, or "
        "--force to replace it",
        path);
  if (file < 0)
    return comity_fail_errno("%s: cannot create", path);
  size_t length = strlen(text);
  errno = ENOSPC; /* what a write that is cut short means */
  comity_status status = COMITY_OK;
  if (write(file, text, length) != (ssize_t)length || fsync(file) != 0)
    status = comity_fail_errno("%s: cannot write", path);
  if (close(file) != 0 && status == COMITY_OK)
    status = comity_fail_errno("%s: cannot write", path);
  if (status != COMITY_OK)
    unlink(path);
  return status;
}

/* As create, but what is there stays until the new file is complete. */
static comity_status replace(const char *path, mode_t mode, const char *text) {
  char *aside = comity_text("%s.part", path);
  if (aside == NULL)
    return COMITY_ERR_MEMORY;
  unlink(aside);
  comity_status status = create(aside, mode, text);
  if (status == COMITY_OK && (status = comity_file_commit(aside, path)) != COMITY_OK)
    unlink(aside);
  comity_free(aside);
  return status;
}

static comity_status write_pair(const char *path, const char *public_path, const char *secret_text,
                                const char *public_text, bool force) {
  if (force) {
    COMITY_TRY(replace(path, SECRET_MODE, secret_text));
    return replace(public_path, PUBLIC_MODE, public_text);
  }
  COMITY_TRY(create(path, SECRET_MODE, secret_text));
  comity_status status = create(public_path, PUBLIC_MODE, public_text);
  if (status != COMITY_OK)
    unlink(path); /* neither without the other */
  return status;
}

comity_status comity_identity_write(const comity_identity *identity, const char *path, bool force) {
  char line[COMITY_KEY_LINE_BYTES], base64[64], secret_text[512], public_text[COMITY_KEY_LINE_BYTES + 1];
  char *public_path = comity_text("%s.pub", path);
  if (public_path == NULL)
    return COMITY_ERR_MEMORY;
  comity_public_key_line(&identity->key, line);
  snprintf(public_text, sizeof public_text, "%s\n", line);
  sodium_bin2base64(base64, sizeof base64, identity->secret, crypto_sign_SEEDBYTES,
                    sodium_base64_VARIANT_ORIGINAL);
  snprintf(
      secret_text, sizeof secret_text,
      "# A secret key of Comity: whoever has it is who it says. Keep it here, and give away the .pub file beside it.\n"
      "comity-ed25519-secret %s %s\n",
      base64, identity->key.name);
  comity_status status = write_pair(path, public_path, secret_text, public_text, force);
  sodium_memzero(base64, sizeof base64);
  sodium_memzero(secret_text, sizeof secret_text);
  comity_free(public_path);
  return status;
}

/* ----------------------------------------------------------------------------------------------- key pairs */

comity_status comity_identity_new(const char *name, comity_identity **identity) {
  comity_identity *made = NULL;
  COMITY_TRY(comity_sodium_ready());
  COMITY_REQUIRE(comity_key_name_good(name), COMITY_ERR_ARG,
                 "a key's name is at most %d letters, digits and . _ @ + -", COMITY_KEY_NAME_BYTES - 1);
  COMITY_TRY(COMITY_NEW(made, 1));
  crypto_sign_keypair(made->key.bytes, made->secret);
  snprintf(made->key.name, sizeof made->key.name, "%s", name);
  *identity = made;
  return COMITY_OK;
}

const comity_public_key *comity_identity_public(const comity_identity *identity) { return &identity->key; }

void comity_identity_destroy(comity_identity **identity) {
  if (identity == NULL || *identity == NULL)
    return;
  sodium_memzero(*identity, sizeof **identity);
  comity_free(*identity);
  *identity = NULL;
}
