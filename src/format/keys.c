/* SPDX-License-Identifier: MIT */
#include "format/keys.h"

#include <errno.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The value of "%XX" at `bytes`, or -1. */
static int escape_at(const char *bytes, size_t length)
{
    if (length < 3 || bytes[0] != '%')
        return -1;
    int high = hex_digit(bytes[1]);
    int low = hex_digit(bytes[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void add_escaped(struct cshm_buffer *out, char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char value = (unsigned char)byte;
    char text[3] = {'%', digits[value >> 4U], digits[value & 15U]};
    cshm_buffer_add(out, text, sizeof text);
}

void cshm_key_spell(struct cshm_buffer *out, struct cshm_text raw)
{
    for (size_t at = 0; at < raw.length;) {
        size_t left = raw.length - at;
        size_t size = cshm_utf8_character(raw.bytes + at, left, NULL);
        if (size == 0 || escape_at(raw.bytes + at, left) >= 0)
            add_escaped(out, raw.bytes[at]);
        else
            cshm_buffer_add(out, raw.bytes + at, size);
        at += size ? size : 1;
    }
}

int cshm_key_read(struct cshm_arena *arena, struct cshm_text spelled, struct cshm_text *raw)
{
    char *bytes = cshm_arena_string(arena, spelled.bytes, spelled.length);
    if (!bytes)
        return -ENOMEM;
    size_t length = 0;
    for (size_t at = 0; at < spelled.length; length++) {
        int value = escape_at(spelled.bytes + at, spelled.length - at);
        if (value >= 0)
            bytes[length] = (char)value;
        else
            bytes[length] = spelled.bytes[at];
        at += value >= 0 ? 3 : 1;
    }
    bytes[length] = '\0';
    *raw = (struct cshm_text){bytes, length};

    CSHM_AUTO_BUFFER struct cshm_buffer again = CSHM_BUFFER_INIT;
    cshm_key_spell(&again, *raw);
    if (again.error)
        return again.error;
    return cshm_text_equal((struct cshm_text){again.bytes, again.length}, spelled) ? 0 : -EINVAL;
}

bool cshm_key_looks_spelled(struct cshm_text key)
{
    for (size_t at = 0; at + 2 < key.length; at++)
        if (escape_at(key.bytes + at, key.length - at) >= 0)
            return true;
    return false;
}
