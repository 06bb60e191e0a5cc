/* SPDX-License-Identifier: MIT */
/* The segments of a tree, or part of one, that are to be given back. */
#ifndef CSHM_STORE_RELEASE_H
#define CSHM_STORE_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "model/tree.h"
#include "store/registry.h"
#include "store/store.h"

struct cshm_release {
    const char **names; /* each once; the strings belong to the tree */
    size_t count;
    bool linked; /* one of them at least: other manifests are asked for all */
};

/*
 * The segments that nodes at and below `top` name and, unless that is the tree's root, no node of
 * the tree does: `top` was taken out of it. In time of what is below `top`. -ENOMEM.
 */
int cshm_release_collect(struct cshm_tree *tree, const struct cshm_node *top,
                         struct cshm_release *out);

/*
 * The same in steps: what nodes at and below `top` name, then, when all is changed, what of it is
 * not named any more.
 */
int cshm_release_add(struct cshm_release *release, const struct cshm_node *top);
int cshm_release_settle(struct cshm_release *release, struct cshm_tree *tree);

/* Sorts the names, each once. */
void cshm_release_sort(struct cshm_release *release);

/*
 * Unlinks them, each only if a manifest of `owner` may name it and, where it is linked or bears the
 * name of another project than `project`, no other manifest holds it. Goes on after errors and
 * returns the first. The registry lock is held and the names stand in a pending file.
 */
int cshm_release_unlink(const struct cshm_store *store, const char *project, uid_t owner,
                        const struct cshm_release *release);

/*
 * The segments of a project whose manifest does not parse: those of the exact form that belong to
 * `owner` (root: any) and that no other manifest names. The strings are in `found`. -ENOMEM or
 * negative errno.
 */
int cshm_damaged_collect(const struct cshm_store *store, const char *project, uid_t owner,
                         struct cshm_names *found, struct cshm_release *out);

void cshm_release_finish(struct cshm_release *release);

#endif
