/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 256 * 1024, ALIGNMENT = 8 };

_Static_assert(_Alignof(uint64_t) <= ALIGNMENT && _Alignof(void *) <= ALIGNMENT, "as promised");

struct cshm_arena_block {
    struct cshm_arena_block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

static struct cshm_arena_block *add_block(struct cshm_arena *arena, size_t needed)
{
    /* Blocks grow with the arena, so that ten thousand small projects stay small. */
    size_t size = arena->used < FIRST_BLOCK ? FIRST_BLOCK : arena->used;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < needed)
        size = needed;
    if (size > SIZE_MAX - sizeof(struct cshm_arena_block))
        return NULL;
    struct cshm_arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->used = 0;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

static void *take(struct cshm_arena *arena, size_t size, size_t alignment)
{
    struct cshm_arena_block *block = arena->blocks;
    size_t start = block ? (block->used + alignment - 1) & ~(alignment - 1) : 0;
    if (!block || start > block->size || size > block->size - start) {
        block = add_block(arena, size);
        if (!block)
            return NULL;
        start = 0;
    }
    block->used = start + size;
    arena->used += size;
    return block->bytes + start;
}

void *cshm_arena_alloc(struct cshm_arena *arena, size_t size)
{
    void *memory = take(arena, size ? size : 1, ALIGNMENT);
    return memory ? memset(memory, 0, size) : NULL;
}

void *cshm_arena_array(struct cshm_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : cshm_arena_alloc(arena, bytes);
}

char *cshm_arena_string(struct cshm_arena *arena, const char *bytes, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = take(arena, length + 1, 1);
    if (!copy)
        return NULL;
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

struct cshm_text cshm_arena_text(struct cshm_arena *arena, struct cshm_text text)
{
    return (struct cshm_text){cshm_arena_string(arena, text.bytes, text.length), text.length};
}

void cshm_arena_finish(struct cshm_arena *arena)
{
    struct cshm_arena_block *block = arena->blocks;
    while (block) {
        struct cshm_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct cshm_arena){0};
}
