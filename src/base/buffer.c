/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct cshm_buffer *buffer, size_t more)
{
    if (buffer->error)
        return false;
    size_t needed;
    if (__builtin_add_overflow(buffer->length, more, &needed) || needed >= SIZE_MAX / 2) {
        buffer->error = -ENOMEM;
        return false;
    }
    needed++; /* the NUL */
    if (needed <= buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    char *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) {
        buffer->error = -ENOMEM;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void cshm_buffer_add(struct cshm_buffer *buffer, const void *bytes, size_t length)
{
    if (!make_room(buffer, length))
        return;
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void cshm_buffer_add_string(struct cshm_buffer *buffer, const char *string)
{
    cshm_buffer_add(buffer, string, strlen(string));
}

void cshm_buffer_add_char(struct cshm_buffer *buffer, char c)
{
    cshm_buffer_add(buffer, &c, 1);
}

void cshm_buffer_add_format(struct cshm_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !make_room(buffer, (size_t)length))
        return;
    va_start(arguments, format);
    (void)vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

void cshm_buffer_clear(struct cshm_buffer *buffer)
{
    buffer->length = 0;
    buffer->error = 0;
    if (buffer->bytes)
        buffer->bytes[0] = '\0';
}

void cshm_buffer_finish(struct cshm_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = CSHM_BUFFER_INIT;
}
