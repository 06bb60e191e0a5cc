/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "cli/list.h"

static int gather(struct list_project *project)
{
    const struct cshm_tree *tree = project->read.tree;
    if (!tree || tree->node_count == 0)
        return 0;
    project->items = calloc(tree->node_count, sizeof *project->items);
    if (!project->items)
        return -ENOMEM;
    const struct cshm_node *node = &tree->root;
    size_t last = LIST_TOP;
    while ((node = cshm_node_walk(node, &tree->root)) != NULL) {
        while (last != LIST_TOP && project->items[last].node != node->parent)
            last = project->items[last].parent;
        project->items[project->item_count] = (struct list_item){.node = node, .parent = last};
        last = project->item_count++;
    }
    return 0;
}

static void inspect(const struct cshm_store *store, struct list_project *project)
{
    for (size_t i = 0; i < project->item_count; i++) {
        struct list_item *item = &project->items[i];
        if (item->node->type != CSHM_NODE_ARRAY)
            continue;
        struct stat st;
        item->state = cshm_project_inspect(store, &project->read, item->node, &st, &item->reason);
        project->arrays++;
        project->missing += item->state == CSHM_ARRAY_MISSING;
        project->broken += item->state == CSHM_ARRAY_BROKEN;
    }
}

/* Backwards every node comes before its parent. */
static void add_up_groups(struct list_project *project)
{
    for (size_t i = project->item_count; i-- > 0;) {
        struct list_item *item = &project->items[i];
        if (item->node->type == CSHM_NODE_ARRAY)
            item->bytes = item->node->described->bytes;
        if (item->parent != LIST_TOP)
            project->items[item->parent].bytes += item->bytes;
    }
}

static int compare_segments(const void *left, const void *right)
{
    const struct cshm_node *const *a = left;
    const struct cshm_node *const *b = right;
    return strcmp((*a)->described->segment, (*b)->described->segment);
}

/* Sorted by segment, the names of one segment are neighbours: the largest of them counts. */
static uint64_t sum_segments(const struct cshm_node **arrays, size_t count)
{
    uint64_t sum = 0;
    uint64_t largest = 0;
    qsort(arrays, count, sizeof *arrays, compare_segments);
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && compare_segments(&arrays[i - 1], &arrays[i]) == 0;
        uint64_t bytes = arrays[i]->described->bytes;
        if (!same)
            sum += largest;
        largest = same && largest > bytes ? largest : bytes;
    }
    return sum + largest;
}

static int add_up(struct list_project *project)
{
    if (project->arrays == 0)
        return 0;
    const struct cshm_node **arrays = malloc(project->arrays * sizeof *arrays);
    if (!arrays)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < project->item_count; i++) {
        const struct cshm_node *node = project->items[i].node;
        if (node->type == CSHM_NODE_ARRAY && node->described->segment)
            arrays[count++] = node;
    }
    project->bytes = sum_segments(arrays, count);
    free(arrays);
    return 0;
}

int list_project_load(const struct cshm_store *store, const char *name, struct list_project *out,
                      struct cshm_error *error)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    *out = (struct list_project){0};
    int result = cshm_project_load(store, name, &out->read, error);
    if (result < 0)
        return result;
    cshm_manifest_name(name, file);
    out->name = strdup(name);
    if (!out->name || asprintf(&out->manifest, "%s/%s", store->root, file) < 0)
        out->manifest = NULL;
    result = out->manifest ? gather(out) : -ENOMEM;
    if (result == 0) {
        inspect(store, out);
        add_up_groups(out);
        result = add_up(out);
    }
    if (result < 0)
        list_project_finish(out);
    return result;
}

void list_project_finish(struct list_project *project)
{
    free(project->name);
    free(project->manifest);
    free(project->items);
    cshm_project_finish(&project->read);
    *project = (struct list_project){0};
}

const char *list_integrity(const struct list_project *project)
{
    if (project->read.damaged)
        return "damaged";
    if (project->missing)
        return "missing";
    return project->broken ? "broken" : "ok";
}

void list_owner(const struct list_project *project, struct cshm_buffer *out)
{
    const struct passwd *user = getpwuid(project->read.uid);
    if (user)
        cshm_buffer_add_string(out, user->pw_name);
    else
        cshm_buffer_add_format(out, "%u", (unsigned)project->read.uid);
}

void list_path(const struct cshm_node *node, struct cshm_buffer *out)
{
    const struct cshm_node *way[CSHM_DEPTH_MAX + 1];
    char name[CSHM_FSNAME_MAX + 1];
    size_t depth = 0;
    for (; node->parent && depth <= CSHM_DEPTH_MAX; node = node->parent)
        way[depth++] = node;
    for (size_t i = depth; i-- > 0;) {
        size_t length = cshm_fsname_encode(way[i]->key, name);
        cshm_buffer_add(out, name, length);
        if (i > 0)
            cshm_buffer_add_char(out, '/');
    }
}

void list_shape(const struct cshm_node *node, struct cshm_buffer *out)
{
    const struct cshm_description *described = node->described;
    if (!described || described->rank == CSHM_NO_RANK)
        return;
    if (described->rank == CSHM_SHAPE_NULL) {
        cshm_buffer_add_string(out, "null");
        return;
    }
    cshm_buffer_add_char(out, '[');
    for (int i = 0; i < described->rank; i++)
        cshm_buffer_add_format(out, "%s%" PRIu64, i ? ", " : "", described->shape[i]);
    cshm_buffer_add_char(out, ']');
}

const char *list_dtype(const struct cshm_node *node, char out[CSHM_DTYPE_TEXT_MAX])
{
    const struct cshm_description *described = node->described;
    if (!described)
        return "";
    if (described->dtype_text)
        return described->dtype_text; /* as written, also where it was not understood */
    return described->dtype->kind ? cshm_dtype_format(described->dtype, out) : "";
}
