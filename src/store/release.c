/* SPDX-License-Identifier: MIT */
#include "store/release.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "store/holders.h"
#include "store/segment.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void cshm_release_sort(struct cshm_release *release)
{
    if (release->count == 0)
        return;
    qsort(release->names, release->count, sizeof *release->names, compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < release->count; i++)
        if (strcmp(release->names[i], release->names[kept - 1]) != 0)
            release->names[kept++] = release->names[i];
    release->count = kept;
}

int cshm_release_add(struct cshm_release *release, const struct cshm_node *top)
{
    size_t count = 0;
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top))
        count += cshm_node_segment(node) != NULL;
    if (count == 0)
        return 0;
    const char **grown = reallocarray(release->names, release->count + count, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    release->names = grown;
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top))
        if (cshm_node_segment(node)) {
            release->names[release->count++] = cshm_node_segment(node);
            release->linked |= node->described->linked;
        }
    return 0;
}

int cshm_release_settle(struct cshm_release *release, struct cshm_tree *tree)
{
    int result = cshm_tree_index_segments(tree);
    if (result < 0)
        return result;
    size_t kept = 0;
    for (size_t i = 0; i < release->count; i++)
        if (!cshm_tree_find_segment(tree, release->names[i]))
            release->names[kept++] = release->names[i];
    release->count = kept;
    cshm_release_sort(release);
    return 0;
}

int cshm_release_collect(struct cshm_tree *tree, const struct cshm_node *top,
                         struct cshm_release *out)
{
    *out = (struct cshm_release){0};
    int result = cshm_release_add(out, top);
    if (result == 0 && top != &tree->root)
        return cshm_release_settle(out, tree);
    cshm_release_sort(out);
    return result;
}

static bool is_held_elsewhere(const struct cshm_store *store, const char *project,
                              const char *segment, uid_t owner, struct cshm_holders *holders,
                              bool *collected)
{
    if (!*collected && cshm_holders_collect(store, project, project, holders) < 0)
        return true; /* not known: keep it rather than take somebody's data */
    *collected = true;
    return cshm_holders_have(holders, segment, owner);
}

int cshm_release_unlink(const struct cshm_store *store, const char *project, uid_t owner,
                        const struct cshm_release *release)
{
    struct cshm_holders holders = {0};
    bool collected = false;
    int first = 0;
    for (size_t i = 0; i < release->count; i++) {
        const char *name = release->names[i];
        struct stat st; /* of an ordinary array no manifest is read */
        if (cshm_segment_inspect(store, name, owner, 0, &st, NULL) != CSHM_SEGMENT_FINE ||
            ((release->linked || !cshm_segment_is_of(name, project)) &&
             is_held_elsewhere(store, project, name, st.st_uid, &holders, &collected)))
            continue;
        int result = cshm_segment_unlink(store, name);
        first = first ? first : result;
    }
    cshm_holders_finish(&holders);
    return first;
}

struct search {
    const struct cshm_store *store;
    struct cshm_holders holders;
    struct cshm_names *found;
    uid_t owner;
};

static int take_found(void *context, const char *name)
{
    struct search *search = context;
    struct stat st;
    if (cshm_segment_inspect(search->store, name, search->owner, 0, &st, NULL) !=
            CSHM_SEGMENT_FINE ||
        cshm_holders_have(&search->holders, name, st.st_uid))
        return 0;
    return cshm_names_add(search->found, name);
}

int cshm_damaged_collect(const struct cshm_store *store, const char *project, uid_t owner,
                         struct cshm_names *found, struct cshm_release *out)
{
    *out = (struct cshm_release){0};
    struct search search = {.store = store, .found = found, .owner = owner};
    int result = cshm_holders_collect(store, project, project, &search.holders);
    if (result == 0)
        result = cshm_segment_each(store, project, take_found, &search);
    cshm_holders_finish(&search.holders);
    if (result < 0 || found->count == 0)
        return result;
    out->names = calloc(found->count, sizeof *out->names);
    if (!out->names)
        return -ENOMEM;
    for (size_t i = 0; i < found->count; i++)
        out->names[out->count++] = found->names[i];
    return 0;
}

void cshm_release_finish(struct cshm_release *release)
{
    free(release->names);
    *release = (struct cshm_release){0};
}
