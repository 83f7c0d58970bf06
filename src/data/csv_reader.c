/* Splits a table file into records of fields: RFC 4180 quoting, any line end, runs of blanks as separator. */
#include "csv_impl.h"

#include <string.h>

enum { BUFFER_BYTES = 1 << 16, RECORD_BYTES_MAX = 1 << 24, FIELDS_MAX = 1 << 20, END = -1 };

struct csv_reader {
  const char *path;
  gzFile gz;
  char separator;
  size_t line;          /* of the next byte */
  comity_status status; /* of the last read */
  unsigned char buffer[BUFFER_BYTES];
  size_t at, filled;
  char *text; /* the fields of the record, a NUL after each */
  size_t text_used, text_room;
  size_t *start; /* where each field begins in text */
  size_t start_room, field_room;
  csv_record record;
};

static bool fill(csv_reader *r) {
  r->at = r->filled = 0;
  r->status = comity_gz_read(r->path, r->gz, r->buffer, BUFFER_BYTES, &r->filled);
  return r->status == COMITY_OK && r->filled > 0;
}

/* The next byte without taking it. All line ends look like '\n'. */
static int peek(csv_reader *r) {
  if (r->at == r->filled && (r->status != COMITY_OK || !fill(r)))
    return END;
  return r->buffer[r->at] == '\r' ? '\n' : r->buffer[r->at];
}

static int take(csv_reader *r) {
  int byte = peek(r);
  if (byte == END)
    return END;
  bool carriage_return = r->buffer[r->at++] == '\r';
  if (byte == '\n')
    r->line++;
  if (carriage_return && (r->at < r->filled || fill(r)) && r->buffer[r->at] == '\n')
    r->at++;
  return byte;
}

static bool is_blank(const csv_reader *r, int byte) {
  return byte == ' ' || (byte == '\t' && r->separator != '\t');
}

static void skip_blanks(csv_reader *r) {
  while (is_blank(r, peek(r)))
    (void)take(r);
}

static bool ends_field(const csv_reader *r, int byte) {
  return byte == END || byte == '\n' || (r->separator == ' ' ? is_blank(r, byte) : byte == r->separator);
}

static comity_status put(csv_reader *r, int byte) {
  COMITY_REQUIRE(r->text_used < RECORD_BYTES_MAX, COMITY_ERR_DATA,
                 "%s:%zu: the record is longer than %d bytes; is a quote left open, or the file no table?",
                 r->path, r->record.line, RECORD_BYTES_MAX);
  COMITY_TRY(comity_array_grow(&r->text, &r->text_room, r->text_used + 1, 1));
  r->text[r->text_used++] = (char)byte;
  return COMITY_OK;
}

static comity_status put_text(csv_reader *r, int byte) {
  COMITY_REQUIRE(byte != '\0', COMITY_ERR_DATA, "%s:%zu: has a NUL byte; it is no text file", r->path,
                 r->line);
  return put(r, byte);
}

static comity_status read_quoted(csv_reader *r) {
  size_t line = r->line;
  (void)take(r);
  for (;;) {
    int byte = take(r);
    COMITY_TRY(r->status);
    COMITY_REQUIRE(byte != END, COMITY_ERR_DATA, "%s:%zu: a quote is opened and never closed", r->path, line);
    if (byte == '"' && peek(r) != '"')
      break;
    if (byte == '"')
      (void)take(r);
    COMITY_TRY(put_text(r, byte));
  }
  if (r->separator != ' ')
    skip_blanks(r);
  COMITY_REQUIRE(ends_field(r, peek(r)), COMITY_ERR_DATA, "%s:%zu: there is text behind a closing quote",
                 r->path, r->line);
  return r->status;
}

static comity_status read_plain(csv_reader *r) {
  size_t start = r->text_used;
  while (!ends_field(r, peek(r)))
    COMITY_TRY(put_text(r, take(r)));
  while (r->text_used > start && is_blank(r, r->text[r->text_used - 1]))
    r->text_used--;
  return r->status;
}

static comity_status read_field(csv_reader *r) {
  COMITY_REQUIRE(r->record.count < FIELDS_MAX, COMITY_ERR_DATA, "%s:%zu: has more than %d fields", r->path,
                 r->record.line, FIELDS_MAX);
  COMITY_TRY(comity_array_grow(&r->start, &r->start_room, r->record.count + 1, sizeof *r->start));
  r->start[r->record.count++] = r->text_used;
  skip_blanks(r);
  COMITY_TRY(peek(r) == '"' ? read_quoted(r) : read_plain(r));
  return put(r, '\0');
}

/* The line under way, which is not at its end. */
static comity_status read_fields(csv_reader *r) {
  r->record.count = r->text_used = 0;
  r->record.line = r->line;
  for (;;) {
    COMITY_TRY(read_field(r));
    if (r->separator == ' ')
      skip_blanks(r);
    int byte = peek(r);
    COMITY_TRY(r->status);
    if (byte == END || byte == '\n') {
      (void)take(r);
      return r->status;
    }
    if (r->separator != ' ')
      (void)take(r);
  }
}

comity_status comity_csv_reader_next(csv_reader *r, const csv_record **record) {
  *record = NULL;
  for (;;) { /* over blank lines */
    skip_blanks(r);
    int byte = peek(r);
    COMITY_TRY(r->status);
    if (byte == END)
      return COMITY_OK;
    if (byte != '\n')
      break;
    (void)take(r);
  }
  COMITY_TRY(read_fields(r));
  COMITY_TRY(comity_array_grow(&r->record.field, &r->field_room, r->record.count, sizeof *r->record.field));
  for (size_t i = 0; i < r->record.count; i++)
    r->record.field[i] = r->text + r->start[i];
  *record = &r->record;
  return COMITY_OK;
}

/* The separator that is most frequent in the first line outside of quotes; blanks when there is none. */
static char find_separator(const csv_reader *r) {
  static const char candidates[] = ",;\t|";
  size_t counts[sizeof candidates - 1] = {0}, best = 0, i = r->at;
  while (i < r->filled && strchr(" \t\r\n", r->buffer[i]) != NULL && r->buffer[i] != '\0')
    i++;
  bool quoted = false, blanks = false;
  for (; i < r->filled && (quoted || (r->buffer[i] != '\n' && r->buffer[i] != '\r')); i++) {
    const char *found = r->buffer[i] == '\0' ? NULL : strchr(candidates, r->buffer[i]);
    quoted ^= r->buffer[i] == '"';
    blanks |= !quoted && r->buffer[i] == ' ';
    if (found != NULL && !quoted)
      counts[found - candidates]++;
  }
  for (size_t c = 1; c < sizeof candidates - 1; c++)
    best = counts[c] > counts[best] ? c : best;
  return counts[best] > 0 ? candidates[best] : blanks ? ' ' : ',';
}

comity_status comity_csv_reader_new(const char *path, char separator, csv_reader **reader) {
  csv_reader *r;
  COMITY_TRY(COMITY_NEW(r, 1));
  r->path = path;
  r->line = 1;
  comity_status status = comity_gz_open(path, &r->gz);
  if (status == COMITY_OK) {
    (void)fill(r);
    status = r->status;
  }
  if (status != COMITY_OK) {
    comity_csv_reader_destroy(&r);
    return status;
  }
  if (r->filled >= 3 && memcmp(r->buffer, "\xEF\xBB\xBF", 3) == 0)
    r->at = 3; /* a byte order mark, as spreadsheets write it */
  r->separator = separator != 0 ? separator : find_separator(r);
  *reader = r;
  return COMITY_OK;
}

void comity_csv_reader_destroy(csv_reader **reader) {
  csv_reader *r = *reader;
  if (r == NULL)
    return;
  comity_gz_close(&r->gz);
  comity_free(r->text);
  comity_free(r->start);
  comity_free(r->record.field);
  comity_free(r);
  *reader = NULL;
}
