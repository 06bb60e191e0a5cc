/* SPDX-License-Identifier: MIT */
/* The directory that is mounted on: what is there now, and clearing away what a dead daemon left.
 */
#ifndef MOUNT_MOUNTPOINT_H
#define MOUNT_MOUNTPOINT_H

#include "base/error.h"

/*
 * Makes `path` ready: removes dead mounts from it, and gives its absolute path in `*absolute` (the
 * caller's to free), for a daemon changes its directory. Refused: no such directory, not a
 * directory, a living cuteshmfs already there.
 */
int mountpoint_prepare(const char *path, char **absolute, struct cshm_error *error);

/*
 * After libfuse has unmounted and closed its descriptor: it leaves the mount alone where the
 * connection was aborted before.
 */
void mountpoint_leave(const char *path);

#endif
