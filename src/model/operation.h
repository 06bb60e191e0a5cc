/* SPDX-License-Identifier: MIT */
/*
 * Operations: what can happen to a published project. Every change is one or several of these; they
 * are what its journal holds. Pure: a tree in, a changed tree out, in time that does not depend on
 * the size of the tree.
 */
#ifndef CSHM_MODEL_OPERATION_H
#define CSHM_MODEL_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "model/tree.h"

enum cshm_operation_kind {
    CSHM_OPERATION_REMOVE, /* the node at `path` (not the root) with all below it */
    CSHM_OPERATION_PUT,    /* what `node` says, at `path`: of a node that is there in place of what
                              it said, its children and its place staying; else a new one at the end
                              of its group. The root can be put too (a group). A segment that is
                              `linked` in the tree stays so */
    CSHM_OPERATION_MOVE,   /* the node at `path` with all below it to `to`, where it takes the place
                              of what is there; with `exchange` that goes to `path` instead */
};

/* Nothing in it is owned. */
struct cshm_operation {
    enum cshm_operation_kind kind;
    bool exchange;
    const struct cshm_text *path; /* keys from the root */
    size_t depth;
    const struct cshm_text *to; /* of a move */
    size_t to_depth;
    const struct cshm_node
        *node; /* of a put: type, description, attributes; its key is not looked at */
};

/* What of the tree an operation is about, before it is applied. */
struct cshm_operation_place {
    struct cshm_node *node;  /* at `path`; NULL where a put makes it */
    struct cshm_node *there; /* of a move: what is at `to`, or NULL */
    struct cshm_node *group; /* where a put makes it or a move moves it to; else NULL */
};

/*
 * Finds the place and whether it can be done. -ENOENT, -ENOTDIR (`path` or `to` leads through what
 * is no group), -EINVAL (the root; into itself; onto what is above; not a node that can be put),
 * -ENOTEMPTY (a put that makes a group with children something else). -ELOOP, -EMFILE and -ENOMEM
 * may still come when it is applied.
 */
int cshm_operation_find(struct cshm_tree *tree, const struct cshm_operation *operation,
                        struct cshm_operation_place *place);

/* Does it. `place` is as just found; place->node is the node that a put made. */
int cshm_operation_apply(struct cshm_tree *tree, const struct cshm_operation *operation,
                         struct cshm_operation_place *place);

#endif
