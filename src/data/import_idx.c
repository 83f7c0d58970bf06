/* IDX, the format of MNIST: a magic number, big-endian sizes, raw bytes. Images are streamed in blocks. */
#include "import_impl.h"

#include <comity/data.h>

#include <string.h>

enum { BLOCK_BYTES = 4 << 20, PIXELS_MAX = 1 << 24, LABEL_BLOCK = 4096 };

typedef struct idx_file {
  const char *path;
  gzFile gz;
  size_t count, rows, columns; /* labels: rows = columns = 1 */
} idx_file;

/* The two files of a split, and what the labels hold. */
typedef struct idx_pair {
  const char *images, *labels;
  size_t count, rows, columns, classes;
} idx_pair;

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static comity_status read_exactly(idx_file *f, void *buffer, size_t size, const char *what) {
  size_t got = 0;
  COMITY_TRY(comity_gz_read(f->path, f->gz, buffer, size, &got));
  COMITY_REQUIRE(got == size, COMITY_ERR_DATA, "%s: ends inside %s; the file is cut off, fetch it again",
                 f->path, what);
  return COMITY_OK;
}

static comity_status check_end(idx_file *f) {
  char byte;
  size_t got = 0;
  COMITY_TRY(comity_gz_read(f->path, f->gz, &byte, 1, &got));
  COMITY_REQUIRE(got == 0, COMITY_ERR_DATA,
                 "%s: has more bytes than its %zu records; it is damaged or another format", f->path,
                 f->count);
  return COMITY_OK;
}

static const char *type_text(unsigned type) {
  switch (type) {
  case 0x09:
    return "signed bytes";
  case 0x0B:
    return "16-bit integers";
  case 0x0C:
    return "32-bit integers";
  case 0x0D:
    return "32-bit floats";
  case 0x0E:
    return "64-bit floats";
  default:
    return NULL;
  }
}

/* dimensions: 3 for images, 1 for labels. On failure the file is closed. */
static comity_status open_header(idx_file *f, const char *path, unsigned dimensions) {
  uint8_t magic[4], sizes[12];
  comity_status status;
  *f = (idx_file){.path = path, .rows = 1, .columns = 1};
  COMITY_TRY(comity_gz_open(path, &f->gz));
  COMITY_TRY_OR(fail, read_exactly(f, magic, 4, "its magic number"));
  if (magic[0] != 0 || magic[1] != 0) {
    status = comity_fail(COMITY_ERR_DATA, "%s: is no IDX file: it starts with %02x%02x%02x%02x", path,
                         magic[0], magic[1], magic[2], magic[3]);
    goto fail;
  }
  if (magic[2] != 0x08) {
    const char *type = type_text(magic[2]);
    status =
        comity_fail(COMITY_ERR_DATA, "%s: holds %s (IDX type 0x%02x); only unsigned bytes (0x08) are read",
                    path, type == NULL ? "an unknown type" : type, magic[2]);
    goto fail;
  }
  if (magic[3] != dimensions) {
    status = comity_fail(COMITY_ERR_DATA, "%s: has %u dimensions; %s; are images and labels swapped?", path,
                         magic[3], dimensions == 3 ? "images have 3" : "labels have 1");
    goto fail;
  }
  COMITY_TRY_OR(fail, read_exactly(f, sizes, (size_t)4 * dimensions, "its sizes"));
  f->count = big_endian(sizes);
  if (dimensions == 3) {
    f->rows = big_endian(sizes + 4);
    f->columns = big_endian(sizes + 8);
  }
  if (f->count == 0 || f->rows == 0 || f->columns == 0)
    status = comity_fail(COMITY_ERR_DATA, "%s: is empty (%zu records of %zu x %zu)", path, f->count, f->rows,
                         f->columns);
  else if (f->columns > PIXELS_MAX / f->rows)
    status =
        comity_fail(COMITY_ERR_DATA, "%s: images of %zu x %zu pixels are too large; the limit is %d pixels",
                    path, f->rows, f->columns, PIXELS_MAX);
  if (status == COMITY_OK)
    return COMITY_OK;
fail:
  comity_gz_close(&f->gz);
  return status;
}

/* First reading of the labels: their number and the largest one. */
static comity_status scan_labels(idx_pair *pair) {
  idx_file labels;
  uint8_t block[LABEL_BLOCK];
  comity_status status;
  COMITY_TRY(open_header(&labels, pair->labels, 1));
  for (size_t at = 0; at < labels.count;) {
    size_t part = labels.count - at < LABEL_BLOCK ? labels.count - at : LABEL_BLOCK;
    COMITY_TRY_OR(done, read_exactly(&labels, block, part, "its labels"));
    for (size_t i = 0; i < part; i++)
      if (block[i] >= pair->classes)
        pair->classes = (size_t)block[i] + 1;
    at += part;
  }
  pair->count = labels.count;
  COMITY_TRY_OR(done, check_end(&labels));
done:
  comity_gz_close(&labels.gz);
  return status;
}

static comity_status scan_pair(idx_pair *pair) {
  idx_file images;
  COMITY_TRY(scan_labels(pair));
  COMITY_TRY(open_header(&images, pair->images, 3));
  comity_gz_close(&images.gz);
  pair->rows = images.rows;
  pair->columns = images.columns;
  COMITY_REQUIRE(images.count == pair->count, COMITY_ERR_DATA,
                 "%s: holds %zu images but %s holds %zu labels; they do not belong together", pair->images,
                 images.count, pair->labels, pair->count);
  return COMITY_OK;
}

static comity_status copy_pair(const idx_pair *pair, comity_split split, comity_dataset_writer *writer) {
  size_t width = pair->rows * pair->columns, rows = 1 + BLOCK_BYTES / width;
  idx_file images = {0}, labels = {0};
  uint8_t *x = NULL, *bytes = NULL;
  float *y = NULL;
  comity_status status;
  rows = rows < pair->count ? rows : pair->count;
  COMITY_TRY_OR(done, open_header(&images, pair->images, 3));
  COMITY_TRY_OR(done, open_header(&labels, pair->labels, 1));
  /* The files were read before; they may have been replaced meanwhile. */
  if (images.count != pair->count || images.rows != pair->rows || images.columns != pair->columns ||
      labels.count != pair->count) {
    status = comity_fail(COMITY_ERR_DATA, "%s: changed while it was read", pair->images);
    goto done;
  }
  COMITY_TRY_OR(done, COMITY_NEW(x, rows * width));
  COMITY_TRY_OR(done, COMITY_NEW(bytes, rows));
  COMITY_TRY_OR(done, COMITY_NEW(y, rows));
  for (size_t at = 0; at < pair->count;) {
    size_t part = pair->count - at < rows ? pair->count - at : rows;
    COMITY_TRY_OR(done, read_exactly(&images, x, part * width, "its images"));
    COMITY_TRY_OR(done, read_exactly(&labels, bytes, part, "its labels"));
    for (size_t i = 0; i < part; i++)
      y[i] = bytes[i];
    COMITY_TRY_OR(done, comity_dataset_writer_add(writer, split, part, x, y));
    at += part;
  }
  COMITY_TRY_OR(done, check_end(&images));
done:
  comity_gz_close(&images.gz);
  comity_gz_close(&labels.gz);
  comity_free(x);
  comity_free(bytes);
  comity_free(y);
  return status;
}

static comity_status scan_all(const comity_import_idx_options *options, idx_pair *train, idx_pair *test) {
  COMITY_REQUIRE(options->images != NULL && options->labels != NULL, COMITY_ERR_USAGE,
                 "an IDX import needs both images and labels");
  COMITY_REQUIRE((options->test_images == NULL) == (options->test_labels == NULL), COMITY_ERR_USAGE,
                 "test images and test labels come together; %s is missing",
                 options->test_images == NULL ? "the image file" : "the label file");
  *train = (idx_pair){.images = options->images, .labels = options->labels};
  *test = (idx_pair){.images = options->test_images, .labels = options->test_labels};
  COMITY_TRY(scan_pair(train));
  if (test->images == NULL)
    return COMITY_OK;
  COMITY_TRY(scan_pair(test));
  COMITY_REQUIRE(train->rows == test->rows && train->columns == test->columns, COMITY_ERR_DATA,
                 "%s: test images of %zu x %zu do not fit train images of %zu x %zu", test->images,
                 test->rows, test->columns, train->rows, train->columns);
  return COMITY_OK;
}

comity_status comity_import_idx(const comity_import_idx_options *options, const char *out) {
  idx_pair train, test;
  comity_dataset_writer *writer = NULL;
  comity_status status;
  char *origin = NULL;
  COMITY_TRY(scan_all(options, &train, &test));
  origin = comity_text("imported from IDX file %s", comity_path_base(train.images));
  COMITY_TRY_OR(done, origin == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  comity_dataset_writer_options form = {.type = COMITY_U8,
                                        .shape_rank = 3,
                                        .shape = {1, train.rows, train.columns},
                                        .scale = 1.0 / 255.0,
                                        .targets = 1,
                                        .classes =
                                            train.classes > test.classes ? train.classes : test.classes,
                                        .origin = origin};
  COMITY_TRY_OR(done, comity_dataset_writer_new(out, &form, &writer));
  /* The writer takes test rows for a central set when they come before the first client. */
  if (test.images != NULL)
    COMITY_TRY_OR(done, copy_pair(&test, COMITY_SPLIT_TEST, writer));
  COMITY_TRY_OR(done, comity_dataset_writer_client(writer, "all"));
  COMITY_TRY_OR(done, copy_pair(&train, COMITY_SPLIT_TRAIN, writer));
  COMITY_TRY_OR(done, comity_dataset_writer_commit(writer));
done:
  comity_dataset_writer_destroy(&writer);
  comity_free(origin);
  return status;
}
