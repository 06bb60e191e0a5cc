/* SPDX-License-Identifier: MIT */
/*
 * Claims: whether another daemon has somebody writing into a segment. Each daemon shares a claim on
 * the segment as long as it has, and who gives an empty array its byte, or takes it away, has the
 * claim alone meanwhile. It is a lock (of the open file) on a byte behind all bytes that a segment
 * can have. Somebody who locks the whole file under /dev/shm can keep it from us, so nothing waits
 * for one, and without it all goes on as if there were no other daemon.
 */
#ifndef MOUNT_CLAIM_H
#define MOUNT_CLAIM_H

#include <stdbool.h>

/* Of an open file that may be read (to share), or written (alone); instead of what it had. */
bool claim_share(int fd);
bool claim_alone(int fd);

void claim_drop(int fd); /* as closing it does */

#endif
