/* SPDX-License-Identifier: MIT */
/*
 * The table that says what one node is: a leaf of the manifest, a [[node]] of its extension
 * document, a `put` of the journal. Lenient: what cannot be used makes an array broken
 * (node->problem), nothing more.
 */
#ifndef CSHM_FORMAT_LEAF_H
#define CSHM_FORMAT_LEAF_H

#include "model/tree.h"

/* Reads an array. 0 or -ENOMEM. */
int cshm_leaf_read(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_value *table,
                   struct cshm_text shm_name);

/* Reads what has no segment: a group or a bare node. 0 or -ENOMEM. */
int cshm_note_read(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_value *table);

#endif
