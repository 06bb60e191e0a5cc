/* SPDX-License-Identifier: MIT */
/*
 * Segments: the only user of the shared memory directory. A segment is made without a name
 * (O_TMPFILE) and named (linkat) when its content is complete, so that a killed loader leaves
 * nothing. Facts: tmpfs supports both for unprivileged users; linkat over an existing name is EEXIST.
 */
#ifndef CSHM_STORE_SEGMENT_H
#define CSHM_STORE_SEGMENT_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/names.h"
#include "store/store.h"

/*
 * A nameless segment of exactly `bytes` bytes (1 for an empty array: the peer cannot map an empty
 * file), its memory reserved: stores into it never fail. `*fd` (O_RDWR) is the caller's. -ENOSPC.
 */
int cshm_segment_create(const struct cshm_store *store, uint64_t bytes, int *fd);

/*
 * The same still empty and with nothing reserved, for who writes every byte of it with write(2),
 * which says -ENOSPC by itself, or reserves what it maps: stores into a hole end in SIGBUS.
 */
int cshm_segment_begin(const struct cshm_store *store, int *fd);

/* Reserves the memory of a part, and makes the segment reach its end. What is there stays. -ENOSPC. */
int cshm_segment_reserve(int fd, uint64_t offset, uint64_t bytes);

/* Names it. 0, -EEXIST, or other negative errno of linkat(2). */
int cshm_segment_link(const struct cshm_store *store, int fd, const char *name);

/* Removes the name; live mappings go on. 0 also when it is gone already. */
int cshm_segment_unlink(const struct cshm_store *store, const char *name);

/* Whether the name is of the exact form and bears this very project's name: `P` is not `P.x`. */
bool cshm_segment_is_of(const char *segment, const char *project);

/* Calls `found` for each name of the exact form that bears the project's name. Stops at its error. */
int cshm_segment_each(const struct cshm_store *store, const char *project,
                      int (*found)(void *context, const char *name), void *context);

enum cshm_segment_state {
    CSHM_SEGMENT_FINE,
    CSHM_SEGMENT_MISSING, /* no such name */
    CSHM_SEGMENT_BROKEN,  /* not usable: `reason` says why */
};

/*
 * Looks at a segment that a manifest owned by `owner` names. It is obeyed only if the name has the
 * exact form, it is a regular file, and it belongs to `owner` (or `owner` is root). A segment shorter
 * than `bytes` is broken. `st` and `reason` (static text) may be NULL; `st` is filled where there is
 * a file that may be used, also when it is too short.
 */
enum cshm_segment_state cshm_segment_inspect(const struct cshm_store *store, const char *name,
                                             uid_t owner, uint64_t bytes, struct stat *st,
                                             const char **reason);

/*
 * Opens one for the daemon or a reader with open(2) flags (O_CLOEXEC and O_NOFOLLOW are added) after
 * the same checks on the opened file itself. -ESTALE when it is not inode `inode` any more (0: any).
 */
int cshm_segment_open(const struct cshm_store *store, const char *name, uid_t owner, int flags,
                      ino_t inode, int *fd);

#endif
