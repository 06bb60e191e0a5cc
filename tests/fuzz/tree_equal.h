/* SPDX-License-Identifier: MIT */
/*
 * Whether two trees, or two nodes, say the same: what "reads back equal" means in tests and
 * fuzzers.
 */
#ifndef TESTS_FUZZ_TREE_EQUAL_H
#define TESTS_FUZZ_TREE_EQUAL_H

#include <stdbool.h>
#include <string.h>

#include "model/tree.h"

static inline bool same_string(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool same_attributes(const struct cshm_node *a, const struct cshm_node *b)
{
    const struct cshm_attribute *x = a->attributes;
    const struct cshm_attribute *y = b->attributes;
    for (; x && y; x = x->next, y = y->next)
        if (!cshm_text_equal(x->name, y->name) || !cshm_value_equal(&x->value, &y->value) ||
            !same_string(x->type, y->type))
            return false;
    return !x && !y;
}

static inline bool same_enumeration(const struct cshm_value *a, const struct cshm_value *b)
{
    return a == b || (a && b && cshm_value_equal(a, b));
}

static inline bool same_shape(const struct cshm_description *a, const struct cshm_description *b)
{
    return a->rank == b->rank &&
           (a->rank <= 0 || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0);
}

static inline bool same_dtype(const struct cshm_dtype *a, const struct cshm_dtype *b)
{
    return a->kind == b->kind && a->byte_order == b->byte_order && a->itemsize == b->itemsize &&
           strcmp(a->unit, b->unit) == 0;
}

static inline bool same_detail(const struct cshm_detail *a, const struct cshm_detail *b)
{
    return same_string(a->kind, b->kind) && same_string(a->encoding, b->encoding) &&
           !a->tag.bytes == !b->tag.bytes && cshm_text_equal(a->tag, b->tag) &&
           same_enumeration(a->enumeration, b->enumeration);
}

/* No description is the same as one that says nothing. */
static inline bool same_description(const struct cshm_description *a,
                                    const struct cshm_description *b)
{
    static const struct cshm_description nothing = {.rank = CSHM_NO_RANK,
                                                    .dtype = &cshm_no_dtype,
                                                    .detail = &cshm_no_detail};
    a = a ? a : &nothing;
    b = b ? b : &nothing;
    return same_string(a->dtype_text, b->dtype_text) && same_dtype(a->dtype, b->dtype) &&
           same_shape(a, b) && same_detail(a->detail, b->detail) &&
           same_string(a->segment, b->segment) && a->bytes == b->bytes &&
           a->undeclared == b->undeclared && a->empty_rest == b->empty_rest &&
           a->linked == b->linked;
}

/* The text of a problem names what was wrong, which is not kept; that there is one is. */
static inline bool same_node(const struct cshm_node *a, const struct cshm_node *b)
{
    return a->type == b->type && cshm_text_equal(a->key, b->key) &&
           cshm_node_child_count(a) == cshm_node_child_count(b) && !a->problem == !b->problem &&
           same_description(a->described, b->described) && same_attributes(a, b);
}

static inline bool same_facts(const struct cshm_project_facts *a,
                              const struct cshm_project_facts *b)
{
    return same_string(a->source, b->source) && same_string(a->created, b->created) &&
           same_string(a->source_path, b->source_path) &&
           same_string(a->source_changed, b->source_changed) &&
           same_string(a->source_part, b->source_part) && a->source_size == b->source_size &&
           a->owner.pid == b->owner.pid && a->owner.start == b->owner.start &&
           a->generation == b->generation &&
           a->folded_generation == b->folded_generation && a->folded_bytes == b->folded_bytes &&
           a->persistent == b->persistent &&
           a->present == b->present;
}

/* Preorder with child counts determines the whole tree. */
static inline bool same_tree(const struct cshm_tree *a, const struct cshm_tree *b)
{
    const struct cshm_node *x = &a->root;
    const struct cshm_node *y = &b->root;
    for (; x && y; x = cshm_node_walk(x, &a->root), y = cshm_node_walk(y, &b->root))
        if (!same_node(x, y))
            return false;
    return !x && !y && a->node_count == b->node_count && same_facts(&a->facts, &b->facts);
}

#endif
