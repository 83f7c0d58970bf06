/* Notices as they come from a bad network or a confused member: damaged, out of date, repeated, about nobody. Whatever comes, the
 * server loses nobody over it, and members follow the newest word alone. */
#include "comm/comm_impl.h"

#include "mpi_main.h"

#include <stddef.h>
#include <string.h>

enum { ROOM = sizeof(comity_notice) + 8 };
static const double SILENCE = 5;

static comity_comm *new_comm(void) {
  comity_comm *comm;
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  assert_int_equal(comity_comm_survive(comm, SILENCE, NULL), COMITY_OK);
  assert_true(comm->watch.notice_bytes <= ROOM);
  return comm;
}

/* As comity_notice_send writes it, but with whatever the test says. */
static void send(comity_comm *comm, int to, comity_notice notice, uint8_t bits, bool damaged) {
  uint8_t bytes[ROOM] = {0};
  size_t length = comm->watch.notice_bytes, head = sizeof notice.check;
  memset(bytes + sizeof notice, bits, (size_t)comm->members.size);
  memcpy(bytes, &notice, sizeof notice);
  notice.check = comity_digest(bytes + head, length - head, 0);
  memcpy(bytes, &notice, sizeof notice);
  if (damaged)
    bytes[offsetof(comity_notice, rank)] ^= 1;
  assert_int_equal(MPI_Send(bytes, (int)length, MPI_BYTE, to, COMITY_TAG_NOTICE, comm->members.whole),
                   MPI_SUCCESS);
}

/* Until all that was sent has come. */
static void meet(comity_comm *comm) {
  MPI_Barrier(MPI_COMM_WORLD);
  double end = comity_clock_now() + 0.05;
  for (int times = 0; times < 40 || comity_clock_now() < end; times++) {
    comity_watch_tend(comm, comity_clock_now());
    comity_clock_sleep(1e-3);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

static void a_notice_arrives_as_it_was_sent(void **state) {
  (void)state;
  comity_comm *comm = new_comm();
  comity_comm_doing(comm,
                    &(comity_doing){.round = 8, .stage = 2, .client = (uint64_t)world_rank(), .done = 4});
  meet(comm);
  comm->watch.next_sign = 0;
  meet(comm);
  for (int rank = 1; rank < world_size() && world_rank() == 0; rank++) {
    comity_doing doing = comity_comm_does(comm, rank);
    assert_int_equal(doing.round, 8);
    assert_int_equal(doing.stage, 2);
    assert_int_equal(doing.client, rank);
    assert_int_equal(doing.done, 4);
  }
  comity_comm_destroy(&comm);
}

/* The last rank says things to the server that are not so. */
static void nonsense_harms_nobody(void **state) {
  (void)state;
  comity_comm *comm = new_comm();
  uint32_t last = (uint32_t)world_size() - 1;
  if (world_rank() == (int)last && last > 0) {
    const uint32_t nobody[] = {0x7fffffff, 0xffffffff, (uint32_t)world_size()};
    for (int i = 0; i < 3; i++)
      for (int times = 0; times < 20; times++) {
        send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_CORRUPT, .rank = nobody[i]}, 3, false);
        send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_BROKEN, .rank = nobody[i]}, 3, false);
      }
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_LEAVE, .rank = last}, 3, true); /* damaged */
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 77}, 0, false); /* not its to say */
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_TAKEN}, 3, false);
    send(comm, 0, (comity_notice){.kind = 4711, .epoch = 5}, 3, false);
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_KNOCK, .rank = last}, 3, false); /* is a member */
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_CORRUPT, .rank = last, .epoch = 5}, 3, false);
    send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_STUCK, .rank = last, .sequence = 0}, 3, false);
    uint8_t brief[3] = {1, 2, 3};
    MPI_Send(brief, 3, MPI_BYTE, 0, COMITY_TAG_NOTICE, comm->members.whole);
  }
  meet(comm);
  assert_false(comity_comm_knocking(comm));
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  assert_int_equal(comity_comm_epoch(comm), 0);
  assert_int_equal(comity_comm_present(comm), world_size());
  comity_comm_destroy(&comm);
}

/* The server's words come twice, late, damaged and in the wrong order. */
static void members_follow_the_newest_group_once(void **state) {
  (void)state;
  comity_comm *comm = new_comm();
  comity_point point = {.round = 5};
  for (int to = 1; to < world_size() && world_rank() == 0; to++) {
    send(comm, to, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 9, .point = {.round = 9}}, 3, true);
    send(comm, to, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 5, .point = point}, 3, false);
    send(comm, to, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 5, .point = {.round = 1}}, 3, false);
    send(comm, to, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 4, .point = {.round = 4}}, 0, false);
    send(comm, to, (comity_notice){.kind = COMITY_NOTICE_GROUP, .epoch = 0}, 0, false);
  }
  if (world_rank() == 0)
    comm->members.epoch = 4; /* so that the next one is the one that was said */
  meet(comm);
  comity_point heard = point;
  assert_int_equal(comity_comm_regroup(comm, &heard), COMITY_OK);
  assert_int_equal(heard.round, 5);
  assert_int_equal(comity_comm_epoch(comm), 5);
  meet(comm); /* the server's own notice of epoch 5 has come as well */
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  assert_int_equal(comity_comm_epoch(comm), 5);
  comity_comm_destroy(&comm);
}

/* Corrupt messages of one sender, one in each of these epochs: a bounded number, then it is excluded. */
static void whose_messages_are_corrupt_too_often_is_excluded(void **state) {
  (void)state;
  if (world_size() < 3)
    return;
  comity_comm *comm = new_comm();
  enum { MOST_CORRUPT = 5 };
  for (int times = 0; times <= MOST_CORRUPT; times++) {
    comity_point point = {.round = 1};
    if (world_rank() == 1)
      send(comm, 0, (comity_notice){.kind = COMITY_NOTICE_CORRUPT, .rank = 2, .epoch = comm->members.epoch},
           3, false);
    if (world_rank() == 0)
      while (!comm->watch.interrupt)
        comity_watch_tend(comm, comity_clock_now());
    comity_status status = comity_comm_regroup(comm, &point);
    bool last = times == MOST_CORRUPT;
    assert_int_equal(status, last && world_rank() == 2 ? COMITY_ERR_EXCLUDED : COMITY_OK);
    assert_int_equal(comity_comm_is_present(comm, 2), !last);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_notice_arrives_as_it_was_sent),
    cmocka_unit_test(nonsense_harms_nobody),
    cmocka_unit_test(members_follow_the_newest_group_once),
    cmocka_unit_test(whose_messages_are_corrupt_too_often_is_excluded),
};

MPI_MAIN(tests)
