/* What a dataset holds, for people. */
#include "data_impl.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK_ROWS = 1 << 16, SHOWN_CLASSES = 64, SHOWN_NAMES = 8, BAR = 40 };

static int by_size(const void *a, const void *b) {
  size_t left = *(const size_t *)a, right = *(const size_t *)b;
  return (left > right) - (left < right);
}

static comity_status print_sizes(const comity_dataset *d, comity_split split, FILE *out) {
  const comity_dataset_info *info = &d->info;
  size_t *sizes, empty = 0;
  COMITY_TRY(COMITY_NEW(sizes, info->clients));
  for (size_t k = 0; k < info->clients; k++) {
    sizes[k] = comity_dataset_count(d, split, k);
    empty += sizes[k] == 0;
  }
  qsort(sizes, info->clients, sizeof *sizes, by_size);
  fprintf(out, "             per client: fewest %zu, median %zu, most %zu", sizes[0],
          sizes[info->clients / 2], sizes[info->clients - 1]);
  fprintf(out, empty > 0 ? "; %zu without any\n" : "\n", empty);
  comity_free(sizes);
  return COMITY_OK;
}

typedef struct label_sums {
  size_t *counts; /* (classes) */
  double sum, least, most;
} label_sums;

static comity_status scan_labels(comity_dataset *d, comity_split split, float *y, label_sums *sums) {
  size_t targets = d->info.targets;
  sums->least = INFINITY;
  sums->most = -INFINITY;
  for (uint64_t first = 0; first < d->stored[split]; first += BLOCK_ROWS) {
    uint64_t left = d->stored[split] - first;
    size_t count = left < BLOCK_ROWS ? (size_t)left : BLOCK_ROWS;
    COMITY_TRY(d->layout->read(d, split, first, count, NULL, y));
    COMITY_TRY(comity_dataset_check_labels(d, split, COMITY_NO_CLIENT, first, count, y));
    for (size_t i = 0; i < count * targets; i++) {
      if (d->info.classes > 0)
        sums->counts[(size_t)y[i]]++;
      sums->sum += (double)y[i];
      sums->least = fmin(sums->least, (double)y[i]);
      sums->most = fmax(sums->most, (double)y[i]);
    }
  }
  return COMITY_OK;
}

static void print_histogram(const comity_dataset *d, const label_sums *sums, FILE *out) {
  size_t most = 1, classes = d->info.classes;
  for (size_t c = 0; c < classes; c++)
    most = sums->counts[c] > most ? sums->counts[c] : most;
  for (size_t c = 0; c < classes && c < SHOWN_CLASSES; c++) {
    fprintf(out, "%12zu %10zu ", c, sums->counts[c]);
    for (size_t i = 0; i < (size_t)llround((double)sums->counts[c] * BAR / (double)most); i++)
      fputc('#', out);
    fputc('\n', out);
  }
  if (classes > SHOWN_CLASSES)
    fprintf(out, "             and %zu more classes\n", classes - SHOWN_CLASSES);
}

static comity_status print_labels(comity_dataset *d, comity_split split, FILE *out) {
  label_sums sums = {0};
  float *y = comity_array(BLOCK_ROWS * d->info.targets, sizeof *y);
  sums.counts = comity_array(d->info.classes, sizeof *sums.counts);
  comity_status status =
      y == NULL || sums.counts == NULL ? COMITY_ERR_MEMORY : scan_labels(d, split, y, &sums);
  if (status == COMITY_OK) {
    fprintf(out, "labels       %llu rows of %s as stored\n", (unsigned long long)d->stored[split],
            split == COMITY_SPLIT_TRAIN ? "train" : "test");
    if (d->info.classes > 0)
      print_histogram(d, &sums, out);
    else
      fprintf(out, "             real numbers from %g to %g, mean %g\n", sums.least, sums.most,
              sums.sum / ((double)d->stored[split] * (double)d->info.targets));
  }
  comity_free(y);
  comity_free(sums.counts);
  return status;
}

static void print_names(const comity_dataset *d, FILE *out) {
  if (d->layout->client_name(d, 0) != NULL) {
    fprintf(out, "clients are  ");
    for (size_t k = 0; k < d->info.clients && k < SHOWN_NAMES; k++)
      fprintf(out, "%s%s", k > 0 ? ", " : "", comity_dataset_client_name(d, k));
    fprintf(out, d->info.clients > SHOWN_NAMES ? ", ...\n" : "\n");
  }
  if (d->feature_names != NULL) {
    fprintf(out, "features are ");
    for (size_t i = 0; i < d->info.width && i < SHOWN_CLASSES; i++)
      fprintf(out, "%s%s", i > 0 ? ", " : "", comity_dataset_feature_name(d, i));
    fprintf(out, d->info.width > SHOWN_CLASSES ? ", ...\n" : "\n");
  }
}

static comity_status print_origin(const comity_dataset *d, FILE *out) {
  if (!comity_h5_has(d->file, "origin"))
    return COMITY_OK;
  char *origin;
  COMITY_TRY(comity_h5_read_text(d->path, d->file, "origin", &origin));
  fprintf(out, "origin       %s\n", origin);
  comity_free(origin);
  return COMITY_OK;
}

comity_status comity_dataset_print(comity_dataset *d, FILE *out) {
  const comity_dataset_info *info = &d->info;
  fprintf(out, "dataset      %s\nlayout       %s\nexample      ", info->path, info->layout);
  for (size_t i = 0; i < info->shape_rank; i++)
    fprintf(out, "%s%zu", i > 0 ? " x " : "", info->shape[i]);
  fprintf(out, " of %s", comity_dtype_name(info->type));
  if (info->scale != 1)
    fprintf(out, ", times %g", info->scale);
  if (info->classes > 0)
    fprintf(out, "; %zu classes\n", info->classes);
  else
    fprintf(out, "; %zu real target%s\n", info->targets, info->targets > 1 ? "s" : "");
  fprintf(out, "clients      %zu\n", info->clients);
  fprintf(out, "train        %zu examples\n", info->examples[COMITY_SPLIT_TRAIN]);
  COMITY_TRY(print_sizes(d, COMITY_SPLIT_TRAIN, out));
  if (info->has_test) {
    fprintf(out, "test         %zu examples%s\n", info->examples[COMITY_SPLIT_TEST],
            info->central_test ? " of no client (central)"
            : d->held_out      ? ", held out of the train examples"
                               : "");
    if (!info->central_test)
      COMITY_TRY(print_sizes(d, COMITY_SPLIT_TEST, out));
  }
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    if (d->stored[s] > 0)
      COMITY_TRY(print_labels(d, (comity_split)s, out));
  print_names(d, out);
  return print_origin(d, out);
}
