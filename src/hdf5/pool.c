/* SPDX-License-Identifier: MIT */
#include "hdf5/pool.h"

#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_SIZE = 256 * 1024, ALIGNMENT = 16 };

struct cshm_pool_block {
    struct cshm_pool_block *next;
    size_t size;
    size_t used;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

static struct cshm_pool_block *add_block(struct cshm_pool *pool, size_t size)
{
    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct cshm_pool_block *block = malloc(sizeof *block + room);
    if (!block)
        return NULL;
    *block = (struct cshm_pool_block){.next = pool->blocks, .size = room};
    pool->blocks = block;
    return block;
}

void *cshm_pool_alloc(size_t size, void *context)
{
    struct cshm_pool *pool = context;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (pool->limit && size > pool->limit - (pool->used < pool->limit ? pool->used : pool->limit)) {
        pool->exceeded = true;
        return NULL;
    }
    struct cshm_pool_block *block = pool->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(pool, size);
    if (!block)
        return NULL;
    void *memory = block->bytes + block->used;
    block->used += size;
    pool->used += size;
    return memory;
}

void cshm_pool_free(void *memory, void *context)
{
    (void)memory;
    (void)context;
}

void cshm_pool_reset(struct cshm_pool *pool)
{
    struct cshm_pool_block *kept = NULL;
    for (struct cshm_pool_block *block = pool->blocks, *next; block; block = next) {
        next = block->next;
        if (!kept && block->size == BLOCK_SIZE) {
            kept = block;
            kept->next = NULL;
            kept->used = 0;
        } else {
            free(block);
        }
    }
    pool->blocks = kept;
    pool->used = 0;
    pool->exceeded = false;
}

void cshm_pool_finish(struct cshm_pool *pool)
{
    cshm_pool_reset(pool);
    free(pool->blocks);
    pool->blocks = NULL;
}
