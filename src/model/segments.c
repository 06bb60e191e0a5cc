/* SPDX-License-Identifier: MIT */
/*
 * Which arrays of a tree name a segment. A segment may have very many holders (one dataset under
 * 100,000 names), so the table has the first of each and they are chained: entering and leaving
 * take the same time however many there are.
 */
#include "model/segments.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_SIZE = 16 };

static size_t hash_of(const char *segment)
{
    return (size_t)cshm_hash(segment, strlen(segment));
}

/* The slot of the segment's first holder, or where it would come: a mark before it, if there is
 * one. */
static struct cshm_node **find_slot(const struct cshm_tree *tree, const char *segment)
{
    const struct cshm_segment_index *index = &tree->segments;
    struct cshm_node **mark = NULL;
    size_t mask = index->size - 1;
    size_t at = hash_of(segment) & mask;
    for (; index->slots[at]; at = (at + 1) & mask) {
        struct cshm_node *node = index->slots[at];
        if (node == &tree->root)
            mark = mark ? mark : &index->slots[at];
        else if (strcmp(node->described->segment, segment) == 0)
            return &index->slots[at];
    }
    return mark ? mark : &index->slots[at];
}

static int resize(struct cshm_tree *tree, size_t size)
{
    struct cshm_segment_index old = tree->segments;
    struct cshm_node **slots = calloc(size, sizeof(struct cshm_node *));
    if (!slots)
        return -ENOMEM;
    tree->segments = (struct cshm_segment_index){.slots = slots, .size = size};
    for (size_t i = 0; i < old.size; i++) {
        if (!old.slots[i] || old.slots[i] == &tree->root)
            continue;
        *find_slot(tree, old.slots[i]->described->segment) = old.slots[i];
    }
    tree->segments.used = tree->segments.count = old.count;
    free(old.slots);
    return 0;
}

int cshm_segments_reserve(struct cshm_tree *tree, size_t count)
{
    const struct cshm_segment_index *index = &tree->segments;
    if (!index->slots || index->used + count <= index->size / 2)
        return 0;
    size_t size = index->size;
    while (size / 4 < index->count + count) { /* room to spare, or this comes again soon */
        if (__builtin_mul_overflow(size, 2, &size))
            return -ENOMEM;
    }
    return resize(tree, size);
}

static void count_linked(struct cshm_tree *tree, const struct cshm_node *node, int by)
{
    const struct cshm_linked_observer *observer = &tree->linked_observer;
    if (!node->described->linked)
        return;
    tree->linked += (size_t)by;
    if (observer->changed)
        observer->changed(observer->context, observer->owner, node->described->segment, by);
}

static void enter(struct cshm_tree *tree, struct cshm_node *node)
{
    struct cshm_node **slot = find_slot(tree, node->described->segment);
    struct cshm_node *first = *slot == &tree->root ? NULL : *slot;
    node->described->next_holder = NULL;
    if (first) {
        struct cshm_node *last = first->described->previous_holder;
        last->described->next_holder = node;
        node->described->previous_holder = last;
        first->described->previous_holder = node;
        return;
    }
    tree->segments.used += !*slot;
    tree->segments.count++;
    node->described->previous_holder = node;
    *slot = node;
}

void cshm_segments_enter(struct cshm_tree *tree, struct cshm_node *node)
{
    if (!tree->segments.slots || !cshm_node_segment(node))
        return;
    enter(tree, node);
    count_linked(tree, node, 1);
}

void cshm_segments_leave(struct cshm_tree *tree, struct cshm_node *node)
{
    if (!tree->segments.slots || !cshm_node_segment(node))
        return;
    count_linked(tree, node, -1);
    struct cshm_description *described = node->described;
    struct cshm_node **slot = find_slot(tree, described->segment);
    struct cshm_node *first = *slot;
    tree->segments.count -= first == node && !described->next_holder;
    if (first == node)
        *slot = described->next_holder ? described->next_holder : &tree->root;
    else
        described->previous_holder->described->next_holder = described->next_holder;
    if (described->next_holder)
        described->next_holder->described->previous_holder = described->previous_holder;
    else if (first != node)
        first->described->previous_holder = described->previous_holder;
    described->next_holder = described->previous_holder = NULL;
}

void cshm_segments_link(struct cshm_tree *tree, struct cshm_node *node)
{
    if (node->described->linked)
        return;
    node->described->linked = true;
    if (tree->segments.slots && cshm_node_segment(node))
        count_linked(tree, node, 1);
}

static void tell_all(const struct cshm_tree *tree, const struct cshm_linked_observer *observer,
                     int by)
{
    if (!observer->changed || tree->linked == 0)
        return;
    for (const struct cshm_node *n = &tree->root; n; n = cshm_node_walk(n, &tree->root))
        if (cshm_node_segment(n) && n->described->linked)
            observer->changed(observer->context, observer->owner, n->described->segment, by);
}

void cshm_tree_observe_linked(struct cshm_tree *tree, const struct cshm_linked_observer *observer)
{
    tell_all(tree, &tree->linked_observer, -1);
    tree->linked_observer = observer ? *observer : (struct cshm_linked_observer){0};
    tell_all(tree, &tree->linked_observer, 1);
}

int cshm_tree_index_segments(struct cshm_tree *tree)
{
    if (tree->segments.slots)
        return 0;
    size_t size = FIRST_SIZE;
    while (size / 2 < tree->node_count)
        size *= 2;
    int result = resize(tree, size);
    if (result < 0)
        return result;
    for (struct cshm_node *n = &tree->root; n; n = cshm_node_walk(n, &tree->root))
        cshm_segments_enter(tree, n);
    return 0;
}

struct cshm_node *cshm_tree_find_segment(const struct cshm_tree *tree, const char *segment)
{
    if (!tree->segments.slots)
        return NULL;
    struct cshm_node *found = *find_slot(tree, segment);
    return found == &tree->root ? NULL : found;
}

int cshm_tree_set_segment(struct cshm_tree *tree, struct cshm_node *node, const char *segment)
{
    char *copy = segment ? cshm_arena_string(&tree->arena, segment, strlen(segment)) : NULL;
    if (segment && !copy)
        return -ENOMEM;
    int result = cshm_segments_reserve(tree, 1);
    if (result < 0)
        return result;
    cshm_segments_leave(tree, node);
    node->described->segment = copy;
    cshm_segments_enter(tree, node);
    return 0;
}
