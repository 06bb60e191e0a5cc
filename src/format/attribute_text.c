/* SPDX-License-Identifier: MIT */
#include "format/attribute_text.h"

#include <errno.h>

#include "format/attribute.h"
#include "format/describe.h"
#include "format/toml.h"
#include "format/toml_write.h"

static const char key[] = "v = ";

static bool nests_too_deep(const struct cshm_value *value, size_t levels)
{
    bool is_array = value->type == CSHM_VALUE_ARRAY;
    size_t count = is_array                          ? value->array.count
                   : value->type == CSHM_VALUE_TABLE ? value->table.count
                                                     : 0;
    if (count > 0 && levels == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (nests_too_deep(is_array ? &value->array.items[i] : &value->table.members[i].value,
                           levels - 1))
            return true;
    return false;
}

/* Most texts are no values by their first character; the parser is not cheap. */
static bool may_be_value(struct cshm_text text)
{
    size_t at = 0;
    while (at < text.length && (text.bytes[at] == ' ' || text.bytes[at] == '\t'))
        at++;
    return at < text.length && text.bytes[at] && strchr("\"'[{+-0123456789tfin", text.bytes[at]);
}

/* Whether it is exactly one TOML value. 1, 0, or -ENOMEM. */
static int read_value(struct cshm_text text, struct cshm_arena *arena, struct cshm_value *out)
{
    struct cshm_value document;
    CSHM_AUTO_BUFFER struct cshm_buffer line = CSHM_BUFFER_INIT;
    if (!may_be_value(text))
        return 0;
    cshm_buffer_add_string(&line, key);
    cshm_buffer_add(&line, text.bytes, text.length);
    if (line.error)
        return line.error;
    int result = cshm_toml_parse(line.bytes, line.length, arena, &document, NULL);
    if (result < 0)
        return result == -ENOMEM ? result : 0;
    if (document.table.count != 1 || !cshm_text_is(document.table.members[0].key, "v") ||
        nests_too_deep(&document.table.members[0].value, CSHM_ATTRIBUTE_DEPTH_MAX))
        return 0;
    *out = document.table.members[0].value;
    out->line = 0;
    return 1;
}

int cshm_attribute_text_read(struct cshm_text text, struct cshm_arena *arena,
                             struct cshm_value *out)
{
    struct cshm_text string = cshm_arena_text(arena, text);
    if (!string.bytes)
        return -ENOMEM;
    *out = (struct cshm_value){.type = CSHM_VALUE_STRING, .string = string};
    if (!cshm_utf8_valid(string.bytes, string.length))
        return cshm_attribute_write_string(arena, string, &out->string);
    int result = read_value(string, arena, out);
    return result < 0 ? result : 0;
}

int cshm_attribute_text_write(const struct cshm_value *value, struct cshm_buffer *out)
{
    struct cshm_arena arena = {0};
    struct cshm_value read;
    int result = 0;
    bool bare = false;
    if (value->type == CSHM_VALUE_STRING) {
        result = cshm_attribute_text_read(value->string, &arena, &read);
        bare = result == 0 && cshm_value_equal(value, &read);
    }
    if (bare)
        cshm_buffer_add(out, value->string.bytes, value->string.length);
    else if (result == 0)
        cshm_toml_write_value(out, value);
    cshm_arena_finish(&arena);
    return result == 0 ? out->error : result;
}
