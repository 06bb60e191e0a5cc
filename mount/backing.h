/* SPDX-License-Identifier: MIT */
/*
 * Backing ids: which segment the kernel reads and writes in an array's place.
 *
 * The kernel allows one backing file per inode while it is open (a second one is EIO), so the first
 * open registers the segment, all others use the same id, and the last release lets go of it: kept
 * longer, an id would hold the memory of a removed segment and serve the bytes of a replaced one.
 * The kernel drops its use of an id before it sends RELEASE, so a new registration after the last
 * release meets no old one.
 *
 * An empty array's segment has a byte that is not the array's, so who only reads it is let in
 * beside the segment: what he reads comes from us (DIRECT_IO), and what he maps is the segment. He
 * uses the same id, for while anybody is through to the segment the kernel refuses an open without
 * one (EIO), and nobody knows which of two answers gets there first. While anybody is through, all
 * others go through as well, and the byte is away.
 *
 * Our descriptor is closed as soon as it is registered, but of who writes one is kept: a file that
 * has lost its name meanwhile can still be resized, and other daemons on the same registry see the
 * claim on it (claim.h). (Of who only reads they see nothing: where another one empties the array
 * beside him, he sees its byte.)
 */
#ifndef MOUNT_BACKING_H
#define MOUNT_BACKING_H

#include "daemon.h"
#include "inode.h"

struct backing_wish {
    const struct stat *st; /* of the array now */
    uint64_t length;       /* of its segment */
    bool empty;            /* nothing to be read */
    bool writing;
    bool changing; /* by who has looked at the array with the segment claimed (claim.h) */
};

/*
 * Counts an open of the array and tells the kernel in `file` how. Whether it is through to the
 * segment: 1; beside it (only where it is empty): 0; or negative errno. -EAGAIN: to write, where
 * the segment's length is another one by now or about to be; not if `changing`.
 */
int backing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct backing_wish *wish, struct fuse_file_info *file);

/*
 * Undoes it; `through` is what backing_open() said. True when nobody is through any more to an
 * array whose size may be another one than it was.
 */
bool backing_release(fuse_req_t request, struct inode *inode, bool through);

/* Whether anybody is through to the segment. */
bool backing_is_through(struct inode *inode);

/* Whether somebody has it open who has opened it for writing since it was opened first. */
bool backing_is_written(struct inode *inode);

/* Its size was changed by who has not opened it. */
void backing_touch(struct inode *inode);

/* The same of who was the last one through: whether somebody is by now, who will be it then. */
bool backing_pass_on(struct inode *inode);

/*
 * The segment itself, O_RDWR if `writing`, by its name, or where that is gone by who has it open
 * for writing. `*fd` is the caller's. -ESTALE where there is no way to it any more.
 */
int backing_segment(struct daemon *daemon, struct inode *inode, bool writing, int *fd);

/* While the array is open: its attributes as of the last open. For one whose name is gone. */
bool backing_last_seen(struct inode *inode, struct stat *out);

#endif
