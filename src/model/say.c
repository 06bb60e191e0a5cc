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

static int copy_shape(struct cshm_arena *arena, struct cshm_description *described)
{
    if (described->rank < 0)
        return 0;
    uint64_t *shape = cshm_arena_array(arena, (size_t)described->rank, sizeof *shape);
    if (!shape)
        return -ENOMEM;
    if (described->rank > 0)
        memcpy(shape, described->shape, (size_t)described->rank * sizeof *shape);
    described->shape = shape;
    return 0;
}

static int copy_enumeration(struct cshm_arena *arena, struct cshm_description *described)
{
    if (!described->enumeration)
        return 0;
    struct cshm_value *copy = cshm_arena_alloc(arena, sizeof *copy);
    if (!copy || cshm_value_copy(arena, described->enumeration, copy) < 0)
        return -ENOMEM;
    described->enumeration = copy;
    return 0;
}

static int copy_description(struct cshm_arena *arena, const struct cshm_description *from,
                            struct cshm_description **out)
{
    *out = NULL;
    if (!from)
        return 0;
    struct cshm_description *copy = cshm_arena_alloc(arena, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *copy = *from;
    copy->next_holder = copy->previous_holder = NULL;
    copy->shared_with = NULL;
    if (from->tag.bytes)
        copy->tag = cshm_arena_text(arena, from->tag);
    if ((from->tag.bytes && !copy->tag.bytes) || copy_string(arena, &copy->dtype_text) < 0 ||
        copy_string(arena, &copy->kind) < 0 || copy_string(arena, &copy->encoding) < 0 ||
        copy_string(arena, &copy->segment) < 0 || copy_shape(arena, copy) < 0 ||
        copy_enumeration(arena, copy) < 0)
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
    int result = copy_description(&tree->arena, from->described, &described);
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
