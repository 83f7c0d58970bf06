/* A process that joins a run which others began: a silo of its own mpirun, or one that the server started in the place of
 * another. It asks and answers step by step, and is then a member like everybody else. */
#include "guest_impl.h"

#include <string.h>
#include <unistd.h>

/* Seconds in which the server gives signs of life to whom it knows; in which it does to nobody else, as it may be at its files;
 * for MPI to connect. */
static const double SOON = 30, UNKNOWN = 300, MEET = 30, GOODBYE = 1;

typedef struct newcomer {
  const comity_join_options *join; /* NULL: the server started this process */
  const comity_run_options *options;
  comity_link *link;
  comity_session *session;
  comity_config *config;
  double patience; /* seconds that the server may say nothing */
  bool too_late;   /* the job is done */
  comity_run_state run;
} newcomer;

/* ----------------------------------------------------------------------------------------------- what comes */

static comity_status linger(const newcomer *n, double deadline, const char *what) {
  COMITY_REQUIRE(comity_clock_now() < deadline, COMITY_ERR_SERVER, "the server did not answer: no %s came",
                 what);
  COMITY_REQUIRE(n->options->stop == NULL || *n->options->stop == 0, COMITY_REQUEUE,
                 "asked to stop before this process was let in");
  comity_clock_sleep(1e-3);
  return COMITY_OK;
}

/* Bytes of the handshake. */
static comity_status expect_bytes(const newcomer *n, uint8_t *bytes, size_t count, const char *what) {
  uint8_t *came = NULL;
  size_t length = 0;
  double deadline = comity_clock_now() + n->patience;
  while (came == NULL) {
    COMITY_TRY(comity_link_receive(n->link, count, &came, &length));
    if (came == NULL)
      COMITY_TRY(linger(n, deadline, what));
  }
  bool whole = length == count;
  if (whole)
    memcpy(bytes, came, count);
  comity_free(came);
  COMITY_REQUIRE(whole, COMITY_ERR_REFUSED, "the server sent %zu bytes instead of the %zu of its %s", length,
                 count, what);
  return COMITY_OK;
}

/* What the server says instead of what was expected. */
static comity_status unexpected(newcomer *n, const comity_mail *mail, const char *what) {
  if (mail->kind == COMITY_MAIL_SORRY)
    return comity_fail(mail->value == COMITY_ERR_DATA || mail->value == COMITY_ERR_REFUSED
                           ? (comity_status)mail->value
                           : COMITY_ERR_EXCLUDED,
                       "the server does not let this process in: %.*s",
                       (int)(mail->count < 300 ? mail->count : 300), (const char *)mail->bytes);
  if (mail->kind == COMITY_MAIL_END) {
    n->too_late = mail->value == COMITY_OK;
    return comity_fail(COMITY_ERR_SERVER, "the server has ended");
  }
  return comity_fail(COMITY_ERR_COMM, "the server sent a letter of kind %u instead of the %s", mail->kind,
                     what);
}

/* A letter; until it comes the server gives signs of life. */
static comity_status expect(newcomer *n, comity_mail_kind kind, const char *what, comity_mail *mail) {
  double deadline = comity_clock_now() + n->patience;
  size_t most = kind == COMITY_MAIL_MEET ? COMITY_MAIL_SHORT : COMITY_MAIL_MOST; /* that one comes by wire */
  for (;;) {
    COMITY_TRY(comity_mail_receive(n->link, n->session, most, mail));
    if (mail->memory == NULL) {
      COMITY_TRY(linger(n, deadline, what));
      continue;
    }
    if (mail->kind == kind)
      return COMITY_OK;
    bool answers = kind != COMITY_MAIL_READY; /* else nobody would read it */
    comity_status status = mail->kind != COMITY_MAIL_WAIT ? unexpected(n, mail, what)
                           : answers ? comity_mail_send(n->link, n->session, COMITY_MAIL_WAIT, 0, NULL, 0)
                                     : COMITY_OK;
    comity_mail_clear(mail);
    COMITY_TRY(status);
    deadline = comity_clock_now() + n->patience;
  }
}

/* ------------------------------------------------------------------------------------------------- the steps */

/* To the address that the server has told over the wire. */
static comity_status meet(newcomer *n) {
  comity_mail mail;
  comity_meeting *meeting = NULL;
  comity_link *link = NULL;
  COMITY_TRY(expect(n, COMITY_MAIL_MEET, "place to meet", &mail));
  double deadline = comity_clock_now() + MEET;
  comity_status status = comity_meeting_connect((const char *)mail.bytes, &meeting);
  comity_mail_clear(&mail);
  while (status == COMITY_OK && link == NULL && meeting != NULL) {
    status = comity_meeting_poll(&meeting, &link);
    if (status == COMITY_OK && link == NULL)
      status = linger(n, deadline, "connection over MPI");
  }
  comity_meeting_give_up(&meeting);
  if (status == COMITY_OK) {
    comity_link_destroy(&n->link);
    n->link = link;
  }
  return status;
}

static comity_status shake_hands(newcomer *n) {
  const comity_join_options *join = n->join;
  uint8_t hello[COMITY_HELLO_BYTES], answer[COMITY_ANSWER_BYTES], proof[COMITY_PROOF_BYTES],
      verdict[COMITY_VERDICT_BYTES];
  comity_handshake *handshake = NULL;
  size_t silo;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, comity_handshake_hello(join->identity, join->server, join->job, hello, &handshake));
  COMITY_TRY_OR(done, comity_link_send(n->link, hello, sizeof hello));
  COMITY_TRY_OR(done, expect_bytes(n, answer, sizeof answer, "answer"));
  COMITY_TRY_OR(done, comity_handshake_proof(handshake, answer, sizeof answer, proof));
  COMITY_TRY_OR(done, comity_link_send(n->link, proof, sizeof proof));
  COMITY_TRY_OR(done, expect_bytes(n, verdict, sizeof verdict, "verdict"));
  COMITY_TRY_OR(done, comity_handshake_welcome(handshake, verdict, sizeof verdict, &silo, &n->session));
done:
  comity_handshake_destroy(&handshake);
  return status;
}

/* The job, and with it this process's place. */
static comity_status learn_job(newcomer *n) {
  comity_mail mail;
  uint64_t size = 0;
  COMITY_TRY(expect(n, COMITY_MAIL_JOB, "job", &mail));
  comity_status status = mail.count > sizeof size
                             ? COMITY_OK
                             : comity_fail(COMITY_ERR_COMM, "the server's letter about the job is too short");
  if (status == COMITY_OK) {
    memcpy(&size, mail.bytes, sizeof size);
    status = comity_config_parse(n->config, "the server's job", (const char *)mail.bytes + sizeof size,
                                 mail.count - sizeof size);
  }
  int rank = (int)mail.value;
  comity_mail_clear(&mail);
  COMITY_TRY(status);
  COMITY_REQUIRE(size > 1 && size <= INT32_MAX, COMITY_ERR_COMM, "a run of %llu ranks cannot be",
                 (unsigned long long)size);
  comity_comm_options options = comity_run_comm_options(n->config);
  double silence = comity_config_real(n->config, "comm.silence");
  n->patience = silence > SOON ? silence : SOON;
  return comity_link_arrive(n->link, rank, (int)size, &options, silence, &n->run.comm);
}

static comity_status tell_data(newcomer *n) {
  char host[64] = "";
  comity_message message = {0};
  gethostname(host, sizeof host - 1);
  comity_status status = comity_message_add(&message, host, sizeof host);
  if (status == COMITY_OK && n->join != NULL)
    status = comity_federation_survey(n->config, comity_comm_rank(n->run.comm), n->join->data, &message);
  if (status == COMITY_OK)
    status = comity_mail_send(n->link, n->session, COMITY_MAIL_DATA, 0, message.bytes, message.length);
  comity_message_clear(&message);
  return status;
}

static comity_status set_up(newcomer *n) {
  comity_mail mail;
  comity_welcome welcome = {0};
  COMITY_TRY(expect(n, COMITY_MAIL_WELCOME, "welcome", &mail));
  comity_status status = comity_welcome_read(mail.bytes, mail.count, &welcome);
  uint64_t spared = mail.value;
  comity_mail_clear(&mail);
  if (status == COMITY_OK)
    status = comity_run_join(&n->run, &welcome, n->join == NULL ? NULL : n->join->data);
  comity_welcome_clear(&welcome);
  COMITY_TRY(status);
  comity_faults_resume(n->run.faults,
                       spared); /* whom a schedule killed it does not kill again when he is back */
  COMITY_TRY(expect(n, COMITY_MAIL_STATES, "states of its clients", &mail));
  comity_parts parts = {.at = mail.bytes, .end = mail.bytes + mail.count};
  status = comity_run_states_take(&n->run, &parts);
  comity_mail_clear(&mail);
  return status;
}

/* When the server has answered its offer stands, and this process knocks. */
static comity_status tell_ready(newcomer *n) {
  comity_mail answer = {0};
  comity_message message = {0};
  comity_status status = comity_federation_introduce(n->run.federation, &message);
  if (status == COMITY_OK)
    status = comity_mail_send(n->link, n->session, COMITY_MAIL_READY, 0, message.bytes, message.length);
  comity_message_clear(&message);
  if (status == COMITY_OK)
    status = expect(n, COMITY_MAIL_READY, "leave to come in", &answer);
  comity_mail_clear(&answer);
  return status;
}

/* A server that ends, or starts again elsewhere, while this process comes: the wire breaks, or nobody is where they were to
 * meet. */
static comity_status without_server(comity_status status) {
  char why[256];
  if (status != COMITY_ERR_COMM)
    return status;
  snprintf(why, sizeof why, "%s", comity_error_message());
  return comity_fail(COMITY_ERR_SERVER, "the server has gone while this process came: %s", why);
}

static comity_status come_in(newcomer *n) {
  if (n->join == NULL) {
    COMITY_TRY(comity_link_parent(&n->link));
  } else {
    COMITY_TRY(comity_link_call(n->join->address, &n->link));
    COMITY_TRY(without_server(shake_hands(n)));
    COMITY_TRY(without_server(meet(n)));
  }
  COMITY_TRY(learn_job(n));
  comity_status status = tell_data(n);
  if (status == COMITY_OK)
    status = set_up(n);
  if (status == COMITY_OK)
    status = comity_run_survive(&n->run);
  if (status == COMITY_OK)
    status = tell_ready(n);
  if (status == COMITY_OK)
    return COMITY_OK;
  const char *text = comity_error_message();
  if (comity_mail_send(n->link, n->session, COMITY_MAIL_SORRY, (uint32_t)status, text, strlen(text)) ==
      COMITY_OK)
    for (double end = comity_clock_now() + GOODBYE;
         !comity_link_is_idle(n->link) && comity_clock_now() < end;)
      comity_clock_sleep(1e-3);
  return status;
}

/* ---------------------------------------------------------------------------------------------- as a member */

static comity_status take_part(newcomer *n) {
  comity_run_state *run = &n->run;
  if (run->logger == NULL)
    COMITY_TRY(comity_logger_new(n->options->terminal, NULL, COMITY_LOG_INFO, -1, &run->logger));
  comity_log(run->logger, COMITY_LOG_INFO, "joined as rank %d of %d, after round %llu",
             comity_comm_rank(run->comm), comity_comm_size(run->comm), (unsigned long long)run->round);
  comity_status status = comity_run_enter(run);
  run->round_start = comity_clock_now();
  if (status == COMITY_OK) {
    comity_log(run->logger, COMITY_LOG_INFO, "takes part from round %llu on",
               (unsigned long long)run->round + 1);
    status = comity_run_stages(run);
  }
  bool asked = run->leaves_alone && comity_run_asked_to_stop(run);
  if (!asked || (status != COMITY_ERR_EXCLUDED && status != COMITY_REQUEUE))
    return status;
  comity_comm_leave(run->comm);
  for (double end = comity_clock_now() + GOODBYE / 4; comity_clock_now() < end;) { /* the word goes out */
    comity_status gone = comity_comm_tend(run->comm);
    (void)gone;
    comity_clock_sleep(1e-3);
  }
  return comity_fail(COMITY_REQUEUE, "left after round %llu, as asked to; it may join again at any time",
                     (unsigned long long)run->round);
}

static comity_status come(newcomer *n, comity_run_result *result) {
  n->patience = UNKNOWN;
  n->run.options = n->options;
  n->run.leaves_alone = n->join != NULL;
  n->run.start = comity_clock_now();
  COMITY_TRY(comity_config_new(&n->config));
  n->run.config = n->config;
  comity_status status = come_in(n);
  if (status == COMITY_OK)
    status = take_part(n);
  else if (n->too_late)
    status = COMITY_OK;
  if (n->run.federation != NULL)
    status = comity_run_finish(&n->run, status, result);
  comity_session_destroy(&n->session);
  comity_link_destroy(&n->link);
  return status;
}

comity_status comity_join(const comity_join_options *join, const comity_run_options *options,
                          comity_run_result *result) {
  newcomer n = {.join = join, .options = options};
  return come(&n, result);
}

comity_status comity_participate(const comity_run_options *options) {
  newcomer n = {.options = options};
  return come(&n, NULL);
}
