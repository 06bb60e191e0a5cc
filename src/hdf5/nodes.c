/* SPDX-License-Identifier: MIT */
#include "hdf5/nodes.h"

#include <errno.h>

int cshm_nodes_add(struct cshm_loader *loader, struct cshm_node *group, struct cshm_text key,
                   enum cshm_node_type type, struct cshm_node **out)
{
    int result = cshm_tree_add(loader->tree, group, key, type, out);
    switch (result) {
    case 0:
        return 0;
    case -EMFILE:
        return cshm_loader_fail_all(loader, -EMFILE, "more than %d groups and arrays",
                                    CSHM_NODES_MAX);
    case -ELOOP:
        return cshm_fail(&loader->error, -ELOOP, "nested deeper than %d levels", CSHM_DEPTH_MAX);
    case -EEXIST:
        return cshm_fail(&loader->error, -EINVAL, "the name is there twice");
    default:
        return cshm_loader_fail_all(loader, result, "out of memory");
    }
}

static int no_memory(struct cshm_loader *loader)
{
    return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
}

/* What is said of arrays and of groups alike. Static strings of the plan stay; the rest is copied.
 */
static int describe_common(struct cshm_loader *loader, const struct cshm_plan *plan,
                           struct cshm_node *node)
{
    struct cshm_arena *arena = &loader->tree->arena;
    struct cshm_description *described = cshm_tree_describe(loader->tree, node);
    if (!described)
        return no_memory(loader);
    if (!plan->described_as && !plan->encoding && !plan->tag.bytes && !plan->enumeration)
        return 0;
    struct cshm_detail *detail = cshm_tree_detail(loader->tree, described);
    if (!detail)
        return no_memory(loader);
    detail->kind = plan->described_as;
    detail->encoding = plan->encoding;
    if (plan->tag.bytes && !detail->tag.bytes) {
        detail->tag = cshm_arena_text(arena, plan->tag);
        if (!detail->tag.bytes)
            return no_memory(loader);
    }
    if (plan->enumeration && !detail->enumeration) {
        struct cshm_value *copy = cshm_arena_alloc(arena, sizeof *copy);
        if (!copy || cshm_value_copy(arena, plan->enumeration, copy) < 0)
            return no_memory(loader);
        detail->enumeration = copy;
    }
    return 0;
}

static struct cshm_dtype dtype_of(const struct cshm_plan *plan)
{
    if (plan->kind == CSHM_PLAN_PLAIN)
        return plan->dtype;
    return (struct cshm_dtype){
        .kind = 'S', .byte_order = '|', .itemsize = plan->longest ? plan->longest : 1};
}

static int describe_array(struct cshm_loader *loader, const struct cshm_plan *plan,
                          struct cshm_node *node, size_t rank, const uint64_t *shape)
{
    struct cshm_dtype dtype = dtype_of(plan);
    int result = cshm_tree_set_array(loader->tree, node, &dtype, rank, shape);
    if (result == -ENOMEM)
        return no_memory(loader);
    if (result < 0)
        return cshm_fail(&loader->error, result, "declares an array of impossible size");
    return 0;
}

static int describe_group(struct cshm_loader *loader, struct cshm_node *node, size_t rank,
                          const uint64_t *shape)
{
    uint64_t *copy = cshm_arena_array(&loader->tree->arena, rank, sizeof *copy);
    if (!copy)
        return no_memory(loader);
    if (rank)
        memcpy(copy, shape, rank * sizeof *copy);
    node->described->rank = (int)rank;
    node->described->shape = copy;
    return 0;
}

/* The child for a part: there already when a node is described again. */
static int part_node(struct cshm_loader *loader, struct cshm_node *group, struct cshm_text key,
                     enum cshm_node_type type, bool is_new, struct cshm_node **out)
{
    *out = is_new ? NULL : cshm_node_child(group, key);
    return *out ? 0 : cshm_nodes_add(loader, group, key, type, out);
}

static int describe_fields(struct cshm_loader *loader, const struct cshm_plan *plan,
                           struct cshm_node *node, size_t rank, const uint64_t *shape)
{
    bool is_new = node->first == NULL;
    for (const struct cshm_plan *field = plan->first; field; field = field->next) {
        struct cshm_node *child;
        int result =
            part_node(loader, node, field->name, cshm_plan_node_type(field), is_new, &child);
        if (result == 0)
            result = cshm_nodes_describe(loader, field, child, rank, shape);
        if (result < 0 && !loader->fatal)
            (void)cshm_error_prefix(&loader->error, "field %s", field->name.bytes);
        if (result < 0)
            return result;
    }
    return 0;
}

static int describe_sequence(struct cshm_loader *loader, const struct cshm_plan *plan,
                             struct cshm_node *node, size_t rank, const uint64_t *shape)
{
    uint64_t offsets = 1;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(offsets, shape[i], &offsets))
            return cshm_fail(&loader->error, -EOVERFLOW, "declares an array of impossible size");
    if (__builtin_add_overflow(offsets, 1, &offsets))
        return cshm_fail(&loader->error, -EOVERFLOW, "declares an array of impossible size");
    bool is_new = node->first == NULL;
    struct cshm_node *child;
    int result = part_node(loader, node, cshm_text("values"), cshm_plan_node_type(plan->first),
                           is_new, &child);
    if (result == 0)
        result = cshm_nodes_describe(loader, plan->first, child, 1, &plan->total);
    if (result == 0)
        result = part_node(loader, node, cshm_text("offsets"), CSHM_NODE_ARRAY, is_new, &child);
    if (result < 0)
        return result;
    static const struct cshm_plan numbers = {
        .kind = CSHM_PLAN_PLAIN,
        .count = 1,
        .size = 8,
        .dtype = {.kind = 'u', .byte_order = '<', .itemsize = 8},
    };
    return cshm_nodes_describe(loader, &numbers, child, 1, &offsets);
}

int cshm_nodes_describe(struct cshm_loader *loader, const struct cshm_plan *plan,
                        struct cshm_node *node, size_t rank, const uint64_t *shape)
{
    uint64_t whole[CSHM_RANK_MAX];
    if (rank + plan->rank > CSHM_RANK_MAX)
        return cshm_fail(&loader->error, -ENOTSUP, "has more than %d dimensions", CSHM_RANK_MAX);
    if (rank)
        memcpy(whole, shape, rank * sizeof *whole);
    if (plan->rank)
        memcpy(whole + rank, plan->dims, plan->rank * sizeof *whole);
    rank += plan->rank;
    int result = describe_common(loader, plan, node);
    if (result < 0)
        return result;
    if (cshm_plan_node_type(plan) == CSHM_NODE_ARRAY)
        return describe_array(loader, plan, node, rank, whole);
    result = describe_group(loader, node, rank, whole);
    if (result < 0)
        return result;
    return plan->kind == CSHM_PLAN_COMPOUND ? describe_fields(loader, plan, node, rank, whole)
                                            : describe_sequence(loader, plan, node, rank, whole);
}

int cshm_nodes_describe_null(struct cshm_loader *loader, const struct cshm_plan *plan,
                             struct cshm_node *node)
{
    int result = describe_common(loader, plan, node);
    if (result < 0)
        return result;
    node->described->rank = CSHM_SHAPE_NULL;
    if (cshm_plan_node_type(plan) != CSHM_NODE_ARRAY)
        return 0;
    struct cshm_dtype dtype = dtype_of(plan);
    result = cshm_tree_set_dtype(loader->tree, node->described, &dtype);
    return result < 0 ? no_memory(loader) : 0;
}

void cshm_nodes_bind(struct cshm_plan *plan, struct cshm_node *node)
{
    plan->node = node;
    struct cshm_node *child = node->first;
    /* A sequence's element is its `values`, the first child; `offsets` is found by being the last.
     */
    for (struct cshm_plan *part = plan->first; part && child; part = part->next) {
        cshm_nodes_bind(part, child);
        child = child->next;
    }
}
