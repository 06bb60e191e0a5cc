/* SPDX-License-Identifier: MIT */
#include "ops.h"

/*
 * Not here on purpose: access (default_permissions), statx (the kernel then stops asking for birth
 * times), getxattr and its kin (answered ENOSYS once for the mount: ls -l would ask twice a file),
 * copy_file_range (passthrough), locks (the kernel's own).
 */
const struct fuse_lowlevel_ops ops_table = {
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
};

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
