/* SPDX-License-Identifier: MIT */
#include "hdf5/selection.h"

#include "base/names.h"

static struct cshm_selection *find(const struct cshm_selection *group, struct cshm_text entry)
{
    struct cshm_selection *child = group->first;
    while (child && !cshm_text_equal(child->entry, entry))
        child = child->next;
    return child;
}

static struct cshm_selection *enter(struct cshm_arena *arena, struct cshm_selection *group,
                                    struct cshm_text entry)
{
    struct cshm_selection *child = find(group, entry);
    if (child)
        return child;
    child = cshm_arena_alloc(arena, sizeof *child);
    if (!child)
        return NULL;
    child->entry = entry;
    child->next = group->first;
    group->first = child;
    return child;
}

struct cshm_selection *cshm_selection_make(struct cshm_arena *arena, const char *const *paths,
                                           size_t count)
{
    struct cshm_selection *root = cshm_arena_alloc(arena, sizeof *root);
    struct cshm_selection *last = root;
    for (size_t i = 0; i < count && root; i++) {
        struct cshm_selection *here = root;
        struct cshm_text entry;
        const char *rest = paths[i];
        while (here && cshm_fspath_next(&rest, &entry))
            here = enter(arena, here, entry);
        if (!here)
            return NULL;
        if (here != root && !here->path) {
            last->next_path = here;
            last = here;
        }
        here->path = paths[i];
    }
    return root;
}

/* Not inlined: the walk is recursive, and its frames hold no text. */
__attribute__((noinline)) struct cshm_selection *
cshm_selection_step(const struct cshm_selection *group, const char *name)
{
    if (!group || !group->first)
        return NULL;
    char entry[CSHM_FSNAME_MAX + 1];
    size_t length = cshm_fsname_encode(cshm_text(name), entry);
    return find(group, (struct cshm_text){entry, length});
}

const char *cshm_selection_missing(const struct cshm_selection *root)
{
    const struct cshm_selection *path = root->next_path; /* the root itself is always there */
    while (path && path->is_found)
        path = path->next_path;
    return path ? path->path : NULL;
}
