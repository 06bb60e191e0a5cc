/* SPDX-License-Identifier: MIT */
/* Arrays that are made by creating their file. */
#include <errno.h>

#include "view.h"

int array_create(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                 const char *name, mode_t mode, struct fuse_file_info *file,
                 struct fuse_entry_param *entry)
{
    (void)daemon, (void)request, (void)directory, (void)name, (void)mode, (void)file, (void)entry;
    return -EOPNOTSUPP;
}
