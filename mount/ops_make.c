/* SPDX-License-Identifier: MIT */
/* Callbacks: create, mkdir, mknod and symlink. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ops.h"
#include "view.h"

/* Each kind of file is made by its view. Plain files at the top are refused for good. */
static int make_file(struct daemon *daemon, fuse_req_t request, fuse_ino_t parent, const char *name,
                     mode_t mode, struct fuse_file_info *file, struct fuse_entry_param *entry)
{
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    memset(entry, 0, sizeof *entry);
    if (directory->kind == INODE_ROOT)
        return -EPERM;
    if (entries_names_sidecar(name))
        return sidecar_create(daemon, request, directory, name, mode, file, entry);
    if (entries_names_npy(name))
        return npy_create(daemon, request, directory, name, mode, file, entry);
    return array_create(daemon, request, directory, name, mode, file, entry);
}

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result = make_file(daemon, request, parent, name, mode, file, &entry);
    if (result < 0) {
        ops_reply_result(request, result);
    } else if (fuse_reply_create(request, &entry, file) < 0) { /* nobody heard of it */
        struct inode *inode = inode_from_id(&daemon->inodes, entry.ino);
        view_of(inode)->release(daemon, request, inode, file);
        inode_drop(&daemon->inodes, inode, 1);
    }
}

void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)device;
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result =
        S_ISREG(mode) ? make_file(daemon, request, parent, name, mode, NULL, &entry) : -EPERM;
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_entry(request, &entry) < 0)
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, entry.ino), 1);
}

void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)parent, (void)name, (void)mode;
    ops_reply_result(request, -EOPNOTSUPP);
}

void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}
