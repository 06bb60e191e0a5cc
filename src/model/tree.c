/* SPDX-License-Identifier: MIT */
#include "model/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/names.h"
#include "model/segments.h"

enum { INDEX_FROM = 8 }; /* children; below, a list walk is as fast as a hash */

struct cshm_tree *cshm_tree_create(void)
{
    struct cshm_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return NULL;
    tree->root.type = CSHM_NODE_GROUP;
    tree->root.key = cshm_text("");
    tree->facts.persistent = -1;
    return tree;
}

void cshm_tree_destroy(struct cshm_tree *tree)
{
    if (!tree)
        return;
    cshm_arena_finish(&tree->arena);
    free(tree->segments.slots);
    free(tree);
}

/* --- Index: open addressing, linear probing; a removed child leaves the group itself as a mark.
 * --- */

static void index_put(struct cshm_node *group, struct cshm_node *child)
{
    struct cshm_children *children = group->children;
    uint32_t mask = children->index_size - 1;
    uint32_t at = (uint32_t)cshm_hash(child->key.bytes, child->key.length) & mask;
    while (children->index[at] && children->index[at] != group)
        at = (at + 1) & mask;
    children->index_used += !children->index[at];
    children->index[at] = child;
}

static void index_fill(struct cshm_node *group)
{
    group->children->index_used = 0;
    cshm_for_each_child (child, group)
        index_put(group, child);
}

static int index_grow(struct cshm_tree *tree, struct cshm_node *group)
{
    struct cshm_children *children = group->children;
    uint32_t size = children->index_size ? children->index_size * 2 : 32;
    struct cshm_node **index = cshm_arena_array(&tree->arena, size, sizeof(struct cshm_node *));
    if (!index)
        return -ENOMEM;
    children->index = index;
    children->index_size = size;
    index_fill(group);
    return 0;
}

/* Enters the child that was just appended; at most half full of children, three quarters in all. */
static int index_enter(struct cshm_tree *tree, struct cshm_node *group)
{
    struct cshm_children *children = group->children;
    if (!children->index && children->count < INDEX_FROM)
        return 0;
    if (!children->index || children->count * 2 > children->index_size)
        return index_grow(tree, group);
    if (children->index_used + 1 > children->index_size / 4 * 3) {
        memset(children->index, 0, children->index_size * sizeof(struct cshm_node *));
        index_fill(group);
        return 0;
    }
    index_put(group, children->last);
    return 0;
}

static struct cshm_node **index_find(const struct cshm_node *group, struct cshm_text key)
{
    const struct cshm_children *children = group->children;
    uint32_t mask = children->index_size - 1;
    uint32_t at = (uint32_t)cshm_hash(key.bytes, key.length) & mask;
    for (; children->index[at]; at = (at + 1) & mask)
        if (children->index[at] != group && cshm_text_equal(children->index[at]->key, key))
            return &children->index[at];
    return NULL;
}

struct cshm_node *cshm_node_child(const struct cshm_node *group, struct cshm_text key)
{
    if (group->children && group->children->index) {
        struct cshm_node **found = index_find(group, key);
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
    return index_enter(tree, group);
}

static void index_leave(struct cshm_node *node)
{
    struct cshm_node *group = node->parent;
    struct cshm_node **slot = group->children->index ? index_find(group, node->key) : NULL;
    if (slot)
        *slot = group;
}

/* Out of its group, not out of the tree. */
static void unlink_child(struct cshm_node *node)
{
    struct cshm_node *group = node->parent;
    struct cshm_children *children = group->children;
    index_leave(node);
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
    return index_enter(to, group);
}

static bool is_at_or_above(const struct cshm_node *upper, const struct cshm_node *node)
{
    for (; node; node = node->parent)
        if (node == upper)
            return true;
    return false;
}

/* Whether `node` fits below `group`. Its levels are only counted where the tree's may be too many. */
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

/* Makes sure that entering one more child cannot fail. */
static int index_reserve(struct cshm_tree *tree, struct cshm_node *group)
{
    const struct cshm_children *children = group->children;
    if (children->index ? (children->count + 1) * 2 > children->index_size
                        : children->count + 1 >= INDEX_FROM)
        return index_grow(tree, group);
    return 0;
}

/* Fills the index anew where two more might be too many. Whether it did. */
static bool index_renew(struct cshm_node *group)
{
    const struct cshm_children *children = group->children;
    if (children->index_used + 2 <= children->index_size / 4 * 3)
        return false;
    memset(children->index, 0, children->index_size * sizeof(struct cshm_node *));
    index_fill(group);
    return true;
}

/* Enters one that is in the list already. */
static void enter_child(struct cshm_node *group, struct cshm_node *child)
{
    if (group->children->index && !index_renew(group))
        index_put(group, child);
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
        result = index_reserve(tree, group);
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
    enter_child(group, node);
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
    index_leave(a);
    index_leave(b);
    take_place(a, &mark);
    a->key = b->key;
    b->key = mark.key;
    take_place(b, a);
    take_place(&mark, b);
    bool renewed = a->parent->children->index && index_renew(a->parent);
    if (a->parent->children->index && !renewed)
        index_put(a->parent, a);
    if (b->parent != a->parent)
        enter_child(b->parent, b);
    else if (b->parent->children->index && !renewed)
        index_put(b->parent, b);
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
            node->described->detail = &cshm_no_detail;
        }
    }
    return node->described;
}

const struct cshm_detail cshm_no_detail = {0};

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
    char text[CSHM_DTYPE_TEXT_MAX];
    cshm_dtype_format(dtype, text);
    const char *kept_text = cshm_tree_keep(tree, text, strlen(text) + 1);
    if (!described || !kept_shape || !kept_text)
        return -ENOMEM;
    described->dtype = *dtype;
    described->dtype_text = kept_text;
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
