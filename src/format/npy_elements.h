/* SPDX-License-Identifier: MIT */
/*
 * The data of a .npy file as arrays: where each byte of it goes when structures are taken apart
 * into one array per field, and what lies in Fortran order comes to lie in C order. Pure.
 */
#ifndef CSHM_FORMAT_NPY_ELEMENTS_H
#define CSHM_FORMAT_NPY_ELEMENTS_H

#include "format/npy.h"

/* How often a field lies in an element, one level of a sub-array of structures. */
struct cshm_npy_loop {
    uint64_t count;
    uint64_t stride;
};

/* One array that the data becomes. */
struct cshm_npy_leaf {
    struct cshm_dtype dtype;
    size_t rank;
    const uint64_t *shape; /* the header's, then that of sub-arrays */
    uint64_t bytes;        /* of an element: pieces * piece */
    uint64_t offset;       /* of the first piece in an element of the file */
    uint64_t piece;        /* bytes in a row */
    uint64_t pieces;       /* product of the loops' counts */
    size_t loop_count;     /* outermost first */
    const struct cshm_npy_loop *loops;
};

/*
 * The arrays of a header, in the order of a walk through its fields (one where there are none);
 * memory from `arena`. 0, -ENOMEM, -EINVAL (more than 64 dimensions, or too many small pieces).
 */
int cshm_npy_leaves(const struct cshm_npy_header *header, struct cshm_arena *arena,
                    struct cshm_npy_leaf **out, size_t *count, struct cshm_error *error);

/* Whether the data is the one array as it is, byte for byte. */
bool cshm_npy_is_plain(const struct cshm_npy_header *header);

/*
 * Copies what belongs to `leaf` out of `length` bytes of data, from `offset` of the data on (both
 * within it; elements may be cut), to its place in the array at `to`.
 */
void cshm_npy_scatter(const struct cshm_npy_header *header, const struct cshm_npy_leaf *leaf,
                      char *to, const char *bytes, uint64_t length, uint64_t offset);

#endif
