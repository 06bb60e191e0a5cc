/* SPDX-License-Identifier: MIT */
/*
 * The callbacks of the file system. Each translates its arguments, calls a room, and answers
 * exactly once; an answer is never sent under a lock. What the kernel has to be told besides, the
 * herald tells it (herald.h).
 */
#ifndef MOUNT_OPS_H
#define MOUNT_OPS_H

#include "daemon.h"
#include "sight.h"

/* Those that a mount has: `read_only`: none that change anything; `xattr`: ops_xattr.c too. */
struct fuse_lowlevel_ops ops_choose(bool read_only, bool xattr);

/* The daemon; settles the access mode at the first request. */
struct daemon *ops_daemon(fuse_req_t request);

/* Answers with an error if `result` is negative, else with success. */
void ops_reply_result(fuse_req_t request, int result);

/* ops_look.c: names and attributes */
void ops_init(void *userdata, struct fuse_conn_info *connection);
void ops_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void ops_forget(fuse_req_t request, fuse_ino_t id, uint64_t lookups);
void ops_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets);
void ops_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_readlink(fuse_req_t request, fuse_ino_t id);
void ops_statfs(fuse_req_t request, fuse_ino_t id);

/* How long the kernel may believe what it is told. */
double ops_belief(struct daemon *daemon);

/*
 * Attributes of an inode by itself, as getattr gives them, and how long they may be believed. 0 or
 * negative errno.
 */
int ops_attributes(struct daemon *daemon, fuse_req_t request, struct inode *inode, struct stat *out,
                   double *belief);

/*
 * What a name in a directory is, for the kernel; out->ino counts as a lookup. 0, -ENOENT or other
 * negative errno.
 */
int ops_resolve(struct daemon *daemon, fuse_req_t request, struct inode *parent, const char *name,
                struct fuse_entry_param *out);

/* The same where the directory, no root, is in sight already; ghosts are not. Before sight_end().
 */
int ops_resolve_seen(struct daemon *daemon, struct inode *directory, const struct sight *sight,
                     const char *name, struct fuse_entry_param *out);

/* The same of an entry that was found in it. */
int ops_resolve_found(struct daemon *daemon, struct inode *directory, const struct sight *sight,
                      const struct entry *entry, struct fuse_entry_param *out);

/* ops_directory.c */
void ops_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                 struct fuse_file_info *file);
void ops_readdirplus(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                     struct fuse_file_info *file);
void ops_releasedir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_fsyncdir(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *file);

/* ops_file.c: open files */
void ops_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
              struct fuse_file_info *file);
void ops_write(fuse_req_t request, fuse_ino_t id, const char *bytes, size_t size, off_t offset,
               struct fuse_file_info *file);
void ops_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file);
void ops_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *file);
void ops_fallocate(fuse_req_t request, fuse_ino_t id, int mode, off_t offset, off_t length,
                   struct fuse_file_info *file);
void ops_lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence,
               struct fuse_file_info *file);

/*
 * Who asks has opened or created what it was about: that it was told before that something of that
 * name is stale does not count any more.
 */
void ops_could_open(fuse_req_t request);

/* Opens it as ops_open() does; under no lock. -ENOENT and -ESTALE: it is no more. */
int ops_open_inode(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                   struct fuse_file_info *file);

/* ops_attributes.c */
void ops_setattr(fuse_req_t request, fuse_ino_t id, struct stat *attributes, int which,
                 struct fuse_file_info *file);

/* ops_remove.c */
void ops_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);

/* ops_make.c */
void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                struct fuse_file_info *file);
void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);

/* ops_move.c */
void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                const char *new_name, unsigned flags);
void ops_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name);

/* ops_xattr.c */
void ops_getxattr(fuse_req_t request, fuse_ino_t id, const char *name, size_t size);
void ops_listxattr(fuse_req_t request, fuse_ino_t id, size_t size);
void ops_setxattr(fuse_req_t request, fuse_ino_t id, const char *name, const char *bytes,
                  size_t size, int flags);
void ops_removexattr(fuse_req_t request, fuse_ino_t id, const char *name);

#endif
