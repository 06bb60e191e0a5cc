/* SPDX-License-Identifier: MIT */
/*
 * Counts that st_nlink, inode numbers and the sidecars of groups need and that must not be counted
 * anew for each request: the groups in a group, all that is below it, and which array was the first
 * of those that share a segment. Made when a project is loaded, kept right by each operation in
 * time that depends on how deep it is in the tree, not on the tree's size. Not thread-safe: goes
 * with the picture's lock.
 */
#ifndef MOUNT_CENSUS_H
#define MOUNT_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/sidecar.h"
#include "model/operation.h"

/* There are never more nodes than CSHM_NODES_MAX; their bytes may be more than 64 bits hold. */
struct census_group {
    const struct cshm_node *group; /* NULL: free slot */
    uint64_t bytes;                /* of all arrays below it ... */
    uint32_t bytes_high;           /* ... and how often that went over */
    uint32_t arrays;               /* of all below it */
    uint32_t groups;
    uint32_t subgroups; /* only the groups in it */
};

struct census {
    struct census_group *groups; /* open addressing; groups that hold anything */
    size_t groups_size;
    size_t groups_used;
    const char **orphans; /* open addressing; shared segments whose first array is gone */
    size_t orphans_size;
    size_t orphans_used;
    const struct cshm_tree *tree;
};

/* 0 or -ENOMEM. */
int census_take(struct census *census, const struct cshm_tree *tree);
void census_finish(struct census *census);

/*
 * Called before an operation is applied to the tree, and after: where it fails between the two, or
 * the second with -ENOMEM, the counts are wrong and have to be taken again.
 */
void census_before(struct census *census, const struct cshm_operation *operation,
                   const struct cshm_operation_place *place);
int census_after(struct census *census, const struct cshm_operation *operation,
                 const struct cshm_operation_place *place);

/* All that is below a group. */
void census_totals(const struct census *census, const struct cshm_node *group,
                   struct cshm_sidecar_totals *out);

size_t census_subgroups(const struct census *census, const struct cshm_node *group);

/* How many arrays of the project have this array's segment, at least 1. */
size_t census_names(const struct census *census, const struct cshm_node *array);

/* Whether the array is the first that names its segment. */
bool census_is_first(const struct census *census, const struct cshm_node *array);

#endif
