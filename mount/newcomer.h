/* SPDX-License-Identifier: MIT */
/*
 * Newcomers: an array's new name brings a sidecar, but tools that copy a tree with its links (cp
 * -a) make the name by link(2) and then the sidecar they have read, exclusively, as files that
 * cannot be there yet. So for two seconds, and for the process that made the link only, creating
 * the sidecar exclusively finds none and writes it anew. Whatever else is done with it finds it.
 */
#ifndef MOUNT_NEWCOMER_H
#define MOUNT_NEWCOMER_H

#include <stdbool.h>

#include "daemon.h"

/* Who asks has made the array `name` in `directory` by a link. */
void newcomer_note(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                   const char *name);

/*
 * Whether who asks for the sidecar `name` is that process, and about to create it exclusively. The
 * kernel looks it up first and does not say what for: the process's system call does (proc(5));
 * where that may not be seen, the sidecar is there.
 */
bool newcomer_is_hidden(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                        const char *name);

/* Ends it, when it is created exclusively. False where there is none. */
bool newcomer_end(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                  const char *name);

#endif
