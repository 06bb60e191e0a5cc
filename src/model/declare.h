/* SPDX-License-Identifier: MIT */
/*
 * Declaring: what an array that has a file becomes when somebody says what it is. Pure: whether the
 * file may be resized, and how, is for others to decide.
 */
#ifndef CSHM_MODEL_DECLARE_H
#define CSHM_MODEL_DECLARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/tree.h"

struct cshm_declaration {
    const struct cshm_description *present; /* of an array */
    const struct cshm_description *wanted;  /* as it was written; NULL: nothing said */
    uint64_t rest;                          /* as it was written: bytes beyond the array */
    uint64_t length;                        /* of the file, as it is shown */
};

enum cshm_declared {
    CSHM_DECLARED_SAME, /* dtype and shape are what they were, whatever the file's length */
    CSHM_DECLARED_FITS, /* others, with the file as long as they need */
    CSHM_DECLARED_SIZE, /* others, and the file has to be as long as they need */
};

/*
 * Fills in the description of `node`, which has none, from what is wanted and, where that says
 * nothing, from the present one: a dtype alone, if it is another one, is the vector that fills the
 * file. The description is declared and has no segment; its memory is `tree`'s, and that of
 * the two others. -EINVAL with what is wrong; -ENOMEM.
 */
int cshm_declare(struct cshm_tree *tree, struct cshm_node *node,
                 const struct cshm_declaration *declaration, enum cshm_declared *how,
                 struct cshm_error *error);

/* Whether two nodes say the same: type, dtype, shape, details, attributes; not the segment. */
bool cshm_node_says_same(const struct cshm_node *a, const struct cshm_node *b);

#endif
