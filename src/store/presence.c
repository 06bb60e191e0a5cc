/* SPDX-License-Identifier: MIT */
#include "store/presence.h"

#include <errno.h>
#include <string.h>

#include "base/scope.h"
#include "format/manifest.h"
#include "store/merge.h"
#include "store/project.h"
#include "store/registry.h"
#include "store/segment.h"

#define LARGE_MANIFEST ((size_t)256 << 10) /* a thousand arrays; parsed in ten milliseconds */
#define SAMPLE         1000                /* arrays looked at of a large project */

/* --- The quick look ------------------------------------------------------------------------------
 */

/* As our own manifests begin an array's line. No value of theirs goes over a line's end. */
static const char segment_key[] = "\nshm_name = \"";

static const char *next_segment(const char *at, const char *end)
{
    const char *found = memmem(at, (size_t)(end - at), segment_key, sizeof segment_key - 1);
    return found ? found + sizeof segment_key - 1 : NULL;
}

static bool has_memory(const struct cshm_store *store, const char *name, const char *end, uid_t uid)
{
    char segment[CSHM_SEGMENT_NAME_SIZE];
    const char *quote = memchr(name, '"', (size_t)(end - name));
    size_t length = quote ? (size_t)(quote - name) : sizeof segment;
    if (length >= sizeof segment)
        return false;
    memcpy(segment, name, length);
    segment[length] = '\0';
    return cshm_segment_inspect(store, segment, uid, 0, NULL, NULL) == CSHM_SEGMENT_FINE;
}

static bool has_sampled_memory(const struct cshm_store *store, const struct cshm_buffer *text,
                               uid_t uid)
{
    const char *end = text->bytes + text->length;
    size_t count = 0;
    for (const char *at = text->bytes; (at = next_segment(at, end)); count++)
        continue;
    size_t step = count / SAMPLE + 1;
    size_t number = 0;
    for (const char *at = text->bytes; (at = next_segment(at, end)); number++)
        if ((number % step == 0 || number + 1 == count) && !has_memory(store, at, end, uid))
            return false;
    return count > 0;
}

/* 1: whole, with its facts; 0: that takes a closer look. */
static int look_quickly(const struct cshm_store *store, const char *project,
                        struct cshm_presence *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    CSHM_AUTO_TREE struct cshm_tree *tree = NULL;
    struct stat st;
    if (cshm_registry_read(store, project, &text, &st) < 0 || text.length < LARGE_MANIFEST)
        return 0;
    if (cshm_manifest_parse_facts(text.bytes, text.length, &tree) < 0)
        return -ENOMEM;
    if (tree->facts.generation == 0 || !has_sampled_memory(store, &text, st.st_uid))
        return 0;
    out->tree = CSHM_STEAL(tree);
    out->changed = st.st_mtim;
    out->state = CSHM_PROJECT_WHOLE;
    return 1;
}

/* --- The closer look -----------------------------------------------------------------------------
 */

/* NULL: there is no such group. */
static const struct cshm_node *find_group(const struct cshm_tree *tree, const char *path)
{
    CSHM_CLEANUP(cshm_arena_finish) struct cshm_arena arena = {0};
    struct cshm_key_path keys;
    const struct cshm_node *node = &tree->root;
    if (path && cshm_merge_resolve(tree, path, &arena, &keys, NULL) < 0)
        return NULL;
    for (size_t i = 0; path && node && i < keys.depth; i++)
        node = node->type == CSHM_NODE_GROUP ? cshm_node_child(node, keys.keys[i]) : NULL;
    return node && node->type == CSHM_NODE_GROUP ? node : NULL;
}

static enum cshm_presence_state look_at_arrays(const struct cshm_store *store,
                                               const struct cshm_project *project,
                                               const struct cshm_node *top,
                                               struct cshm_error *reason)
{
    char path[256];
    const char *why;
    struct stat st;
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top)) {
        if (node->type != CSHM_NODE_ARRAY || node->problem)
            continue; /* what was published unusable (by the peer) did not become so */
        if (cshm_project_inspect(store, project, node, &st, &why) == CSHM_ARRAY_FINE)
            continue;
        (void)cshm_fail(reason, -ENODATA, "%s: %s", cshm_node_path(node, path, sizeof path), why);
        return CSHM_PROJECT_INCOMPLETE;
    }
    return CSHM_PROJECT_WHOLE;
}

static enum cshm_presence_state judge(const struct cshm_store *store,
                                      const struct cshm_project *project, const char *group,
                                      struct cshm_error *reason)
{
    if (project->damaged) {
        *reason = project->why;
        return CSHM_PROJECT_DAMAGED;
    }
    const struct cshm_node *top = find_group(project->tree, group);
    return top ? look_at_arrays(store, project, top, reason) : CSHM_PROJECT_ABSENT;
}

int cshm_presence_look(const struct cshm_store *store, const char *project, const char *group,
                       struct cshm_presence *out, struct cshm_error *error)
{
    *out = (struct cshm_presence){0};
    if (cshm_project_name_check(project) < 0)
        return 0;
    int result = group ? 0 : look_quickly(store, project, out);
    if (result != 0)
        return result < 0 ? cshm_fail(error, result, "out of memory") : 0;
    struct cshm_project loaded;
    result = cshm_project_load(store, project, &loaded, error);
    if (result == 0) {
        out->state = judge(store, &loaded, group, &out->reason);
        out->changed = loaded.changed;
        out->tree = CSHM_STEAL(loaded.tree);
    } else if (result == -ENOENT || result == -EAGAIN) {
        out->state = result == -EAGAIN ? CSHM_PROJECT_BEING_WRITTEN : CSHM_PROJECT_ABSENT;
        result = 0;
    }
    cshm_project_finish(&loaded);
    if (result == 0 && error)
        *error = (struct cshm_error){0};
    return result;
}

void cshm_presence_finish(struct cshm_presence *presence)
{
    cshm_tree_destroy(presence->tree);
    presence->tree = NULL;
}
