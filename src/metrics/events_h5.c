/* The group `events` of results.h5: the last events, column by column. */
#include "metrics_impl.h"

static comity_status write_reals(const char *path, hid_t group, const comity_events *events) {
  double *column;
  hsize_t count = comity_events_kept(events);
  COMITY_TRY(COMITY_NEW(column, count));
  for (size_t i = 0; i < count; i++)
    column[i] = comity_events_at(events, i)->time;
  comity_status status = comity_h5_write(path, group, "time", H5T_NATIVE_DOUBLE, 1, &count, column);
  for (size_t i = 0; i < count; i++)
    column[i] = comity_events_at(events, i)->lost;
  if (status == COMITY_OK)
    status = comity_h5_write(path, group, "seconds_lost", H5T_NATIVE_DOUBLE, 1, &count, column);
  comity_free(column);
  return status;
}

static comity_status write_integers(const char *path, hid_t group, const comity_events *events) {
  static const char *const name[] = {"round", "rank", "client"};
  int64_t *column;
  hsize_t count = comity_events_kept(events);
  COMITY_TRY(COMITY_NEW(column, count));
  comity_status status = COMITY_OK;
  for (int k = 0; k < 3 && status == COMITY_OK; k++) {
    for (size_t i = 0; i < count; i++) {
      const comity_event *event = comity_events_at(events, i);
      bool nobody = event->client == COMITY_EVENT_NO_CLIENT;
      column[i] = k == 0   ? (int64_t)event->round
                  : k == 1 ? event->rank
                  : nobody ? -1
                           : (int64_t)event->client;
    }
    status = comity_h5_write(path, group, name[k], H5T_NATIVE_INT64, 1, &count, column);
  }
  comity_free(column);
  return status;
}

static const char *text_of(const comity_event *event, int column) {
  const char *const text[] = {event->wall, event->stage, comity_event_name(event->kind), event->host,
                              event->text};
  return text[column];
}

static comity_status write_texts(const char *path, hid_t group, const comity_events *events) {
  static const char *const name[] = {"wall", "stage", "kind", "host", "text"};
  char **column;
  size_t count = comity_events_kept(events);
  COMITY_TRY(COMITY_NEW(column, count));
  comity_status status = COMITY_OK;
  for (int k = 0; k < 5 && status == COMITY_OK; k++) {
    for (size_t i = 0; i < count; i++)
      column[i] = (char *)(uintptr_t)text_of(comity_events_at(events, i), k); /* HDF5 only reads it */
    status = comity_results_texts(path, group, name[k], count, column);
  }
  comity_free(column);
  return status;
}

comity_status comity_events_write(const char *path, hid_t group, const comity_history *history) {
  const comity_events *events = &history->events;
  COMITY_TRY(comity_h5_write_integer(path, group, "happened", (int64_t)events->count));
  COMITY_TRY(comity_h5_write_integer(path, group, "kept_at_most", COMITY_EVENTS_KEPT));
  COMITY_TRY(write_reals(path, group, events));
  COMITY_TRY(write_integers(path, group, events));
  return write_texts(path, group, events);
}
