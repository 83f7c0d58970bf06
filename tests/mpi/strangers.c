/* Many strangers at a server's door, who hold their connections open and say nothing: a silo still gets through its handshake, long
 * before their time is up, and the server never waits for any of them. */
#include "mpi_main.h"
#include "test.h"

#include "round/guest_impl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EARLY = 2 * COMITY_STRANGERS_MOST, QUEUED = 10, STRANGERS = EARLY + QUEUED };
static const double TOO_LONG = 5; /* seconds; nobody who says nothing has to go before 10 */

typedef struct server {
  comity_config *config;
  comity_run_options options;
  comity_run_state run;
  comity_guests *guests;
  int stranger[STRANGERS];
  double longest; /* seconds that a look at all guests took */
} server;

static int open_server(void **state) {
  static server s;
  comity_comm_options options = {0};
  *state = &s;
  s.run = (comity_run_state){.options = &s.options};
  if (comity_config_new(&s.config) != COMITY_OK ||
      comity_comm_serve(3, &options, 5, &s.run.comm) != COMITY_OK)
    return 1;
  s.run.config = s.config;
  return comity_guests_new(&s.run, "job", &s.guests) != COMITY_OK ||
         comity_identity_new("server", &s.guests->identity) != COMITY_OK ||
         comity_door_open(0, &s.guests->door) != COMITY_OK;
}

static int close_server(void **state) {
  server *s = *state;
  for (int i = 0; i < STRANGERS; i++)
    close(s->stranger[i]);
  comity_guests_destroy(&s->guests);
  comity_comm_destroy(&s->run.comm);
  comity_config_destroy(&s->config);
  return 0;
}

static int call(const server *s) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  at.sin_port = htons((uint16_t)atoi(comity_door_address(s->guests->door)));
  int handle = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(handle >= 0);
  assert_int_equal(connect(handle, (struct sockaddr *)&at, sizeof at), 0);
  return handle;
}

static void look(server *s) {
  double since = comity_clock_now();
  comity_guests_poll(s->guests);
  double took = comity_clock_now() - since;
  s->longest = took > s->longest ? took : s->longest;
  comity_clock_sleep(1e-3);
}

/* What the server sends next. */
static void hear(server *s, comity_link *link, uint8_t *bytes, size_t count) {
  uint8_t *came = NULL;
  size_t length = 0;
  for (double end = comity_clock_now() + TOO_LONG; came == NULL; look(s)) {
    assert_true(comity_clock_now() < end);
    if (comity_link_receive(link, count, &came, &length) != COMITY_OK)
      fail_msg("%s", comity_error_message());
  }
  assert_int_equal(length, count);
  memcpy(bytes, came, count);
  comity_free(came);
}

static void strangers_keep_no_silo_out(void **state) {
  server *s = *state;
  uint8_t hello[COMITY_HELLO_BYTES], answer[COMITY_ANSWER_BYTES], proof[COMITY_PROOF_BYTES],
      verdict[COMITY_VERDICT_BYTES];
  comity_identity *silo = NULL;
  comity_handshake *handshake = NULL;
  comity_session *session = NULL;
  comity_link *link = NULL;
  size_t place;
  for (int i = 0; i < STRANGERS; i++) { /* the last of them stand before the silo when it comes */
    s->stranger[i] = call(s);
    for (double end = comity_clock_now() + 0.055; i < EARLY && comity_clock_now() < end;)
      look(s);
  }
  size_t strangers = comity_guests_at(s->guests, COMITY_GUEST_HELLO);
  assert_in_range(strangers, 1, COMITY_STRANGERS_MOST);
  assert_int_equal(comity_identity_new("silo", &silo), COMITY_OK);
  assert_int_equal(
      comity_handshake_hello(silo, comity_identity_public(s->guests->identity), "job", hello, &handshake),
      COMITY_OK);
  double since = comity_clock_now();
  assert_int_equal(comity_link_call(comity_door_address(s->guests->door), &link), COMITY_OK);
  assert_int_equal(comity_link_send(link, hello, sizeof hello), COMITY_OK);
  hear(s, link, answer, sizeof answer);
  assert_int_equal(comity_handshake_proof(handshake, answer, sizeof answer, proof), COMITY_OK);
  assert_int_equal(comity_link_send(link, proof, sizeof proof), COMITY_OK);
  hear(s, link, verdict, sizeof verdict);
  assert_true(comity_clock_now() - since < TOO_LONG);
  /* It is on no list here, which only the server itself can have said. */
  assert_int_equal(comity_handshake_welcome(handshake, verdict, sizeof verdict, &place, &session),
                   COMITY_ERR_REFUSED);
  assert_non_null(strstr(comity_error_message(), "refused silo"));
  assert_true(s->longest < 1);
  comity_handshake_destroy(&handshake);
  comity_identity_destroy(&silo);
  comity_link_destroy(&link);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(strangers_keep_no_silo_out, open_server, close_server),
};

/* Others may only come where MPI allows several threads. */
int main(int argc, char **argv) {
  int level;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level) != MPI_SUCCESS)
    return 1;
  int failed = level == MPI_THREAD_MULTIPLE && cmocka_run_group_tests(tests, NULL, NULL) != 0;
  MPI_Finalize();
  if (level != MPI_THREAD_MULTIPLE) {
    puts("SKIPPED: this MPI does not allow several threads");
    return 77;
  }
  return failed;
}
