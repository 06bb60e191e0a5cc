/* SPDX-License-Identifier: MIT */
/*
 * The memory that variable-length elements of one piece point to. libhdf5 asks for each element by
 * itself; all of it is given back at once, and a limit keeps a piece from growing beyond bounds.
 */
#ifndef CSHM_HDF5_POOL_H
#define CSHM_HDF5_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct cshm_pool_block;

struct cshm_pool {
    struct cshm_pool_block *blocks;
    size_t used;  /* bytes handed out since the last reset */
    size_t limit; /* 0: none */
    bool exceeded;
};

/* As H5Pset_vlen_mem_manager(3) wants them; `pool` is a struct cshm_pool. */
void *cshm_pool_alloc(size_t size, void *pool);
void cshm_pool_free(void *memory, void *pool);

/* Takes everything back; one block is kept for the next piece. */
void cshm_pool_reset(struct cshm_pool *pool);
void cshm_pool_finish(struct cshm_pool *pool);

#endif
