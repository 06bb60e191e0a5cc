/* SPDX-License-Identifier: MIT */
/* How many bytes of shared memory may still be reserved, and what sets that limit. */
#ifndef CSHM_STORE_ROOM_H
#define CSHM_STORE_ROOM_H

#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

enum cshm_room_limit {
    CSHM_LIMIT_SHM,
    CSHM_LIMIT_MACHINE,
    CSHM_LIMIT_CGROUP,
};

struct cshm_room {
    uint64_t bytes;     /* the least of the limits below, less 5 % */
    uint64_t shm_size;  /* of that file system as a whole; UINT64_MAX: no limit */
    uint64_t shm_free;  /* free in the file system of the shared memory directory */
    uint64_t available; /* MemAvailable; UINT64_MAX when unknown */
    uint64_t
        cgroup; /* room in the memory cgroups of this process, v1 and v2; UINT64_MAX: no limit */
    enum cshm_room_limit limit; /* what sets `bytes` */
};

/* 0 or negative errno of fstatvfs(3). */
int cshm_room_measure(int shm_fd, struct cshm_room *out);

/*
 * The two limits of the kernel as the files below `top` say, which is "" but in tests:
 * MemAvailable, and the least room of the control groups of this process and those above them.
 */
uint64_t cshm_room_available(const char *top);
uint64_t cshm_room_cgroup(const char *top);

/*
 * 0, or -ENOSPC with one line of numbers and what would help when `bytes` do not fit. `advice` (or
 * NULL) goes before the rest of that: "--select, ".
 */
int cshm_room_check(const struct cshm_store *store, uint64_t bytes, const char *advice,
                    struct cshm_error *error);

#endif
