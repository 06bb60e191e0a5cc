/* SPDX-License-Identifier: MIT */
/*
 * Changes of a published project, each one a commit of its own under the registry's lock. An
 * operation is applied to the tree in memory and the manifest is then replaced.
 */
#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "format/manifest.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"
#include "store/release.h"

static int refresh(const struct cshm_store *store, const char *name, struct cshm_project *project,
                   struct cshm_error *error)
{
    int result = project->tree ? cshm_project_check(store, name, &project->stamp) : -ESTALE;
    if (result != -ESTALE)
        return result < 0 ? cshm_fail_errno(error, result, "%s", name) : 0;
    cshm_project_finish(project);
    return cshm_project_load(store, name, project, error);
}

static struct cshm_node *find(const struct cshm_project *project, const struct cshm_change *change)
{
    struct cshm_node *node = &project->tree->root;
    for (size_t i = 0; node && i < change->depth; i++)
        node = node->type == CSHM_NODE_GROUP ? cshm_node_child(node, change->path[i]) : NULL;
    return node;
}

static int check(const struct cshm_change *change, const struct cshm_node *node)
{
    if (!node)
        return -ENOENT;
    if (change->kind == CSHM_REMOVE_ARRAY && node->type == CSHM_NODE_GROUP)
        return -EISDIR;
    if (change->kind == CSHM_REMOVE_GROUP && node->type != CSHM_NODE_GROUP)
        return -ENOTDIR;
    if (change->kind == CSHM_REMOVE_GROUP && node->first)
        return -ENOTEMPTY;
    return 0;
}

/* Puts the tree as it is now in the manifest's place. */
static int commit(const struct cshm_store *store, const char *name, struct cshm_project *project,
                  struct cshm_error *error)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    int result = cshm_manifest_render(project->tree, &text);
    if (result == 0)
        result = cshm_registry_replace(store, name, &text, project->uid, project->gid,
                                       project->mode, &st);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s: cannot replace the manifest", name);
    project->stamp = cshm_stamp_of(&st);
    project->changed = st.st_mtim;
    return 0;
}

static void apply(const struct cshm_change *change, struct cshm_tree *tree, struct cshm_node *node)
{
    if (change->kind == CSHM_REMOVE_ATTRIBUTES && node->type != CSHM_NODE_BARE)
        node->attributes = NULL;
    else
        cshm_tree_remove(tree, node);
}

static int change_locked(const struct cshm_store *store, const char *name,
                         struct cshm_project *project, const struct cshm_change *change,
                         struct cshm_error *error)
{
    struct cshm_node *node = find(project, change);
    int result = check(change, node);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s", name);
    if (change->kind == CSHM_REMOVE_GROUP && !node->parent)
        return cshm_project_remove_locked(store, name, project, error);
    struct cshm_release release = {0};
    struct cshm_pending pending = CSHM_PENDING_NONE;
    if (change->kind == CSHM_REMOVE_ARRAY)
        result = cshm_release_collect(project->tree, node, &release);
    if (result == 0)
        result = cshm_pending_add(store, &pending, release.names, release.count);
    if (result < 0)
        (void)cshm_fail_errno(error, result, "%s: cannot write to the registry", name);
    if (result == 0) {
        apply(change, project->tree, node);
        result = commit(store, name, project, error);
        if (result < 0) /* the tree says more than the manifest: read it again before the next use */
            project->stamp = (struct cshm_stamp){0};
    }
    if (result == 0)
        (void)cshm_release_unlink(store, name, project->uid, &release);
    cshm_pending_finish(store, &pending);
    cshm_release_finish(&release);
    return result;
}

int cshm_project_change(struct cshm_store *store, const char *name, struct cshm_project *project,
                        const struct cshm_change *change, struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(store, &lock, error);
    if (result == 0)
        result = refresh(store, name, project, error);
    if (result == 0)
        result = change_locked(store, name, project, change, error);
    return result;
}
