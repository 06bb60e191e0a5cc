/* SPDX-License-Identifier: MIT */
#include "ops.h"

/*
 * Not here on purpose: access (default_permissions), statx (the kernel then stops asking for birth
 * times), copy_file_range (passthrough), locks (the kernel's own). Without those for extended
 * attributes the kernel is answered ENOSYS once for the mount: ls -l would ask twice a file.
 */
static const struct fuse_lowlevel_ops all = {
    .init = ops_init,
    .lookup = ops_lookup,
    .forget = ops_forget,
    .forget_multi = ops_forget_multi,
    .getattr = ops_getattr,
    .readlink = ops_readlink,
    .statfs = ops_statfs,

    .opendir = ops_opendir,
    .readdir = ops_readdir,
    .readdirplus = ops_readdirplus,
    .releasedir = ops_releasedir,
    .fsyncdir = ops_fsyncdir,

    .open = ops_open,
    .read = ops_read,
    .write = ops_write,
    .flush = ops_flush,
    .release = ops_release,
    .fsync = ops_fsync,
    .fallocate = ops_fallocate,
    .lseek = ops_lseek,

    .setattr = ops_setattr,
    .unlink = ops_unlink,
    .rmdir = ops_rmdir,
    .mkdir = ops_mkdir,
    .create = ops_create,
    .mknod = ops_mknod,
    .symlink = ops_symlink,
    .link = ops_link,
    .rename = ops_rename,

    .getxattr = ops_getxattr,
    .listxattr = ops_listxattr,
    .setxattr = ops_setxattr,
    .removexattr = ops_removexattr,
};

/* The kernel refuses all this with EROFS; somebody may remount it all the same. */
static void leave_out_changes(struct fuse_lowlevel_ops *table)
{
    table->write = NULL;
    table->setattr = NULL;
    table->unlink = table->rmdir = NULL;
    table->mkdir = NULL;
    table->create = NULL;
    table->mknod = NULL;
    table->symlink = NULL;
    table->link = NULL;
    table->rename = NULL;
    table->fallocate = NULL;
    table->copy_file_range = NULL;
    table->setxattr = NULL;
    table->removexattr = NULL;
}

struct fuse_lowlevel_ops ops_choose(bool read_only, bool xattr)
{
    struct fuse_lowlevel_ops table = all;
    if (!xattr) {
        table.getxattr = NULL;
        table.listxattr = NULL;
        table.setxattr = NULL;
        table.removexattr = NULL;
    }
    if (read_only)
        leave_out_changes(&table);
    return table;
}

struct daemon *ops_daemon(fuse_req_t request)
{
    struct daemon *daemon = fuse_req_userdata(request);
    if (libfuse_is_by_ring(request) &&
        !atomic_load_explicit(&daemon->access.by_ring, memory_order_relaxed))
        atomic_store_explicit(&daemon->access.by_ring, true, memory_order_relaxed);
    (void)access_decide(&daemon->access, request);
    return daemon;
}

void ops_reply_result(fuse_req_t request, int result)
{
    (void)fuse_reply_err(request, result < 0 ? -result : 0);
}
