/* SPDX-License-Identifier: MIT */
/*
 * Pending files: the segment names somebody is about to link or unlink, written down before the
 * first and removed after the last, so that a kill at any moment leaks nothing. One file is one
 * writer, who holds its flock while he lives; names are appended one a line, so a torn last line
 * was never acted on. What goes on between two projects, or with a project's owner, stands in one,
 * too, in lines that begin with '!' (intent.h): it has a name of its own while nobody else took
 * that, so that whoever gets the lock sees at once that there is something to finish first.
 */
#ifndef CSHM_STORE_PENDING_H
#define CSHM_STORE_PENDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "store/store.h"

enum { CSHM_PENDING_NAME_SIZE = 32 };

struct cshm_pending {
    int fd; /* -1: none */
    char name[CSHM_PENDING_NAME_SIZE];
};

#define CSHM_PENDING_NONE ((struct cshm_pending){.fd = -1})

/* Makes the file where there is none yet and appends the names. */
int cshm_pending_add(const struct cshm_store *store, struct cshm_pending *pending,
                     const char *const *names, size_t count);

/*
 * Makes the file, where whoever takes the lock next looks first, with the lines of an intent. The
 * registry's lock is held until cshm_pending_finish() or cshm_pending_abandon().
 */
int cshm_pending_declare(const struct cshm_store *store, struct cshm_pending *pending,
                         const struct cshm_buffer *lines);

/*
 * Makes the file with the lines of an intent that outlasts the lock: whoever recovers finds it when
 * this process is dead.
 */
int cshm_pending_note(const struct cshm_store *store, struct cshm_pending *pending,
                      const struct cshm_buffer *lines);

/* Done: the file goes. Also after errors; what its names became is the caller's care. */
void cshm_pending_finish(const struct cshm_store *store, struct cshm_pending *pending);

/*
 * Failed: of the names in the file, those segments that no manifest names are removed, what was
 * intended is finished or taken back, then the file goes. Reads the whole registry. The registry
 * lock is held.
 */
void cshm_pending_abandon(const struct cshm_store *store, struct cshm_pending *pending);

/*
 * Cleans up after dead writers: their journals are folded (journal.h); of the names in each file
 * nobody has locked, those segments that no manifest names are removed, then the file. A file is
 * obeyed like a manifest: regular, names of the exact form, segments of its own owner only (root's:
 * any), and not at all where another user's is too large. What dead loaders left goes, too
 * (loading.h). Reads the whole directory, so its time grows with the number of projects. 1:
 * something was left to writers who live, or to later; 0; or negative errno, which no file there
 * can cause. The registry lock is held by the caller.
 */
int cshm_pending_recover(const struct cshm_store *store);

/*
 * The same before a change, but only before the first one of this store: a command sees to what it
 * finds when it comes, and a daemon that watches the registry hears of who dies later (it calls
 * cshm_pending_recover() then). Whoever dies unheard leaves his to the next command or daemon.
 */
void cshm_pending_recover_once(struct cshm_store *store);

/*
 * Finishes what a dead one left between two projects: to be called by whoever has taken the lock,
 * before he looks at any project that he is going to change. One system call if there is nothing.
 * Root frees the name of what another user has put there and cannot be finished.
 */
void cshm_pending_recover_transfer(const struct cshm_store *store);

/* Whether a file of that name in the registry is one of those that recovering is about. */
bool cshm_pending_concerns(const char *name);

#endif
