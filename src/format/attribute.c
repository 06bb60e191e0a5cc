/* SPDX-License-Identifier: MIT */
#include "format/attribute.h"

#include <errno.h>

static const char bytes_mark[] = "!bytes ";
enum { BYTES_MARK_SIZE = sizeof bytes_mark - 1 };

static int write_bytes(struct cshm_arena *arena, struct cshm_text raw, struct cshm_text *written)
{
    static const char digits[] = "0123456789abcdef";
    size_t length;
    if (__builtin_mul_overflow(raw.length, 2, &length) ||
        __builtin_add_overflow(length, BYTES_MARK_SIZE, &length))
        return -ENOMEM;
    char *bytes = cshm_arena_array(arena, length, 1);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, bytes_mark, BYTES_MARK_SIZE);
    for (size_t i = 0; i < raw.length; i++) {
        unsigned char value = (unsigned char)raw.bytes[i];
        bytes[BYTES_MARK_SIZE + 2 * i] = digits[value >> 4];
        bytes[BYTES_MARK_SIZE + 2 * i + 1] = digits[value & 15];
    }
    *written = (struct cshm_text){bytes, length};
    return 0;
}

int cshm_attribute_write_string(struct cshm_arena *arena, struct cshm_text raw,
                                struct cshm_text *written)
{
    if (!cshm_utf8_valid(raw.bytes, raw.length))
        return write_bytes(arena, raw, written);
    *written = raw;
    if (raw.length == 0 || raw.bytes[0] != '!')
        return 0;
    char *bytes = cshm_arena_array(arena, raw.length + 1, 1);
    if (!bytes)
        return -ENOMEM;
    bytes[0] = '!';
    memcpy(bytes + 1, raw.bytes, raw.length);
    *written = (struct cshm_text){bytes, raw.length + 1};
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_bytes(struct cshm_arena *arena, struct cshm_text hex, struct cshm_text *raw)
{
    if (hex.length % 2 != 0)
        return -EINVAL;
    char *bytes = cshm_arena_array(arena, hex.length / 2, 1);
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < hex.length / 2; i++) {
        int high = hex_digit(hex.bytes[2 * i]);
        int low = hex_digit(hex.bytes[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        bytes[i] = (char)(high * 16 + low);
    }
    *raw = (struct cshm_text){bytes, hex.length / 2};
    return 0;
}

int cshm_attribute_read_string(struct cshm_arena *arena, struct cshm_text written,
                               struct cshm_text *raw)
{
    *raw = written;
    if (written.length == 0 || written.bytes[0] != '!')
        return 0;
    if (written.length >= 2 && written.bytes[1] == '!') {
        *raw = (struct cshm_text){written.bytes + 1, written.length - 1};
        return 0;
    }
    if (written.length < BYTES_MARK_SIZE || memcmp(written.bytes, bytes_mark, BYTES_MARK_SIZE) != 0)
        return -EINVAL;
    struct cshm_text hex = {written.bytes + BYTES_MARK_SIZE, written.length - BYTES_MARK_SIZE};
    return read_bytes(arena, hex, raw);
}
