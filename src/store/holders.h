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

struct cshm_holding;

struct cshm_holders {
    struct cshm_holding *holdings;
    size_t count;
    size_t capacity;
};

/*
 * Reads every manifest and journal but the manifest of project `except` and the journal of project
 * `except_journal` (NULL: all). A journal is parsed, as it also names what is to go; one that is
 * void counts too. 0, -ENOMEM or other negative errno.
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

#endif
