/* SPDX-License-Identifier: MIT */
/* Projects that begin empty; draft.c makes those that begin with arrays. */
#include <errno.h>
#include <sys/random.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/manifest.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"

static int render_empty(struct cshm_buffer *out)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    uint64_t generation;
    if (!tree)
        return -ENOMEM;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        return -EIO;
    tree->facts.generation = (generation & INT64_MAX) | 1; /* TOML integers are signed */
    return cshm_manifest_render(tree, out);
}

static int make_locked(const struct cshm_store *store, const char *name, uid_t uid, gid_t gid,
                       mode_t mode)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    int result = cshm_registry_read(store, name, NULL, &st);
    if (result != -ENOENT) /* also what is no manifest */
        return result == 0 || result == -EPERM ? -EEXIST : result;
    result = render_empty(&text);
    if (result == 0)
        (void)cshm_journal_retire(store, name); /* of one that was; void whether it goes or not */
    return result < 0 ? result : cshm_registry_make(store, name, &text, uid, gid, mode);
}

int cshm_project_make(struct cshm_store *store, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_project_name_check(name);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s: not a project name", name);
    if (geteuid() != 0 && uid != geteuid())
        return cshm_fail_errno(error, -EPERM, "%s", name);
    result = cshm_registry_lock(store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(store);
    result = make_locked(store, name, uid, gid, mode & 0777);
    return result < 0 ? cshm_fail_errno(error, result, "%s: cannot make the project", name) : 0;
}
