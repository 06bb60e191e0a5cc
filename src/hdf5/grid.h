/* SPDX-License-Identifier: MIT */
/*
 * Where chunks lie in the array: decoded chunks, clipped at the dataset's edges, are copied into
 * it. Pure; thread-safe for chunks that are not the same.
 *
 * What all functions rely on: the bytes of the whole array and those of a whole chunk (the product
 * of its dimensions and `element`) fit size_t; `rank` and `element` are at least 1, so are the
 * chunk's dimensions, which may exceed the dataset's.
 */
#ifndef CSHM_HDF5_GRID_H
#define CSHM_HDF5_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSHM_GRID_RANK_MAX = 32 }; /* H5S_MAX_RANK */

struct cshm_grid {
    size_t rank;
    uint64_t shape[CSHM_GRID_RANK_MAX]; /* of the dataset, elements */
    uint64_t chunk[CSHM_GRID_RANK_MAX]; /* of a chunk, elements */
    size_t element;                     /* bytes */
};

/*
 * Whether the chunk that starts at `start` (elements) is one unclipped run of bytes of the array,
 * and at which byte that begins: there it can be decoded in place.
 */
bool cshm_grid_is_run(const struct cshm_grid *grid, const uint64_t *start, uint64_t *offset);

/*
 * Copies a decoded chunk, clipped to the dataset, to its place. A chunk outside of the dataset
 * changes nothing. `chunk` and `array` do not overlap.
 */
void cshm_grid_place(const struct cshm_grid *grid, const uint64_t *start, const void *chunk,
                     void *array);

/* The same with one element repeated: the fill value of a chunk the file does not have. */
void cshm_grid_fill(const struct cshm_grid *grid, const uint64_t *start, const void *element,
                    void *array);

#endif
