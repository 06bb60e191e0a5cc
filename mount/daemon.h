/* SPDX-License-Identifier: MIT */
/* What every room of the daemon shares, from before the first request until after the last. */
#ifndef MOUNT_DAEMON_H
#define MOUNT_DAEMON_H

#include <pthread.h>
#include <time.h>

#include "access.h"
#include "ghost.h"
#include "handle.h"
#include "inode.h"
#include "libfuse.h"
#include "picture.h"
#include "store/store.h"

/*
 * How long the kernel may believe names and attributes without asking, until it is told of changes.
 * Directories not at all: so a project that comes or goes is seen by the next look, with all that
 * is in it. Files for a moment, for a listing with details looks at each three times; an open is
 * checked in any case (ESTALE), and what is not there is never believed. Links not at all: who
 * follows a stale one meets no segment.
 */
#define BELIEF_SECONDS 0.02

struct root_count {
    pthread_mutex_t lock;    /* taken alone */
    struct timespec changed; /* the registry's mtime when the projects were counted */
    size_t projects;
    bool known;
};

struct daemon {
    struct cshm_store *store;
    char *shm_path; /* absolute, for the targets of links */
    struct access access;
    struct pictures pictures;
    struct inode_table inodes;
    struct ghosts ghosts;
    struct root_count root;
    struct handles handles;
};

#endif
