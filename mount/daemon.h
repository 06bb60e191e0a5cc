/* SPDX-License-Identifier: MIT */
/* What every room of the daemon shares: made in main.c before the first request, gone after the last. */
#ifndef MOUNT_DAEMON_H
#define MOUNT_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "access.h"
#include "ghost.h"
#include "inode.h"
#include "libfuse.h"
#include "picture.h"
#include "store/store.h"

/*
 * How long the kernel may believe names and attributes. Not at all: a change made outside is seen by
 * the next look. It costs a request for each step of a path; notifications will allow long ones.
 */
#define ENTRY_SECONDS      0.0
#define ATTRIBUTE_SECONDS  0.0

/* Listings and texts of open handles may take this much, whoever holds them open. */
#define HANDLE_BYTES_MAX ((size_t)1 << 30)

struct root_count {
    pthread_mutex_t lock; /* taken alone */
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
    atomic_size_t handle_bytes;
};

/* Counts `bytes` against HANDLE_BYTES_MAX: 0 or -ENFILE. */
int daemon_reserve(struct daemon *daemon, size_t bytes);
void daemon_release(struct daemon *daemon, size_t bytes);

#endif
