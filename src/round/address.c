/* The file that tells silos where their server is: a line for each part, with its name before it. */
#include <comity/round.h>

#include "core/core_impl.h"

#include <string.h>

static const char first_line[] = "comity-server 1", done_line[] = "\ndone\n";

comity_status comity_address_write(const char *path, const comity_address *address) {
  char key[COMITY_KEY_LINE_BYTES];
  comity_public_key_line(&address->server, key);
  char *text = comity_text("%s\njob %s\nkey %s\nrendezvous %s\ndoor %s%s", first_line, address->job, key,
                           address->rendezvous, address->door, address->done ? done_line : "\n");
  if (text == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = comity_file_write(path, text, strlen(text));
  comity_free(text);
  return status;
}

/* The rest of the line that begins with `name`. */
static comity_status part_of(const char *path, const char *text, const char *name, char *part, size_t room) {
  size_t length = strlen(name);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, length) != 0 || line[length] != ' ')
      continue;
    size_t count = strcspn(line + length + 1, "\n");
    COMITY_REQUIRE(count < room, COMITY_ERR_DATA, "%s: its '%s' is too long", path, name);
    COMITY_REQUIRE(line[length + 1 + count] == '\n', COMITY_ERR_DATA, "%s: is cut short in '%s'", path, name);
    memcpy(part, line + length + 1, count);
    part[count] = '\0';
    return COMITY_OK;
  }
  return comity_fail(COMITY_ERR_DATA, "%s: has no line '%s ...', so it is no server's address", path, name);
}

static comity_status parse(const char *path, const char *text, comity_address *address) {
  char key[COMITY_KEY_LINE_BYTES];
  size_t length = sizeof first_line - 1;
  COMITY_REQUIRE(strncmp(text, first_line, length) == 0 && text[length] == '\n', COMITY_ERR_DATA,
                 "%s: is no server's address: it does not begin with '%s'", path, first_line);
  COMITY_TRY(part_of(path, text, "job", address->job, sizeof address->job));
  COMITY_TRY(part_of(path, text, "key", key, sizeof key));
  COMITY_TRY(part_of(path, text, "rendezvous", address->rendezvous, sizeof address->rendezvous));
  COMITY_TRY(part_of(path, text, "door", address->door, sizeof address->door));
  address->done = strstr(text, done_line) != NULL;
  return comity_public_key_parse(path, key, &address->server);
}

comity_status comity_address_read(const char *path, comity_address *address) {
  char *text;
  size_t length;
  COMITY_TRY(comity_file_read(path, &text, &length));
  memset(address, 0, sizeof *address);
  comity_status status = parse(path, text, address);
  comity_free(text);
  return status;
}
