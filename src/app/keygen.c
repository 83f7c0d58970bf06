/* comity keygen: the key pair by which a silo or a server proves who it is. */
#include "app_impl.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
    "usage: comity keygen --out FILE [--name NAME] [--force]\n"
    "\n"
    "Make a key pair, with which a silo and a server prove to each other who they are. FILE gets the secret key,\n"
    "which stays where it is; FILE.pub gets the public one, which is also printed.\n"
    "\n"
    "  --out FILE    the secret key's file, readable for its owner alone\n"
    "  --name NAME   for people and logs: letters, digits and . _ @ + -, at most 63; the file's name by default\n"
    "  --force       replace FILE and FILE.pub; whoever lists the old key will refuse the new one\n";

static comity_status make(const char *path, const char *name, bool force) {
  comity_identity *identity = NULL;
  COMITY_TRY(comity_identity_new(name, &identity));
  comity_status status = comity_identity_write(identity, path, force);
  if (status == COMITY_OK) {
    char line[COMITY_KEY_LINE_BYTES], fingerprint[COMITY_FINGERPRINT_BYTES];
    comity_public_key_line(comity_identity_public(identity), line);
    comity_public_key_fingerprint(comity_identity_public(identity), fingerprint);
    printf("%s\n", line);
    printf(
        "\nThis is the public key, also in %s.pub; logs call it %s. The secret key is in %s: nobody else needs it.\n"
        "A silo's line goes to who runs the server, who lists it in the server's job:\n"
        "  silos: {keys: [\"%s\"]}\n"
        "A server's job names its secret key (silos: {server_key: %s}), and each silo gets %s.pub for --server-key.\n",
        path, fingerprint, path, line, path, path);
  }
  comity_identity_destroy(&identity);
  return status;
}

int comity_app_keygen(int argc, char **argv) {
  static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
  const char *path = NULL, *name = NULL;
  bool force = false;
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    if (letter == 'h')
      return printf("%s", usage) < 0;
    if (letter == ':')
      return comity_app_misuse(NULL, "comity keygen: option '%s' needs a value", argv[optind - 1]);
    if (letter == '?')
      return comity_app_misuse(NULL, "comity keygen: there is no option '%s'; --help lists them",
                               argv[optind - 1]);
    path = letter == 'o' ? optarg : path;
    name = letter == 'n' ? optarg : name;
    force |= letter == 'f';
  }
  if (optind < argc)
    return comity_app_misuse(NULL, "comity keygen: '%s' is not expected here; --help shows how it goes",
                             argv[optind]);
  if (path == NULL || path[0] == '\0')
    return comity_app_misuse(usage, "--out is missing");
  if (name == NULL) {
    const char *slash = strrchr(path, '/');
    name = slash == NULL ? path : slash + 1;
  }
  comity_status status = make(path, name, force);
  if (status == COMITY_ERR_ARG)
    return comity_app_misuse(NULL, "comity keygen: --name '%s': %s", name, comity_error_message());
  return status == COMITY_OK ? 0 : comity_app_fail(status);
}
