/* SPDX-License-Identifier: MIT */
/*
 * What of a file is to be loaded: paths spelt as on the mount, as a tree of directory entries that
 * is walked beside the file's groups.
 */
#ifndef CSHM_HDF5_SELECTION_H
#define CSHM_HDF5_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* One entry of one or more selected paths. */
struct cshm_selection {
    struct cshm_selection *next; /* sibling */
    struct cshm_selection *first;
    struct cshm_selection *next_path; /* of the root and of those with a `path` */
    struct cshm_text entry;           /* points into the path given */
    const char *path;                 /* as given; NULL: only on the way to a selected one */
    bool is_found;                    /* set by the walk: a group or dataset of that path */
};

/* The root of them all, in `arena`; the paths must outlive it. NULL: out of memory. */
struct cshm_selection *cshm_selection_make(struct cshm_arena *arena, const char *const *paths,
                                           size_t count);

/* What is said of the link `name` of the group that `group` (may be NULL) stands for, or NULL. */
struct cshm_selection *cshm_selection_step(const struct cshm_selection *group, const char *name);

/* After the walk: the first path that led to nothing, or NULL. */
const char *cshm_selection_missing(const struct cshm_selection *root);

#endif
