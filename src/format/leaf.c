/* SPDX-License-Identifier: MIT */
#include "format/leaf.h"

#include <errno.h>

#include "base/names.h"
#include "format/describe.h"

static int read_attributes(struct cshm_tree *tree, struct cshm_node *node,
                           const struct cshm_value *table)
{
    /* One bad attribute does not make an array unusable. */
    struct cshm_complaint ignored = {.lenient = true};
    return cshm_attributes_read(tree, node, cshm_value_get(table, "attrs"),
                                cshm_value_get(table, "attr_types"),
                                cshm_table_flag(table, "bytes_attrs"), &ignored);
}

/*
 * Decided from what is kept, so that a manifest written again says of the same nodes that they are
 * broken.
 */
static bool is_usable(const struct cshm_node *node)
{
    const struct cshm_description *described = node->described;
    uint64_t bytes;
    if (!described)
        return true;
    if (described->dtype_text && !described->dtype->kind)
        return false;
    if (described->dtype_text && described->rank >= 0 &&
        cshm_dtype_array_size(described->dtype, (size_t)described->rank, described->shape, &bytes) <
            0)
        return false;
    return node->type != CSHM_NODE_ARRAY ||
           (described->dtype_text && described->rank >= 0 && described->segment);
}

static int set_problem(struct cshm_tree *tree, struct cshm_node *node,
                       const struct cshm_complaint *complaint)
{
    if (is_usable(node))
        return 0;
    const char *text = complaint->error.text;
    node->problem = cshm_arena_string(&tree->arena, text, strlen(text));
    return node->problem ? 0 : -ENOMEM;
}

static int read_segment(struct cshm_tree *tree, struct cshm_node *node, struct cshm_text name,
                        struct cshm_complaint *complaint)
{
    if (!cshm_segment_name_valid(name.bytes, name.length)) {
        char shown[256];
        cshm_complain(complaint, NULL, "shm_name \"%s\" is not a name for a segment",
                      cshm_text_escape(name.bytes, name.length, shown, sizeof shown));
        return 0;
    }
    node->described->segment = cshm_arena_string(&tree->arena, name.bytes, name.length);
    return node->described->segment ? 0 : -ENOMEM;
}

static void check_leaf(const struct cshm_node *node, struct cshm_complaint *complaint)
{
    if (!node->described->dtype_text)
        cshm_complain(complaint, NULL, "it has no dtype");
    else if (node->described->rank < 0)
        cshm_complain(complaint, NULL, "it has no shape");
}

int cshm_leaf_read(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_value *table,
                   struct cshm_text shm_name)
{
    struct cshm_complaint complaint = {.lenient = true};
    if (!cshm_tree_describe(tree, node) || cshm_describe_read(tree, node, table, &complaint) < 0)
        return -ENOMEM;
    check_leaf(node, &complaint);
    int result = read_segment(tree, node, shm_name, &complaint);
    if (result == 0)
        result = set_problem(tree, node, &complaint);
    return result < 0 ? result : read_attributes(tree, node, table);
}

int cshm_note_read(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_value *table)
{
    struct cshm_complaint complaint = {.lenient = true};
    if (cshm_describe_read(tree, node, table, &complaint) < 0)
        return -ENOMEM;
    if (node->described) /* these are said of leaves only */
        node->described->empty_rest = node->described->linked = false;
    if (node->described && node->type != CSHM_NODE_GROUP)
        node->described->undeclared = false;
    int result = node->type == CSHM_NODE_BARE ? set_problem(tree, node, &complaint) : 0;
    return result < 0 ? result : read_attributes(tree, node, table);
}
