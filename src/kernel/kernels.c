/* What model.kernels may say, and what this build and processor make of it. */
#include "kernel_impl.h"

#include <cblas.h>
#include <string.h>
#if defined(COMITY_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#endif

/* Raise it when another kernel is chosen for a shape, or a kernel computes other bits: what decides stands in
 * *_kernels.c, in each `fits`, and in the constants of own kernels. */
enum { RULES = 4 };

/* Who compiled own code, and whether with fused instructions, which need optimisation. */
#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif
#if defined(__OPTIMIZE__)
#define OPTIMISED ""
#else
#define OPTIMISED " unoptimised"
#endif

comity_status comity_kernels_read(const char *name, comity_kernels *kernels) {
  static const char *const names[] = {"auto", "openblas", "native", "onednn"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) != 0)
      continue;
    bool built = i == COMITY_KERNELS_AUTO;
    for (size_t k = 0; k < comity_dense_kernel_count; k++)
      built = built || strcmp(comity_dense_kernels[k]->name, name) == 0;
    COMITY_REQUIRE(built, COMITY_ERR_CONFIG, "model.kernels: this build of Comity has no %s; set it to auto",
                   name);
    *kernels = (comity_kernels)i;
    return COMITY_OK;
  }
  return comity_fail(COMITY_ERR_CONFIG, "model.kernels: '%s' is none of auto, openblas, native, onednn",
                     name);
}

const char *comity_kernels_text(char text[COMITY_KERNELS_TEXT]) {
  const char *config = openblas_get_config(); /* "OpenBLAS 0.3.21 NO_LAPACK ..." */
  size_t name = strcspn(config, " "), version = strcspn(config + name + (config[name] == ' '), " ");
  int length = snprintf(text, COMITY_KERNELS_TEXT, "native %s by " COMPILER OPTIMISED ", %.*s %s",
                        comity_isa_name(comity_isa_best()), (int)(name + 1 + version), config,
                        openblas_get_corename());
#if defined(COMITY_ONEDNN)
  const dnnl_version_t *dnnl = dnnl_version();
  if (length < COMITY_KERNELS_TEXT)
    snprintf(text + length, COMITY_KERNELS_TEXT - (size_t)length, ", oneDNN %d.%d.%d", dnnl->major,
             dnnl->minor, dnnl->patch);
#else
  (void)length;
#endif
  return text;
}

/* FNV-1a over the text and the rules. */
uint64_t comity_kernels_fingerprint(void) {
  char text[COMITY_KERNELS_TEXT], all[COMITY_KERNELS_TEXT + 32];
  snprintf(all, sizeof all, "%s, rules %d", comity_kernels_text(text), RULES);
  uint64_t hash = 14695981039346656037U;
  for (const char *c = all; *c != '\0'; c++)
    hash = (hash ^ (unsigned char)*c) * 1099511628211U;
  return hash;
}
