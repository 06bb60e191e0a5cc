/* SPDX-License-Identifier: MIT */
/*
 * The guard: a process that ends the connection when the daemon was killed.
 *
 * Mostly the kernel does that itself, when the last descriptor of /dev/fuse is closed. But a thread
 * that was telling it of a changed name (herald.h) may wait, deaf even to SIGKILL, for a directory
 * that the kernel has locked until a LOOKUP in it is answered, by a daemon that is dead: it keeps
 * the descriptor open, the LOOKUP waits, and so does every client from then on. Only an abort ends
 * that. The guard hears of the death of the daemon's main thread at once, whatever becomes of the
 * others, and aborts.
 */
#ifndef MOUNT_GUARD_H
#define MOUNT_GUARD_H

#include <pthread.h>
#include <sys/types.h>

struct guard {
    pid_t process;         /* 0: none */
    pthread_mutex_t *life; /* held by the main thread, in memory that both have */
};

/*
 * Starts it for the mounted `mountpoint`; called by the main thread before there are others. 0, or
 * negative errno where there is no memory or process to be had: the daemon can do without. Where
 * the connection cannot be aborted (no right to, no fusectl) it keeps `connection` (/dev/fuse) open
 * and makes fail what the daemon left unanswered.
 */
int guard_start(struct guard *guard, const char *mountpoint, int connection);

/* Before the connection is ended as it should. By the main thread; also where none was started. */
void guard_stop(struct guard *guard);

#endif
