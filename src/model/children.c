/* SPDX-License-Identifier: MIT */
/*
 * A group's children by key: open addressing, linear probing; a removed child leaves the group
 * itself as a mark. An index is no part of the arena, where each that became too small would stay
 * and all of them together be as large as the last.
 */
#include "model/children.h"

#include <errno.h>
#include <stdlib.h>

#include "base/names.h"

enum { INDEX_FROM = 8, FIRST_SIZE = 32 }; /* below, a list walk is as fast as a hash */

struct cshm_child_index {
    struct cshm_index_link link; /* first */
    uint32_t size;               /* a power of two */
    uint32_t used;               /* slots that are not free: children and marks */
    struct cshm_node *slots[];
};

static void put(struct cshm_node *group, struct cshm_node *child)
{
    struct cshm_child_index *index = group->children->index;
    uint32_t mask = index->size - 1;
    uint32_t at = (uint32_t)cshm_hash(child->key.bytes, child->key.length) & mask;
    while (index->slots[at] && index->slots[at] != group)
        at = (at + 1) & mask;
    index->used += !index->slots[at];
    index->slots[at] = child;
}

static void fill(struct cshm_node *group)
{
    cshm_for_each_child (child, group)
        put(group, child);
}

static void drop(struct cshm_child_index *index)
{
    index->link.next->previous = index->link.previous;
    index->link.previous->next = index->link.next;
    free(index);
}

static int grow(struct cshm_tree *tree, struct cshm_node *group)
{
    struct cshm_child_index *old = group->children->index;
    uint32_t size = old ? old->size * 2 : FIRST_SIZE;
    struct cshm_child_index *index = calloc(1, sizeof *index + size * sizeof index->slots[0]);
    if (!index)
        return -ENOMEM;
    index->size = size;
    index->link = (struct cshm_index_link){tree->indexes.next, &tree->indexes};
    index->link.next->previous = index->link.previous->next = &index->link;
    group->children->index = index;
    fill(group);
    if (old)
        drop(old);
    return 0;
}

/* Of one that is in the list. Fills the index anew where there would be too many marks. */
static void enter(struct cshm_node *group, struct cshm_node *child)
{
    struct cshm_child_index *index = group->children->index;
    if (index->used < index->size / 4 * 3) {
        put(group, child);
        return;
    }
    memset(index->slots, 0, index->size * sizeof index->slots[0]);
    index->used = 0;
    fill(group);
}

int cshm_children_reserve(struct cshm_tree *tree, struct cshm_node *group)
{
    const struct cshm_children *children = group->children;
    if (children->index ? (children->count + 1) * 2 > children->index->size
                        : children->count + 1 >= INDEX_FROM)
        return grow(tree, group);
    return 0;
}

int cshm_children_append(struct cshm_tree *tree, struct cshm_node *group)
{
    struct cshm_children *children = group->children;
    if (!children->index && children->count < INDEX_FROM)
        return 0;
    if (!children->index || children->count * 2 > children->index->size)
        return grow(tree, group);
    enter(group, children->last);
    return 0;
}

static struct cshm_node **find(const struct cshm_node *group, struct cshm_text key)
{
    struct cshm_child_index *index = group->children->index;
    uint32_t mask = index->size - 1;
    uint32_t at = (uint32_t)cshm_hash(key.bytes, key.length) & mask;
    for (; index->slots[at]; at = (at + 1) & mask)
        if (index->slots[at] != group && cshm_text_equal(index->slots[at]->key, key))
            return &index->slots[at];
    return NULL;
}

void cshm_children_enter(struct cshm_node *group, struct cshm_node *child)
{
    /* Of two that come at once the first may have brought the other. */
    if (group->children->index && !find(group, child->key))
        enter(group, child);
}

void cshm_children_leave(struct cshm_node *node)
{
    struct cshm_node *group = node->parent;
    struct cshm_node **slot = group->children->index ? find(group, node->key) : NULL;
    if (slot)
        *slot = group;
}

void cshm_children_finish(struct cshm_tree *tree)
{
    while (tree->indexes.next != &tree->indexes)
        drop((struct cshm_child_index *)tree->indexes.next);
}

struct cshm_node *cshm_node_child(const struct cshm_node *group, struct cshm_text key)
{
    if (group->children && group->children->index) {
        struct cshm_node **found = find(group, key);
        return found ? *found : NULL;
    }
    cshm_for_each_child (child, group)
        if (cshm_text_equal(child->key, key))
            return child;
    return NULL;
}

static struct cshm_node *child_by_hashed_name(const struct cshm_node *group, const char *name)
{
    char encoded[CSHM_FSNAME_MAX + 1];
    cshm_for_each_child (child, group) {
        /* Only keys that are too long themselves, or become so, are named by their hash. */
        if (child->key.length * 3 <= CSHM_FSNAME_MAX)
            continue;
        cshm_fsname_encode(child->key, encoded);
        if (strcmp(encoded, name) == 0)
            return child;
    }
    return NULL;
}

struct cshm_node *cshm_node_child_by_fsname(const struct cshm_node *group, const char *name)
{
    char key[CSHM_FSNAME_MAX + 1];
    size_t length;
    if (group->type != CSHM_NODE_GROUP || strlen(name) > CSHM_FSNAME_MAX)
        return NULL;
    int result = cshm_fsname_decode(name, key, &length);
    if (result == -ENAMETOOLONG)
        return child_by_hashed_name(group, name);
    return result == 0 ? cshm_node_child(group, (struct cshm_text){key, length}) : NULL;
}
