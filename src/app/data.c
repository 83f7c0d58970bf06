/* comity data: datasets from files of other formats, from other datasets, or from nothing. */
#include "app_impl.h"

#include <comity/data.h>

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -------------------------------------------------------------------------------------------- usage texts */

static const char usage[] =
    "usage: comity data import idx|csv|leaf ...      turn files of other formats into a dataset\n"
    "       comity data partition IN ...             deal a dataset to clients\n"
    "       comity data generate synthetic|blobs ... make a dataset from random numbers\n"
    "\n"
    "Each says more with --help, e.g. 'comity data import csv --help'.\n";

static const char usage_idx[] =
    "usage: comity data import idx --images FILE --labels FILE [--test-images FILE --test-labels FILE]\n"
    "                              --out FILE\n"
    "\n"
    "Import images in the format of MNIST, plain or .gz. The train images become one client, 'all', which\n"
    "'comity data partition' deals out; the test images become the central test set.\n"
    "\n"
    "example: comity data import idx --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz "
    "\\\n"
    "           --test-images t10k-images-idx3-ubyte.gz --test-labels t10k-labels-idx1-ubyte.gz --out "
    "mnist.h5\n";

static const char usage_csv[] =
    "usage: comity data import csv [FILE ...] [options] --out FILE\n"
    "\n"
    "Import tables, plain or .gz. Each file becomes one client named after it, unless --client names a "
    "column.\n"
    "Columns of numbers become features as they are; columns of text become one feature per value.\n"
    "\n"
    "  --test FILE           rows of the central test set; may be repeated\n"
    "  --test-rows FILE      numbers of the rows, from 1, that are the client's own test set\n"
    "  --split COLUMN        rows with 'test' in this column are the client's own test set\n"
    "  --client COLUMN       column that names the client\n"
    "  --label COLUMN        column of the label; the last one by default\n"
    "  --positive VALUE      this label is 1 and all others 0; '>0' for positive numbers, 'a|b' for a or b\n"
    "  --regression          the label is a real number\n"
    "  --drop COLUMN,...     leave columns out; may be repeated\n"
    "  --categorical COLUMN[=VALUE,...]\n"
    "                        one feature per value of this column, in this order; may be repeated. Silos "
    "that\n"
    "                        import on their own give the values, so that all have the same features\n"
    "  --drop-first          leave out the first value of each such column\n"
    "  --missing TEXT        what stands for a missing value, besides nothing; '?' by default\n"
    "  --on-missing WHAT     error (default), drop the row, or mean of the column\n"
    "  --separator CHAR      , ; | tab or blank; found out by default\n"
    "  --header, --no-header whether the first line names the columns; found out by default\n"
    "\n"
    "A COLUMN is its name, or its number from 1.\n"
    "\n"
    "example: comity data import csv adult.csv --test adult-test.csv --positive '>50K|>50K.' --on-missing "
    "drop \\\n"
    "           --out adult.h5\n";

static const char usage_leaf[] =
    "usage: comity data import leaf TRAIN ... [--test FILE] --out FILE\n"
    "\n"
    "Import LEAF's JSON, plain or .gz: each user becomes a client; the rows of --test become the users' own\n"
    "test sets.\n"
    "\n"
    "example: comity data import leaf train/*.json --test test.json --out femnist.h5\n";

static const char usage_partition[] =
    "usage: comity data partition IN --scheme SCHEME [--clients N] [options] --out FILE\n"
    "\n"
    "Deal the train examples of a dataset to clients. Its test set becomes the central test set.\n"
    "\n"
    "  --scheme iid          equal parts at random\n"
    "           shards       each client gets --shards runs of the examples sorted by class (default 2)\n"
    "           dirichlet    class proportions from Dir(--alpha times those of the whole), equal sizes\n"
    "           label_dirichlet\n"
    "                        each class is shared out by Dir(--alpha), so that sizes differ, too\n"
    "           classes      each client has --classes classes (default 2), each shared out equally\n"
    "           quantity     sizes from Dir(--alpha), all classes everywhere\n"
    "           column       clients are the values of --column (a feature, or y for the label)\n"
    "           fedprox      two classes per client and sizes by a power law\n"
    "  --clients N           number of clients; not needed by 'column'\n"
    "  --alpha A             0.5 by default; the smaller, the more clients differ\n"
    "  --minimum N           fewest examples a client may have; label_dirichlet and quantity draw again "
    "until\n"
    "                        then. 10 by default for these two, else 1\n"
    "  --seed N              another deal for another number; 1 by default\n"
    "  --merge-test          deal the test examples too\n"
    "  --test-fraction F     this part of each client's examples becomes its own test set\n"
    "\n"
    "example: comity data partition mnist.h5 --scheme shards --clients 100 --seed 1 --out mnist-shards.h5\n";

static const char usage_synthetic[] =
    "usage: comity data generate synthetic [options] --out FILE\n"
    "\n"
    "Synthetic(alpha, beta) of the FedProx paper: 60 features, 10 classes.\n"
    "\n"
    "  --alpha A             how much the clients' models differ; 1 by default\n"
    "  --beta B              how much the clients' features differ; 1 by default\n"
    "  --iid                 one model and one distribution for all\n"
    "  --clients N           30 by default\n"
    "  --test-fraction F     part of each client that becomes its own test set; 0.1 by default\n"
    "  --seed N              1 by default\n"
    "\n"
    "example: comity data generate synthetic --alpha 0.5 --beta 0.5 --out synthetic.h5\n";

static const char usage_blobs[] =
    "usage: comity data generate blobs [options] --out FILE\n"
    "\n"
    "Gaussian classes, for trying things out: easy, small, and for any number of clients.\n"
    "\n"
    "  --clients N           10 by default\n"
    "  --examples N          per client; 100 by default\n"
    "  --features N          20 by default\n"
    "  --image-side N        make 8-bit images of N x N pixels instead\n"
    "  --classes N           10 by default\n"
    "  --separation S        distance between class centres in standard deviations; 6 by default\n"
    "  --test-fraction F     part of each client that becomes its own test set; 0.2 by default\n"
    "  --seed N              1 by default\n"
    "\n"
    "example: comity data generate blobs --clients 100000 --examples 10 --out many.h5\n";

/* ---------------------------------------------------------------------------------------------- arguments */

enum { LIST_MAX = 4096 };

typedef struct text_list {
  const char *items[LIST_MAX];
  size_t count;
} text_list;

/* Where the value of an option goes. */
typedef enum kind { FLAG, NO_FLAG, TEXT, LIST, COMMAS, SIZE, SEED, REAL } kind;

typedef struct argument {
  const char *name;
  kind kind;
  void *target; /* int *, const char **, text_list *, size_t *, uint64_t * or double * */
} argument;

static comity_status push(text_list *list, const char *text) {
  COMITY_REQUIRE(list->count < LIST_MAX, COMITY_ERR_USAGE, "more than %d of one kind are given", LIST_MAX);
  list->items[list->count++] = text;
  return COMITY_OK;
}

static comity_status take_count(const char *name, const char *text, uint64_t *value) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  COMITY_REQUIRE(text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0, COMITY_ERR_USAGE,
                 "--%s needs a whole number from 0, not '%s'", name, text);
  *value = number;
  return COMITY_OK;
}

static comity_status take(const argument *a, char *text) {
  char *end;
  uint64_t count = 0;
  switch (a->kind) {
  case FLAG:
  case NO_FLAG:
    *(int *)a->target = a->kind == FLAG;
    return COMITY_OK;
  case TEXT:
    *(const char **)a->target = text;
    return COMITY_OK;
  case LIST:
    return push(a->target, text);
  case COMMAS:
    for (char *rest = text, *item; (item = strsep(&rest, ",")) != NULL;)
      COMITY_TRY(push(a->target, item));
    return COMITY_OK;
  case SIZE:
    COMITY_TRY(take_count(a->name, text, &count));
    *(size_t *)a->target = (size_t)count;
    return COMITY_OK;
  case SEED:
    return take_count(a->name, text, a->target);
  case REAL:
    *(double *)a->target = strtod(text, &end);
    COMITY_REQUIRE(end != text && *end == '\0' && isfinite(*(double *)a->target), COMITY_ERR_USAGE,
                   "--%s needs a number, not '%s'", a->name, text);
    return COMITY_OK;
  }
  return COMITY_OK;
}

/* Options to their places; what is no option goes to `rest` (NULL: there must be none). *help is set when the
 * text was asked for, and printed. */
static comity_status parse(int argc, char **argv, const argument *arguments, size_t count, const char *text,
                           text_list *rest, bool *help) {
  struct option options[32] = {{"help", no_argument, NULL, 'h'}};
  for (size_t i = 0; i < count; i++) {
    bool flag = arguments[i].kind == FLAG || arguments[i].kind == NO_FLAG;
    options[i + 1] =
        (struct option){arguments[i].name, flag ? no_argument : required_argument, NULL, 256 + (int)i};
  }
  opterr = 0;
  optind = 0;
  for (int letter; (letter = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    *help |= letter == 'h';
    COMITY_REQUIRE(letter != ':', COMITY_ERR_USAGE, "option '%s' needs a value", argv[optind - 1]);
    COMITY_REQUIRE(letter != '?', COMITY_ERR_USAGE, "there is no option '%s' here; --help lists them",
                   argv[optind - 1]);
    if (letter >= 256)
      COMITY_TRY(take(&arguments[letter - 256], optarg));
  }
  for (int i = optind; i < argc && rest != NULL; i++)
    COMITY_TRY(push(rest, argv[i]));
  COMITY_REQUIRE(rest != NULL || optind >= argc || *help, COMITY_ERR_USAGE,
                 "'%s' is not expected here; --help shows how it goes", argv[optind]);
  if (*help)
    printf("%s", text);
  return COMITY_OK;
}

#define PARSE(arguments, text, rest)                                                                         \
  COMITY_TRY(parse(argc, argv, arguments, sizeof(arguments) / sizeof *(arguments), text, rest, help));       \
  if (*help)                                                                                                 \
  return COMITY_OK

static comity_status need(const char *value, const char *option) {
  COMITY_REQUIRE(value != NULL, COMITY_ERR_USAGE, "--%s is missing; --help shows how it goes", option);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------------ verbs
 *
 * Each fills *out with the path of the dataset that it has made. */

typedef comity_status (*verb)(int argc, char **argv, const char **out, bool *help);

static comity_status import_idx(int argc, char **argv, const char **out, bool *help) {
  comity_import_idx_options o = {0};
  const argument arguments[] = {{"images", TEXT, &o.images},
                                {"labels", TEXT, &o.labels},
                                {"test-images", TEXT, &o.test_images},
                                {"test-labels", TEXT, &o.test_labels},
                                {"out", TEXT, out}};
  PARSE(arguments, usage_idx, NULL);
  COMITY_TRY(need(o.images, "images"));
  COMITY_TRY(need(o.labels, "labels"));
  COMITY_TRY(need(*out, "out"));
  return comity_import_idx(&o, *out);
}

static comity_status separator_of(const char *text, char *separator) {
  if (text == NULL)
    return COMITY_OK;
  bool tab = strcmp(text, "tab") == 0, blank = strcmp(text, "blank") == 0;
  COMITY_REQUIRE(tab || blank || (strlen(text) == 1 && strchr("\"\r\n", text[0]) == NULL), COMITY_ERR_USAGE,
                 "--separator is one character, 'tab' or 'blank', not '%s'", text);
  *separator = tab ? '\t' : blank ? ' ' : text[0];
  return COMITY_OK;
}

static comity_status import_csv(int argc, char **argv, const char **out, bool *help) {
  text_list paths = {0}, tests = {0}, categorical = {0}, drop = {0};
  const char *separator = NULL;
  int drop_first = 0, regression = 0;
  comity_import_csv_options o = {.header = -1};
  const argument arguments[] = {{"test", LIST, &tests},
                                {"test-rows", TEXT, &o.test_rows},
                                {"split", TEXT, &o.split},
                                {"client", TEXT, &o.client},
                                {"label", TEXT, &o.label},
                                {"positive", TEXT, &o.positive},
                                {"regression", FLAG, &regression},
                                {"drop", COMMAS, &drop},
                                {"categorical", LIST, &categorical},
                                {"drop-first", FLAG, &drop_first},
                                {"missing", TEXT, &o.missing},
                                {"on-missing", TEXT, &o.on_missing},
                                {"separator", TEXT, &separator},
                                {"header", FLAG, &o.header},
                                {"no-header", NO_FLAG, &o.header},
                                {"out", TEXT, out}};
  PARSE(arguments, usage_csv, &paths);
  COMITY_TRY(separator_of(separator, &o.separator));
  COMITY_REQUIRE(paths.count + tests.count > 0, COMITY_ERR_USAGE, "name at least one file to import");
  COMITY_TRY(need(*out, "out"));
  o.drop_first = drop_first;
  o.regression = regression;
  o.paths = paths.items;
  o.path_count = paths.count;
  o.test_paths = tests.items;
  o.test_count = tests.count;
  o.categorical = categorical.items;
  o.categorical_count = categorical.count;
  o.drop = drop.items;
  o.drop_count = drop.count;
  return comity_import_csv(&o, *out);
}

static comity_status import_leaf(int argc, char **argv, const char **out, bool *help) {
  text_list paths = {0};
  const char *test = NULL;
  const argument arguments[] = {{"test", TEXT, &test}, {"out", TEXT, out}};
  PARSE(arguments, usage_leaf, &paths);
  COMITY_REQUIRE(paths.count > 0, COMITY_ERR_USAGE, "name at least one train file to import");
  COMITY_TRY(need(*out, "out"));
  return comity_import_leaf(paths.items, paths.count, test, *out);
}

static bool same_file(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

static comity_status partition(int argc, char **argv, const char **out, bool *help) {
  text_list in = {0};
  int merge_test = 0;
  comity_partition_options o = {.seed = 1, .shards_per_client = 2, .classes_per_client = 2, .alpha = 0.5};
  const argument arguments[] = {{"scheme", TEXT, &o.scheme},
                                {"clients", SIZE, &o.clients},
                                {"seed", SEED, &o.seed},
                                {"shards", SIZE, &o.shards_per_client},
                                {"classes", SIZE, &o.classes_per_client},
                                {"alpha", REAL, &o.alpha},
                                {"minimum", SIZE, &o.minimum},
                                {"column", TEXT, &o.column},
                                {"merge-test", FLAG, &merge_test},
                                {"test-fraction", REAL, &o.test_fraction},
                                {"out", TEXT, out}};
  PARSE(arguments, usage_partition, &in);
  COMITY_REQUIRE(in.count == 1, COMITY_ERR_USAGE, "name one dataset to deal, not %zu", in.count);
  COMITY_TRY(need(o.scheme, "scheme"));
  COMITY_TRY(need(*out, "out"));
  COMITY_REQUIRE(!same_file(in.items[0], *out), COMITY_ERR_USAGE,
                 "%s: --out is the dataset that is dealt; give the new one another name", *out);
  o.merge_test = merge_test;
  return comity_partition(in.items[0], &o, *out);
}

static comity_status generate_synthetic(int argc, char **argv, const char **out, bool *help) {
  int iid = 0;
  comity_synthetic_options o = {.alpha = 1, .beta = 1, .clients = 30, .seed = 1, .test_fraction = 0.1};
  const argument arguments[] = {{"alpha", REAL, &o.alpha}, {"beta", REAL, &o.beta},
                                {"iid", FLAG, &iid},       {"clients", SIZE, &o.clients},
                                {"seed", SEED, &o.seed},   {"test-fraction", REAL, &o.test_fraction},
                                {"out", TEXT, out}};
  PARSE(arguments, usage_synthetic, NULL);
  COMITY_TRY(need(*out, "out"));
  o.iid = iid;
  return comity_generate_synthetic(&o, *out);
}

static comity_status generate_blobs(int argc, char **argv, const char **out, bool *help) {
  comity_blobs_options o = {.clients = 10,
                            .examples = 100,
                            .features = 20,
                            .classes = 10,
                            .test_fraction = 0.2,
                            .separation = 6,
                            .seed = 1};
  const argument arguments[] = {{"clients", SIZE, &o.clients},
                                {"examples", SIZE, &o.examples},
                                {"features", SIZE, &o.features},
                                {"image-side", SIZE, &o.image_side},
                                {"classes", SIZE, &o.classes},
                                {"separation", REAL, &o.separation},
                                {"test-fraction", REAL, &o.test_fraction},
                                {"seed", SEED, &o.seed},
                                {"out", TEXT, out}};
  PARSE(arguments, usage_blobs, NULL);
  COMITY_TRY(need(*out, "out"));
  return comity_generate_blobs(&o, *out);
}

/* ----------------------------------------------------------------------------------------------- dispatch */

static const struct {
  const char *first, *second; /* second NULL: the arguments follow at once */
  verb run;
} verbs[] = {{"import", "idx", import_idx},
             {"import", "csv", import_csv},
             {"import", "leaf", import_leaf},
             {"partition", NULL, partition},
             {"generate", "synthetic", generate_synthetic},
             {"generate", "blobs", generate_blobs}};

static comity_status print_summary(const char *path) {
  comity_dataset *dataset = NULL;
  COMITY_TRY(comity_dataset_open(path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  printf("%s: %zu %s, %zu train and %zu test examples of ", path, info->clients,
         info->clients == 1 ? "client" : "clients", info->examples[COMITY_SPLIT_TRAIN],
         info->examples[COMITY_SPLIT_TEST]);
  for (size_t i = 0; i < info->shape_rank; i++)
    printf("%s%zu", i == 0 ? "" : " x ", info->shape[i]);
  if (info->classes > 0)
    printf(" values, %zu classes\n", info->classes);
  else
    printf(" values, real-valued targets\n");
  comity_dataset_destroy(&dataset);
  return COMITY_OK;
}

int comity_app_data(int argc, char **argv) {
  if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    printf("%s", usage);
    return 0;
  }
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    int words = verbs[i].second == NULL ? 1 : 2;
    if (argc <= words || strcmp(argv[1], verbs[i].first) != 0 ||
        (words == 2 && strcmp(argv[2], verbs[i].second) != 0))
      continue;
    const char *out = NULL;
    bool help = false;
    comity_status status = verbs[i].run(argc - words, argv + words, &out, &help);
    if (status == COMITY_OK && !help)
      status = print_summary(out);
    return status == COMITY_OK ? 0 : comity_app_fail(status);
  }
  fprintf(stderr, "%s", usage);
  if (argc < 2)
    return comity_app_fail(comity_fail(COMITY_ERR_USAGE, "say what to do with data"));
  return comity_app_fail(comity_fail(COMITY_ERR_USAGE, "there is no 'comity data %s%s%s'; see above", argv[1],
                                     argc < 3 ? "" : " ", argc < 3 ? "" : argv[2]));
}
