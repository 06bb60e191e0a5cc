/* SPDX-License-Identifier: MIT */
#include "census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A power of two with room to spare for `count` entries. */
static size_t table_size(size_t count)
{
    size_t size = 8;
    while (size < count * 2)
        size *= 2;
    return size;
}

static size_t pointer_slot(const void *pointer, size_t size)
{
    return (size_t)(((uint64_t)(uintptr_t)pointer * 0x9E3779B97F4A7C15u) >> 32) & (size - 1);
}

static struct census_groups *group_slot(const struct census *census, const struct cshm_node *group)
{
    size_t i = pointer_slot(group, census->groups_size);
    while (census->groups[i].group && census->groups[i].group != group)
        i = (i + 1) & (census->groups_size - 1);
    return &census->groups[i];
}

static struct census_segment *segment_slot(const struct census *census, const char *segment)
{
    size_t mask = census->segments_size - 1;
    size_t i = (size_t)cshm_hash(segment, strlen(segment)) & mask;
    while (census->segments[i].segment && strcmp(census->segments[i].segment, segment) != 0)
        i = (i + 1) & mask;
    return &census->segments[i];
}

static const char *segment_of(const struct cshm_node *node)
{
    return node->type == CSHM_NODE_ARRAY && node->described ? node->described->segment : NULL;
}

static void count_node(struct census *census, const struct cshm_node *node, bool *shared)
{
    if (node->type == CSHM_NODE_GROUP) {
        struct census_groups *slot = group_slot(census, node->parent);
        slot->group = node->parent;
        slot->count++;
    } else if (segment_of(node)) {
        struct census_segment *slot = segment_slot(census, segment_of(node));
        *shared = *shared || slot->segment;
        if (!slot->segment)
            *slot = (struct census_segment){.segment = segment_of(node), .first = node};
        slot->count++;
    }
}

int census_take(struct census *census, const struct cshm_tree *tree)
{
    size_t groups = 0;
    size_t arrays = 0;
    const struct cshm_node *root = &tree->root;
    for (const struct cshm_node *n = cshm_node_walk(root, root); n; n = cshm_node_walk(n, root)) {
        groups += n->type == CSHM_NODE_GROUP;
        arrays += segment_of(n) != NULL;
    }
    *census =
        (struct census){.groups_size = table_size(groups), .segments_size = table_size(arrays)};
    census->groups = calloc(census->groups_size, sizeof *census->groups);
    census->segments = calloc(census->segments_size, sizeof *census->segments);
    if (!census->groups || !census->segments) {
        census_finish(census);
        return -ENOMEM;
    }
    bool shared = false;
    for (const struct cshm_node *n = cshm_node_walk(root, root); n; n = cshm_node_walk(n, root))
        count_node(census, n, &shared);
    if (!shared) { /* nearly always */
        free(census->segments);
        census->segments = NULL;
    }
    return 0;
}

void census_finish(struct census *census)
{
    free(census->groups);
    free(census->segments);
    *census = (struct census){0};
}

void census_leave(struct census *census, const struct cshm_node *node)
{
    if (node->type == CSHM_NODE_GROUP && node->parent && census->groups) {
        struct census_groups *slot = group_slot(census, node->parent);
        slot->count -= slot->count > 0;
    } else if (segment_of(node) && census->segments) {
        struct census_segment *slot = segment_slot(census, segment_of(node));
        slot->count -= slot->count > 0;
        if (slot->first == node)
            slot->first = NULL; /* nobody moves up: numbers stay what they are */
    }
}

size_t census_subgroups(const struct census *census, const struct cshm_node *group)
{
    return census->groups ? group_slot(census, group)->count : 0;
}

size_t census_names(const struct census *census, const struct cshm_node *array)
{
    if (!census->segments || !segment_of(array))
        return 1;
    size_t count = segment_slot(census, segment_of(array))->count;
    return count ? count : 1;
}

bool census_is_first(const struct census *census, const struct cshm_node *array)
{
    if (!census->segments || !segment_of(array))
        return true;
    return segment_slot(census, segment_of(array))->first == array;
}
