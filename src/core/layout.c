/* Named fields in one flat float buffer. */
#include <comity/core.h>

#include <string.h>

comity_status comity_layout_add(comity_layout *layout, const char *name, size_t length,
                                comity_combine combine) {
  COMITY_REQUIRE(layout->count < COMITY_FIELDS_MAX, COMITY_ERR_ARG,
                 "layout: no room for field '%s', %d are the most", name, COMITY_FIELDS_MAX);
  COMITY_REQUIRE(comity_layout_find(layout, name) == NULL, COMITY_ERR_ARG,
                 "layout: two fields are called '%s'", name);
  layout->field[layout->count++] =
      (comity_field){.name = name, .length = length, .offset = layout->length, .combine = combine};
  layout->length += length;
  return COMITY_OK;
}

const comity_field *comity_layout_find(const comity_layout *layout, const char *name) {
  for (size_t i = 0; i < layout->count; i++)
    if (strcmp(layout->field[i].name, name) == 0)
      return &layout->field[i];
  return NULL;
}
