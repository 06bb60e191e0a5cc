/* SPDX-License-Identifier: MIT */
/*
 * Projects to other owners, groups and modes. The segments go first and the manifest last: whoever
 * sees the manifest's change finds the rest done. What a kill leaves is told by the manifest's
 * owner.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/names.h"
#include "base/scope.h"
#include "store/change.h"
#include "store/grants.h"
#include "store/hands.h"
#include "store/journal.h"
#include "store/pending.h"

struct giving {
    const struct cshm_store *store;
    const char *name;
    struct cshm_project *project;
    const struct cshm_gift *gift;
    uid_t uid; /* those it is to have */
    gid_t gid;
    mode_t mode;
    int manifest_fd; /* O_PATH */
    struct cshm_error *error;
};

static int fail(const struct giving *giving, int result)
{
    return result < 0 ? cshm_fail_errno(giving->error, result,
                                        "%s: cannot change its owner or mode", giving->name)
                      : 0;
}

/* The very manifest that was read. */
static int open_manifest(struct giving *giving)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    cshm_manifest_name(giving->name, name);
    giving->manifest_fd = openat(giving->store->root_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (giving->manifest_fd < 0 || fstat(giving->manifest_fd, &st) < 0)
        return fail(giving, -errno);
    const struct cshm_stamp now = cshm_stamp_of(&st);
    return cshm_stamp_same_manifest(&now, &giving->project->stamp) ? 0 : fail(giving, -ESTALE);
}

/* What was changed is known: nothing has to be loaded again for it. */
static int look(const struct giving *giving)
{
    struct cshm_project *project = giving->project;
    struct cshm_stamp before = project->stamp;
    struct stat st;
    if (fstat(giving->manifest_fd, &st) < 0)
        return -errno;
    project->stamp = cshm_stamp_of(&st);
    project->stamp.journal_inode = before.journal_inode;
    project->stamp.journal_size = before.journal_size;
    project->uid = st.st_uid;
    project->gid = st.st_gid;
    project->mode = st.st_mode & 07777;
    return 0;
}

/* The journal has the manifest's mode, and is nobody's business who may not read that. */
static int permit_journal(const struct giving *giving)
{
    const struct cshm_project *project = giving->project;
    char name[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    if (project->journal_bytes == 0)
        return 0;
    cshm_journal_name(giving->name, name);
    CSHM_AUTO_FD int fd = openat(giving->store->root_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return cshm_journal_counts(&st, project->uid) ? cshm_intent_permit(fd, giving->mode) : 0;
}

static int permit(const struct giving *giving)
{
    if (giving->mode == giving->project->mode)
        return 0;
    int result = permit_journal(giving);
    return result < 0 ? result : cshm_intent_permit(giving->manifest_fd, giving->mode);
}

/* --- Another owner ---------------------------------------------------------------------------- */

static int find_grants(const struct giving *giving, struct cshm_release *all,
                       struct cshm_intent *intent)
{
    struct cshm_granting granting = {.store = giving->store, .error = giving->error};
    int result = cshm_release_collect(giving->project->tree, &giving->project->tree->root, all);
    if (result == 0)
        granting.grants = calloc(all->count ? all->count : 1, sizeof *granting.grants);
    if (!granting.grants)
        return fail(giving, -ENOMEM);
    result = cshm_grants_give(&granting, all, giving->name, giving->project, giving->gift->uid,
                              giving->gift->gid);
    cshm_grants_finish(&granting);
    intent->grants = granting.grants;
    intent->grant_count = granting.count;
    return result;
}

static int declare(const struct giving *giving, const struct cshm_intent *intent,
                   struct cshm_pending *pending)
{
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    int result = cshm_intent_render(intent, &lines);
    return result < 0 ? result : cshm_pending_declare(giving->store, pending, &lines);
}

static int give_all(const struct giving *giving, const struct cshm_intent *intent)
{
    struct cshm_pending pending = CSHM_PENDING_NONE;
    int result = declare(giving, intent, &pending);
    if (result == 0)
        result = cshm_intent_grant(giving->store, intent);
    if (result == 0)
        result = cshm_intent_own(giving->manifest_fd, giving->uid, giving->gid);
    if (result == 0)
        result = permit(giving);
    if (result < 0)
        cshm_pending_abandon(giving->store, &pending);
    cshm_pending_finish(giving->store, &pending);
    return fail(giving, result);
}

static int give_away(struct giving *giving)
{
    struct cshm_project *project = giving->project;
    struct cshm_release all = {0};
    struct cshm_intent intent = {
        .owned = giving->name, .uid = giving->uid, .gid = giving->gid, .mode = giving->mode};
    if (project->damaged)
        return cshm_fail(giving->error, -EINVAL, "project %s is damaged: %s", giving->name,
                         project->why.text);
    int result = find_grants(giving, &all, &intent);
    if (result == 0)
        result = give_all(giving, &intent);
    free(intent.grants);
    cshm_release_finish(&all);
    return result;
}

static int give_locked(struct giving *giving)
{
    struct cshm_project *project = giving->project;
    bool given = giving->uid != project->uid || giving->gid != project->gid;
    int result = 0;
    if (geteuid() != 0 && (project->uid != geteuid() || giving->uid != project->uid))
        return fail(giving, -EPERM);
    if (given && project->journal_bytes > 0) /* one of another owner would be void */
        result = cshm_project_fold_locked(giving->store, giving->name, project, giving->error);
    if (result == 0)
        result = open_manifest(giving);
    if (result < 0)
        return result;
    result = given ? give_away(giving) : fail(giving, permit(giving));
    int looked = look(giving); /* it may have been done in part, too */
    return result < 0 ? result : fail(giving, looked);
}

int cshm_project_give(struct cshm_store *store, const char *name, struct cshm_project *project,
                      const struct cshm_gift *gift, struct cshm_error *error)
{
    int result = cshm_change_begin(store, name, project, error);
    if (result == 0) {
        struct giving giving = {
            .store = store,
            .name = name,
            .project = project,
            .gift = gift,
            .uid = gift->uid == (uid_t)-1 ? project->uid : gift->uid,
            .gid = gift->gid == (gid_t)-1 ? project->gid : gift->gid,
            .mode = gift->has_mode ? gift->mode & 0777 : project->mode,
            .manifest_fd = -1,
            .error = error,
        };
        result = give_locked(&giving);
        cshm_close_fd(&giving.manifest_fd);
    }
    cshm_change_end(project);
    return result;
}
