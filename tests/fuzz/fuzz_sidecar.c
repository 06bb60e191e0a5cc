/* SPDX-License-Identifier: MIT */
/* A sidecar that is accepted is rendered as one that is accepted and says the same. */
#include <stdint.h>
#include <stdlib.h>

#include "format/sidecar.h"
#include "tree_equal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int parse(const char *text, size_t size, bool is_group, struct cshm_tree *tree,
                 struct cshm_node **node)
{
    struct cshm_sidecar_hints hints;
    require(cshm_tree_add(tree, &tree->root, cshm_text("x"),
                          is_group ? CSHM_NODE_GROUP : CSHM_NODE_BARE, node) == 0);
    return cshm_sidecar_parse(text, size, is_group, tree, *node, &hints, NULL);
}

static void check_round_trip(const char *text, size_t size, bool is_group)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    CSHM_AUTO_TREE struct cshm_tree *other = cshm_tree_create();
    struct cshm_node *node;
    struct cshm_node *again;
    require(tree && other);
    if (parse(text, size, is_group, tree, &node) < 0)
        return;
    const struct cshm_sidecar_facts facts = {.project = "p", .remark = "not\nthis"};
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    require(cshm_sidecar_render(tree, node, &facts, &out) == 0);
    require(parse(out.bytes, out.length, is_group, other, &again) == 0);
    require(same_node(node, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_round_trip((const char *)data, size, false);
    check_round_trip((const char *)data, size, true);
    return 0;
}
