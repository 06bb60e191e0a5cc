/* SPDX-License-Identifier: MIT */
#include "model/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/children.h"
#include "model/segments.h"

struct cshm_tree *cshm_tree_create(void)
{
    struct cshm_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    tree->root.type = CSHM_NODE_GROUP;
    tree->root.key = cshm_text("");
    tree->indexes.next = tree->indexes.previous = &tree->indexes;
    tree->facts.persistent = -1;
    return tree;
}

void cshm_tree_destroy(struct cshm_tree *tree)
{
    if (!tree)
        return;
    cshm_tree_observe_linked(tree, NULL);
    cshm_children_finish(tree);
    cshm_arena_finish(&tree->arena);
    free(tree->segments.slots);
    free(tree);
}

/* --- Building and taking apart
 * --------------------------------------------------------------------- */

static size_t depth_of(const struct cshm_node *node)
{
    size_t depth = 0;
    for (; node->parent; node = node->parent)
        depth++;
    return depth;
}

static void reach(struct cshm_tree *tree, size_t depth)
{
    if (depth > tree->depth_most)
        tree->depth_most = depth;
}

static int check_addition(const struct cshm_tree *tree, const struct cshm_node *group,
                          struct cshm_text key)
{
    if (group->type != CSHM_NODE_GROUP)
        return -ENOTDIR;
    if (tree->node_count >= CSHM_NODES_MAX)
        return -EMFILE;
    if (depth_of(group) >= CSHM_DEPTH_MAX)
        return -ELOOP;
    return cshm_node_child(group, key) ? -EEXIST : 0;
}

static int make_room_for_children(struct cshm_tree *tree, struct cshm_node *group)
{
    if (!group->children)
        group->children = cshm_arena_alloc(&tree->arena, sizeof *group->children);
    return group->children ? 0 : -ENOMEM;
}

static void append_child(struct cshm_node *group, struct cshm_node *node)
{
    struct cshm_children *children = group->children;
    node->parent = group;
    node->previous = children->last;
    if (children->last)
        children->last->next = node;
    else
        group->first = node;
    children->last = node;
    children->count++;
}

int cshm_tree_add(struct cshm_tree *tree, struct cshm_node *group, struct cshm_text key,
                  enum cshm_node_type type, struct cshm_node **out)
{
    int result = check_addition(tree, group, key);
    if (result < 0)
        return result;
    struct cshm_node *node = cshm_arena_alloc(&tree->arena, sizeof *node);
    if (!node)
        return -ENOMEM;
    node->type = type;
    node->key = cshm_arena_text(&tree->arena, key);
    if (!node->key.bytes || make_room_for_children(tree, group) < 0)
        return -ENOMEM;
    append_child(group, node);
    reach(tree, depth_of(node));
    tree->node_count++;
    *out = node;
    return cshm_children_append(tree, group);
}

/* Out of its group, not out of the tree. */
static void unlink_child(struct cshm_node *node)
{
    struct cshm_node *group = node->parent;
    struct cshm_children *children = group->children;
    cshm_children_leave(node);
    *(node->previous ? &node->previous->next : &group->first) = node->next;
    *(node->next ? &node->next->previous : &children->last) = node->previous;
    children->count--;
    node->parent = node->next = node->previous = NULL;
}

void cshm_tree_remove(struct cshm_tree *tree, struct cshm_node *node)
{
    size_t below = 0;
    for (struct cshm_node *n = node; n; n = cshm_node_walk(n, node)) {
        cshm_segments_leave(tree, n);
        below++;
    }
    tree->node_count -= below;
    unlink_child(node);
}

/* Levels and nodes of what is to be moved. */
static void measure(const struct cshm_node *top, size_t *levels, size_t *nodes)
{
    const struct cshm_node *node = top;
    size_t level = 1;
    *levels = *nodes = 1;
    for (;;) {
        if (node->first) {
            node = node->first;
            *levels = ++level > *levels ? level : *levels;
        } else {
            for (; node != top && !node->next; node = node->parent)
                level--;
            if (node == top)
                return;
            node = node->next;
        }
        (*nodes)++;
    }
}

int cshm_tree_move(struct cshm_tree *from, struct cshm_node *node, struct cshm_tree *to,
                   struct cshm_node *group)
{
    size_t levels;
    size_t nodes;
    measure(node, &levels, &nodes);
    int result = check_addition(to, group, node->key);
    if (result < 0)
        return result;
    if (nodes > CSHM_NODES_MAX - to->node_count)
        return -EMFILE;
    if (depth_of(group) + levels > CSHM_DEPTH_MAX)
        return -ELOOP;
    if (make_room_for_children(to, group) < 0)
        return -ENOMEM;
    result = cshm_segments_reserve(to, nodes);
    if (result < 0)
        return result;
    cshm_tree_remove(from, node);
    append_child(group, node);
    reach(to, depth_of(group) + levels);
    to->node_count += nodes;
    for (struct cshm_node *n = node; n; n = cshm_node_walk(n, node))
        cshm_segments_enter(to, n);
    return cshm_children_append(to, group);
}

static bool is_at_or_above(const struct cshm_node *upper, const struct cshm_node *node)
{
    for (; node; node = node->parent)
        if (node == upper)
            return true;
    return false;
}

/* Whether `node` fits below `group`. Its levels are only counted where the tree's may be too many.
 */
static int check_depth(struct cshm_tree *tree, const struct cshm_node *node,
                       const struct cshm_node *group)
{
    size_t depth = depth_of(group);
    size_t levels = tree->depth_most + 1 - depth_of(node); /* at most */
    size_t nodes;
    if (depth + levels > CSHM_DEPTH_MAX)
        measure(node, &levels, &nodes);
    if (depth + levels > CSHM_DEPTH_MAX)
        return -ELOOP;
    reach(tree, depth + levels);
    return 0;
}

/* Into the group at the place of `old`, which is out of its index and leaves the list. */
static void take_place(struct cshm_node *old, struct cshm_node *node)
{
    node->parent = old->parent;
    node->previous = old->previous;
    node->next = old->next;
    *(node->previous ? &node->previous->next : &node->parent->first) = node;
    *(node->next ? &node->next->previous : &node->parent->children->last) = node;
    old->parent = old->next = old->previous = NULL;
}

int cshm_tree_place(struct cshm_tree *tree, struct cshm_node *node, struct cshm_node *group,
                    struct cshm_text key)
{
    if (group->type != CSHM_NODE_GROUP)
        return -ENOTDIR;
    struct cshm_node *there = cshm_node_child(group, key);
    if (there == node)
        return 0;
    if (!node->parent || is_at_or_above(node, group) || (there && is_at_or_above(there, node)))
        return -EINVAL;
    struct cshm_text copy = cshm_arena_text(&tree->arena, key);
    int result = copy.bytes ? check_depth(tree, node, group) : -ENOMEM;
    if (result == 0)
        result = make_room_for_children(tree, group);
    if (result == 0)
        result = cshm_children_reserve(tree, group);
    if (result < 0)
        return result;
    struct cshm_node *after = there ? there->next : NULL;
    unlink_child(node);
    if (there && after == node)
        after = there->next;
    node->key = copy;
    if (there)
        cshm_tree_remove(tree, there);
    append_child(group, node);
    if (there && after) { /* from the end to where it was */
        group->children->last = node->previous;
        node->previous->next = NULL;
        node->previous = after->previous;
        node->next = after;
        *(after->previous ? &after->previous->next : &group->first) = node;
        after->previous = node;
    }
    cshm_children_enter(group, node);
    return 0;
}

int cshm_tree_exchange(struct cshm_tree *tree, struct cshm_node *a, struct cshm_node *b)
{
    if (a == b)
        return 0;
    if (!a->parent || !b->parent || is_at_or_above(a, b) || is_at_or_above(b, a))
        return -EINVAL;
    int result = check_depth(tree, a, b->parent);
    if (result == 0)
        result = check_depth(tree, b, a->parent);
    if (result < 0)
        return result;
    struct cshm_node mark = {.key = a->key}; /* holds the place of `a` */
    cshm_children_leave(a);
    cshm_children_leave(b);
    take_place(a, &mark);
    a->key = b->key;
    b->key = mark.key;
    take_place(b, a);
    take_place(&mark, b);
    cshm_children_enter(a->parent, a);
    cshm_children_enter(b->parent, b);
    return 0;
}

struct cshm_node *cshm_tree_find(struct cshm_tree *tree, const struct cshm_text *path, size_t depth)
{
    struct cshm_node *node = &tree->root;
    for (size_t i = 0; node && i < depth; i++)
        node = node->type == CSHM_NODE_GROUP ? cshm_node_child(node, path[i]) : NULL;
    return node;
}

struct cshm_description *cshm_tree_describe(struct cshm_tree *tree, struct cshm_node *node)
{
    if (!node->described) {
        node->described = cshm_arena_alloc(&tree->arena, sizeof *node->described);
        if (node->described) {
            node->described->rank = CSHM_NO_RANK;
            node->described->dtype = &cshm_no_dtype;
            node->described->detail = &cshm_no_detail;
        }
    }
    return node->described;
}

const struct cshm_detail cshm_no_detail = {0};
const struct cshm_dtype cshm_no_dtype = {0};

struct cshm_detail *cshm_tree_detail(struct cshm_tree *tree, struct cshm_description *described)
{
    struct cshm_detail *own = cshm_arena_alloc(&tree->arena, sizeof *own);
    if (!own)
        return NULL;
    *own = *described->detail;
    described->detail = own;
    return own;
}

const void *cshm_tree_keep(struct cshm_tree *tree, const void *bytes, size_t length)
{
    for (size_t i = 0; i < CSHM_KEPT; i++)
        if (tree->kept[i].bytes && tree->kept[i].length == length &&
            memcmp(tree->kept[i].bytes, bytes, length) == 0)
            return tree->kept[i].bytes;
    char *copy = cshm_arena_alloc(&tree->arena, length);
    if (!copy)
        return NULL;
    if (length > 0)
        memcpy(copy, bytes, length);
    tree->kept[tree->kept_next++ % CSHM_KEPT] = (struct cshm_text){copy, length};
    return copy;
}

int cshm_tree_set_dtype(struct cshm_tree *tree, struct cshm_description *described,
                        const struct cshm_dtype *dtype)
{
    char text[CSHM_DTYPE_TEXT_MAX];
    cshm_dtype_format(dtype, text);
    const struct cshm_dtype *kept = cshm_tree_keep(tree, dtype, sizeof *dtype);
    const char *kept_text = cshm_tree_keep(tree, text, strlen(text) + 1);
    if (!kept || !kept_text)
        return -ENOMEM;
    described->dtype = kept;
    described->dtype_text = kept_text;
    return 0;
}

int cshm_tree_set_array(struct cshm_tree *tree, struct cshm_node *node,
                        const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape)
{
    if (rank > CSHM_RANK_MAX)
        return -EINVAL;
    uint64_t bytes;
    int result = cshm_dtype_array_size(dtype, rank, shape, &bytes);
    if (result < 0)
        return result;
    struct cshm_description *described = cshm_tree_describe(tree, node);
    static const uint64_t no_extents[1];
    const uint64_t *kept_shape =
        cshm_tree_keep(tree, rank > 0 ? shape : no_extents, rank * sizeof *shape);
    if (!described || !kept_shape || cshm_tree_set_dtype(tree, described, dtype) < 0)
        return -ENOMEM;
    described->rank = (int)rank;
    described->shape = kept_shape;
    described->bytes = bytes;
    return 0;
}

int cshm_tree_add_attribute(struct cshm_tree *tree, struct cshm_node *node, struct cshm_text name,
                            const struct cshm_value *value, const char *type)
{
    struct cshm_attribute **end = &node->attributes;
    for (; *end; end = &(*end)->next)
        if (cshm_text_equal((*end)->name, name))
            return -EEXIST;
    struct cshm_attribute *attribute = cshm_arena_alloc(&tree->arena, sizeof *attribute);
    if (!attribute)
        return -ENOMEM;
    attribute->name = cshm_arena_text(&tree->arena, name);
    if (type)
        attribute->type = cshm_arena_string(&tree->arena, type, strlen(type));
    if (!attribute->name.bytes || (type && !attribute->type) ||
        cshm_value_copy(&tree->arena, value, &attribute->value) < 0)
        return -ENOMEM;
    *end = attribute;
    return 0;
}

/* --- Moving around
 * --------------------------------------------------------------------------------- */

struct cshm_node *cshm_node_walk(const struct cshm_node *node, const struct cshm_node *top)
{
    if (node->first)
        return node->first;
    while (node != top) {
        if (node->next)
            return node->next;
        node = node->parent;
    }
    return NULL;
}

/* Fills `out` from its end towards its start; what does not fit at the front becomes "...". */
const char *cshm_node_path(const struct cshm_node *node, char *out, size_t size)
{
    if (size < 8) {
        if (size)
            out[0] = '\0';
        return out;
    }
    size_t at = size - 1;
    out[at] = '\0';
    for (; node && node->parent; node = node->parent) {
        char name[1024];
        cshm_text_escape(node->key.bytes, node->key.length, name, sizeof name);
        size_t length = strlen(name);
        if (length + 1 > at - 3) {
            at -= 3;
            memcpy(out + at, "...", 3);
            break;
        }
        at -= length;
        memcpy(out + at, name, length);
        out[--at] = '/';
    }
    if (out[at] == '\0')
        out[--at] = '/';
    memmove(out, out + at, size - at);
    return out;
}
