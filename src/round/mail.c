/* Letters between the server and a newcomer: a kind, a value, and what follows, sealed where there is a session. */
#include "guest_impl.h"

#include <string.h>

enum { HEAD = 8 };

comity_status comity_mail_send(comity_link *link, comity_session *session, comity_mail_kind kind,
                               uint32_t value, const void *data, size_t bytes) {
  uint32_t head[2] = {(uint32_t)kind, value};
  comity_message plain = {0};
  uint8_t *sealed = NULL;
  comity_status status = comity_message_add(&plain, head, sizeof head);
  if (status == COMITY_OK)
    status = comity_message_add(&plain, data, bytes);
  if (status == COMITY_OK && session != NULL)
    status = COMITY_NEW(sealed, plain.length + COMITY_SEAL_BYTES);
  if (status == COMITY_OK && session != NULL)
    status = comity_session_seal(session, plain.bytes, plain.length, sealed);
  if (status == COMITY_OK)
    status = session == NULL ? comity_link_send(link, plain.bytes, plain.length)
                             : comity_link_send(link, sealed, plain.length + COMITY_SEAL_BYTES);
  comity_free(sealed);
  comity_message_clear(&plain);
  return status;
}

/* What is in it. The memory changes hands. */
static comity_status open_mail(comity_session *session, uint8_t **bytes, size_t *count) {
  uint8_t *plain;
  if (session == NULL)
    return COMITY_OK;
  size_t room = *count < COMITY_SEAL_BYTES ? 0 : *count - COMITY_SEAL_BYTES;
  COMITY_TRY(COMITY_NEW(plain, room + 1));
  comity_status status = comity_session_open(session, *bytes, *count, plain);
  comity_free(*bytes);
  *bytes = plain;
  *count = room;
  return status;
}

comity_status comity_mail_receive(comity_link *link, comity_session *session, size_t most,
                                  comity_mail *mail) {
  uint32_t head[2];
  size_t count;
  *mail = (comity_mail){0};
  COMITY_TRY(comity_link_receive(link, most + HEAD + COMITY_SEAL_BYTES, &mail->memory, &count));
  if (mail->memory == NULL)
    return COMITY_OK;
  comity_status status = open_mail(session, &mail->memory, &count);
  if (status == COMITY_OK && count < HEAD)
    status = comity_fail(COMITY_ERR_COMM, "a letter of %zu bytes is too short", count);
  if (status != COMITY_OK) {
    comity_mail_clear(mail);
    return status;
  }
  memcpy(head, mail->memory, sizeof head);
  mail->kind = head[0];
  mail->value = head[1];
  mail->bytes = mail->memory + HEAD;
  mail->count = count - HEAD;
  return COMITY_OK;
}

void comity_mail_clear(comity_mail *mail) {
  comity_free(mail->memory);
  *mail = (comity_mail){0};
}
