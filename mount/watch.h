/* SPDX-License-Identifier: MIT */
/*
 * The watch sees (inotify) what anybody does to the registry and to the shared memory directory,
 * brings the pictures up to date, and has the herald tell the kernel. Only because of it may the
 * kernel believe what it is told for long. It answers no request, and none waits for it.
 */
#ifndef MOUNT_WATCH_H
#define MOUNT_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct daemon;

struct watch {
    struct daemon *daemon;
    int fd;       /* inotify; -1: none */
    int end[2];   /* a pipe: closed for writing, the thread ends */
    int registry; /* watch descriptors; -1: not watched */
    int memory;
    int parent; /* of the registry: there is no word of a directory's own removal while it is open
                 */
    _Atomic bool on;
    bool running;
    pthread_t thread;
    int call;                /* an eventfd; -1: none */
    _Atomic bool wide;       /* every project is of interest, also one that nobody has looked at */
    struct waiting *waiting; /* projects to look at again; the thread's own */
};

/*
 * Begins to watch, before the first request. Where that cannot be, it is said once in the log and
 * the watch stays off.
 */
void watch_init(struct watch *watch, struct daemon *daemon);
void watch_finish(struct watch *watch);

/* Its thread. 0 or negative errno. */
int watch_start(struct watch *watch);
void watch_stop(struct watch *watch);

/* From now on every project of the registry is read, soon and when it changes. Never waits. */
void watch_learn(struct watch *watch);

/* Whether every change will be seen. */
static inline bool watch_is_on(struct watch *watch)
{
    return atomic_load_explicit(&watch->on, memory_order_acquire);
}

#endif
