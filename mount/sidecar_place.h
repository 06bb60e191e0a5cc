/* SPDX-License-Identifier: MIT */
/* Where a name that ends in `.meta` is, whether or not there is such a sidecar. */
#ifndef MOUNT_SIDECAR_PLACE_H
#define MOUNT_SIDECAR_PLACE_H

#include "base/names.h"
#include "change.h"
#include "entries.h"
#include "inode.h"
#include "sidecar_judge.h"
#include "sidecar_remove.h"

struct sidecar_place {
    enum inode_kind kind;   /* INODE_SIDECAR or INODE_META */
    struct cshm_text key;   /* of a child: its own, or the one it is to get */
    struct cshm_node *node; /* the child, if it is there */
    struct entries looks;   /* of it */
    bool exists;            /* there is such a sidecar */
    char own_key[CSHM_FSNAME_MAX + 1];
};

/*
 * Finds it in `group`, under the picture's lock. 0; -EISDIR (beside a group), -ENAMETOOLONG, and
 * the errors of change_new_key(). `out` must stay where it is.
 */
int sidecar_place(const struct picture *picture, struct cshm_node *group, const char *name,
                  struct sidecar_place *out);

/* Whether who asks may write (`mask` 02) or read (04) a file, his supplementary groups counted. */
bool sidecar_asker_may(fuse_req_t request, const struct stat *st, mode_t mask);

#endif
