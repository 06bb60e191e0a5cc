/* SPDX-License-Identifier: MIT */
/* The nodes that stand for a dataset: its array, or the group with the arrays of its parts. */
#ifndef CSHM_HDF5_NODES_H
#define CSHM_HDF5_NODES_H

#include "hdf5/loader.h"
#include "hdf5/plan.h"

/*
 * Describes `node` (of cshm_plan_node_type()) as a dataset of this plan and shape and adds or
 * describes again what is below it. Sizes the content decides are taken from the plan (`longest`,
 * `total`), so this is called before and after measuring. 0 or negative errno.
 */
int cshm_nodes_describe(struct cshm_loader *loader, const struct cshm_plan *plan,
                        struct cshm_node *node, size_t rank, const uint64_t *shape);

/* A dataset of the null dataspace: a bare node. */
int cshm_nodes_describe_null(struct cshm_loader *loader, const struct cshm_plan *plan,
                             struct cshm_node *node);

/* Points the parts of a plan to their nodes. */
void cshm_nodes_bind(struct cshm_plan *plan, struct cshm_node *node);

/* Adds a child; its errors are put into words. */
int cshm_nodes_add(struct cshm_loader *loader, struct cshm_node *group, struct cshm_text key,
                   enum cshm_node_type type, struct cshm_node **out);

#endif
