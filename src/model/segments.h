/* SPDX-License-Identifier: MIT */
/* The index of segments from the inside, for who takes nodes in and out of trees (tree.h). */
#ifndef CSHM_MODEL_SEGMENTS_H
#define CSHM_MODEL_SEGMENTS_H

#include "model/tree.h"

/* Makes sure that so many more can be entered. 0 or -ENOMEM. Of a tree without index: nothing. */
int cshm_segments_reserve(struct cshm_tree *tree, size_t count);

/* A node came into the tree or got its segment, after cshm_segments_reserve(); or the reverse. */
void cshm_segments_enter(struct cshm_tree *tree, struct cshm_node *node);
void cshm_segments_leave(struct cshm_tree *tree, struct cshm_node *node);

/* An array is linked from now on. */
void cshm_segments_link(struct cshm_tree *tree, struct cshm_node *node);

#endif
