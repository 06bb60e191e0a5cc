/* SPDX-License-Identifier: MIT */
/* The content of one tree below a group of another: several files, one project. */
#ifndef CSHM_STORE_MERGE_H
#define CSHM_STORE_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/tree.h"

/* A group by its keys from the root. */
struct cshm_key_path {
    struct cshm_text *keys;
    size_t depth;
};

/*
 * The keys of a path that is spelt as on the mount, in `arena`. Names too long for a directory
 * entry are looked up in `tree` (NULL: there is none). -EINVAL, -ENOENT, -ENOMEM.
 */
int cshm_merge_resolve(const struct cshm_tree *tree, const char *path, struct cshm_arena *arena,
                       struct cshm_key_path *out, struct cshm_error *error);

/*
 * Whether the content of `from` can come below that group of `to`, which need not be there.
 * -ENOTDIR (no group, or one that stands for a dataset), -EEXIST (a name, or an attribute of the
 * root with another value, is there already; not with `replace`).
 */
int cshm_merge_check(const struct cshm_tree *to, const struct cshm_key_path *path,
                     const struct cshm_tree *from, bool replace, struct cshm_error *error);

/*
 * Moves it there after that check, with the root's attributes; what was there by the same names
 * goes to the root of `gone`. `to` and `gone` then use memory of `from` and of `to`. After an error
 * none of them is of any use. As cshm_tree_move().
 */
int cshm_merge(struct cshm_tree *to, const struct cshm_key_path *path, struct cshm_tree *from,
               struct cshm_tree *gone, struct cshm_error *error);

#endif
