/* SPDX-License-Identifier: MIT */
/* The index of a group's children from the inside, for who puts nodes into groups (tree.h). */
#ifndef CSHM_MODEL_CHILDREN_H
#define CSHM_MODEL_CHILDREN_H

#include "model/tree.h"

/* Makes sure that one more child can be entered. 0 or -ENOMEM. The group has room for children. */
int cshm_children_reserve(struct cshm_tree *tree, struct cshm_node *group);

/* Enters the child that was just put at the group's end. 0 or -ENOMEM. */
int cshm_children_append(struct cshm_tree *tree, struct cshm_node *group);

/* Enters one that is in the group's list already, after cshm_children_reserve() or in the place of
 * one that left. */
void cshm_children_enter(struct cshm_node *group, struct cshm_node *child);

/* Before it leaves its group's list, or gets another key. */
void cshm_children_leave(struct cshm_node *node);

/* Frees the indexes made for groups of the tree. */
void cshm_children_finish(struct cshm_tree *tree);

#endif
