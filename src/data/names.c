/* A table of names, and the small tools that the importers share: gzip files, numbers, growing arrays. */
#include "import_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------------------- gzip files */

comity_status comity_gz_open(const char *path, gzFile *file) {
  errno = 0;
  gzFile opened = gzopen(path, "rb");
  if (opened == NULL && errno == 0)
    return comity_fail(COMITY_ERR_MEMORY, "%s: out of memory", path);
  if (opened == NULL)
    return comity_fail_errno("%s: cannot open", path);
  gzbuffer(opened, 1 << 17);
  *file = opened;
  return COMITY_OK;
}

comity_status comity_gz_read(const char *path, gzFile file, void *buffer, size_t size, size_t *got) {
  size_t total = 0;
  while (total < size) {
    size_t part = size - total < (1u << 30) ? size - total : (1u << 30);
    errno = 0;
    int count = gzread(file, (char *)buffer + total, (unsigned)part);
    int code = Z_OK;
    const char *reason = gzerror(file, &code);
    if (count < 0 && code == Z_ERRNO)
      return comity_fail_errno("%s: cannot read", path);
    if (count < 0 || ((size_t)count < part && code == Z_BUF_ERROR))
      return comity_fail(code == Z_MEM_ERROR ? COMITY_ERR_MEMORY : COMITY_ERR_DATA,
                         "%s: the gzip stream is damaged or cut off (%s); fetch the file again", path,
                         reason);
    if (count == 0)
      break;
    total += (size_t)count;
  }
  *got = total;
  return COMITY_OK;
}

const char *comity_path_base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

void comity_gz_close(gzFile *file) {
  if (*file != NULL)
    gzclose_r(*file);
  *file = NULL;
}

/* ------------------------------------------------------------------------------------- numbers and arrays */

bool comity_number_parse(const char *text, double *value) {
  if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
    return false;
  char *end;
  *value = strtod(text, &end) + 0.0; /* -0 becomes 0 */
  return *end == '\0';
}

size_t comity_train_part(size_t count, double fraction) {
  size_t train = (size_t)((1.0 - fraction) * (double)count);
  return train < count ? train : count;
}

/* -------------------------------------------------------------------------------------------------- names */

struct comity_names {
  char **text; /* (room), in order of number */
  size_t count, room;
  size_t *slot; /* (slots) 1 + number, 0 = free; open addressing */
  size_t slots; /* power of two, more than 2 * count */
};

static size_t hash_text(const char *text) {
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  for (; *text != '\0'; text++)
    hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return (size_t)(hash ^ hash >> 29);
}

static size_t *find_slot(const comity_names *names, const char *name) {
  size_t i = hash_text(name) & (names->slots - 1);
  while (names->slot[i] != 0 && strcmp(names->text[names->slot[i] - 1], name) != 0)
    i = (i + 1) & (names->slots - 1);
  return &names->slot[i];
}

static void refill(comity_names *names) {
  memset(names->slot, 0, names->slots * sizeof *names->slot);
  for (size_t i = 0; i < names->count; i++)
    *find_slot(names, names->text[i]) = i + 1;
}

comity_status comity_names_new(comity_names **names) {
  comity_names *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->slots = 64;
  if (COMITY_NEW(made->slot, made->slots) != COMITY_OK) {
    comity_free(made);
    return COMITY_ERR_MEMORY;
  }
  *names = made;
  return COMITY_OK;
}

void comity_names_destroy(comity_names **names) {
  if (*names == NULL)
    return;
  for (size_t i = 0; i < (*names)->count; i++)
    comity_free((*names)->text[i]);
  comity_free((*names)->text);
  comity_free((*names)->slot);
  comity_free(*names);
  *names = NULL;
}

size_t comity_names_count(const comity_names *names) { return names->count; }

const char *comity_names_get(const comity_names *names, size_t index) { return names->text[index]; }

size_t comity_names_find(const comity_names *names, const char *name) {
  size_t found = *find_slot(names, name);
  return found == 0 ? COMITY_NAME_NONE : found - 1;
}

comity_status comity_names_add(comity_names *names, const char *name, size_t *index) {
  size_t found = *find_slot(names, name);
  if (found != 0) {
    *index = found - 1;
    return COMITY_OK;
  }
  if (2 * (names->count + 1) >= names->slots) {
    size_t *slot;
    COMITY_TRY(COMITY_NEW(slot, 2 * names->slots));
    comity_free(names->slot);
    names->slot = slot;
    names->slots *= 2;
    refill(names);
  }
  COMITY_TRY(comity_array_grow(&names->text, &names->room, names->count + 1, sizeof *names->text));
  char *copy = comity_text("%s", name);
  if (copy == NULL)
    return COMITY_ERR_MEMORY;
  names->text[names->count++] = copy;
  *find_slot(names, name) = names->count;
  *index = names->count - 1;
  return COMITY_OK;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int by_value(const void *a, const void *b) {
  double left = 0, right = 0;
  (void)comity_number_parse(*(char *const *)a, &left);
  (void)comity_number_parse(*(char *const *)b, &right);
  return left < right ? -1 : left > right ? 1 : by_bytes(a, b);
}

void comity_names_sort(comity_names *names) {
  bool numeric = true;
  double value;
  for (size_t i = 0; i < names->count && numeric; i++)
    numeric = comity_number_parse(names->text[i], &value);
  if (names->count > 0)
    qsort(names->text, names->count, sizeof *names->text, numeric ? by_value : by_bytes);
  refill(names);
}
