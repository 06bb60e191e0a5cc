/* SPDX-License-Identifier: MIT */
/*
 * Who is loading a project: a file ".loading.PROJECT" in the registry, whose flock he holds
 * exclusively. The kernel gives it up when his processes are dead, however they died; the file goes
 * with the end of the load, one that a dead loader left is used again or cleaned up by whoever
 * publishes next (pending.h). Only those who would rather wait than load twice wait for it.
 *
 * Whoever may write to the registry can hold it as long as he likes: waiting is to be told.
 */
#ifndef CSHM_STORE_LOADING_H
#define CSHM_STORE_LOADING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/names.h"
#include "store/store.h"

#define CSHM_LOADING_PREFIX ".loading." /* the peer's glob "cute-shm.*.toml" does not match it */

struct cshm_loading {
    const struct cshm_store *store;
    int fd; /* -1: none */
    bool is_held;
    char name[sizeof CSHM_LOADING_PREFIX + CSHM_PROJECT_NAME_MAX];
};

#define CSHM_LOADING_NONE ((struct cshm_loading){.fd = -1})

/*
 * Takes it without waiting. 0: held. -EWOULDBLOCK: somebody else has it; `fd` is open, for flock(2)
 * to be waited in by a process that shares the description, then cshm_loading_got(). -EINVAL (the
 * project's name), -EPERM (no regular file), or of openat(2). End it in every case.
 */
int cshm_loading_try(const struct cshm_store *store, const char *project, struct cshm_loading *out);

/*
 * After flock(2) on `fd`: whether that is the file in the registry still, so that it is held now.
 * If not, its holder was done, and it means nothing.
 */
bool cshm_loading_got(struct cshm_loading *loading);

/* "process 123 of user alice", as far as that can be told; only for people. Returns `out`. */
const char *cshm_loading_holder(const struct cshm_loading *loading, char *out, size_t size);

/* Gives it up and, if it was held, removes the file. */
void cshm_loading_end(struct cshm_loading *loading);

#define CSHM_AUTO_LOADING __attribute__((cleanup(cshm_loading_end)))

/* Removes such a file if nobody holds it. */
void cshm_loading_clean(const struct cshm_store *store, const char *name);

#endif
