/* TensorFlow Federated's layout: examples/<client>/<feature>, a group for each client. Clients are numbered
 * in the order of their names' bytes. */
#include "data_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct tff {
  hid_t examples;
  char **names; /* (clients) */
  size_t clients, room;
  char *x_name, *y_name;
} tff;

/* ------------------------------------------------------------------------------------------------ clients */

static herr_t take_name(hid_t group, const char *name, const H5L_info_t *about, void *data) {
  (void)group;
  (void)about;
  tff *t = data;
  if (t->clients == t->room || (t->names[t->clients] = comity_text("%s", name)) == NULL)
    return -1;
  t->clients++;
  return 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static comity_status list_clients(comity_dataset *d, tff *t) {
  H5G_info_t about;
  if (H5Gget_info(t->examples, &about) < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: cannot list the group 'examples'", d->path);
  COMITY_REQUIRE(about.nlinks > 0, COMITY_ERR_DATA, "%s: the group 'examples' holds no client", d->path);
  t->room = about.nlinks;
  COMITY_TRY(COMITY_NEW(t->names, t->room));
  if (H5Literate(t->examples, H5_INDEX_NAME, H5_ITER_INC, NULL, take_name, t) < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: cannot list the group 'examples'", d->path);
  qsort(t->names, t->clients, sizeof *t->names, by_bytes);
  return COMITY_OK;
}

static comity_status open_client(const comity_dataset *d, const tff *t, size_t client, char folder[512],
                                 hid_t *group, comity_table *table) {
  snprintf(folder, 512, "examples/%s/", t->names[client]);
  *group = H5Gopen2(t->examples, t->names[client], H5P_DEFAULT);
  if (*group < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: '%s' is no group with a client's examples", d->path, folder);
  comity_status status = comity_table_open(d->path, folder, *group, t->x_name, t->y_name, true, table);
  if (status != COMITY_OK)
    H5Gclose(*group);
  return status;
}

static void close_client(hid_t group, comity_table *table) {
  comity_table_close(table);
  H5Gclose(group);
}

/* ----------------------------------------------------------------------------------------------- features */

typedef struct search {
  const char *y_name;
  char name[256], text[256], all[512]; /* the numeric feature, one of text, all numeric ones */
  size_t numeric;
} search;

static herr_t look_at(hid_t group, const char *name, const H5L_info_t *about, void *data) {
  (void)about;
  search *s = data;
  if (strcmp(name, s->y_name) == 0)
    return 0;
  hid_t set = H5Dopen2(group, name, H5P_DEFAULT), type = set < 0 ? -1 : H5Dget_type(set);
  comity_dtype ignored;
  if (type >= 0 && comity_dtype_from_h5(type, &ignored)) {
    size_t used = strlen(s->all);
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->all + used, sizeof s->all - used, "%s%s", s->numeric++ > 0 ? ", " : "", name);
  } else if (type >= 0 && H5Tget_class(type) == H5T_STRING)
    snprintf(s->text, sizeof s->text, "%s", name);
  if (type >= 0)
    H5Tclose(type);
  if (set >= 0)
    H5Dclose(set);
  return 0;
}

static comity_status choose_features(const comity_dataset *d, tff *t) {
  const char *client = t->names[0];
  hid_t group = H5Gopen2(t->examples, client, H5P_DEFAULT);
  if (group < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: 'examples/%s' is no group with a client's examples", d->path,
                          client);
  const char *y_name = d->options.y_name != NULL                    ? d->options.y_name
                       : H5Lexists(group, "label", H5P_DEFAULT) > 0 ? "label"
                                                                    : "y";
  search found = {.y_name = y_name};
  H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, look_at, &found);
  bool no_label = H5Lexists(group, y_name, H5P_DEFAULT) <= 0;
  H5Gclose(group);
  const char *x_name = d->options.x_name != NULL ? d->options.x_name : found.name;
  COMITY_REQUIRE(d->options.x_name != NULL || found.numeric > 0 || found.text[0] == '\0', COMITY_ERR_DATA,
                 "%s: dataset 'examples/%s/%s' holds text; text features are not supported, turn them into "
                 "numbers first",
                 d->path, client, found.text);
  COMITY_REQUIRE(!no_label, COMITY_ERR_DATA,
                 "%s: client '%s' has no label dataset '%s'; name it with the setting data.y", d->path,
                 client, y_name);
  COMITY_REQUIRE(d->options.x_name != NULL || found.numeric > 0, COMITY_ERR_DATA,
                 "%s: client '%s' has no features besides the label '%s'", d->path, client, y_name);
  COMITY_REQUIRE(d->options.x_name != NULL || found.numeric == 1, COMITY_ERR_DATA,
                 "%s: client '%s' has several features (%s); choose one with the setting data.x", d->path,
                 client, found.all);
  t->x_name = comity_text("%s", x_name);
  t->y_name = comity_text("%s", y_name);
  return t->x_name == NULL || t->y_name == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

/* ------------------------------------------------------------------------------------------------- layout */

/* All clients are looked at: their shapes must agree, and their labels tell the number of classes. */
static comity_status survey(comity_dataset *d, tff *t) {
  comity_status status = COMITY_OK;
  comity_table first = {0}, table;
  char first_folder[512], folder[512];
  hid_t first_group, group;
  uint64_t *offsets;
  COMITY_TRY(COMITY_NEW(offsets, t->clients + 1));
  d->offsets[COMITY_SPLIT_TRAIN] = offsets;
  COMITY_TRY(open_client(d, t, 0, first_folder, &first_group, &first));
  comity_dataset_adopt(d, &first);
  d->info.classes = 0;
  for (size_t i = 0; i < t->clients; i++) {
    COMITY_TRY_OR(done, open_client(d, t, i, folder, &group, &table));
    status = comity_table_match(&first, &table);
    if (status == COMITY_OK && table.whole)
      status = comity_table_classes(&table, &d->info.classes);
    if (status == COMITY_OK && table.rows > UINT32_MAX)
      status =
          comity_fail(COMITY_ERR_DATA, "%s: '%s' has more than %u examples", d->path, folder, UINT32_MAX);
    offsets[i + 1] = offsets[i] + table.rows;
    close_client(group, &table);
    COMITY_TRY_OR(done, status);
  }
  d->stored[COMITY_SPLIT_TRAIN] = offsets[t->clients];
done:
  close_client(first_group, &first);
  return status;
}

static comity_status tff_open(comity_dataset *d) {
  tff *t;
  COMITY_TRY(COMITY_NEW(t, 1));
  d->state = t;
  t->examples = H5Gopen2(d->file, "examples", H5P_DEFAULT);
  if (t->examples < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: 'examples' is no group of clients", d->path);
  COMITY_TRY(list_clients(d, t));
  COMITY_TRY(choose_features(d, t));
  d->info.clients = t->clients;
  return survey(d, t);
}

/* The client that holds a row: the last one that begins at or before it. */
static size_t find_client(const comity_dataset *d, uint64_t row) {
  const uint64_t *offsets = d->offsets[COMITY_SPLIT_TRAIN];
  size_t low = 0, high = d->info.clients;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (offsets[middle] <= row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static comity_status tff_read(comity_dataset *d, comity_split split, uint64_t first, size_t count, void *x,
                              float *y) {
  (void)split;
  const tff *t = d->state;
  const uint64_t *offsets = d->offsets[COMITY_SPLIT_TRAIN];
  size_t row_bytes = d->info.width * comity_dtype_size(d->info.type);
  for (size_t client = count > 0 ? find_client(d, first) : 0, part; count > 0; client++, count -= part) {
    uint64_t left = offsets[client + 1] - first;
    part = count < left ? count : (size_t)left;
    if (part == 0)
      continue;
    char folder[512];
    hid_t group;
    comity_table table;
    COMITY_TRY(open_client(d, t, client, folder, &group, &table));
    comity_status status = comity_table_read(&table, first - offsets[client], part, x, y);
    close_client(group, &table);
    COMITY_TRY(status);
    first += part;
    x = x == NULL ? NULL : (char *)x + part * row_bytes;
    y = y == NULL ? NULL : y + part * d->info.targets;
  }
  return COMITY_OK;
}

static const char *tff_client_name(const comity_dataset *d, size_t client) {
  return ((const tff *)d->state)->names[client];
}

static void tff_close(comity_dataset *d) {
  tff *t = d->state;
  if (t == NULL)
    return;
  for (size_t i = 0; i < t->clients; i++)
    comity_free(t->names[i]);
  comity_free(t->names);
  comity_free(t->x_name);
  comity_free(t->y_name);
  if (t->examples >= 0)
    H5Gclose(t->examples);
  comity_free(t);
  d->state = NULL;
}

const comity_dataset_layout comity_layout_tff = {
    .name = "tff",
    .open = tff_open,
    .read = tff_read,
    .client_name = tff_client_name,
    .close = tff_close,
};
