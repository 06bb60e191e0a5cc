/* SPDX-License-Identifier: MIT */
#include "store/grants.h"

#include <errno.h>
#include <unistd.h>

#include "store/segment.h"

/* Whether another project of the segment's owner names it, too, and would not get it any more. */
static int check_others(struct cshm_granting *granting, const struct cshm_release *release,
                        const char *project, const char *segment, uid_t owner)
{
    if (owner == 0 || (!release->linked && cshm_segment_is_of(segment, project)))
        return 0;
    int result = 0;
    if (!granting->collected)
        result = cshm_holders_collect(granting->store, project, project, &granting->holders);
    if (result < 0)
        return cshm_fail_errno(granting->error, result, "%s: cannot read the registry", project);
    granting->collected = true;
    return cshm_holders_have_of(&granting->holders, segment, owner)
               ? cshm_fail(granting->error, -EPERM,
                           "%s: another project of the same owner has segment %s, too", project,
                           segment)
               : 0;
}

static int grant(struct cshm_granting *granting, const struct cshm_release *release,
                 const char *project, const struct cshm_grant *grant)
{
    if (grant->uid == grant->new_uid && grant->gid == grant->new_gid)
        return 0;
    if (grant->uid != grant->new_uid && granting->mover != 0 && grant->uid != granting->mover)
        return cshm_fail(granting->error, -EPERM, "%s: segment %s is not the mover's", project,
                         grant->segment);
    if (grant->uid != grant->new_uid) {
        int result =
            geteuid() == 0
                ? check_others(granting, release, project, grant->segment, grant->uid)
                : cshm_fail(granting->error, -EPERM, "%s: only root can give away", project);
        if (result < 0)
            return result;
    }
    granting->grants[granting->count++] = *grant;
    return 0;
}

int cshm_grants_move(struct cshm_granting *granting, const struct cshm_release *going,
                     const char *from_name, const struct cshm_project *from,
                     const struct cshm_project *to)
{
    int result = 0;
    if (from->uid == to->uid)
        return 0;
    for (size_t i = 0; i < going->count && result == 0; i++) {
        struct stat st;
        const char *segment = going->names[i];
        enum cshm_segment_state state =
            cshm_segment_inspect(granting->store, segment, from->uid, 0, &st, NULL);
        if (state == CSHM_SEGMENT_BROKEN)
            return cshm_fail(granting->error, -EPERM, "%s: segment %s is not its owner's",
                             from_name, segment);
        /* In a project of root's everybody keeps what is his. */
        bool same = state == CSHM_SEGMENT_MISSING || to->uid == 0 || st.st_uid == to->uid;
        if (!same)
            result = grant(granting, going, from_name,
                           &(struct cshm_grant){segment, st.st_uid, st.st_gid, to->uid, to->gid});
    }
    return result;
}

int cshm_grants_give(struct cshm_granting *granting, const struct cshm_release *all,
                     const char *name, const struct cshm_project *project, uid_t uid, gid_t gid)
{
    int result = 0;
    for (size_t i = 0; i < all->count && result == 0; i++) {
        struct stat st;
        if (cshm_segment_inspect(granting->store, all->names[i], project->uid, 0, &st, NULL) !=
            CSHM_SEGMENT_FINE)
            continue;
        result = grant(granting, all, name,
                       &(struct cshm_grant){all->names[i], st.st_uid, st.st_gid,
                                            uid == (uid_t)-1 ? st.st_uid : uid,
                                            gid == (gid_t)-1 ? st.st_gid : gid});
    }
    return result;
}

void cshm_grants_finish(struct cshm_granting *granting)
{
    cshm_holders_finish(&granting->holders);
}
