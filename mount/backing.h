/* SPDX-License-Identifier: MIT */
/*
 * Backing ids: which segment the kernel reads and writes in an array's place.
 *
 * The kernel allows one backing file per inode while it is open (a second one is EIO), so the first
 * open registers the segment, all others use the same id, and the last release lets go of it: kept
 * longer, an id would hold the memory of a removed segment and serve the bytes of a replaced one.
 * The kernel drops its use of an id before it sends RELEASE, so a new registration after the last
 * release meets no old one. Our descriptor is closed as soon as it is registered.
 */
#ifndef MOUNT_BACKING_H
#define MOUNT_BACKING_H

#include "daemon.h"
#include "inode.h"

/*
 * Counts an open of the array and tells the kernel its id in `file`; NULL: it is empty, and opened
 * without. `st` is of its segment now.
 */
int backing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct stat *st, struct fuse_file_info *file);

void backing_release(fuse_req_t request, struct inode *inode);

/* While the array is open: its attributes as of the last open. For one whose name is gone. */
bool backing_last_seen(struct inode *inode, struct stat *out);

#endif
