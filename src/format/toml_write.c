/* SPDX-License-Identifier: MIT */
#include "format/toml_write.h"

static bool key_is_bare(struct cshm_text key)
{
    for (size_t i = 0; i < key.length; i++) {
        char c = key.bytes[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return key.length > 0;
}

void cshm_toml_write_key(struct cshm_buffer *out, struct cshm_text key)
{
    if (key_is_bare(key))
        cshm_buffer_add(out, key.bytes, key.length);
    else
        cshm_toml_write_string(out, key);
}

static void add_escape(struct cshm_buffer *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char shorts[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    const char *found = c ? strchr(shorts, c) : NULL;
    if (found) {
        char text[2] = {'\\', letters[found - shorts]};
        cshm_buffer_add(out, text, sizeof text);
        return;
    }
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    cshm_buffer_add(out, text, sizeof text);
}

/* Bytes of the character at `bytes` that must be escaped; 0 when it may stand as it is. */
static size_t escaped_size(const char *bytes, size_t left, unsigned char *code)
{
    unsigned char c = (unsigned char)bytes[0];
    *code = c;
    if (c < 0x20 || c == 0x7F || c == '"' || c == '\\')
        return 1;
    if (c != 0xC2 || left < 2 || (unsigned char)bytes[1] >= 0xA0)
        return 0;
    /* C2 80 to C2 9F: the C1 controls, which some terminals obey. */
    *code = (unsigned char)bytes[1];
    return 2;
}

void cshm_toml_write_string(struct cshm_buffer *out, struct cshm_text string)
{
    cshm_buffer_add_char(out, '"');
    size_t start = 0;
    for (size_t at = 0; at < string.length;) {
        unsigned char code;
        size_t size = escaped_size(string.bytes + at, string.length - at, &code);
        if (size == 0) {
            at++;
            continue;
        }
        cshm_buffer_add(out, string.bytes + start, at - start);
        add_escape(out, code);
        at += size;
        start = at;
    }
    cshm_buffer_add(out, string.bytes + start, string.length - start);
    cshm_buffer_add_char(out, '"');
}

/* Written once per extent of every array: printf() would be half the time of a large manifest. */
void cshm_toml_write_unsigned(struct cshm_buffer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    cshm_buffer_add(out, digits + at, sizeof digits - at);
}

void cshm_toml_write_integer(struct cshm_buffer *out, int64_t value)
{
    if (value < 0)
        cshm_buffer_add_char(out, '-');
    cshm_toml_write_unsigned(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void write_items(struct cshm_buffer *out, const struct cshm_value *value)
{
    cshm_buffer_add_char(out, '[');
    for (size_t i = 0; i < value->array.count; i++) {
        if (i > 0)
            cshm_buffer_add(out, ", ", 2);
        cshm_toml_write_value(out, &value->array.items[i]);
    }
    cshm_buffer_add_char(out, ']');
}

static void write_members(struct cshm_buffer *out, const struct cshm_value *value)
{
    cshm_buffer_add_char(out, '{');
    for (size_t i = 0; i < value->table.count; i++) {
        if (i > 0)
            cshm_buffer_add(out, ", ", 2);
        cshm_toml_write_key(out, value->table.members[i].key);
        cshm_buffer_add(out, " = ", 3);
        cshm_toml_write_value(out, &value->table.members[i].value);
    }
    cshm_buffer_add_char(out, '}');
}

void cshm_toml_write_value(struct cshm_buffer *out, const struct cshm_value *value)
{
    switch (value->type) {
    case CSHM_VALUE_STRING:
        cshm_toml_write_string(out, value->string);
        break;
    case CSHM_VALUE_DATETIME:
        cshm_buffer_add(out, value->string.bytes, value->string.length);
        break;
    case CSHM_VALUE_INTEGER:
        cshm_toml_write_integer(out, value->integer);
        break;
    case CSHM_VALUE_FLOAT:
        cshm_toml_write_float(out, value->number);
        break;
    case CSHM_VALUE_BOOLEAN:
        cshm_buffer_add_string(out, value->boolean ? "true" : "false");
        break;
    case CSHM_VALUE_ARRAY:
        write_items(out, value);
        break;
    case CSHM_VALUE_TABLE:
        write_members(out, value);
        break;
    }
}
