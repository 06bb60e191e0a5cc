/* SPDX-License-Identifier: MIT */
/* What every room of the daemon shares, from before the first request until after the last. */
#ifndef MOUNT_DAEMON_H
#define MOUNT_DAEMON_H

#include <pthread.h>
#include <time.h>

#include "access.h"
#include "folder.h"
#include "ghost.h"
#include "handle.h"
#include "herald.h"
#include "inode.h"
#include "libfuse.h"
#include "picture.h"
#include "pristine.h"
#include "remark.h"
#include "store/store.h"
#include "watch.h"

/*
 * How long the kernel may believe names and attributes without asking: until it is told of changes.
 * Where nobody watches for them, directories' names not at all, so that a project that comes or
 * goes is seen by the next look with all that is in it, and the rest for a moment, for a listing
 * with details looks at each file three times. An open is checked in any case (ESTALE), and what
 * is not there is never believed. Links' names not at all: nobody checks when one is followed, and
 * who follows a stale one meets no segment.
 */
#define BELIEF_SECONDS   (24.0 * 3600)
#define BELIEF_UNWATCHED 0.02

struct root_count {
    pthread_mutex_t lock;    /* taken alone */
    struct timespec changed; /* the registry's mtime when the projects were counted */
    time_t when; /* that was, in seconds */
    size_t projects;
    bool known;
    bool settled; /* no change since would have gone unnoticed */
};

struct daemon {
    struct cshm_store *store;
    char *shm_path; /* absolute, for the targets of links */
    struct access access;
    struct pictures pictures;
    struct inode_table inodes;
    struct ghosts ghosts;
    struct ghosts newcomers; /* newcomer.h: kept in the same way */
    struct herald herald;
    struct watch watch;
    struct folder folder;
    struct root_count root;
    struct handles handles;
    struct remarks remarks;
    struct pristine pristine;
    bool read_only; /* fixed */
};

#endif
