/* SPDX-License-Identifier: MIT */
/* A project in the making: a tree and its segments (slots.c), published whole or not at all. */
#include "store/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/scope.h"
#include "format/manifest.h"
#include "store/journal.h"
#include "store/registry.h"
#include "store/release.h"
#include "store/segment.h"

/* What is published under the draft's name, and what of it the draft takes the place of. */
struct old {
    struct cshm_project project; /* without a tree: nothing */
    struct cshm_tree *gone;
    struct cshm_names found; /* by a damaged project */
    struct cshm_release release;
};

/* Early word of what publishing would refuse, before hours of loading. */
static int check_place(const struct cshm_store *store, const char *project, bool may_exist,
                       struct cshm_error *error)
{
    int result = cshm_project_name_check(project);
    if (result < 0)
        return cshm_fail(error, result,
                         "%s: not a project name (1 to 200 bytes of UTF-8 without '/' or control "
                         "characters, no dot at the start, no .meta or .npy at the end)",
                         project);
    struct stat st;
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(project, name);
    if (fstatat(store->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : cshm_fail_errno(error, -errno, "%s", project);
    if (!may_exist)
        return cshm_fail(error, -EEXIST,
                         "project %s exists already in %s (overwrite it with -o, or free it with "
                         "cute-shm-unlink)",
                         project, store->root);
    struct stat root;
    bool sticky = fstat(store->root_fd, &root) == 0 && (root.st_mode & S_ISVTX);
    if (sticky && geteuid() != 0 && st.st_uid != geteuid() && root.st_uid != geteuid())
        return cshm_fail(error, -EPERM, "project %s belongs to another user", project);
    return 0;
}

static int make_draft(struct cshm_store *store, const char *project, bool overwrite,
                      struct cshm_draft **out, struct cshm_error *error)
{
    struct cshm_draft *draft = calloc(1, sizeof *draft);
    if (!draft)
        return cshm_fail(error, -ENOMEM, "out of memory");
    draft->store = store;
    draft->overwrite = overwrite;
    draft->pending = CSHM_PENDING_NONE;
    draft->open_max = cshm_draft_descriptors();
    draft->project = strdup(project);
    draft->tree = cshm_tree_create();
    if (!draft->project || !draft->tree) {
        cshm_draft_destroy(draft);
        return cshm_fail(error, -ENOMEM, "out of memory");
    }
    *out = draft;
    return 0;
}

int cshm_draft_create(struct cshm_store *store, const char *project, bool overwrite,
                      struct cshm_draft **out, struct cshm_error *error)
{
    int result = check_place(store, project, overwrite, error);
    return result < 0 ? result : make_draft(store, project, overwrite, out, error);
}

struct cshm_tree *cshm_draft_tree(struct cshm_draft *draft)
{
    return draft->tree;
}

/* --- What is there already -------------------------------------------------------------------- */

static gid_t own_group(const struct cshm_store *store)
{
    return store->group != (gid_t)-1 ? store->group : getegid();
}

/* What is published under this name now; nothing is not an error. */
static int load_old(const struct cshm_draft *draft, struct cshm_project *project,
                    struct cshm_error *error)
{
    int result =
        check_place(draft->store, draft->project, draft->overwrite || draft->is_into, error);
    if (result < 0)
        return result;
    result = cshm_project_load(draft->store, draft->project, project, error);
    return result == -ENOENT ? 0 : result;
}

/* Whether it may be added to. Damaged, nobody knows what would stay. */
static int check_old(const struct cshm_draft *draft, const struct cshm_project *project,
                     struct cshm_error *error)
{
    if (!project->tree)
        return 0;
    if (project->damaged)
        return cshm_fail(error, -EINVAL, "project %s is damaged: %s (cute-shm-unlink frees it)",
                         draft->project, project->why.text);
    if (geteuid() != 0 && project->uid != geteuid())
        return cshm_fail(error, -EPERM, "project %s belongs to another user", draft->project);
    int result =
        cshm_merge_check(project->tree, &draft->group, draft->tree, draft->overwrite, error);
    if (result < 0)
        (void)cshm_error_prefix(error, "project %s", draft->project);
    return result;
}

int cshm_draft_check(const struct cshm_draft *draft, struct cshm_error *error)
{
    if (!draft->is_into)
        return check_place(draft->store, draft->project, draft->overwrite, error);
    struct cshm_project project = {0};
    int result = load_old(draft, &project, error);
    if (result == 0)
        result = check_old(draft, &project, error);
    cshm_project_finish(&project);
    return result;
}

int cshm_draft_create_into(struct cshm_store *store, const char *project, const char *group,
                           bool overwrite, struct cshm_draft **out, struct cshm_error *error)
{
    int result = check_place(store, project, true, error);
    struct cshm_draft *draft = NULL;
    if (result == 0)
        result = make_draft(store, project, overwrite, &draft, error);
    if (result < 0)
        return result;
    draft->is_into = true;
    struct cshm_project old = {0};
    result = load_old(draft, &old, error);
    if (result == 0)
        result = cshm_merge_resolve(old.tree, group, &draft->tree->arena, &draft->group, error);
    if (result == 0)
        result = check_old(draft, &old, error);
    cshm_project_finish(&old);
    if (result < 0)
        cshm_draft_destroy(draft);
    else
        *out = draft;
    return result;
}

const struct cshm_text *cshm_draft_group(const struct cshm_draft *draft, size_t *depth)
{
    *depth = draft->group.depth;
    return draft->group.keys;
}

/* A damaged project is searched in the directory: what this draft linked early is not its. */
static void keep_own(const struct cshm_draft *draft, struct cshm_release *release)
{
    size_t kept = 0;
    for (size_t i = 0; i < release->count; i++) {
        bool own = false;
        for (size_t j = 0; j < draft->count && !own; j++)
            own = draft->slots[j].has_name &&
                  strcmp(draft->slots[j].node->described->segment, release->names[i]) == 0;
        if (!own)
            release->names[kept++] = release->names[i];
    }
    release->count = kept;
}

static int find_replaced(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    struct cshm_project *project = &old->project;
    if (!project->tree)
        return 0;
    int result = project->damaged
                     ? cshm_damaged_collect(draft->store, draft->project, project->uid, &old->found,
                                            &old->release)
                     : cshm_release_collect(project->tree, &project->tree->root, &old->release);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s", draft->project);
    if (project->damaged)
        keep_own(draft, &old->release);
    return 0;
}

/* Adding to nothing is adding to an empty project. */
static int make_old(const struct cshm_draft *draft, struct cshm_project *project)
{
    project->tree = cshm_tree_create();
    if (!project->tree)
        return -ENOMEM;
    project->tree->facts = draft->tree->facts;
    project->tree->facts.present = true;
    project->uid = geteuid();
    project->gid = own_group(draft->store);
    project->mode = draft->store->mode;
    return 0;
}

/* Checked already; what is found to be replaced is no more in the project's tree. */
static int merge(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = old->project.tree ? 0 : make_old(draft, &old->project);
    old->gone = cshm_tree_create();
    if (result < 0 || !old->gone)
        return cshm_fail(error, -ENOMEM, "out of memory");
    result = cshm_merge(old->project.tree, &draft->group, draft->tree, old->gone, error);
    if (result < 0) {
        (void)cshm_error_prefix(error, "project %s", draft->project);
        return result;
    }
    result = cshm_release_collect(old->project.tree, &old->gone->root, &old->release);
    return result < 0 ? cshm_fail_errno(error, result, "%s", draft->project) : 0;
}

/* What root adds to another's project is his: of root's segments his manifest could not dispose. */
static int give_to_owner(const struct cshm_draft *draft, const struct cshm_project *project)
{
    if (project->uid == geteuid())
        return 0;
    for (size_t i = 0; i < draft->count; i++) {
        const struct cshm_slot *slot = &draft->slots[i];
        int result = slot->fd >= 0 ? fchown(slot->fd, project->uid, project->gid)
                                   : fchownat(draft->store->shm_fd, slot->node->described->segment,
                                              project->uid, project->gid, AT_SYMLINK_NOFOLLOW);
        if (result < 0)
            return -errno;
    }
    return 0;
}

/* --- Publishing ------------------------------------------------------------------------------- */

static int put_manifest(struct cshm_draft *draft, const struct old *old)
{
    struct cshm_tree *tree = draft->is_into ? old->project.tree : draft->tree;
    uint64_t generation;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        return -EIO;
    if (!draft->is_into)
        tree->facts.present = true;
    tree->facts.folded_generation = tree->facts.folded_bytes = 0;
    tree->facts.generation = (generation & INT64_MAX) | 1; /* TOML integers are signed */
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = cshm_manifest_render(tree, &text);
    if (result < 0)
        return result;
    if (draft->is_into)
        return cshm_registry_replace(draft->store, draft->project, &text, old->project.uid,
                                     old->project.gid, old->project.mode, NULL);
    return cshm_registry_replace(draft->store, draft->project, &text, geteuid(),
                                 own_group(draft->store), draft->store->mode, NULL);
}

static int find_old(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = load_old(draft, &old->project, error);
    if (result < 0)
        return result;
    return draft->is_into ? check_old(draft, &old->project, error)
                          : find_replaced(draft, old, error);
}

static int commit(struct cshm_draft *draft, struct old *old)
{
    int result = draft->is_into ? give_to_owner(draft, &old->project) : 0;
    if (result == 0)
        result =
            cshm_pending_add(draft->store, &draft->pending, old->release.names, old->release.count);
    return result < 0 ? result : put_manifest(draft, old);
}

static int publish_locked(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = find_old(draft, old, error);
    if (result < 0)
        return result;
    result =
        cshm_draft_link_all(draft); /* before the merge: nodes are looked for in the draft's tree */
    if (result == 0 && draft->is_into) {
        result = merge(draft, old, error);
        if (result < 0)
            return result;
    }
    if (result == 0)
        result = commit(draft, old);
    if (result < 0)
        return cshm_fail_errno(error, result, "cannot publish %s in %s", draft->project,
                               draft->store->root);
    draft->published = true;
    (void)cshm_release_unlink(draft->store, draft->project, old->project.uid, &old->release);
    (void)cshm_journal_retire(draft->store, draft->project); /* the replaced manifest's */
    return 0;
}

static void finish_old(struct old *old)
{
    cshm_release_finish(&old->release);
    cshm_names_finish(&old->found);
    cshm_tree_destroy(old->gone);
    cshm_project_finish(&old->project);
}

int cshm_draft_publish(struct cshm_draft *draft, struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(draft->store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(draft->store);
    struct old old = {0};
    result = publish_locked(draft, &old, error);
    finish_old(&old);
    if (result < 0)
        cshm_draft_unlink_all(draft);
    cshm_pending_finish(draft->store, &draft->pending);
    return result;
}

void cshm_draft_destroy(struct cshm_draft *draft)
{
    if (!draft)
        return;
    if (!draft->published)
        cshm_draft_unlink_all(draft);
    cshm_pending_finish(draft->store, &draft->pending);
    for (size_t i = 0; i < draft->count; i++)
        cshm_close_fd(&draft->slots[i].fd);
    free(draft->slots);
    free(draft->project);
    cshm_tree_destroy(draft->tree);
    free(draft);
}
