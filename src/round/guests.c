/* All who come to the server from outside while it runs: silos through the door, and processes that it starts in the place of
 * lost ones. They are looked after in the moments in which the server waits anyway, and become members between rounds. */
#include "guest_impl.h"

#include <string.h>
#include <unistd.h>

/* A stranger every so many seconds is enough, and so many refusals are told at once, then one every so often. */
static const double ENTRY_PAUSE = 0.05, REFUSAL_PAUSE = 10;
enum { REFUSALS_AT_ONCE = 20, MOST_REPLACEMENTS = 5 };
static const double MEET = 10;

comity_status comity_guests_new(comity_run_state *run, const char *job, comity_guests **guests) {
  comity_guests *made;
  size_t size = (size_t)comity_comm_size(run->comm);
  COMITY_TRY(COMITY_NEW(made, 1));
  made->run = run;
  made->job = job;
  made->credit = REFUSALS_AT_ONCE;
  made->credited = comity_clock_now();
  made->room = COMITY_STRANGERS_MOST + 2 * size;
  *guests = made;
  COMITY_TRY(COMITY_NEW(made->guest, made->room));
  COMITY_TRY(COMITY_NEW(made->told, size));
  COMITY_TRY(COMITY_NEW(made->lost, size));
  return COMITY_NEW(made->replaced, size);
}

comity_status comity_guests_open_door(comity_guests *guests) {
  const comity_config *config = guests->run->config;
  char *path = NULL;
  COMITY_TRY(comity_config_public_keys(config, "silos.keys", &guests->keys, &guests->key_count));
  COMITY_TRY(comity_config_resolve_path(config, "silos.server_key",
                                        comity_config_text(config, "silos.server_key"), &path));
  comity_status status = comity_identity_read(path, &guests->identity);
  comity_free(path);
  COMITY_TRY(status);
  return comity_door_open((int)comity_config_integer(config, "silos.port"), &guests->door);
}

void comity_guests_destroy(comity_guests **guests) {
  if (guests == NULL || *guests == NULL)
    return;
  comity_guests *old = *guests;
  for (size_t i = 0; i < old->count; i++)
    comity_guest_clear(&old->guest[i]);
  for (int rank = 0; old->told != NULL && rank < comity_comm_size(old->run->comm); rank++)
    comity_message_clear(&old->told[rank]);
  comity_meeting_give_up(&old->meeting);
  comity_door_close(&old->door);
  comity_identity_destroy(&old->identity);
  comity_free(old->guest);
  comity_free(old->keys);
  comity_free(old->told);
  comity_free(old->lost);
  comity_free(old->replaced);
  comity_free(old);
  *guests = NULL;
}

/* -------------------------------------------------------------------------------------------------- telling */

/* Before there is a record it is kept. */
static void tell(comity_guests *guests, comity_event_kind kind, const char *text) {
  comity_run_event(guests->run, kind, -1, 0, "%s", text);
  if (guests->run->recorder != NULL || guests->early_count == sizeof guests->early / sizeof *guests->early)
    return;
  comity_event *event = &guests->early[guests->early_count++];
  *event = (comity_event){.kind = kind, .rank = -1, .client = COMITY_EVENT_NO_CLIENT};
  snprintf(event->text, sizeof event->text, "%s", text);
}

comity_status comity_guests_record_early(comity_guests *guests) {
  for (size_t i = 0; i < guests->early_count; i++)
    COMITY_TRY(comity_recorder_event(guests->run->recorder, &guests->early[i]));
  guests->early_count = 0;
  return COMITY_OK;
}

/* Not so often that strangers could fill the disk. */
static bool may_tell(comity_guests *guests, double now) {
  guests->credit += (now - guests->credited) / REFUSAL_PAUSE;
  guests->credited = now;
  if (guests->credit > REFUSALS_AT_ONCE)
    guests->credit = REFUSALS_AT_ONCE;
  if (guests->credit < 1) {
    guests->untold++;
    return false;
  }
  guests->credit--;
  return true;
}

static void tell_refused(comity_guests *guests, const comity_guest *guest, double now) {
  char text[256], more[64] = "";
  if (!may_tell(guests, now))
    return;
  if (guests->untold > 0)
    snprintf(more, sizeof more, " (and %zu others before)", guests->untold);
  guests->untold = 0;
  if (guest->rank > 0)
    snprintf(text, sizeof text, "silo %d (%s) was not let in: %.120s", guest->rank,
             guest->name[0] == '\0' ? "no name" : guest->name, comity_error_message());
  else
    snprintf(text, sizeof text, "somebody was not let in: %.150s%s", comity_error_message(), more);
  tell(guests, COMITY_EVENT_REFUSED, text);
}

/* ------------------------------------------------------------------------------------------ going and coming */

/* Silos look whether the server is there before they start. */
static bool only_looked(const comity_guest *guest, comity_status status) {
  return guest->step == COMITY_GUEST_HELLO && status == COMITY_ERR_COMM &&
         !comity_link_has_heard(guest->link);
}

void comity_guests_send_away(comity_guests *guests, comity_guest *guest, comity_status status) {
  char kept[512];
  snprintf(kept, sizeof kept, "%s", comity_error_message());
  comity_guest_tell_sorry(guest, status);
  status = comity_fail(status, "%s", kept);
  if (!only_looked(guest, status))
    tell_refused(guests, guest, comity_clock_now());
  comity_error_clear();
  comity_guest_clear(guest);
}

static comity_guest *enter(comity_guests *guests, comity_link *link, double now) {
  comity_guest *guest = &guests->guest[guests->count++];
  *guest = (comity_guest){.link = link, .deadline = now + MEET};
  return guest;
}

/* When strangers have taken all their places, the first of them goes: a silo is through the handshake long before it would be
 * its turn, so those who hold connections open keep nobody out. */
static void make_room(comity_guests *guests) {
  size_t first = 0;
  if (comity_guests_at(guests, COMITY_GUEST_HELLO) + comity_guests_at(guests, COMITY_GUEST_PROOF) <
      COMITY_STRANGERS_MOST)
    return;
  while (guests->guest[first].step > COMITY_GUEST_PROOF)
    first++;
  comity_guests_send_away(guests, &guests->guest[first],
                          comity_fail(COMITY_ERR_TIMEOUT, "it said nothing while many others came"));
}

static void look_at_door(comity_guests *guests, double now) {
  comity_link *link = NULL;
  if (guests->door == NULL || guests->count == guests->room || now < guests->next_entry)
    return;
  guests->next_entry = now + ENTRY_PAUSE;
  if (comity_door_next(guests->door, &link) != COMITY_OK)
    comity_error_clear();
  if (link == NULL)
    return;
  make_room(guests);
  enter(guests, link, now);
}

void comity_guests_replace(comity_guests *guests, int rank) {
  if (guests->run->options->program != NULL)
    guests->lost[rank] = true;
}

static void no_replacement(comity_guests *guests, int rank) {
  comity_log(guests->run->logger, COMITY_LOG_WARN, "rank %d cannot be replaced: %s", rank,
             comity_error_message());
  comity_error_clear();
}

static bool may_start(const comity_guests *guests, int rank) {
  return guests->lost[rank] && guests->run->reason == COMITY_STOP_NOT && guests->told[rank].length == 0 &&
         guests->replaced[rank] < MOST_REPLACEMENTS;
}

/* One after the other. */
static void start_replacements(comity_guests *guests) {
  static const char *const arguments[] = {"participate", NULL};
  for (int rank = 1; rank < comity_comm_size(guests->run->comm) && guests->meeting == NULL; rank++) {
    bool may = may_start(guests, rank);
    guests->lost[rank] = false;
    if (!may)
      continue;
    guests->replaced[rank]++;
    guests->starting = rank;
    if (comity_meeting_spawn(guests->run->options->program, arguments, &guests->meeting) == COMITY_OK)
      continue;
    guests->starting = 0;
    no_replacement(guests, rank);
  }
}

static void welcome_replacement(comity_guests *guests, comity_link *link, double now) {
  comity_guest *guest = enter(guests, link, now);
  guest->rank = guests->starting;
  guest->step = COMITY_GUEST_DATA;
  guest->deadline = now + 6 * MEET;
  if (comity_guest_tell_job(guests, guest) == COMITY_OK)
    return;
  no_replacement(guests, guest->rank);
  comity_guest_clear(guest);
}

/* A meeting with a process that is being started, or with a guest who has gone meanwhile. */
static void look_at_meeting(comity_guests *guests, double now) {
  comity_link *link = NULL;
  if (guests->meeting == NULL || comity_guests_at(guests, COMITY_GUEST_MEETING) > 0 ||
      guests->count == guests->room)
    return;
  comity_status status = comity_meeting_poll(&guests->meeting, &link);
  if (guests->meeting != NULL)
    return;
  if (guests->starting > 0 && status != COMITY_OK)
    no_replacement(guests, guests->starting);
  else if (guests->starting > 0)
    welcome_replacement(guests, link, now);
  else
    comity_link_destroy(&link);
  comity_error_clear();
  guests->starting = 0;
}

/* Who is ready waits for the next regrouping. A member whose place he takes is no longer one. */
static comity_status offer(comity_guests *guests, comity_guest *guest) {
  comity_comm *comm = guests->run->comm;
  COMITY_TRY(comity_link_offer(comm, guest->rank, guest->link, guest->host));
  comity_message_clear(&guests->told[guest->rank]);
  guests->told[guest->rank] = guest->told;
  guest->told = (comity_message){0};
  if (comity_comm_is_present(comm, guest->rank))
    comity_comm_exclude(comm, guest->rank, COMITY_CHANGE_LOST, "another process has come in its place");
  if (comity_mail_send(guest->link, guest->session, COMITY_MAIL_READY, 0, NULL, 0) != COMITY_OK)
    comity_error_clear(); /* then it does not knock */
  comity_guest_clear(guest);
  return COMITY_OK;
}

static void tidy(comity_guests *guests) {
  size_t kept = 0;
  for (size_t i = 0; i < guests->count; i++)
    if (guests->guest[i].step != COMITY_GUEST_GONE)
      guests->guest[kept++] = guests->guest[i];
    else
      comity_guest_clear(&guests->guest[i]);
  guests->count = kept;
}

void comity_guests_poll(comity_guests *guests) {
  double now = comity_clock_now();
  look_at_meeting(guests, now);
  if (guests->meeting == NULL)
    start_replacements(guests);
  for (size_t i = 0; i < guests->count; i++) {
    comity_guest *guest = &guests->guest[i];
    comity_status status =
        guest->step == COMITY_GUEST_GONE ? COMITY_OK : comity_guest_step_on(guests, guest, now);
    if (status == COMITY_OK && guest->step == COMITY_GUEST_READY)
      status = offer(guests, guest);
    if (status != COMITY_OK)
      comity_guests_send_away(guests, guest, status);
  }
  tidy(guests);
  look_at_door(guests, now); /* after all who are here were heard */
  tidy(guests);
}

size_t comity_guests_at(const comity_guests *guests, comity_guest_step step) {
  size_t count = 0;
  for (size_t i = 0; i < guests->count; i++)
    count += guests->guest[i].step == step;
  return count;
}

/* ------------------------------------------------------------------------------------------- becoming members */

void comity_guests_found(comity_guests *guests) { guests->founded = true; }

/* Somebody whose data do not fit goes, and the others go on. */
void comity_guests_acquaint(comity_guests *guests) {
  comity_run_state *run = guests->run;
  for (int rank = 1; rank < comity_comm_size(run->comm); rank++) {
    comity_message *told = &guests->told[rank];
    if (told->length == 0)
      continue;
    comity_parts parts = {.at = told->bytes, .end = told->bytes + told->length};
    if (comity_federation_acquaint(run->federation, rank, parts) != COMITY_OK) {
      comity_log(run->logger, COMITY_LOG_WARN, "rank %d does not fit: %s", rank, comity_error_message());
      comity_error_clear();
    }
    comity_message_clear(told);
  }
}

bool comity_guests_want_in(const comity_guests *guests) {
  for (int rank = 1; guests != NULL && rank < comity_comm_size(guests->run->comm); rank++)
    if (guests->told[rank].length > 0)
      return true;
  return false;
}

/* What was said goes out before this process ends, if the others take it in. */
static void let_out(const comity_guests *guests) {
  static const double MOMENT = 0.3;
  bool idle = false;
  for (double end = comity_clock_now() + MOMENT; !idle && comity_clock_now() < end;) {
    idle = true;
    for (size_t i = 0; i < guests->count; i++)
      idle = idle && (guests->guest[i].rank == 0 || comity_link_is_idle(guests->guest[i].link));
    if (!idle)
      comity_clock_sleep(1e-3);
  }
}

/* Whoever is still on the way need not come, or only to another server. Why the job ends is not reported yet. */
void comity_guests_say_end(comity_guests *guests, comity_status status) {
  if (guests == NULL)
    return;
  char *why = comity_text("%s", comity_error_message());
  for (size_t i = 0; i < guests->count; i++) {
    comity_guest *guest = &guests->guest[i];
    if (guest->rank > 0 && comity_mail_send(guest->link, guest->session, COMITY_MAIL_END, (uint32_t)status,
                                            NULL, 0) != COMITY_OK)
      comity_error_clear();
  }
  let_out(guests);
  comity_error_clear();
  if (status != COMITY_OK && why != NULL)
    (void)comity_fail(status, "%s", why);
  comity_free(why);
}
