/* SPDX-License-Identifier: MIT */
/*
 * Rights that outlive an open. What is written as a sidecar or a view is judged when it is closed,
 * and done by a name: by then another user may have made a project and an array of that name, on
 * which nobody has asked the kernel. So the open notes on whose file it was let in.
 */
#ifndef MOUNT_RIGHT_H
#define MOUNT_RIGHT_H

#include <stdbool.h>
#include <sys/types.h>

#include "libfuse.h"
#include "picture.h"

/* Of an array's segment, or where there is none of the project. */
struct right {
    ino_t segment; /* 0: the project's */
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* What rules writing `node` (NULL: what is not there yet). The picture's lock is held. */
struct right right_to(const struct picture *picture, const struct cshm_node *node);

/* Whether who asks has it: `mask` is 04 for reading, 02 for writing. */
bool right_allows(fuse_req_t request, const struct right *right, mode_t mask);

/*
 * Whether somebody who was let in by `had` may change what `now` rules: it is that file, or one of
 * the same owner, group and mode, or one that he may write anyway.
 */
bool right_holds(const struct right *had, const struct right *now, const struct fuse_ctx *who);

#endif
