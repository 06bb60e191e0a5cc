/* SPDX-License-Identifier: MIT */
/*
 * Which segments the manifests and journals of the registry name. Used before a segment is removed
 * on the word of something less than a manifest (a dead writer's list, a damaged project), and for
 * a segment that moved between projects. The manifests' text is searched, not parsed: a name in it
 * is enough, also in one that is damaged, and hostile text costs nothing.
 */
#ifndef CSHM_STORE_HOLDERS_H
#define CSHM_STORE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/store.h"

struct cshm_held;

/* Of one project; either may be NULL. */
struct cshm_pair {
    struct cshm_held *manifest;
    struct cshm_held *journal;
};

struct cshm_holders {
    const struct cshm_store *store;
    struct cshm_pair *pairs;
    size_t count;
};

/*
 * Reads every manifest and journal but the manifest of project `except` and the journal of project
 * `except_journal` (NULL: all). A journal is parsed, as it also names what is to go; one that is
 * void counts too, but for what it frees. 0, -ENOMEM or other negative errno.
 * What large manifests say is read again only when they are others: who removes 100,000 arrays one
 * by one asks as often. Thread-safe.
 */
int cshm_holders_collect(const struct cshm_store *store, const char *except,
                         const char *except_journal, struct cshm_holders *out);

/*
 * Whether a manifest whose owner may name it (the segment's owner, or root) holds the segment: a
 * stranger's manifest must not keep another user's memory.
 */
bool cshm_holders_have(const struct cshm_holders *holders, const char *segment, uid_t owner);

/* Whether a manifest of this very owner holds it: it would lose a segment that got another. */
bool cshm_holders_have_of(const struct cshm_holders *holders, const char *segment, uid_t owner);

void cshm_holders_finish(struct cshm_holders *holders);

/* What is known of a store's large files, which goes with the store. */
struct cshm_known;
struct cshm_known *cshm_known_create(void);
void cshm_known_destroy(struct cshm_known *known);

#endif
