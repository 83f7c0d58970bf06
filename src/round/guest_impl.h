/* Processes that come to a run from outside, on both sides: what they and the server tell each other before they are members. */
#ifndef COMITY_GUEST_IMPL_H
#define COMITY_GUEST_IMPL_H

#include "run_impl.h"

#include <comity/identity.h>

/* ------------------------------------------------------------------------------------------------- mail.c */

/* What a letter is about. The handshake, which comes first, has none. */
typedef enum comity_mail_kind {
  COMITY_MAIL_MEET = 1, /* server: where to meet over MPI (text); the same session goes on there */
  COMITY_MAIL_JOB, /* server: you are rank `value`; how many ranks there are (uint64), and the resolved job */
  COMITY_MAIL_DATA,    /* newcomer: its host (64 bytes), and what comity_federation_survey says */
  COMITY_MAIL_WAIT,    /* server: a sign of life; the newcomer answers with the same */
  COMITY_MAIL_WELCOME, /* server: as comity_welcome_pack made it; up to round `value` no schedule strikes */
  COMITY_MAIL_STATES,  /* server: as comity_run_states_pack made them */
  COMITY_MAIL_READY, /* newcomer: what comity_federation_introduce says; server: then it may knock from here on */
  COMITY_MAIL_SORRY, /* either: it comes to nothing; `value` is a status, and a text follows */
  COMITY_MAIL_END    /* server: the job has ended, with the status `value` */
} comity_mail_kind;

/* One letter as it came. */
typedef struct comity_mail {
  uint32_t kind, value;
  const uint8_t *bytes; /* (count), with a zero behind them */
  size_t count;
  uint8_t *memory; /* owned; NULL = none came */
} comity_mail;

/* Bytes of a letter: over MPI; and over a wire, where anybody in between could announce a long one. */
enum { COMITY_MAIL_MOST = 1 << 30, COMITY_MAIL_SHORT = 4096 };

/* Sealed under the session, or as it is where that is NULL. */
COMITY_MUST_CHECK comity_status comity_mail_send(comity_link *link, comity_session *session,
                                                 comity_mail_kind kind, uint32_t value, const void *data,
                                                 size_t bytes);
/* The next letter, if it has come. \return COMITY_ERR_REFUSED when it was not the other side that wrote it */
COMITY_MUST_CHECK comity_status comity_mail_receive(comity_link *link, comity_session *session, size_t most,
                                                    comity_mail *mail);
void comity_mail_clear(comity_mail *mail);

/* ------------------------------------------------------------------------------------- guest.c, guests.c */

/* Where the server stands with somebody who came. */
typedef enum comity_guest_step {
  COMITY_GUEST_HELLO,
  COMITY_GUEST_PROOF,
  COMITY_GUEST_QUEUE,   /* known, and waits until it is its turn to meet over MPI, */
  COMITY_GUEST_MEETING, /* and does so */
  COMITY_GUEST_DATA,    /* its data are to be told */
  COMITY_GUEST_WAITING, /* the federation is not founded yet */
  COMITY_GUEST_JOINING, /* it sets itself up */
  COMITY_GUEST_READY,   /* may be offered */
  COMITY_GUEST_GONE
} comity_guest_step;

typedef struct comity_guest {
  comity_guest_step step;
  comity_link *link;
  double deadline, next_sign; /* on comity_clock_now */
  comity_handshake *handshake;
  comity_session *session; /* NULL with a process that the server started itself */
  int rank;                /* 0 = not known yet */
  char name[COMITY_KEY_NAME_BYTES], host[64];
  comity_message told; /* of its data */
} comity_guest;

enum { COMITY_STRANGERS_MOST = 32 }; /* guests in the handshake */

struct comity_guests {
  comity_run_state *run;
  comity_door *door; /* NULL: nobody can come by himself */
  comity_identity *identity;
  comity_public_key *keys; /* (size - 1) */
  size_t key_count;
  const char *job;     /* its name in handshakes */
  bool founded;        /* newcomers can be told what there is to know */
  comity_guest *guest; /* (room) in the order in which they came */
  size_t count, room;  /* room: for the strangers, and for whoever may be known or going */
  double next_entry;
  comity_meeting *meeting; /* one at a time; NULL = none */
  int starting; /* the rank for which it starts a process; 0 = it is with a guest, or with nobody any more */
  double credit, credited; /* refusals that may still be told, and when that was reckoned */
  size_t untold;
  comity_message *told;   /* (size) of those who were offered and are not acquainted yet; empty = nobody */
  bool *lost;             /* (size) is to be replaced */
  int *replaced;          /* (size) how often */
  comity_event early[32]; /* before there is a record */
  size_t early_count;
};

/* Go on with one guest as far as it goes without waiting. \return why it has to go, if it has to */
COMITY_MUST_CHECK comity_status comity_guest_step_on(comity_guests *guests, comity_guest *guest, double now);
/* Tell somebody who is known what the job is. */
COMITY_MUST_CHECK comity_status comity_guest_tell_job(comity_guests *guests, comity_guest *guest);
/* Tell why it comes to nothing. */
void comity_guest_tell_sorry(comity_guest *guest, comity_status status);
/* How many are at this step. */
size_t comity_guests_at(const comity_guests *guests, comity_guest_step step);
/* This one goes, for this reason, whose message is this thread's error record; it is told. */
void comity_guests_send_away(comity_guests *guests, comity_guest *guest, comity_status status);
void comity_guest_clear(comity_guest *guest);

#endif
