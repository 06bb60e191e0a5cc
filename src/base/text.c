/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdio.h>

size_t cshm_utf8_character(const char *bytes, size_t length, uint32_t *code_point)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 0)
        return 0;
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size;
    uint32_t value;
    if (b[0] < 0x80) {
        size = 1;
        value = b[0];
    } else if ((b[0] & 0xE0) == 0xC0) {
        size = 2;
        value = b[0] & 0x1FU;
    } else if ((b[0] & 0xF0) == 0xE0) {
        size = 3;
        value = b[0] & 0x0FU;
    } else if ((b[0] & 0xF8) == 0xF0) {
        size = 4;
        value = b[0] & 0x07U;
    } else {
        return 0;
    }
    if (size > length)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (b[i] & 0x3FU);
    }
    if (size > 1 && value < smallest[size])
        return 0;
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    if (code_point)
        *code_point = value;
    return size;
}

bool cshm_utf8_valid(const char *bytes, size_t length)
{
    while (length > 0) {
        size_t size = cshm_utf8_character(bytes, length, NULL);
        if (size == 0)
            return false;
        bytes += size;
        length -= size;
    }
    return true;
}

static size_t escape_one(const char *bytes, size_t length, char out[8], size_t *consumed)
{
    uint32_t code_point = 0;
    size_t size = cshm_utf8_character(bytes, length, &code_point);
    *consumed = size ? size : 1;
    bool control = code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
    if (size == 0 || (size == 1 && control)) {
        if (size && code_point == '\n')
            return (size_t)snprintf(out, 8, "\\n");
        if (size && code_point == '\t')
            return (size_t)snprintf(out, 8, "\\t");
        return (size_t)snprintf(out, 8, "\\x%02x", (unsigned char)bytes[0]);
    }
    if (control) /* C1 controls: two bytes in UTF-8, some terminals obey them */
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)code_point);
    memcpy(out, bytes, size);
    return size;
}

const char *cshm_text_escape(const char *bytes, size_t length, char *out, size_t size)
{
    size_t used = 0;
    while (length > 0) {
        char piece[8];
        size_t consumed;
        size_t produced = escape_one(bytes, length, piece, &consumed);
        if (used + produced + 1 > size)
            break;
        memcpy(out + used, piece, produced);
        used += produced;
        bytes += consumed;
        length -= consumed;
    }
    if (size > 0)
        out[used] = '\0';
    return out;
}

const char *cshm_bytes_to_human(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        (void)snprintf(out, 32, "%u bytes", (unsigned)bytes);
    else
        (void)snprintf(out, 32, "%.2f %s", value, units[unit]);
    return out;
}

uint64_t cshm_hash(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < length; i++) {
        hash ^= (unsigned char)bytes[i];
        hash *= 0x100000001b3U;
    }
    return hash;
}
