/* SPDX-License-Identifier: MIT */
/*
 * The registry: the only owner of the manifest directory. Manifests are replaced by rename under
 * the registry's lock; nothing read from here is believed further than its owner's rights go.
 */
#ifndef CSHM_STORE_REGISTRY_H
#define CSHM_STORE_REGISTRY_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "store/store.h"

/* How long a lock is waited for (the contract: then ETIMEDOUT). */
#define CSHM_LOCK_TIMEOUT_MS 5000

/*
 * Takes the registry's lock; `*fd` holds it until closed. -ETIMEDOUT. Between processes and between
 * threads alike (flock on a description of its own).
 */
int cshm_registry_lock(const struct cshm_store *store, int *fd, struct cshm_error *error);

/*
 * The same lock by a descriptor that is kept, for who takes it again and again. One thread at a
 * time; start with CSHM_LOCK_NONE, finish with cshm_lock_finish(), which also unlocks.
 */
struct cshm_lock {
    int fd; /* -1: none yet */
    dev_t device;
    ino_t inode;
};

#define CSHM_LOCK_NONE ((struct cshm_lock){.fd = -1})

int cshm_lock_take(const struct cshm_store *store, struct cshm_lock *lock,
                   struct cshm_error *error);
void cshm_lock_release(struct cshm_lock *lock);
void cshm_lock_finish(struct cshm_lock *lock);

struct cshm_names {
    char **names;
    size_t count;
};

/* The projects that have a manifest, sorted. Release with cshm_names_finish(). */
int cshm_registry_list(const struct cshm_store *store, struct cshm_names *out);
int cshm_names_add(struct cshm_names *names, const char *name);
void cshm_names_finish(struct cshm_names *names);

/*
 * Reads the manifest's text (`text` may be NULL: only look). -ENOENT; -EPERM when it is not a
 * regular file; -EFBIG. `st` is of the very file read.
 */
int cshm_registry_read(const struct cshm_store *store, const char *project,
                       struct cshm_buffer *text, struct stat *st);

/*
 * Replaces or makes the manifest atomically; owner, group and mode are set as far as the process
 * may. `st`, if not NULL, is of the new file. The lock is held by the caller.
 */
int cshm_registry_replace(const struct cshm_store *store, const char *project,
                          const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode,
                          struct stat *st);

/* The same of one that is not there yet; -EEXIST. */
int cshm_registry_make(const struct cshm_store *store, const char *project,
                       const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode);

/* Gives a file its owner, group and mode, as far as the process may; the owner always. */
int cshm_registry_give(int fd, uid_t uid, gid_t gid, mode_t mode);

/* Removes the manifest. The lock is held by the caller. */
int cshm_registry_remove(const struct cshm_store *store, const char *project);

#endif
