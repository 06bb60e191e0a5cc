/* SPDX-License-Identifier: MIT */
/* Callbacks: rename and link. */
#include <errno.h>

#include "ops.h"

void ops_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
    (void)id, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                const char *new_name, unsigned flags)
{
    (void)parent, (void)name, (void)new_parent, (void)new_name, (void)flags;
    ops_reply_result(request, -EOPNOTSUPP);
}
