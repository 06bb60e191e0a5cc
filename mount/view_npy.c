/* SPDX-License-Identifier: MIT */
/* An array as a .npy file. */
#include <errno.h>

#include "view.h"

int npy_create(struct daemon *daemon, fuse_req_t request, struct inode *directory, const char *name,
               mode_t mode, struct fuse_file_info *file, struct fuse_entry_param *entry)
{
    (void)daemon, (void)request, (void)directory, (void)name, (void)mode, (void)file, (void)entry;
    return -EOPNOTSUPP;
}

int npy_take(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
             struct inode *to, const char *new_name, unsigned flags)
{
    (void)daemon, (void)request, (void)from, (void)name, (void)to, (void)new_name, (void)flags;
    return -EOPNOTSUPP;
}
