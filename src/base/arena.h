/* SPDX-License-Identifier: MIT */
/*
 * Memory that is freed all at once. A project's tree has many small, equally long-lived pieces
 * (keys, shapes, attributes); one arena per tree keeps them compact and makes leaks impossible.
 * Not thread-safe.
 */
#ifndef CSHM_BASE_ARENA_H
#define CSHM_BASE_ARENA_H

#include <stddef.h>

#include "base/text.h"

struct cshm_arena_block;

struct cshm_arena {
    struct cshm_arena_block *blocks;
    size_t used; /* bytes handed out in all */
};

/* Zeroed, aligned for pointers, 64-bit integers and doubles. NULL when memory is out. */
void *cshm_arena_alloc(struct cshm_arena *arena, size_t size);

/* `count * size` zeroed bytes; NULL also when the product overflows. */
void *cshm_arena_array(struct cshm_arena *arena, size_t count, size_t size);

/* A NUL-terminated copy. NULL when memory is out. */
char *cshm_arena_string(struct cshm_arena *arena, const char *bytes, size_t length);

/* The same as a text; `bytes` is NULL when memory is out. */
struct cshm_text cshm_arena_text(struct cshm_arena *arena, struct cshm_text text);

void cshm_arena_finish(struct cshm_arena *arena);

#endif
