/* SPDX-License-Identifier: MIT */
/* What one node says, said by another: a deep copy of everything but key, children and place. */
#include <errno.h>

#include "model/segments.h"

static int copy_string(struct cshm_arena *arena, const char **string)
{
    if (*string)
        *string = cshm_arena_string(arena, *string, strlen(*string));
    else
        return 0;
    return *string ? 0 : -ENOMEM;
}

static int copy_enumeration(struct cshm_arena *arena, struct cshm_detail *detail)
{
    if (!detail->enumeration)
        return 0;
    struct cshm_value *copy = cshm_arena_alloc(arena, sizeof *copy);
    if (!copy || cshm_value_copy(arena, detail->enumeration, copy) < 0)
        return -ENOMEM;
    detail->enumeration = copy;
    return 0;
}

static int copy_detail(struct cshm_tree *tree, struct cshm_description *described)
{
    if (described->detail == &cshm_no_detail)
        return 0;
    struct cshm_arena *arena = &tree->arena;
    struct cshm_detail *copy = cshm_tree_detail(tree, described);
    if (!copy)
        return -ENOMEM;
    const char *tag = copy->tag.bytes;
    if (tag)
        copy->tag = cshm_arena_text(arena, copy->tag);
    return (tag && !copy->tag.bytes) || copy_string(arena, &copy->kind) < 0 ||
                   copy_string(arena, &copy->encoding) < 0
               ? -ENOMEM
               : copy_enumeration(arena, copy);
}

static int copy_kept(struct cshm_tree *tree, struct cshm_description *described)
{
    if (described->rank > 0) {
        size_t bytes = (size_t)described->rank * sizeof *described->shape;
        described->shape = cshm_tree_keep(tree, described->shape, bytes);
        if (!described->shape)
            return -ENOMEM;
    }
    if (described->dtype != &cshm_no_dtype)
        described->dtype = cshm_tree_keep(tree, described->dtype, sizeof *described->dtype);
    if (!described->dtype)
        return -ENOMEM;
    if (described->dtype_text) {
        described->dtype_text =
            cshm_tree_keep(tree, described->dtype_text, strlen(described->dtype_text) + 1);
        if (!described->dtype_text)
            return -ENOMEM;
    }
    return 0;
}

static int copy_description(struct cshm_tree *tree, const struct cshm_description *from,
                            struct cshm_description **out)
{
    *out = NULL;
    if (!from)
        return 0;
    struct cshm_description *copy = cshm_arena_alloc(&tree->arena, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *copy = *from;
    copy->next_holder = copy->previous_holder = NULL;
    if (copy_string(&tree->arena, &copy->segment) < 0 || copy_kept(tree, copy) < 0 ||
        copy_detail(tree, copy) < 0)
        return -ENOMEM;
    *out = copy;
    return 0;
}

static int copy_attributes(struct cshm_arena *arena, const struct cshm_attribute *from,
                           struct cshm_attribute **out)
{
    *out = NULL;
    for (; from; from = from->next) {
        struct cshm_attribute *copy = cshm_arena_alloc(arena, sizeof *copy);
        if (!copy)
            return -ENOMEM;
        copy->name = cshm_arena_text(arena, from->name);
        copy->type = from->type;
        if (!copy->name.bytes || copy_string(arena, &copy->type) < 0 ||
            cshm_value_copy(arena, &from->value, &copy->value) < 0)
            return -ENOMEM;
        *out = copy;
        out = &copy->next;
    }
    return 0;
}

int cshm_tree_say(struct cshm_tree *tree, struct cshm_node *to, const struct cshm_node *from)
{
    struct cshm_description *described;
    struct cshm_attribute *attributes;
    const char *problem = from->problem;
    if (to->first && from->type != CSHM_NODE_GROUP)
        return -ENOTEMPTY;
    int result = copy_description(tree, from->described, &described);
    if (result == 0)
        result = copy_attributes(&tree->arena, from->attributes, &attributes);
    if (result == 0)
        result = copy_string(&tree->arena, &problem);
    if (result == 0)
        result = cshm_segments_reserve(tree, 1);
    if (result < 0)
        return result;
    cshm_segments_leave(tree, to);
    to->type = from->type;
    to->described = described;
    to->attributes = attributes;
    to->problem = problem;
    cshm_segments_enter(tree, to);
    return 0;
}
