/* SPDX-License-Identifier: MIT */
/* Projects that begin empty; draft.c makes those that begin with arrays. */
#include <errno.h>
#include <sys/random.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/manifest.h"
#include "store/intent.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"

static int render_empty(struct cshm_buffer *out, uint64_t *made)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    uint64_t generation;
    if (!tree)
        return -ENOMEM;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        return -EIO;
    tree->facts.generation = (generation & INT64_MAX) | 1; /* TOML integers are signed */
    *made = tree->facts.generation;
    return cshm_manifest_render(tree, out);
}

static int note(const struct cshm_store *store, const char *name, uint64_t generation,
                struct cshm_pending *pending)
{
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    const struct cshm_intent intent = {.made = {.project = name, .generation = generation}};
    int result = cshm_intent_render(&intent, &lines);
    return result < 0 ? result : cshm_pending_note(store, pending, &lines);
}

/* `pending` may be NULL. */
static int make_locked(const struct cshm_store *store, const char *name, uid_t uid, gid_t gid,
                       mode_t mode, struct cshm_pending *pending)
{
    uint64_t generation;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    int result = cshm_registry_read(store, name, NULL, &st);
    if (result != -ENOENT) /* also what is no manifest */
        return result == 0 || result == -EPERM ? -EEXIST : result;
    result = render_empty(&text, &generation);
    if (result == 0 && pending)
        result = note(store, name, generation, pending);
    if (result == 0)
        (void)cshm_journal_retire(store, name); /* of one that was; void whether it goes or not */
    return result < 0 ? result : cshm_registry_make(store, name, &text, uid, gid, mode);
}

static int make(struct cshm_store *store, const char *name, uid_t uid, gid_t gid, mode_t mode,
                struct cshm_pending *pending, struct cshm_error *error)
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
    result = make_locked(store, name, uid, gid, mode & 0777, pending);
    if (result < 0 && pending)
        cshm_pending_finish(store, pending);
    return result < 0 ? cshm_fail_errno(error, result, "%s: cannot make the project", name) : 0;
}

int cshm_project_make(struct cshm_store *store, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      struct cshm_error *error)
{
    return make(store, name, uid, gid, mode, NULL, error);
}

int cshm_project_begin(struct cshm_store *store, const char *name, uid_t uid, gid_t gid,
                       mode_t mode, struct cshm_pending *pending, struct cshm_error *error)
{
    return make(store, name, uid, gid, mode, pending, error);
}

void cshm_project_begun(struct cshm_store *store, struct cshm_pending *pending)
{
    cshm_pending_finish(store, pending);
}
