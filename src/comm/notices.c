/* Notices: small messages beside operations, from the server to all or from anybody to the server. Each is sent from
 * memory of its own, so that one that never arrives stays behind and disturbs nobody, and says by its check whether
 * it is whole. */
#include "comm_impl.h"

#include <stddef.h>
#include <string.h>

struct comity_letter {
  comity_letter *next;
  MPI_Request request;
  comity_notice notice; /* and the bytes behind it */
};

static uint64_t check_of(const uint8_t *notice, size_t bytes) {
  size_t head = sizeof(uint64_t);
  return comity_digest(notice + head, bytes - head, 0);
}

static comity_status listen(const comity_comm *comm, comity_ear *ear, int from) {
  int code = MPI_Irecv(ear->memory, (int)comm->watch.notice_bytes, MPI_BYTE, from, COMITY_TAG_NOTICE,
                       ear->comm, &ear->request);
  if (code == MPI_SUCCESS)
    return COMITY_OK;
  ear->request = MPI_REQUEST_NULL;
  return comity_fail(COMITY_ERR_COMM, "listening for notices: MPI_Irecv failed");
}

comity_status comity_ear_open(const comity_comm *comm, comity_ear *ear, MPI_Comm link, int rank, int from) {
  *ear = (comity_ear){.comm = link, .rank = rank, .request = MPI_REQUEST_NULL};
  COMITY_TRY(COMITY_NEW(ear->memory, comm->watch.notice_bytes));
  return listen(comm, ear, from);
}

void comity_ear_close(comity_ear *ear) {
  int done = 1;
  if (ear->request != MPI_REQUEST_NULL && (MPI_Cancel(&ear->request) != MPI_SUCCESS ||
                                           MPI_Test(&ear->request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS))
    done = 0;
  if (done)
    comity_free(ear->memory);
  *ear = COMITY_EAR_CLOSED;
}

bool comity_ear_hear(const comity_comm *comm, comity_ear *ear, uint8_t *notice, int *from) {
  while (ear->request != MPI_REQUEST_NULL) {
    int done = 0, length = 0;
    MPI_Status status;
    if (MPI_Test(&ear->request, &done, &status) !=
        MPI_SUCCESS) { /* its sender is gone; silence will say so */
      ear->request = MPI_REQUEST_NULL;
      if (ear->rank < 0 && listen(comm, ear, MPI_ANY_SOURCE) != COMITY_OK)
        comity_error_clear();
      return false;
    }
    if (!done)
      return false;
    size_t bytes = comm->watch.notice_bytes;
    uint64_t check;
    memcpy(&check, ear->memory, sizeof check);
    bool good = MPI_Get_count(&status, MPI_BYTE, &length) == MPI_SUCCESS && (size_t)length == bytes &&
                check == check_of(ear->memory, bytes);
    if (good)
      memcpy(notice, ear->memory, bytes);
    *from = ear->rank < 0 ? status.MPI_SOURCE : ear->rank;
    int source = ear->rank < 0 ? MPI_ANY_SOURCE : status.MPI_SOURCE;
    if (listen(comm, ear, source) != COMITY_OK)
      comity_error_clear(); /* silence will say that nobody is heard any more */
    if (good)
      return true;
  }
  return false;
}

void comity_notice_tidy(comity_comm *comm) {
  for (comity_letter **at = &comm->watch.letters; *at != NULL;) {
    comity_letter *letter = *at;
    int done = 0;
    if (MPI_Test(&letter->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) {
      at = &letter->next;
      continue;
    }
    *at = letter->next;
    comity_free(letter);
  }
}

/* Whoever does not hear of it will be told again, or is lost: nothing to report. */
void comity_notice_send(comity_comm *comm, comity_endpoint to, comity_notice_kind kind, int rank,
                        const comity_point *point) {
  const comity_members *members = &comm->members;
  comity_watch *watch = &comm->watch;
  size_t room = offsetof(comity_letter, notice) + watch->notice_bytes;
  comity_letter *letter = to.comm == MPI_COMM_NULL ? NULL : comity_array(room, 1);
  if (letter == NULL)
    return;
  comity_notice *notice = &letter->notice;
  *notice = (comity_notice){.epoch = members->epoch,
                            .sequence = comm->sequence,
                            .kind = (uint32_t)kind,
                            .rank = (uint32_t)rank,
                            .doing = watch->doing};
  if (point != NULL)
    notice->point = *point;
  if (point != NULL && watch->watcher.own != NULL)
    notice->point.own = watch->watcher.own(watch->watcher.self, rank);
  uint8_t *bits = (uint8_t *)(notice + 1);
  for (int i = 0; i < members->size; i++)
    bits[i] = (uint8_t)(members->present[i] | members->linked[i] << 1);
  notice->check = check_of((uint8_t *)notice, watch->notice_bytes);
  if (MPI_Isend(notice, (int)watch->notice_bytes, MPI_BYTE, to.rank, COMITY_TAG_NOTICE, to.comm,
                &letter->request) != MPI_SUCCESS) {
    comity_free(letter);
    return;
  }
  letter->next = watch->letters;
  watch->letters = letter;
}
