/* SPDX-License-Identifier: MIT */
/* A growing byte buffer for rendered text. Out of memory is remembered and asked for once. */
#ifndef CSHM_BASE_BUFFER_H
#define CSHM_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

struct cshm_buffer {
    char *bytes; /* NUL-terminated once something was added; owned by the buffer */
    size_t length;
    size_t capacity;
    int error; /* 0 or -ENOMEM; sticky, later additions do nothing */
};

#define CSHM_BUFFER_INIT ((struct cshm_buffer){0})

void cshm_buffer_add(struct cshm_buffer *buffer, const void *bytes, size_t length);
void cshm_buffer_add_string(struct cshm_buffer *buffer, const char *string);
void cshm_buffer_add_char(struct cshm_buffer *buffer, char c);
void cshm_buffer_add_format(struct cshm_buffer *buffer, const char *format, ...) CSHM_PRINTF(2, 3);

/* Keeps the memory for the next use. */
void cshm_buffer_clear(struct cshm_buffer *buffer);
void cshm_buffer_finish(struct cshm_buffer *buffer);

#define CSHM_AUTO_BUFFER __attribute__((cleanup(cshm_buffer_finish)))

#endif
