/* SPDX-License-Identifier: MIT */
/*
 * Overwriting a view. The kernel cuts an inode that is opened with O_TRUNC down to nothing by
 * itself, and whoever has the old file mapped would get SIGBUS. So the open of a view is answered
 * with ESTALE; the kernel then looks the name up again, and for the thread that wants to write it
 * is another inode, which nobody has and no other lookup finds.
 */
#ifndef MOUNT_NPY_DETOUR_H
#define MOUNT_NPY_DETOUR_H

#include "view.h"

/*
 * The thread will look for the inode's name at once and is to find `inode`, whose hold is taken
 * over, with these attributes.
 */
void npy_detour_begin(struct daemon *daemon, pid_t pid, struct inode *inode,
                      const struct stat *attributes);

/* Whether `name` is on such a way: then `out` is filled, out->ino counts as a lookup. */
bool npy_detour_resolve(struct daemon *daemon, pid_t pid, const struct inode *directory,
                        const char *name, struct fuse_entry_param *out);

/* Its attributes until then. False where it is not on such a way. */
bool npy_detour_seen(const struct inode *inode, struct stat *out);

/* Its end: `inode` is opened by the thread. False where that is not on such a way. */
bool npy_detour_end(struct daemon *daemon, pid_t pid, const struct inode *inode, struct stat *out);

#endif
