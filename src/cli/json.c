/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add_character(struct cshm_buffer *out, const char *bytes, size_t size)
{
    unsigned char c = (unsigned char)bytes[0];
    if (c == '"' || c == '\\') {
        cshm_buffer_add_char(out, '\\');
        cshm_buffer_add_char(out, (char)c);
    } else if (c < 0x20 || c == 0x7F) {
        cshm_buffer_add_format(out, "\\u%04x", c);
    } else {
        cshm_buffer_add(out, bytes, size);
    }
}

static bool looks_encoded(struct cshm_text text, size_t at)
{
    return text.bytes[at] == '%' && at + 2 < text.length &&
           isxdigit((unsigned char)text.bytes[at + 1]) &&
           isxdigit((unsigned char)text.bytes[at + 2]);
}

void json_string(struct cshm_buffer *out, struct cshm_text text)
{
    bool valid = cshm_utf8_valid(text.bytes, text.length);
    cshm_buffer_add_char(out, '"');
    for (size_t at = 0, size; at < text.length; at += size ? size : 1) {
        size = cshm_utf8_character(text.bytes + at, text.length - at, NULL);
        if (size == 0 || (!valid && looks_encoded(text, at)))
            cshm_buffer_add_format(out, "%%%02X", (unsigned char)text.bytes[at]);
        else
            add_character(out, text.bytes + at, size);
    }
    cshm_buffer_add_char(out, '"');
}

void json_c_string(struct cshm_buffer *out, const char *string)
{
    if (string)
        json_string(out, cshm_text(string));
    else
        cshm_buffer_add_string(out, "null");
}

void json_separate(struct cshm_buffer *out)
{
    size_t at = out->length;
    while (at > 0 && isspace((unsigned char)out->bytes[at - 1]))
        at--;
    if (at > 0 && !strchr("[{,", out->bytes[at - 1]))
        cshm_buffer_add_string(out, ", ");
}

void json_key(struct cshm_buffer *out, const char *name)
{
    json_separate(out);
    json_c_string(out, name);
    cshm_buffer_add_string(out, ": ");
}

/* The shortest text that reads back the same number, and with a point: 1.0 stays a float. */
static void add_number(struct cshm_buffer *out, double number)
{
    char text[40];
    if (!isfinite(number)) {
        json_c_string(out, isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    cshm_buffer_add_string(out, text);
    if (!strpbrk(text, ".e"))
        cshm_buffer_add_string(out, ".0");
}

static void add_table(struct cshm_buffer *out, const struct cshm_value *table)
{
    cshm_buffer_add_char(out, '{');
    for (size_t i = 0; i < table->table.count; i++) {
        json_separate(out);
        json_string(out, table->table.members[i].key);
        cshm_buffer_add_string(out, ": ");
        json_value(out, &table->table.members[i].value);
    }
    cshm_buffer_add_char(out, '}');
}

static void add_array(struct cshm_buffer *out, const struct cshm_value *array)
{
    cshm_buffer_add_char(out, '[');
    for (size_t i = 0; i < array->array.count; i++) {
        json_separate(out);
        json_value(out, &array->array.items[i]);
    }
    cshm_buffer_add_char(out, ']');
}

void json_value(struct cshm_buffer *out, const struct cshm_value *value)
{
    switch (value->type) {
    case CSHM_VALUE_STRING:
    case CSHM_VALUE_DATETIME:
        json_string(out, value->string);
        break;
    case CSHM_VALUE_INTEGER:
        cshm_buffer_add_format(out, "%" PRId64, value->integer);
        break;
    case CSHM_VALUE_FLOAT:
        add_number(out, value->number);
        break;
    case CSHM_VALUE_BOOLEAN:
        cshm_buffer_add_string(out, value->boolean ? "true" : "false");
        break;
    case CSHM_VALUE_ARRAY:
        add_array(out, value);
        break;
    case CSHM_VALUE_TABLE:
        add_table(out, value);
        break;
    }
}
