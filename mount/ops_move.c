/* SPDX-License-Identifier: MIT */
/* Callbacks: rename and link. */
#include <errno.h>

#include "ops.h"
#include "view.h"

void ops_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
    (void)id, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                const char *new_name, unsigned flags)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *from = inode_from_id(&daemon->inodes, parent);
    struct inode *to = inode_from_id(&daemon->inodes, new_parent);
    int result = -EOPNOTSUPP;
    if (from->kind != INODE_ROOT && to->kind != INODE_ROOT) {
        if (entries_names_sidecar(name))
            result = sidecar_rename(daemon, request, from, name, to, new_name, flags);
        else if (entries_names_sidecar(new_name))
            result = sidecar_take(daemon, request, from, name, to, new_name, flags);
    }
    ops_reply_result(request, result);
}
