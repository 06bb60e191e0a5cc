/* SPDX-License-Identifier: MIT */
/*
 * Fitting an array to its file: what of a file of some length is the array's. The first dimension
 * follows the length, dtype and trailing shape survive any; the bytes behind the last whole row (of
 * a scalar: behind its element) are the rest, in the file but not of the array.
 *
 * Lengths here are those that are shown: of an empty array 0, though its segment has a byte.
 */
#ifndef CSHM_MODEL_FIT_H
#define CSHM_MODEL_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/tree.h"

struct cshm_fit {
    uint64_t rows;  /* shape[0]; of a scalar, which has none, 1 */
    uint64_t bytes; /* of the array */
    uint64_t rest;  /* bytes of the file behind it */
    bool broken;    /* a scalar longer than its file: its bytes are those of its element */
};

/*
 * Of an array with dtype and shape; without one of them (a dtype that did not parse) nothing is
 * known: -EINVAL. Where rows have no bytes (a trailing extent or an itemsize of 0), their number
 * stays as it is and all the file is rest.
 */
int cshm_fit_measure(const struct cshm_description *described, uint64_t length,
                     struct cshm_fit *out);

/*
 * Makes it so: shape, bytes and empty_rest of a described node. `held`: the file is open and has no
 * byte but its own, also while it is empty (empty_rest then says so). 0, -EINVAL as above, -ENOMEM.
 */
int cshm_tree_fit(struct cshm_tree *tree, struct cshm_node *node, uint64_t length, bool held);

/* Whether cshm_tree_fit() would change nothing; also where nothing is known. */
bool cshm_fit_is_settled(const struct cshm_description *described, uint64_t length, bool held);

/*
 * A new dtype alone: the node (described or not) becomes the vector of whole elements that fills
 * the file, with its rest. 0, -EINVAL (not a dtype), -ENOMEM.
 */
int cshm_tree_fit_vector(struct cshm_tree *tree, struct cshm_node *node,
                         const struct cshm_dtype *dtype, uint64_t length);

/*
 * The length of the segment for a file of `length` bytes: an empty array's has a byte, because the
 * peer cannot map an empty file.
 */
static inline uint64_t cshm_fit_segment(const struct cshm_description *described, uint64_t length)
{
    return length == 0 && described->bytes == 0 ? 1 : length;
}

#endif
