/* SPDX-License-Identifier: MIT */
/*
 * A dataset in pieces: boxes of bounded size, made of whole chunks where it is chunked, so that
 * none is decoded twice. Sequences can only be taken in C order: then the pieces follow it, if need
 * be through chunks.
 */
#ifndef CSHM_HDF5_PIECES_H
#define CSHM_HDF5_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hdf5/library.h"

struct cshm_dataset;

struct cshm_pieces {
    size_t rank;
    uint64_t shape[H5S_MAX_RANK];
    uint64_t step[H5S_MAX_RANK];
    uint64_t start[H5S_MAX_RANK]; /* of the present piece */
    uint64_t count[H5S_MAX_RANK];
    bool has_begun;
    bool is_empty;
};

/* Before the first piece. `budget`: elements of a piece (one chunk may be more). */
void cshm_pieces_start(struct cshm_pieces *pieces, const struct cshm_dataset *dataset,
                       uint64_t budget, bool in_order);

/* Moves to the next piece; false at the end. */
bool cshm_pieces_next(struct cshm_pieces *pieces);

uint64_t cshm_pieces_elements(const struct cshm_pieces *piece);

/* Two halves, the first before the second in C order where the piece is in it. False: one element.
 */
bool cshm_pieces_split(const struct cshm_pieces *piece, struct cshm_pieces halves[2]);

#endif
