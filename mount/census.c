/* SPDX-License-Identifier: MIT */
#include "census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { FIRST_SIZE = 8 };

/* --- Groups -------------------------------------------------------------------------------------
 */

static size_t pointer_slot(const void *pointer, size_t size)
{
    return (size_t)(((uint64_t)(uintptr_t)pointer * 0x9E3779B97F4A7C15u) >> 32) & (size - 1);
}

static struct census_group *group_slot(struct census_group *groups, size_t size,
                                       const struct cshm_node *group)
{
    size_t i = pointer_slot(group, size);
    while (groups[i].group && groups[i].group != group)
        i = (i + 1) & (size - 1);
    return &groups[i];
}

static bool holds_any(const struct census_group *group)
{
    return group->arrays > 0 || group->groups > 0;
}

/* Keeps half of it free. Groups that hold nothing any more are left behind. */
static int grow_groups(struct census *census)
{
    if (census->groups_used * 2 < census->groups_size)
        return 0;
    size_t size = census->groups_size ? census->groups_size * 2 : FIRST_SIZE;
    struct census_group *groups = calloc(size, sizeof *groups);
    if (!groups)
        return -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < census->groups_size; i++) {
        const struct census_group *old = &census->groups[i];
        if (!holds_any(old))
            continue;
        *group_slot(groups, size, old->group) = *old;
        used++;
    }
    free(census->groups);
    census->groups = groups;
    census->groups_size = size;
    census->groups_used = used;
    return 0;
}

/* What is counted of a group; all zero where that is nothing. */
static struct census_group group_counts(const struct census *census, const struct cshm_node *group)
{
    return census->groups ? *group_slot(census->groups, census->groups_size, group)
                          : (struct census_group){0};
}

/* What a node counts for in the groups above it: itself and all below it. */
static struct census_group counts_of(const struct census *census, const struct cshm_node *node)
{
    struct census_group counts = {0};
    if (node->type == CSHM_NODE_GROUP) {
        counts = group_counts(census, node);
        counts.groups++;
    } else if (node->type == CSHM_NODE_ARRAY) {
        counts.arrays = 1;
        counts.bytes = node->described->bytes;
    }
    return counts;
}

static int add_to_group(struct census *census, const struct cshm_node *group,
                        const struct census_group *counts, bool is_subgroup)
{
    int result = grow_groups(census);
    if (result < 0)
        return result;
    struct census_group *slot = group_slot(census->groups, census->groups_size, group);
    census->groups_used += slot->group == NULL;
    slot->group = group;
    slot->arrays += counts->arrays;
    slot->groups += counts->groups;
    slot->subgroups += is_subgroup;
    slot->bytes_high += counts->bytes_high;
    slot->bytes_high += __builtin_add_overflow(slot->bytes, counts->bytes, &slot->bytes);
    return 0;
}

static void take_from_group(struct census *census, const struct cshm_node *group,
                            const struct census_group *counts, bool is_subgroup)
{
    struct census_group *slot = group_slot(census->groups, census->groups_size, group);
    if (!slot->group)
        return; /* it was counted when there was no memory, and all is about to be read again */
    slot->arrays -= counts->arrays;
    slot->groups -= counts->groups;
    slot->subgroups -= is_subgroup;
    slot->bytes_high -= counts->bytes_high;
    slot->bytes_high -= __builtin_sub_overflow(slot->bytes, counts->bytes, &slot->bytes);
}

/* Each group is complete when it is added to the one it is in. */
static int count_all(struct census *census, const struct cshm_node *root)
{
    const struct cshm_node *node = root;
    for (;;) {
        while (node->first)
            node = node->first;
        for (;; node = node->parent) {
            if (node == root)
                return 0;
            struct census_group counts = counts_of(census, node);
            int result = add_to_group(census, node->parent, &counts, node->type == CSHM_NODE_GROUP);
            if (result < 0)
                return result;
            if (node->next)
                break;
        }
        node = node->next;
    }
}

size_t census_subgroups(const struct census *census, const struct cshm_node *group)
{
    return group_counts(census, group).subgroups;
}

void census_totals(const struct census *census, const struct cshm_node *group,
                   struct cshm_sidecar_totals *out)
{
    struct census_group counts = group_counts(census, group);
    *out = (struct cshm_sidecar_totals){
        .arrays = counts.arrays,
        .groups = counts.groups,
        .bytes = counts.bytes_high ? UINT64_MAX : counts.bytes,
    };
}

/* --- Shared segments ----------------------------------------------------------------------------
 */

static const char **orphan_slot(const char **orphans, size_t size, const char *segment)
{
    size_t i = (size_t)cshm_hash(segment, strlen(segment)) & (size - 1);
    while (orphans[i] && strcmp(orphans[i], segment) != 0)
        i = (i + 1) & (size - 1);
    return &orphans[i];
}

/* The strings live as long as the tree. Without memory a number changes, nothing worse. */
static void add_orphan(struct census *census, const char *segment)
{
    if (census->orphans_used * 2 >= census->orphans_size) {
        size_t size = census->orphans_size ? census->orphans_size * 2 : FIRST_SIZE;
        const char **orphans = calloc(size, sizeof *orphans);
        if (!orphans)
            return;
        for (size_t i = 0; i < census->orphans_size; i++)
            if (census->orphans[i])
                *orphan_slot(orphans, size, census->orphans[i]) = census->orphans[i];
        free(census->orphans);
        census->orphans = orphans;
        census->orphans_size = size;
    }
    const char **slot = orphan_slot(census->orphans, census->orphans_size, segment);
    census->orphans_used += *slot == NULL;
    *slot = segment;
}

size_t census_names(const struct census *census, const struct cshm_node *array)
{
    const char *segment = cshm_node_segment(array);
    const struct cshm_node *node = segment ? cshm_tree_find_segment(census->tree, segment) : NULL;
    size_t count = 0;
    for (; node; node = node->described->next_holder)
        count++;
    return count ? count : 1;
}

bool census_is_first(const struct census *census, const struct cshm_node *array)
{
    const char *segment = cshm_node_segment(array);
    if (!segment)
        return true;
    if (census->orphans && *orphan_slot(census->orphans, census->orphans_size, segment))
        return false;
    return cshm_tree_find_segment(census->tree, segment) == array;
}

/* --- All ----------------------------------------------------------------------------------------
 */

static int join(struct census *census, const struct cshm_node *node)
{
    struct census_group counts = counts_of(census, node);
    bool is_subgroup = node->type == CSHM_NODE_GROUP;
    int result = 0;
    for (const struct cshm_node *n = node->parent; n && result == 0; n = n->parent) {
        result = add_to_group(census, n, &counts, is_subgroup);
        is_subgroup = false;
    }
    return result;
}

static void leave(struct census *census, const struct cshm_node *node)
{
    struct census_group counts = counts_of(census, node);
    bool is_subgroup = node->type == CSHM_NODE_GROUP;
    for (const struct cshm_node *n = node->parent; n && census->groups; n = n->parent) {
        take_from_group(census, n, &counts, is_subgroup);
        is_subgroup = false;
    }
}

/*
 * For good, and so in time that depends on how much that is. Nobody moves up to be the first of a
 * segment: numbers stay what they are.
 */
static void remove_all(struct census *census, const struct cshm_node *node)
{
    leave(census, node);
    for (const struct cshm_node *n = node; n; n = cshm_node_walk(n, node)) {
        const char *segment = cshm_node_segment(n);
        if (segment && n->described->next_holder && census_is_first(census, n))
            add_orphan(census, segment);
        if (n->type == CSHM_NODE_GROUP && census->groups) {
            struct census_group *slot = group_slot(census->groups, census->groups_size, n);
            *slot = (struct census_group){.group = slot->group};
        }
    }
}

void census_before(struct census *census, const struct cshm_operation *operation,
                   const struct cshm_operation_place *place)
{
    if (place->node && operation->kind == CSHM_OPERATION_REMOVE)
        remove_all(census, place->node);
    else if (place->node && place->node != place->there)
        leave(census, place->node);
    if (place->there && operation->exchange)
        leave(census, place->there);
    else if (place->there && place->node != place->there)
        remove_all(census, place->there);
}

int census_after(struct census *census, const struct cshm_operation *operation,
                 const struct cshm_operation_place *place)
{
    int result = 0;
    if (operation->kind != CSHM_OPERATION_REMOVE && place->node != place->there)
        result = join(census, place->node);
    if (result == 0 && place->there && operation->exchange)
        result = join(census, place->there);
    return result;
}

int census_take(struct census *census, const struct cshm_tree *tree)
{
    *census = (struct census){.tree = tree};
    int result = count_all(census, &tree->root);
    if (result < 0)
        census_finish(census);
    return result;
}

void census_finish(struct census *census)
{
    free(census->groups);
    free(census->orphans);
    *census = (struct census){0};
}
