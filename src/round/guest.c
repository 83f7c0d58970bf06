/* Somebody who came to the server, from the first bytes until he is ready to be a member. Nothing here waits, whatever he does
 * or does not do: each step has a deadline, and until he has proved who he is, a few hundred bytes are all that is taken from
 * him. */
#include "guest_impl.h"

#include <string.h>

/* Seconds for each step of the handshake, and for setting up. Whoever is waited for gives signs of life. */
static const double SOON = 10, MEET = 60, QUEUE = 900, SETUP = 300;

static comity_status go(comity_guest *guest, comity_guest_step step, double deadline) {
  guest->step = step;
  guest->deadline = deadline;
  return COMITY_OK;
}

static double patience(const comity_guests *guests) {
  double silence = comity_config_real(guests->run->config, "comm.silence");
  return silence > SOON ? silence : SOON;
}

/* Until there is something to be told. */
static bool is_waiting(const comity_guest *guest) {
  return guest->rank > 0 && guest->step >= COMITY_GUEST_QUEUE && guest->step < COMITY_GUEST_READY &&
         guest->step != COMITY_GUEST_MEETING; /* what is said now must not come before the place to meet */
}

void comity_guests_keep_signs(comity_guests *guests, double now) {
  for (size_t i = 0; i < guests->count; i++) {
    comity_guest *guest = &guests->guest[i];
    if (!is_waiting(guest) || now < guest->next_sign)
      continue;
    guest->next_sign = now + patience(guests) / 8;
    if (comity_mail_send(guest->link, guest->session, COMITY_MAIL_WAIT, 0, NULL, 0) != COMITY_OK)
      comity_error_clear(); /* who has gone is missed when it is his turn */
  }
}

/* ---------------------------------------------------------------------------------------------- handshake */

static comity_status take_hello(comity_guests *guests, comity_guest *guest, const uint8_t *bytes,
                                size_t count, double now) {
  uint8_t answer[COMITY_ANSWER_BYTES];
  COMITY_TRY(comity_handshake_answer(guests->identity, guests->job, bytes, count, answer, &guest->handshake));
  COMITY_TRY(comity_link_send(guest->link, answer, sizeof answer));
  return go(guest, COMITY_GUEST_PROOF, now + SOON);
}

/* An earlier process with the same key that is not a member yet is forgotten: the newest counts. */
static void displace(comity_guests *guests, const comity_guest *guest) {
  for (size_t i = 0; i < guests->count; i++) {
    comity_guest *other = &guests->guest[i];
    if (other != guest && other->rank == guest->rank) {
      comity_guest_tell_sorry(
          other, comity_fail(COMITY_ERR_REFUSED, "another process has come with the key of this silo"));
      other->step = COMITY_GUEST_GONE;
    }
  }
}

static comity_status take_proof(comity_guests *guests, comity_guest *guest, const uint8_t *bytes,
                                size_t count, double now) {
  uint8_t verdict[COMITY_VERDICT_BYTES];
  size_t silo;
  comity_status status = comity_handshake_verdict(guest->handshake, bytes, count, guests->keys,
                                                  guests->key_count, verdict, &silo, &guest->session);
  comity_handshake_destroy(&guest->handshake);
  if (status == COMITY_OK || status == COMITY_ERR_REFUSED) {
    comity_status sent = comity_link_send(guest->link, verdict, sizeof verdict);
    status = status == COMITY_OK ? sent : status;
  }
  COMITY_TRY(status);
  guest->rank = (int)silo + 1;
  snprintf(guest->name, sizeof guest->name, "%s", guests->keys[silo].name);
  displace(guests, guest);
  return go(guest, COMITY_GUEST_QUEUE, now + QUEUE);
}

comity_status comity_guest_tell_job(comity_guests *guests, comity_guest *guest) {
  const comity_run_state *run = guests->run;
  uint64_t size = (uint64_t)comity_comm_size(run->comm);
  comity_message message = {0};
  comity_status status = comity_message_add(&message, &size, sizeof size);
  if (status == COMITY_OK)
    status = comity_message_add(&message, run->job, strlen(run->job));
  if (status == COMITY_OK)
    status = comity_mail_send(guest->link, guest->session, COMITY_MAIL_JOB, (uint32_t)guest->rank,
                              message.bytes, message.length);
  comity_message_clear(&message);
  return status;
}

/* ------------------------------------------------------------------------------------------- meeting over MPI */

/* Where somebody was expected who has gone before he came, MPI still waits, for minutes and whatever limits it was given: the next guest
 * goes there in his place. Should the other come after all, his letters are sealed with another key. */
static comity_status meet(comity_guests *guests, comity_guest *guest, double now) {
  if (guests->meeting != NULL && (guests->starting > 0 || comity_guests_at(guests, COMITY_GUEST_MEETING) > 0))
    return COMITY_OK;
  if (guests->meeting == NULL)
    COMITY_TRY(comity_meeting_accept(&guests->meeting));
  const char *address = comity_meeting_address(guests->meeting);
  comity_status status =
      comity_mail_send(guest->link, guest->session, COMITY_MAIL_MEET, 0, address, strlen(address));
  guest->step = COMITY_GUEST_MEETING; /* whatever happens, this meeting is his */
  guest->deadline = now + MEET;
  return status;
}

/* The wire has done its work when there is a link over MPI. */
static comity_status have_met(comity_guests *guests, comity_guest *guest, double now) {
  comity_link *link = NULL;
  COMITY_TRY(comity_meeting_poll(&guests->meeting, &link));
  if (link == NULL)
    return COMITY_OK;
  comity_link_destroy(&guest->link);
  guest->link = link;
  COMITY_TRY(comity_guest_tell_job(guests, guest));
  return go(guest, COMITY_GUEST_DATA, now + SETUP);
}

/* -------------------------------------------------------------------------------------------------- joining */

static comity_status take_data(const comity_guests *guests, comity_guest *guest, const comity_mail *mail,
                               double now) {
  COMITY_REQUIRE(mail->count >= sizeof guest->host, COMITY_ERR_COMM, "a letter about data is too short");
  memcpy(guest->host, mail->bytes, sizeof guest->host);
  guest->host[sizeof guest->host - 1] = '\0';
  for (char *c = guest->host; *c != '\0'; c++)
    *c = *c > ' ' && *c < 127 ? *c : '?'; /* it goes to logs */
  guest->told.length = 0;
  COMITY_TRY(
      comity_message_add(&guest->told, mail->bytes + sizeof guest->host, mail->count - sizeof guest->host));
  return go(guest, COMITY_GUEST_WAITING, now + patience(guests));
}

typedef struct packing {
  const comity_run_state *run;
  int silo;
  comity_message *states;
} packing;

/* May read a checkpoint: work aside. */
static comity_status pack_states(void *self) {
  const packing *p = self;
  return comity_run_states_pack(p->run, p->silo, p->states);
}

static comity_status welcome(const comity_guests *guests, comity_guest *guest, double now) {
  const comity_run_state *run = guests->run;
  uint64_t spared = run->at.round > run->spared ? run->at.round : run->spared;
  comity_message message = {0}, states = {0};
  comity_status status = comity_federation_welcome(run->federation, run->job, run->round, &message);
  if (status == COMITY_OK)
    status = comity_comm_aside(run->comm, pack_states, &(packing){run, guest->rank - 1, &states});
  if (status == COMITY_OK)
    status = comity_mail_send(guest->link, guest->session, COMITY_MAIL_WELCOME, (uint32_t)spared,
                              message.bytes, message.length);
  if (status == COMITY_OK)
    status =
        comity_mail_send(guest->link, guest->session, COMITY_MAIL_STATES, 0, states.bytes, states.length);
  comity_message_clear(&message);
  comity_message_clear(&states);
  COMITY_TRY(status);
  return go(guest, COMITY_GUEST_JOINING, now + SETUP);
}

static comity_status take_mail(comity_guests *guests, comity_guest *guest, const comity_mail *mail,
                               double now) {
  if (mail->kind == COMITY_MAIL_SORRY)
    return comity_fail(COMITY_ERR_EXCLUDED, "it could not join: %.*s",
                       (int)(mail->count < 200 ? mail->count : 200), (const char *)mail->bytes);
  if (mail->kind == COMITY_MAIL_DATA && guest->step == COMITY_GUEST_DATA)
    return take_data(guests, guest, mail, now);
  if (mail->kind == COMITY_MAIL_WAIT && guest->step == COMITY_GUEST_WAITING)
    return go(guest, COMITY_GUEST_WAITING, now + patience(guests));
  if (mail->kind == COMITY_MAIL_WAIT)
    return COMITY_OK;
  COMITY_REQUIRE(mail->kind == COMITY_MAIL_READY && guest->step == COMITY_GUEST_JOINING, COMITY_ERR_COMM,
                 "it sent a letter of kind %u out of turn", mail->kind);
  guest->told.length = 0;
  COMITY_TRY(comity_message_add(&guest->told, mail->bytes, mail->count));
  return go(guest, COMITY_GUEST_READY, now + SETUP);
}

static comity_status read_mail(comity_guests *guests, comity_guest *guest, double now) {
  comity_mail mail;
  size_t most = guest->step == COMITY_GUEST_QUEUE ? COMITY_MAIL_SHORT : COMITY_MAIL_MOST / 4;
  COMITY_TRY(comity_mail_receive(guest->link, guest->session, most, &mail));
  if (mail.memory == NULL)
    return COMITY_OK;
  comity_status status = take_mail(guests, guest, &mail, now);
  comity_mail_clear(&mail);
  return status;
}

static comity_status shake_hands(comity_guests *guests, comity_guest *guest, double now) {
  uint8_t *bytes;
  size_t count;
  COMITY_TRY(comity_link_receive(guest->link, COMITY_HANDSHAKE_BYTES, &bytes, &count));
  if (bytes == NULL)
    return COMITY_OK;
  comity_status status = guest->step == COMITY_GUEST_HELLO ? take_hello(guests, guest, bytes, count, now)
                                                           : take_proof(guests, guest, bytes, count, now);
  comity_free(bytes);
  return status;
}

comity_status comity_guest_step_on(comity_guests *guests, comity_guest *guest, double now) {
  if (guest->step <= COMITY_GUEST_PROOF)
    COMITY_TRY(shake_hands(guests, guest, now));
  else if (guest->step == COMITY_GUEST_MEETING)
    COMITY_TRY(have_met(guests, guest, now));
  else if (guest->step < COMITY_GUEST_READY)
    COMITY_TRY(read_mail(guests, guest, now));
  if (guest->step == COMITY_GUEST_QUEUE)
    COMITY_TRY(meet(guests, guest, now));
  if (guest->step == COMITY_GUEST_WAITING && guests->founded)
    COMITY_TRY(welcome(guests, guest, now));
  COMITY_REQUIRE(now < guest->deadline || guest->step >= COMITY_GUEST_READY, COMITY_ERR_TIMEOUT,
                 "it said nothing more %s",
                 guest->step <= COMITY_GUEST_PROOF ? "in the handshake" : "after the handshake");
  return COMITY_OK;
}

void comity_guest_tell_sorry(comity_guest *guest, comity_status status) {
  char text[256];
  snprintf(text, sizeof text, "%s", comity_error_message());
  if (guest->rank > 0 && guest->link != NULL &&
      comity_mail_send(guest->link, guest->session, COMITY_MAIL_SORRY, (uint32_t)status, text,
                       strlen(text)) != COMITY_OK)
    comity_error_clear();
  if (text[0] != '\0')
    status = comity_fail(status, "%s", text);
}

void comity_guest_clear(comity_guest *guest) {
  comity_handshake_destroy(&guest->handshake);
  comity_session_destroy(&guest->session);
  comity_link_destroy(&guest->link);
  comity_message_clear(&guest->told);
  *guest = (comity_guest){.step = COMITY_GUEST_GONE};
}
