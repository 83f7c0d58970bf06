/* Messages over a TCP connection: they come whole, however they were cut, and whoever is at the other end can neither make this
 * process wait nor make it take more than it expects. */
#include "comm/comm_impl.h"

#include "core/core_impl.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 100000 };

/* A wire, and the bare socket at its other end. */
typedef struct two_ends {
  comity_wire *wire;
  int other;
} two_ends;

static int connect_ends(void **state) {
  static two_ends ends;
  int handles[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, handles) != 0)
    return 1;
  ends.other = handles[1];
  *state = &ends;
  return comity_wire_new(handles[0], &ends.wire) != COMITY_OK;
}

static int disconnect_ends(void **state) {
  two_ends *ends = *state;
  comity_wire_destroy(&ends->wire);
  if (ends->other >= 0)
    close(ends->other);
  return 0;
}

static void write_all(const two_ends *ends, const void *bytes, size_t count) {
  assert_int_equal(write(ends->other, bytes, count), count);
}

/* \return whether a message came */
static bool comes(const two_ends *ends, const void *message, size_t count) {
  uint8_t *data = NULL;
  size_t bytes = 0;
  assert_int_equal(comity_wire_receive(ends->wire, MOST, &data, &bytes), COMITY_OK);
  if (data == NULL)
    return false;
  assert_int_equal(bytes, count);
  assert_memory_equal(data, message, count);
  assert_int_equal(data[count], 0); /* texts have an end */
  comity_free(data);
  return true;
}

static void fails(const two_ends *ends, size_t most, const char *reason) {
  uint8_t *data = NULL;
  size_t bytes = 0;
  assert_int_equal(comity_wire_receive(ends->wire, most, &data, &bytes), COMITY_ERR_COMM);
  assert_null(data);
  if (strstr(comity_error_message(), reason) == NULL)
    fail_msg("'%s' is not in: %s", reason, comity_error_message());
}

static void a_message_goes_out_behind_its_length(void **state) {
  two_ends *ends = *state;
  char sent[64];
  assert_int_equal(comity_wire_send(ends->wire, "hello", 5), COMITY_OK);
  assert_int_equal(comity_wire_send(ends->wire, NULL, 0), COMITY_OK);
  assert_true(comity_wire_is_idle(ends->wire));
  assert_int_equal(read(ends->other, sent, sizeof sent), 13);
  assert_memory_equal(sent, "\5\0\0\0hello\0\0\0\0", 13);
}

static void a_sender_who_trickles_is_waited_for_without_waiting(void **state) {
  two_ends *ends = *state;
  static const char stream[] = "\5\0\0\0hello\0\0\0\0\2\0\0\0ab";
  size_t messages = 0;
  for (size_t i = 0; i < sizeof stream - 1; i++) {
    write_all(ends, &stream[i], 1);
    bool whole = i == 8 || i == 12 || i == 18;
    messages += whole;
    assert_true(comes(ends,
                      messages == 1   ? "hello"
                      : messages == 2 ? ""
                                      : "ab",
                      messages == 1   ? 5
                      : messages == 2 ? 0
                                      : 2) == whole);
    assert_false(comes(ends, "", 0));
  }
  assert_int_equal(messages, 3);
}

static void messages_that_came_at_once_come_one_by_one(void **state) {
  two_ends *ends = *state;
  static uint8_t large[4 + MOST], small[] = {1, 0, 0, 0, 'x'};
  for (size_t i = 4; i < sizeof large; i++)
    large[i] = (uint8_t)(i * 31);
  large[0] = MOST & 255, large[1] = MOST >> 8 & 255, large[2] = MOST >> 16;
  write_all(ends, small, sizeof small);
  write_all(ends, large, sizeof large);
  write_all(ends, small, sizeof small);
  assert_true(comes(ends, "x", 1));
  for (int tries = 0; !comes(ends, large + 4, MOST); tries++)
    assert_true(tries < 1000);
  assert_true(comes(ends, "x", 1));
  assert_false(comes(ends, "", 0));
}

static void a_length_is_not_believed(void **state) {
  two_ends *ends = *state;
  static const char huge[] = "\xff\xff\xff\xff\0\0\0";
  write_all(ends, huge, sizeof huge - 1);
  fails(ends, MOST, "4294967295 bytes is announced, but at most 100000 are expected");
  fails(ends, MOST, "4294967295"); /* and the connection is good for nothing more */
}

static void one_byte_more_than_expected_is_too_long(void **state) {
  two_ends *ends = *state;
  uint8_t *data = NULL;
  size_t bytes = 0;
  write_all(ends, "\3\0\0\0abc\4\0\0\0abcd", 15);
  assert_int_equal(comity_wire_receive(ends->wire, 3, &data, &bytes), COMITY_OK);
  assert_int_equal(bytes, 3);
  comity_free(data);
  fails(ends, 3, "4 bytes is announced");
}

static void whoever_closes_is_gone_wherever_he_was(void **state) {
  static const char stream[] = "\5\0\0\0hello";
  for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
    two_ends *ends;
    assert_int_equal(connect_ends(state), 0);
    ends = *state;
    write_all(ends, stream, cut);
    assert_false(comes(ends, "", 0));
    close(ends->other);
    ends->other = -1;
    uint8_t *data = NULL;
    size_t bytes;
    comity_status status = COMITY_OK;
    for (int tries = 0; tries < 3 && status == COMITY_OK; tries++)
      status = comity_wire_receive(ends->wire, MOST, &data, &bytes);
    assert_int_equal(status, COMITY_ERR_COMM);
    assert_null(data);
    assert_non_null(strstr(comity_error_message(), "lost"));
    disconnect_ends(state);
  }
}

static void what_came_before_the_end_still_comes(void **state) {
  two_ends *ends = *state;
  write_all(ends, "\5\0\0\0hello", 9);
  shutdown(ends->other, SHUT_WR);
  assert_true(comes(ends, "hello", 5));
  fails(ends, MOST, "lost");
}

/* Whoever takes nothing in is given up when a mebibyte waits for him. */
static void nobody_makes_the_server_keep_what_he_does_not_read(void **state) {
  two_ends *ends = *state;
  static const uint8_t block[1 << 16];
  size_t taken = 0;
  while (comity_wire_send(ends->wire, block, sizeof block) == COMITY_OK && taken < 1000)
    taken++;
  assert_true(taken < 100);
  assert_false(comity_wire_is_idle(ends->wire));
  assert_non_null(strstr(comity_error_message(), "takes nothing in"));
}

static void what_waits_goes_out_when_there_is_room(void **state) {
  two_ends *ends = *state;
  static uint8_t block[1 << 16], read_back[1 << 16];
  size_t sent = 0, seen = 0;
  while (comity_wire_is_idle(ends->wire) && sent < 100) {
    memset(block, (int)sent++, sizeof block);
    assert_int_equal(comity_wire_send(ends->wire, block, sizeof block), COMITY_OK);
  }
  assert_true(sent < 100);
  for (int tries = 0; seen < sent * (sizeof block + 4); tries++) {
    ssize_t got = read(ends->other, read_back, sizeof read_back);
    seen += got > 0 ? (size_t)got : 0;
    assert_int_equal(comity_wire_push(ends->wire), COMITY_OK);
    assert_true(tries < 10000);
  }
  assert_int_equal(seen, sent * (sizeof block + 4));
  assert_true(comity_wire_is_idle(ends->wire));
}

static void sending_to_somebody_who_is_gone_is_an_error_and_no_signal(void **state) {
  two_ends *ends = *state;
  close(ends->other);
  ends->other = -1;
  assert_int_equal(comity_wire_send(ends->wire, "hello", 5), COMITY_ERR_COMM);
  assert_non_null(strstr(comity_error_message(), "lost"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_ends, disconnect_ends)

static const struct CMUnitTest tests[] = {
    TEST(a_message_goes_out_behind_its_length),
    TEST(a_sender_who_trickles_is_waited_for_without_waiting),
    TEST(messages_that_came_at_once_come_one_by_one),
    TEST(a_length_is_not_believed),
    TEST(one_byte_more_than_expected_is_too_long),
    cmocka_unit_test(whoever_closes_is_gone_wherever_he_was),
    TEST(what_came_before_the_end_still_comes),
    TEST(nobody_makes_the_server_keep_what_he_does_not_read),
    TEST(what_waits_goes_out_when_there_is_room),
    TEST(sending_to_somebody_who_is_gone_is_an_error_and_no_signal),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
