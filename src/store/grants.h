/* SPDX-License-Identifier: MIT */
/* Which segments get another owner, and whether they may. */
#ifndef CSHM_STORE_GRANTS_H
#define CSHM_STORE_GRANTS_H

#include "store/holders.h"
#include "store/intent.h"
#include "store/release.h"

struct cshm_granting {
    const struct cshm_store *store;
    struct cshm_grant *grants; /* the caller's, with room for all */
    size_t count;
    uid_t mover; /* not 0: what is given away has to be his */
    struct cshm_holders holders;
    bool collected;
    struct cshm_error *error;
};

/*
 * Segments of one project come to another. Those that its owner does not have go nowhere: a
 * manifest of root's would make them root's business. -EPERM.
 */
int cshm_grants_move(struct cshm_granting *granting, const struct cshm_release *going,
                     const char *from_name, const struct cshm_project *from,
                     const struct cshm_project *to);

/* A project with all that is obeyed of it goes to another owner or group ((uid_t)-1: the same). */
int cshm_grants_give(struct cshm_granting *granting, const struct cshm_release *all,
                     const char *name, const struct cshm_project *project, uid_t uid, gid_t gid);

void cshm_grants_finish(struct cshm_granting *granting);

#endif
