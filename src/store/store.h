/* SPDX-License-Identifier: MIT */
/*
 * A store: one registry (directory of manifests) and one shared memory directory (segments).
 *
 * Lock order, outermost first: the registry's lock file (flock, registry.h), then nothing. Callers'
 * own locks (the daemon's per-project picture lock) are taken before it.
 */
#ifndef CSHM_STORE_STORE_H
#define CSHM_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "store/settings.h"

struct cshm_store {
    char *root;    /* path of the registry */
    char *shm_dir; /* path of the shared memory directory */
    int root_fd;   /* O_PATH|O_DIRECTORY */
    int shm_fd;
    mode_t mode; /* of new segments and manifests */
    gid_t group; /* of those; (gid_t)-1: the process's own */
    struct cshm_log log;
    struct cshm_known *known; /* of holders.h; has a lock of its own */
    /* Of pending.h. The second is set before there are threads, by who cannot watch the registry.
     */
    _Atomic bool recovered;
    bool recovers_each_time;
};

/*
 * Opens (and with `create` makes) the registry, opens the shared memory directory. A registry made
 * by root, or under a world-writable sticky directory like /tmp, is 1777; otherwise 0700. -ENOENT
 * without `create` when there is no registry: nothing was ever published. The store is used by any
 * number of threads.
 */
int cshm_store_open(const struct cshm_settings *settings, bool create, struct cshm_store **out,
                    struct cshm_error *error);
void cshm_store_close(struct cshm_store *store);

/* Finds the registry again after somebody removed the directory and made it anew. Thread-safe. */
void cshm_store_revive(const struct cshm_store *store);

#endif
