/* SPDX-License-Identifier: MIT */
/*
 * Counts that st_nlink and inode numbers need and that must not be counted anew for each request:
 * the groups in a group, and which array was the first of those that share a segment. Made
 * when a project is loaded, kept right by each operation in time that does not depend on its size.
 * Not thread-safe: goes with the picture's lock.
 */
#ifndef MOUNT_CENSUS_H
#define MOUNT_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/tree.h"

struct census_groups {
    const struct cshm_node *group; /* NULL: free slot */
    size_t count;
};

struct census {
    struct census_groups *groups; /* open addressing; groups that hold groups */
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

/* Called before `node`, with all below it, leaves its place in the tree. */
void census_leave(struct census *census, const struct cshm_node *node);

/* Called after it has come to its place. 0 or -ENOMEM. */
int census_join(struct census *census, const struct cshm_node *node);

size_t census_subgroups(const struct census *census, const struct cshm_node *group);

/* How many arrays of the project have this array's segment, at least 1. */
size_t census_names(const struct census *census, const struct cshm_node *array);

/* Whether the array is the first that names its segment. */
bool census_is_first(const struct census *census, const struct cshm_node *array);

#endif
