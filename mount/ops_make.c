/* SPDX-License-Identifier: MIT */
/* Callbacks: create, mkdir, mknod and symlink. */
#include <errno.h>
#include <sys/stat.h>

#include "ops.h"

/* Plain files at the top are refused for good; making arrays and groups is not built yet. */
static int refuse_new(fuse_ino_t parent, bool directory)
{
    return parent == FUSE_ROOT_ID && !directory ? -EPERM : -EOPNOTSUPP;
}

void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)name, (void)mode;
    ops_reply_result(request, refuse_new(parent, true));
}

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                struct fuse_file_info *file)
{
    (void)name, (void)mode, (void)file;
    ops_reply_result(request, refuse_new(parent, false));
}

void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)name, (void)device;
    ops_reply_result(request, S_ISREG(mode) ? refuse_new(parent, false) : -EPERM);
}

void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}
