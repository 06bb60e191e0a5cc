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

static struct census_groups *group_slot(struct census_groups *groups, size_t size,
                                        const struct cshm_node *group)
{
    size_t i = pointer_slot(group, size);
    while (groups[i].group && groups[i].group != group)
        i = (i + 1) & (size - 1);
    return &groups[i];
}

/* Keeps half of it free. Groups that hold none any more are left behind. */
static int grow_groups(struct census *census)
{
    if (census->groups_used * 2 < census->groups_size)
        return 0;
    size_t size = census->groups_size ? census->groups_size * 2 : FIRST_SIZE;
    struct census_groups *groups = calloc(size, sizeof *groups);
    if (!groups)
        return -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < census->groups_size; i++) {
        const struct census_groups *old = &census->groups[i];
        if (old->count == 0)
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

static int count_group(struct census *census, const struct cshm_node *parent)
{
    int result = grow_groups(census);
    if (result < 0)
        return result;
    struct census_groups *slot = group_slot(census->groups, census->groups_size, parent);
    census->groups_used += slot->group == NULL;
    slot->group = parent;
    slot->count++;
    return 0;
}

size_t census_subgroups(const struct census *census, const struct cshm_node *group)
{
    return census->groups ? group_slot(census->groups, census->groups_size, group)->count : 0;
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

int census_join(struct census *census, const struct cshm_node *node)
{
    int result = 0;
    for (const struct cshm_node *n = node; n && result == 0; n = cshm_node_walk(n, node))
        if (n->type == CSHM_NODE_GROUP && n->parent)
            result = count_group(census, n->parent);
    return result;
}

void census_leave(struct census *census, const struct cshm_node *node)
{
    for (const struct cshm_node *n = node; n; n = cshm_node_walk(n, node)) {
        const char *segment = cshm_node_segment(n);
        if (n->type == CSHM_NODE_GROUP && n->parent && census->groups) {
            struct census_groups *slot = group_slot(census->groups, census->groups_size, n->parent);
            slot->count -= slot->count > 0;
        } else if (segment && n->described->next_holder && census_is_first(census, n)) {
            add_orphan(census, segment); /* nobody moves up: numbers stay what they are */
        }
    }
}

int census_take(struct census *census, const struct cshm_tree *tree)
{
    *census = (struct census){.tree = tree};
    int result = census_join(census, &tree->root);
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
