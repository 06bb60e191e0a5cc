/* SPDX-License-Identifier: MIT */
/*
 * Whether a project is there to be used: its manifest can be read and its arrays have their memory.
 * (The registry is often on a disk and survives a reboot, which the memory does not.)
 */
#ifndef CSHM_STORE_PRESENCE_H
#define CSHM_STORE_PRESENCE_H

#include <time.h>

#include "base/error.h"
#include "model/tree.h"
#include "store/store.h"

enum cshm_presence_state {
    CSHM_PROJECT_ABSENT,        /* nothing of that name, or no such group in it */
    CSHM_PROJECT_BEING_WRITTEN, /* by the peer, in place: look again in a moment */
    CSHM_PROJECT_DAMAGED,
    CSHM_PROJECT_INCOMPLETE, /* the memory of an array is gone */
    CSHM_PROJECT_WHOLE,
};

struct cshm_presence {
    enum cshm_presence_state state;
    struct cshm_tree *tree;   /* its facts; the nodes may not have been read. NULL: absent */
    struct timespec changed;  /* mtime of the manifest */
    struct cshm_error reason; /* of a damaged or incomplete one */
};

/*
 * Looks at a project or, if `group` is not NULL, at that group of it (a path spelt as on a mount).
 * Of a large project that we have published (so a rename put it there whole) only the facts are
 * read and the memory of a sample of its arrays is looked at, which takes milliseconds. 0, or a
 * negative errno: the manifest cannot be read. Finish with cshm_presence_finish(). Thread-safe.
 */
int cshm_presence_look(const struct cshm_store *store, const char *project, const char *group,
                       struct cshm_presence *out, struct cshm_error *error);
void cshm_presence_finish(struct cshm_presence *presence);

#define CSHM_AUTO_PRESENCE __attribute__((cleanup(cshm_presence_finish)))

#endif
