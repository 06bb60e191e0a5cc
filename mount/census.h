/* SPDX-License-Identifier: MIT */
/*
 * Counts that st_nlink and inode numbers need and that must not be counted anew for each request:
 * the groups in a group, and which arrays share a segment. Made when a project is loaded, kept
 * right by each change of ours. Not thread-safe: goes with the picture's lock.
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

struct census_segment {
    const char *segment;           /* in the tree; NULL: free slot */
    const struct cshm_node *first; /* in the manifest's order; NULL once that one is gone */
    size_t count;
};

struct census {
    struct census_groups *groups; /* open addressing; groups that hold groups */
    size_t groups_size;
    struct census_segment *segments; /* open addressing; NULL while no two arrays share one */
    size_t segments_size;
};

/* 0 or -ENOMEM. */
int census_take(struct census *census, const struct cshm_tree *tree);
void census_finish(struct census *census);

/* Called before `node` leaves the tree. */
void census_leave(struct census *census, const struct cshm_node *node);

size_t census_subgroups(const struct census *census, const struct cshm_node *group);

/* How many arrays of the project have this array's segment, at least 1. */
size_t census_names(const struct census *census, const struct cshm_node *array);

/* Whether the array is the first that names its segment. */
bool census_is_first(const struct census *census, const struct cshm_node *array);

#endif
