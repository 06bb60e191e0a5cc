/* SPDX-License-Identifier: MIT */
/* How many bytes of shared memory may still be reserved, and what sets that limit. */
#ifndef CSHM_STORE_ROOM_H
#define CSHM_STORE_ROOM_H

#include <stdint.h>

#include "base/error.h"

struct cshm_room {
    uint64_t bytes;      /* the least of the limits below, less 5 % */
    uint64_t shm_size;   /* of that file system as a whole; UINT64_MAX: no limit */
    uint64_t shm_free;   /* free in the file system of the shared memory directory */
    uint64_t available;  /* MemAvailable; UINT64_MAX when unknown */
    uint64_t cgroup;     /* room in the memory cgroups of this process, v1 and v2; UINT64_MAX: no limit */
    const char *limited; /* what sets `bytes`, for a message: "free in /dev/shm", ... static */
};

/* 0 or negative errno of fstatvfs(3). */
int cshm_room_measure(int shm_fd, struct cshm_room *out);

/* 0, or -ENOSPC with one line of numbers and advice when `bytes` do not fit. */
int cshm_room_check(int shm_fd, uint64_t bytes, struct cshm_error *error);

#endif
