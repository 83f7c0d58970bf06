/* The file that tells silos where their server is: what was written is read, and what is none is refused by its name. */
#include "test.h"

#include "core/core_impl.h"
#include <comity/round.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= server"
#define WHOLE                                                                                                \
  "comity-server 1\njob hearts.yaml\nkey " KEY "\nrendezvous 1.0;tcp://10.0.0.7:41234\n"                     \
  "door 40123 ward 10.0.0.7 127.0.0.1\n"

static int in_new_folder(void **state) {
  static char folder[32];
  strcpy(folder, "/tmp/comity-address-XXXXXX");
  *state = folder;
  return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int folder_gone(void **state) { return chdir("/") != 0 || comity_folder_remove(*state) != COMITY_OK; }

static comity_status read_text(const char *text, size_t length, comity_address *address) {
  assert_int_equal(comity_file_write("server.addr", text, length), COMITY_OK);
  return comity_address_read("server.addr", address);
}

static void refused(const char *text, const char *reason) {
  comity_address address;
  assert_int_not_equal(read_text(text, strlen(text), &address), COMITY_OK);
  if (strncmp(comity_error_message(), "server.addr:", 12) != 0 ||
      strstr(comity_error_message(), reason) == NULL)
    fail_msg("'%s' is not in: %s", reason, comity_error_message());
}

static void what_was_written_is_read(void **state) {
  (void)state;
  comity_address address, again;
  assert_int_equal(read_text(WHOLE, sizeof WHOLE - 1, &address), COMITY_OK);
  assert_string_equal(address.job, "hearts.yaml");
  assert_string_equal(address.rendezvous, "1.0;tcp://10.0.0.7:41234");
  assert_string_equal(address.door, "40123 ward 10.0.0.7 127.0.0.1");
  assert_string_equal(address.server.name, "server");
  assert_int_equal(comity_address_write("again.addr", &address), COMITY_OK);
  assert_int_equal(comity_address_read("again.addr", &again), COMITY_OK);
  assert_memory_equal(&again, &address, sizeof again);
}

static void a_server_that_is_done_says_so(void **state) {
  (void)state;
  comity_address address, again;
  assert_int_equal(read_text(WHOLE, sizeof WHOLE - 1, &address), COMITY_OK);
  assert_false(address.done);
  address.done = true;
  assert_int_equal(comity_address_write("done.addr", &address), COMITY_OK);
  assert_int_equal(comity_address_read("done.addr", &again), COMITY_OK);
  assert_memory_equal(&again, &address, sizeof again);
}

static void a_file_that_is_cut_short_is_refused(void **state) {
  (void)state;
  comity_address address;
  for (size_t length = 0; length < sizeof WHOLE - 1; length++)
    assert_int_equal(read_text(WHOLE, length, &address), COMITY_ERR_DATA);
}

static void other_versions_are_not_read(void **state) {
  (void)state;
  refused("comity-server 10\njob j\nkey " KEY "\nrendezvous r\ndoor 1 h\n", "'comity-server 1'");
  refused("comity-server 2\njob j\nkey " KEY "\nrendezvous r\ndoor 1 h\n", "'comity-server 1'");
  refused("comity-server 1", "'comity-server 1'");
}

static void what_is_missing_is_named(void **state) {
  (void)state;
  refused("comity-server 1\nkey " KEY "\nrendezvous r\ndoor 1 h\n", "'job ...'");
  refused("comity-server 1\njob j\nrendezvous r\ndoor 1 h\n", "'key ...'");
  refused("comity-server 1\njob j\nkey " KEY "\ndoors 1 h\nrendezvous r\n", "'door ...'");
  refused("comity-server 1\njob j\nkey comity-ed25519 AAAA\nrendezvous r\ndoor 1 h\n", "key");
}

static void parts_that_are_too_long_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *name;
    size_t room;
  } part[] = {{"job", 128}, {"rendezvous", 512}, {"door", 1024}};
  char long_part[1025], text[4096];
  for (size_t i = 0; i < sizeof part / sizeof *part; i++)
    for (size_t more = 0; more < 2; more++) { /* the longest one, and one that is too long */
      comity_address address;
      memset(long_part, 'x', sizeof long_part);
      long_part[part[i].room - 1 + more] = '\0';
      int length =
          snprintf(text, sizeof text, "comity-server 1\n%s %s\njob j\nkey " KEY "\nrendezvous r\ndoor 1 h\n",
                   part[i].name, long_part);
      assert_int_equal(read_text(text, (size_t)length, &address), more == 0 ? COMITY_OK : COMITY_ERR_DATA);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_written_is_read),
    cmocka_unit_test(a_server_that_is_done_says_so),
    cmocka_unit_test(a_file_that_is_cut_short_is_refused),
    cmocka_unit_test(other_versions_are_not_read),
    cmocka_unit_test(what_is_missing_is_named),
    cmocka_unit_test(parts_that_are_too_long_are_refused),
};

int main(void) { return cmocka_run_group_tests(tests, in_new_folder, folder_gone); }
