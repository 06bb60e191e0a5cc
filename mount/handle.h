/* SPDX-License-Identifier: MIT */
/*
 * Handles: what open files and directories hold in the daemon. Counted, so that nobody can make it
 * use up the memory by opening things; listed, because at the end of a session the kernel does not
 * close what is open.
 */
#ifndef MOUNT_HANDLE_H
#define MOUNT_HANDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* All handles together may hold this many bytes. */
#define HANDLE_BYTES_MAX ((size_t)1 << 30)

/* The first member of whatever a handle is. */
struct handle {
    struct handle *next;
    struct handle *previous;
    size_t bytes;
    void (*destroy)(struct handle *handle); /* frees the whole of it */
};

struct handles {
    pthread_mutex_t lock; /* innermost: nothing is taken inside */
    struct handle *first;
    size_t bytes;
};

void handles_init(struct handles *handles);
void handles_finish(struct handles *handles);

/* 0, and the handle belongs to the list; or -ENFILE. */
int handle_add(struct handles *handles, struct handle *handle, size_t bytes,
               void (*destroy)(struct handle *handle));

/* It holds so many bytes now. 0 or -ENFILE. */
int handle_resize(struct handles *handles, struct handle *handle, size_t bytes);

/*
 * Calls `take` for one after the other, under the list's lock, until it returns true; whether it
 * did. Looks at all handles there are.
 */
bool handle_find(struct handles *handles, bool (*take)(struct handle *handle, void *context),
                 void *context);

/* Takes it out and destroys it. */
void handle_end(struct handles *handles, struct handle *handle);

#endif
