/* comity evaluate: a trained model on a dataset. */
#include "app_impl.h"

#include <cblas.h>
#include <getopt.h>
#include <math.h>
#include <string.h>

static const char usage[] =
    "usage: comity evaluate --model MODEL.h5 --data DATA.h5 [--split train|test] [--json]\n"
    "\n"
    "Print accuracy, loss and, for two classes, AUC of a trained model on a dataset of any layout. Without "
    "--split the\n"
    "test split is used when the file has one, else all examples.\n"
    "\n"
    "  comity evaluate --model run/model.h5 --data test.h5\n";

typedef struct totals {
  size_t examples, correct;
  double loss;
  float *score, *label; /* (examples) for AUC; NULL unless binary */
} totals;

static comity_status fits(const comity_loaded_model *loaded, const comity_dataset_info *info,
                          const char *model_path) {
  const comity_model_spec *spec = comity_model_describe(loaded->model);
  size_t width = 1;
  for (size_t i = 0; i < spec->shape_rank; i++)
    width *= spec->shape[i];
  COMITY_REQUIRE(width == info->width, COMITY_ERR_DATA, "%s: an example has %zu features, but %s wants %zu",
                 info->path, info->width, model_path, width);
  COMITY_REQUIRE(info->classes <= spec->classes || spec->classes == 0, COMITY_ERR_DATA,
                 "%s: has %zu classes, but %s tells %zu apart", info->path, info->classes, model_path,
                 spec->classes);
  COMITY_REQUIRE((info->classes > 0) == (spec->classes > 0) && info->targets == spec->targets,
                 COMITY_ERR_DATA, "%s: its labels are of another kind than those of %s", info->path,
                 model_path);
  return COMITY_OK;
}

static comity_status score(const comity_loaded_model *loaded, comity_dataset *dataset, comity_split split,
                           totals *all) {
  comity_workspace *workspace = NULL;
  size_t batch = comity_model_evaluation_batch(loaded->model);
  COMITY_TRY(comity_workspace_new(loaded->model, batch, false, &workspace));
  comity_status status = COMITY_OK;
  for (size_t at = 0; at < all->examples && status == COMITY_OK; at += batch) {
    size_t count = all->examples - at < batch ? all->examples - at : batch;
    comity_examples examples;
    status = comity_dataset_rows(dataset, split, at, count, &examples);
    if (status == COMITY_OK && comity_examples_check(&examples) != COMITY_OK)
      status = comity_fail_context(COMITY_ERR_DATA, "%s: among the %zu examples from number %zu",
                                   comity_dataset_describe(dataset)->path, count, at);
    if (status != COMITY_OK)
      break;
    examples.mean = loaded->mean;
    examples.inverse = loaded->inverse;
    float *y = comity_workspace_y(workspace);
    comity_examples_batch(&examples, NULL, 0, count, comity_workspace_x(workspace), y);
    if (all->label != NULL)
      memcpy(all->label + at, y, count * sizeof *y);
    comity_score block = comity_model_score(loaded->model, loaded->parameters, workspace, count,
                                            all->score == NULL ? NULL : all->score + at);
    all->correct += block.correct;
    all->loss += block.loss;
  }
  comity_workspace_destroy(&workspace);
  return status;
}

static void print_number(const char *name, double value, bool json, bool last) {
  if (!json)
    printf("%-10s %.6g\n", name, value);
  else if (isfinite(value))
    printf("\"%s\": %.9g%s", name, value, last ? "}\n" : ", ");
  else
    printf("\"%s\": null%s", name, last ? "}\n" : ", ");
}

static void print_result(const totals *all, const comity_loaded_model *loaded, double auc, bool json) {
  double count = (double)all->examples;
  bool binary = comity_model_is_binary(loaded->model), classes = comity_model_classifies(loaded->model);
  if (json)
    printf("{");
  print_number("round", (double)loaded->round, json, false);
  print_number("examples", count, json, false);
  if (classes)
    print_number("accuracy", (double)all->correct / count, json, false);
  print_number("loss", all->loss / count, json, !binary);
  if (binary)
    print_number("auc", auc, json, true);
}

static comity_status evaluate(const char *model_path, const char *data_path, const char *split_name,
                              bool json) {
  comity_loaded_model loaded = {0};
  comity_dataset *dataset = NULL;
  totals all = {0};
  double auc = NAN;
  comity_status status;
  COMITY_TRY_OR(done, comity_model_read(model_path, &loaded));
  COMITY_TRY_OR(done, comity_dataset_open(data_path, NULL, &dataset));
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  COMITY_TRY_OR(done, fits(&loaded, info, model_path));
  comity_split split = info->examples[COMITY_SPLIT_TEST] > 0 ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN;
  if (split_name != NULL)
    split = strcmp(split_name, "test") == 0 ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN;
  all.examples = info->examples[split];
  if (all.examples == 0) {
    status = comity_fail(COMITY_ERR_DATA, "%s: has no %s examples", data_path,
                         split == COMITY_SPLIT_TEST ? "test" : "train");
    goto done;
  }
  if (comity_model_is_binary(loaded.model)) {
    COMITY_TRY_OR(done, COMITY_NEW(all.score, all.examples));
    COMITY_TRY_OR(done, COMITY_NEW(all.label, all.examples));
  }
  COMITY_TRY_OR(done, score(&loaded, dataset, split, &all));
  if (all.score != NULL)
    COMITY_TRY_OR(done, comity_auc(all.score, all.label, all.examples, &auc));
  print_result(&all, &loaded, auc, json);
done:
  comity_free(all.score);
  comity_free(all.label);
  comity_dataset_destroy(&dataset);
  comity_loaded_model_clear(&loaded);
  return status;
}

int comity_app_evaluate(int argc, char **argv) {
  static const struct option options[] = {
      {"model", required_argument, NULL, 'm'}, {"data", required_argument, NULL, 'd'},
      {"split", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},        {0}};
  const char *model = NULL, *data = NULL, *split = NULL;
  bool json = false;
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, ":m:d:s:jh", options, NULL)) != -1;)
    switch (letter) {
    case 'm':
      model = optarg;
      break;
    case 'd':
      data = optarg;
      break;
    case 's':
      split = optarg;
      break;
    case 'j':
      json = true;
      break;
    case 'h':
      return printf("%s", usage) < 0;
    case ':':
      return comity_app_misuse(NULL, "comity evaluate: option '%s' needs a value", argv[optind - 1]);
    default:
      return comity_app_misuse(NULL, "comity evaluate: there is no option '%s'; --help lists them",
                               argv[optind - 1]);
    }
  if (model == NULL || data == NULL || optind < argc)
    return comity_app_misuse(usage, "evaluate needs --model and --data, and nothing else");
  if (split != NULL && strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
    return comity_app_fail(comity_fail(COMITY_ERR_USAGE, "--split is 'train' or 'test', not '%s'", split));
  openblas_set_num_threads(1);
  comity_status status = evaluate(model, data, split, json);
  return status == COMITY_OK ? 0 : comity_app_fail(status);
}
