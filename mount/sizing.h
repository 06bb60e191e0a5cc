/* SPDX-License-Identifier: MIT */
/*
 * Sizes of arrays: the first dimension of each array in the project that has the segment follows
 * its length (model/fit.h). A segment shrinks after the manifest has said so; it grows before, with
 * its memory reserved. Whatever is interrupted leaves an array with a rest, which the next of these
 * makes right. Then those of other projects that it is linked into follow, each project by a commit
 * of its own.
 *
 * An empty array's segment has a byte that is not the array's. While anybody is through to the
 * segment (backing.h) that byte is away, and the manifest says so (empty_rest), so that one written
 * there is never taken for it, whenever the daemon dies. It comes and goes with the segment claimed
 * (claim.h), so that other daemons' writers are not taken by surprise.
 *
 * None of these is called under a lock (sizing_mend() under a picture's `loading`).
 */
#ifndef MOUNT_SIZING_H
#define MOUNT_SIZING_H

#include <stdint.h>

#include "change.h"
#include "daemon.h"
#include "inode.h"

/*
 * The size is looked at: after writing, and (`last`) when nobody is through to the segment any
 * more. Nothing is written where it is what it was. 0, also for an array that is no more; or
 * negative errno.
 */
int sizing_follow(struct daemon *daemon, fuse_req_t request, struct inode *inode, bool last);

/*
 * Gives empty arrays the byte back that a dead daemon has not come to give: when a project is read
 * for the first time. O(nodes), and a look at each empty one.
 */
void sizing_mend(struct daemon *daemon, const struct cshm_project *project);

/*
 * truncate(2), or ftruncate(2) of a file that may have lost its name. -ENOSPC: nothing was changed.
 */
int sizing_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size);

/* fallocate(2), what tmpfs has of it; -EOPNOTSUPP. */
int sizing_allocate(struct daemon *daemon, fuse_req_t request, struct inode *inode, int mode,
                    uint64_t offset, uint64_t length);

/*
 * An open that empties the array (O_TRUNC), or writes into an empty one: its bytes are away before
 * it is opened. -ESTALE when the array is no more.
 */
int sizing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                struct fuse_file_info *file);

#endif
