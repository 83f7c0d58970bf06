/* comity join: a silo, wherever it is, joins its server. And comity participate, which the server starts itself. */
#include "app_impl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: comity join --server FILE --data FILE --key FILE [--server-key KEY] [--wait SECONDS] [--quiet]\n"
    "\n"
    "Join, as a silo, the server that 'comity serve' has started. The data stay here: what travels are the model,\n"
    "updates and sums.\n"
    "\n"
    "  --server FILE     the server's server.addr\n"
    "  --data FILE       this silo's dataset\n"
    "  --key FILE        this silo's secret key, made by 'comity keygen'; its public key is in the server's job\n"
    "  --server-key KEY  the server's public key (its line, or a .pub file) as its owner gave it to you; without it the\n"
    "                    one in server.addr is trusted, so that file must have come from the owner unchanged\n"
    "  --wait SECONDS    for how long to look for the server again and again when it is not there (0)\n"
    "  --quiet           print nothing but errors\n"
    "\n"
    "SIGTERM, SIGUSR1 and Ctrl-C: the silo leaves, with exit code 75, and the others go on; it may join again at any\n"
    "time. Lost or killed, it joins again the same way and gets back its place, the model and its clients' states.\n"
    "Where the job is done already there is nothing to do, and the exit code is 0.\n"
    "\n"
    "  comity join --server server.addr --data hospital-2.h5 --key hospital-2.key --server-key server.key.pub\n";

typedef struct choices {
  const char *server, *data, *key, *server_key;
  double wait;
  bool quiet;
} choices;

static comity_status join(const choices *given, const comity_address *address) {
  comity_join_options options = {
      .address = address->door, .job = address->job, .server = &address->server, .data = given->data};
  comity_run_options how = {
      .terminal = given->quiet ? NULL : stdout, .stop = comity_app_stop(), .alive = comity_app_note_alive};
  comity_identity *identity = NULL;
  COMITY_TRY(comity_identity_read(given->key, &identity));
  options.identity = identity;
  comity_status status = comity_join(&options, &how, NULL);
  comity_identity_destroy(&identity);
  return status;
}

static comity_status read_address(const choices *given, comity_address *address) {
  COMITY_TRY(comity_address_read(given->server, address));
  return given->server_key == NULL
             ? COMITY_OK
             : comity_public_key_read("--server-key", given->server_key, &address->server);
}

/* In the process that launches the other, and in the one inside. */
static bool is_asked_to_stop(void) { return comity_app_was_signalled() || *comity_app_stop() != 0; }

/* The server may be starting, or starting again at another address; before there is one, no mpirun can be told of it. */
static comity_status find_server(const choices *given, double deadline, comity_address *address) {
  static const double LOOK = 0.2;
  for (;; comity_clock_sleep(LOOK)) {
    comity_link *link = NULL;
    comity_status status = read_address(given, address);
    if (status == COMITY_OK && !address->done)
      status = comity_link_call(address->door, &link);
    comity_link_destroy(&link);
    if (is_asked_to_stop())
      return comity_fail(COMITY_REQUEUE, "asked to stop while this silo looked for its server");
    if (status == COMITY_OK || comity_clock_now() >= deadline)
      return status;
  }
}

static comity_status say_done(const choices *given) {
  fprintf(stderr, "comity: the job at %s has ended\n", given->server);
  return COMITY_OK;
}

/* This process is the one inside. The mpirun around it can only meet the server that it was told of. */
static comity_status join_from_inside(const choices *given, double deadline) {
  const char *told = getenv("COMITY_RENDEZVOUS");
  comity_address address;
  COMITY_TRY(find_server(given, told != NULL ? 0 : deadline, &address));
  if (address.done)
    return say_done(given);
  COMITY_REQUIRE(told == NULL || strcmp(told, address.rendezvous) == 0, COMITY_ERR_SERVER,
                 "%s: the server has started again meanwhile, at another address", given->server);
  return join(given, &address);
}

/* Whether the file names another server than the one that was joined, or says that the job is done. */
static bool has_moved(const choices *given, const comity_address *address) {
  comity_address now;
  if (read_address(given, &now) == COMITY_OK)
    return now.done || strcmp(now.rendezvous, address->rendezvous) != 0;
  comity_error_clear();
  return false;
}

static int join_from_outside(const choices *given, double deadline, int argc, char **argv) {
  const int gone = comity_status_exit_code(COMITY_ERR_SERVER);
  comity_address address;
  int code;
  comity_app_catch_signals();
  do {
    comity_status status = find_server(given, deadline, &address);
    if (status != COMITY_OK)
      return comity_app_fail(status);
    comity_error_clear();
    if (address.done)
      return comity_status_exit_code(say_done(given));
    code = comity_app_launch(address.rendezvous, argc, argv);
  } while (code == gone &&
           (is_asked_to_stop() || comity_clock_now() < deadline || has_moved(given, &address)));
  return code;
}

static int read_options(int argc, char **argv, choices *given) {
  static const struct option options[] = {
      {"server", required_argument, NULL, 's'}, {"data", required_argument, NULL, 'd'},
      {"key", required_argument, NULL, 'k'},    {"server-key", required_argument, NULL, 'p'},
      {"wait", required_argument, NULL, 'w'},   {"quiet", no_argument, NULL, 'q'},
      {"help", no_argument, NULL, 'h'},         {0}};
  char *rest = "";
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, ":hq", options, NULL)) != -1;) {
    given->server = letter == 's' ? optarg : given->server;
    given->data = letter == 'd' ? optarg : given->data;
    given->key = letter == 'k' ? optarg : given->key;
    given->server_key = letter == 'p' ? optarg : given->server_key;
    given->wait = letter == 'w' ? strtod(optarg, &rest) : given->wait;
    given->quiet |= letter == 'q';
    if (letter == 'h')
      return printf("%s", usage) < 0;
    if (letter == ':')
      return comity_app_misuse(NULL, "comity join: option '%s' needs a value", argv[optind - 1]);
    if (letter == '?')
      return comity_app_misuse(NULL, "comity join: there is no option '%s'; --help lists them",
                               argv[optind - 1]);
    if (*rest != '\0' || !(given->wait >= 0))
      return comity_app_misuse(NULL, "comity join: --wait '%s' is no number of seconds", optarg);
  }
  if (optind < argc)
    return comity_app_misuse(NULL, "comity join: '%s' is not expected here; --help shows how it goes",
                             argv[optind]);
  if (given->server == NULL || given->data == NULL || given->key == NULL)
    return comity_app_misuse(usage, "%s is missing",
                             given->server == NULL ? "--server"
                             : given->data == NULL ? "--data"
                                                   : "--key");
  return -1;
}

int comity_app_join(int argc, char **argv) {
  choices given = {0};
  int code = read_options(argc, argv, &given);
  if (code >= 0)
    return code;
  double deadline = comity_clock_now() + given.wait;
  if (!comity_app_is_launched())
    return join_from_outside(&given, deadline, argc, argv);
  comity_status status = comity_app_begin(&argc, &argv, true);
  if (status == COMITY_OK)
    status = join_from_inside(&given, deadline);
  comity_app_leave(status);
}

int comity_app_participate(int argc, char **argv) {
  comity_run_options how = {.stop = NULL}; /* as with the others, signals are for the server */
  comity_status status = comity_app_begin(&argc, &argv, true);
  if (status == COMITY_OK)
    status = comity_participate(&how);
  comity_app_leave(status);
}
