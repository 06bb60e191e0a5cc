/* SPDX-License-Identifier: MIT */
#include "model/operation.h"

#include <errno.h>
#include <string.h>

#include "model/segments.h"

/* The group that the path's last key is in. */
static int find_group(struct cshm_tree *tree, const struct cshm_text *path, size_t depth,
                      struct cshm_node **out)
{
    if (depth == 0)
        return -EINVAL;
    struct cshm_node *node = &tree->root;
    for (size_t i = 0; i + 1 < depth; i++) {
        if (node->type != CSHM_NODE_GROUP)
            return -ENOTDIR;
        node = cshm_node_child(node, path[i]);
        if (!node)
            return -ENOENT;
    }
    *out = node;
    return node->type == CSHM_NODE_GROUP ? 0 : -ENOTDIR;
}

static int find_put(struct cshm_tree *tree, const struct cshm_operation *operation,
                    struct cshm_operation_place *place)
{
    const struct cshm_node *from = operation->node;
    bool has_segment = from->described && from->described->segment;
    if (from->type == CSHM_NODE_ARRAY ? !from->described : has_segment)
        return -EINVAL;
    if (operation->depth == 0) {
        place->node = &tree->root;
        return from->type == CSHM_NODE_GROUP ? 0 : -EINVAL;
    }
    struct cshm_node *group;
    int result = find_group(tree, operation->path, operation->depth, &group);
    if (result < 0)
        return result;
    place->node = cshm_node_child(group, operation->path[operation->depth - 1]);
    place->group = place->node ? NULL : group;
    return place->node && place->node->first && from->type != CSHM_NODE_GROUP ? -ENOTEMPTY : 0;
}

static bool is_above(const struct cshm_node *upper, const struct cshm_node *node)
{
    while (node && node != upper)
        node = node->parent;
    return node != NULL;
}

static int find_move(struct cshm_tree *tree, const struct cshm_operation *operation,
                     struct cshm_operation_place *place)
{
    int result = find_group(tree, operation->to, operation->to_depth, &place->group);
    if (result < 0)
        return result;
    place->there = cshm_node_child(place->group, operation->to[operation->to_depth - 1]);
    if (operation->exchange && !place->there)
        return -ENOENT;
    if (place->there == place->node)
        return 0;
    return is_above(place->node, place->group) ||
                   (place->there && is_above(place->there, place->node))
               ? -EINVAL
               : 0;
}

int cshm_operation_find(struct cshm_tree *tree, const struct cshm_operation *operation,
                        struct cshm_operation_place *place)
{
    *place = (struct cshm_operation_place){0};
    if (operation->kind == CSHM_OPERATION_PUT)
        return find_put(tree, operation, place);
    struct cshm_node *group;
    int result = find_group(tree, operation->path, operation->depth, &group);
    if (result < 0)
        return result;
    place->node = cshm_node_child(group, operation->path[operation->depth - 1]);
    if (!place->node)
        return -ENOENT;
    return operation->kind == CSHM_OPERATION_MOVE ? find_move(tree, operation, place) : 0;
}

/* Whether a node that gets this segment gets one that other projects name, too. */
static bool is_linked(const struct cshm_tree *tree, const struct cshm_node *there,
                      const char *segment)
{
    const struct cshm_node *first = segment ? cshm_tree_find_segment(tree, segment) : NULL;
    const char *before = there ? cshm_node_segment(there) : NULL;
    return (first && first->described->linked) ||
           (before && segment && there->described->linked && strcmp(before, segment) == 0);
}

/* That a segment is linked stays said, whoever says anew what names it. */
static int apply_put(struct cshm_tree *tree, const struct cshm_operation *operation,
                     struct cshm_operation_place *place)
{
    int result = 0;
    bool linked = is_linked(tree, place->node, cshm_node_segment(operation->node));
    if (!place->node)
        result = cshm_tree_add(tree, place->group, operation->path[operation->depth - 1],
                               operation->node->type, &place->node);
    if (result == 0)
        result = cshm_tree_say(tree, place->node, operation->node);
    if (result == 0 && linked)
        cshm_segments_link(tree, place->node);
    return result;
}

int cshm_operation_apply(struct cshm_tree *tree, const struct cshm_operation *operation,
                         struct cshm_operation_place *place)
{
    switch (operation->kind) {
    case CSHM_OPERATION_REMOVE:
        cshm_tree_remove(tree, place->node);
        return 0;
    case CSHM_OPERATION_PUT:
        return apply_put(tree, operation, place);
    default:
        return operation->exchange ? cshm_tree_exchange(tree, place->node, place->there)
                                   : cshm_tree_place(tree, place->node, place->group,
                                                     operation->to[operation->to_depth - 1]);
    }
}
