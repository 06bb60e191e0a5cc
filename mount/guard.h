/* SPDX-License-Identifier: MIT */
/*
 * The guard: a process that ends the connection when the daemon was killed.
 *
 * Mostly the kernel does that itself, when the last descriptor of /dev/fuse is closed. But a thread
 * that was telling it of a changed name (herald.h) may wait, deaf even to SIGKILL, for a directory
 * that the kernel has locked until a LOOKUP in it is answered, by a daemon that is dead: it keeps
 * the descriptor open, the LOOKUP waits, and so does every client from then on. Only an abort ends
 * that. The guard hears of the death of the daemon's main thread, and aborts.
 */
#ifndef MOUNT_GUARD_H
#define MOUNT_GUARD_H

#include <sys/types.h>

/*
 * Starts it for the mounted `mountpoint`; called by the main thread before there are others. Its
 * process id, or negative errno where the connection cannot be aborted (no right to, no fusectl):
 * the daemon can do without.
 */
pid_t guard_start(const char *mountpoint);

/* The connection has ended as it should. Accepts what guard_start() returned. */
void guard_stop(pid_t guard);

#endif
