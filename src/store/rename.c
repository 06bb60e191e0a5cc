/* SPDX-License-Identifier: MIT */
/*
 * Projects under another name: one renameat2(2) of the manifest, with its journal folded before, as
 * that goes by the project's name. Whoever loads or loaded one by either name goes on by that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/scope.h"
#include "store/hands.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/registry.h"

struct naming {
    const struct cshm_store *store;
    const char *from;
    const char *to;
    const struct cshm_project *from_project; /* as they were loaded, or NULL */
    const struct cshm_project *to_project;
    enum cshm_rename how;
    struct cshm_error *error;
};

static bool has_journal(const struct cshm_store *store, const char *name)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    cshm_journal_name(name, file);
    return fstatat(store->root_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing of the project is anywhere but in its manifest afterwards. */
static int settle(const struct naming *naming, const char *name)
{
    if (!has_journal(naming->store, name))
        return 0;
    struct cshm_project project;
    int result = cshm_project_load(naming->store, name, &project, naming->error);
    if (result == 0 && project.journal_bytes > 0)
        result = cshm_project_fold_locked(naming->store, name, &project, naming->error);
    cshm_project_finish(&project);
    if (result == 0) /* void, if it is there still */
        (void)cshm_journal_retire(naming->store, name);
    return result;
}

/* Only an empty project is replaced: then there are no segments to be freed. */
static int check_empty(const struct naming *naming)
{
    struct cshm_project project;
    int result = cshm_project_load(naming->store, naming->to, &project, naming->error);
    if (result == 0 && (project.damaged || project.tree->root.first))
        result = cshm_fail_errno(naming->error, -ENOTEMPTY, "%s", naming->to);
    cshm_project_finish(&project);
    return result;
}

/*
 * Whether it is that project still. Who may rename it is a matter of its owner, not of what it
 * says: its journal may have grown, and the peer may be writing in place.
 */
static int check_same(const struct naming *naming, const char *name,
                      const struct cshm_project *project, const struct stat *st)
{
    if (!project || (st->st_dev == project->stamp.device && st->st_ino == project->stamp.inode &&
                     st->st_uid == project->uid))
        return 0;
    return cshm_fail_errno(naming->error, -ESTALE, "%s", name);
}

static int check_from(const struct naming *naming)
{
    struct stat st;
    int result = cshm_registry_read(naming->store, naming->from, NULL, &st);
    if (result < 0)
        return cshm_fail_errno(naming->error, result, "%s", naming->from);
    return check_same(naming, naming->from, naming->from_project, &st);
}

static int prepare(const struct naming *naming)
{
    struct stat st;
    int result = check_from(naming);
    if (result < 0)
        return result;
    result = cshm_registry_read(naming->store, naming->to, NULL, &st);
    bool is_there = result != -ENOENT;
    if (is_there && naming->how == CSHM_RENAME_NEW)
        return cshm_fail_errno(naming->error, -EEXIST, "%s", naming->to);
    if (result < 0 && (is_there || naming->how == CSHM_RENAME_EXCHANGE))
        return cshm_fail_errno(naming->error, result, "%s", naming->to);
    result = is_there ? check_same(naming, naming->to, naming->to_project, &st) : 0;
    if (result == 0)
        result = settle(naming, naming->from);
    if (result < 0)
        return result;
    if (!is_there) /* what is left of one that was must not pass for this one's */
        (void)cshm_journal_retire(naming->store, naming->to);
    else
        result = settle(naming, naming->to);
    return result == 0 && is_there && naming->how == CSHM_RENAME_REPLACE ? check_empty(naming)
                                                                         : result;
}

static int rename_manifest(const struct naming *naming)
{
    static const unsigned flags[] = {
        [CSHM_RENAME_NEW] = RENAME_NOREPLACE, [CSHM_RENAME_EXCHANGE] = RENAME_EXCHANGE};
    char from[CSHM_SEGMENT_NAME_SIZE];
    char to[CSHM_SEGMENT_NAME_SIZE];
    int root = naming->store->root_fd;
    unsigned flag = naming->how == CSHM_RENAME_REPLACE ? 0 : flags[naming->how];
    cshm_manifest_name(naming->from, from);
    cshm_manifest_name(naming->to, to);
    if (renameat2(root, from, root, to, flag) == 0)
        return 0;
    /* A file system that cannot (NFS): the lock keeps all but the peer away. */
    if (errno != EINVAL || flag != RENAME_NOREPLACE)
        return -errno;
    return renameat(root, from, root, to) < 0 ? -errno : 0;
}

int cshm_project_rename(struct cshm_store *store, const struct cshm_named *from,
                        const struct cshm_named *to, enum cshm_rename how, struct cshm_error *error)
{
    const struct naming naming = {store,       from->name, to->name, from->project,
                                  to->project, how,        error};
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_project_name_check(to->name);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s: not a project name", to->name);
    if (cshm_project_name_check(from->name) < 0)
        return cshm_fail_errno(error, -ENOENT, "%s", from->name);
    result = cshm_registry_lock(store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(store);
    if (strcmp(from->name, to->name) == 0)
        return 0;
    result = prepare(&naming);
    if (result < 0)
        return result;
    result = rename_manifest(&naming);
    return result < 0
               ? cshm_fail_errno(error, result, "%s: cannot be renamed to %s", from->name, to->name)
               : 0;
}
