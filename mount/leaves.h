/* SPDX-License-Identifier: MIT */
/*
 * Leaves: the arrays of a project that have one segment, hard links as they are called elsewhere.
 * They have one file, so they follow its size together.
 */
#ifndef MOUNT_LEAVES_H
#define MOUNT_LEAVES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "change.h"
#include "inode.h"
#include "picture.h"

/*
 * The first that has the segment of `inode`, an array's (the next ones: described->next_holder), or
 * NULL. The picture is locked.
 */
struct cshm_node *leaves_first(const struct picture *picture, const struct inode *inode);

/*
 * Whether all of them say what they are to say of a segment like that; `through`: somebody is
 * through to it (backing.h).
 */
bool leaves_are_settled(const struct cshm_node *first, const struct stat *segment, bool through);

/* The byte that an empty array's segment has and that is not the array's. */
bool leaves_have_filler(const struct cshm_node *first, const struct stat *segment);

/*
 * Makes them follow a file of that length (model/fit.h), in one commit, or none where they do.
 * Nodes found before may be out of the tree afterwards. 0 or negative errno.
 */
int leaves_follow(struct change *change, const struct inode *inode, uint64_t length, bool held);

/*
 * The same in every project that a segment of this owner's is linked into, a commit in each: one
 * that could not be done leaves a rest there, or an array that is too short, until the next. 0, or
 * -ETIMEDOUT: the registry is locked by somebody, and the rest was not tried. Under no lock of a
 * picture.
 */
int leaves_follow_everywhere(struct daemon *daemon, const char *segment, uid_t owner,
                             uint64_t length, bool held);

#endif
