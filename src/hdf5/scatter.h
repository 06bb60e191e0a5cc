/* SPDX-License-Identifier: MIT */
/* Elements as H5Dread left them in memory, taken apart: measured, or put into the arrays of a plan.
 */
#ifndef CSHM_HDF5_SCATTER_H
#define CSHM_HDF5_SCATTER_H

#include "hdf5/loader.h"
#include "hdf5/pieces.h"
#include "hdf5/plan.h"

struct cshm_scatter {
    struct cshm_loader *loader;
    bool is_measuring;  /* only plan->longest and plan->total are brought up to date */
    hid_t location;     /* an object of the file references are of */
    unsigned long file; /* its number */
    uint64_t lost;      /* references that lead nowhere */
};

/*
 * Takes one piece of a dataset of this shape. Nothing is written beyond a sink: content that is not
 * what was measured is -ESTALE.
 */
int cshm_scatter_piece(struct cshm_scatter *scatter, struct cshm_plan *plan, const uint64_t *shape,
                       size_t rank, const struct cshm_pieces *piece, const unsigned char *elements);

#endif
