/* SPDX-License-Identifier: MIT */
#include "model/declare.h"

#include <errno.h>

#include "model/fit.h"

static bool same_strings(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_shapes(const struct cshm_description *a, const struct cshm_description *b)
{
    return a->rank == b->rank &&
           (a->rank <= 0 || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0);
}

/* --- What is wanted and what is there -----------------------------------------------------------
 */

/* What was not said of the elements stays, unless they are others. */
static int merge_details(struct cshm_tree *tree, struct cshm_description *described,
                         const struct cshm_description *wanted)
{
    const struct cshm_detail *said = wanted->detail;
    if (said == &cshm_no_detail)
        return 0;
    struct cshm_detail *detail = cshm_tree_detail(tree, described);
    if (!detail)
        return -ENOMEM;
    if (said->kind)
        detail->kind = said->kind;
    if (said->encoding)
        detail->encoding = said->encoding;
    if (said->tag.bytes)
        detail->tag = said->tag;
    if (said->enumeration)
        detail->enumeration = said->enumeration;
    return 0;
}

static int size_array(struct cshm_tree *tree, struct cshm_node *node,
                      const struct cshm_declaration *declaration, enum cshm_declared *how,
                      struct cshm_error *error)
{
    struct cshm_description *described = node->described;
    int result = cshm_tree_set_array(tree, node, described->dtype, (size_t)described->rank,
                                     described->shape);
    if (result == -EOVERFLOW)
        return cshm_fail(error, -EINVAL, "shape and dtype are too large");
    if (result < 0)
        return result;
    uint64_t all;
    bool fits = described->bytes == declaration->length ||
                (!__builtin_add_overflow(described->bytes, declaration->rest, &all) &&
                 all == declaration->length);
    *how = fits ? CSHM_DECLARED_FITS : CSHM_DECLARED_SIZE;
    described->empty_rest = fits && described->bytes == 0 && declaration->length > 0;
    return 0;
}

int cshm_declare(struct cshm_tree *tree, struct cshm_node *node,
                 const struct cshm_declaration *declaration, enum cshm_declared *how,
                 struct cshm_error *error)
{
    const struct cshm_description *present = declaration->present;
    const struct cshm_description *wanted = declaration->wanted;
    struct cshm_description *described = cshm_tree_describe(tree, node);
    if (!described)
        return -ENOMEM;
    *described = *present;
    described->segment = NULL;
    described->next_holder = described->previous_holder = NULL;
    described->undeclared = false;
    *how = CSHM_DECLARED_SAME;
    if (!wanted)
        return 0;
    if (wanted->rank == CSHM_SHAPE_NULL)
        return cshm_fail(error, -EINVAL,
                         "an array that has data cannot become a null dataset: remove it first");
    bool has_shape = wanted->rank >= 0;
    bool new_dtype = wanted->dtype_text && !same_strings(wanted->dtype_text, present->dtype_text);
    bool new_shape = has_shape && !same_shapes(wanted, present);
    if (wanted->dtype_text)
        described->detail = wanted->detail;
    else if (merge_details(tree, described, wanted) < 0)
        return -ENOMEM;
    if (!new_dtype && !new_shape)
        return 0;
    if (new_dtype) {
        described->dtype = wanted->dtype;
        described->dtype_text = wanted->dtype_text;
    }
    if (!described->dtype->kind)
        return cshm_fail(error, -EINVAL, "a dtype is needed with the shape");
    if (!has_shape) {
        *how = CSHM_DECLARED_FITS;
        return cshm_tree_fit_vector(tree, node, described->dtype, declaration->length);
    }
    described->rank = wanted->rank;
    described->shape = wanted->shape;
    return size_array(tree, node, declaration, how, error);
}

/* --- Comparing ----------------------------------------------------------------------------------
 */

static bool same_details(const struct cshm_detail *a, const struct cshm_detail *b)
{
    bool enumerated = a->enumeration && b->enumeration;
    return same_strings(a->kind, b->kind) && same_strings(a->encoding, b->encoding) &&
           !a->tag.bytes == !b->tag.bytes && cshm_text_equal(a->tag, b->tag) &&
           !a->enumeration == !b->enumeration &&
           (!enumerated || cshm_value_equal(a->enumeration, b->enumeration));
}

static bool same_descriptions(const struct cshm_description *a, const struct cshm_description *b)
{
    static const struct cshm_description none = {
        .dtype = &cshm_no_dtype, .detail = &cshm_no_detail, .rank = CSHM_NO_RANK};
    a = a ? a : &none;
    b = b ? b : &none;
    return same_strings(a->dtype_text, b->dtype_text) && same_shapes(a, b) &&
           same_details(a->detail, b->detail) && a->undeclared == b->undeclared &&
           a->empty_rest == b->empty_rest;
}

bool cshm_node_says_same(const struct cshm_node *a, const struct cshm_node *b)
{
    if (a->type != b->type || !same_descriptions(a->described, b->described))
        return false;
    const struct cshm_attribute *one = a->attributes;
    const struct cshm_attribute *other = b->attributes;
    for (; one && other; one = one->next, other = other->next)
        if (!cshm_text_equal(one->name, other->name) || !same_strings(one->type, other->type) ||
            !cshm_value_equal(&one->value, &other->value))
            return false;
    return !one && !other;
}
