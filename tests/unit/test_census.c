/* SPDX-License-Identifier: MIT */
/* Counts that are kept by each operation are those that a new count of the tree finds. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "census.h"

enum { OPERATIONS = 5000, DEEPEST = 5 };

static const char *const keys[] = {"a", "b", "c", "d"};

static unsigned some(unsigned *state, unsigned below)
{
    *state = *state * 1103515245 + 12345;
    return (*state >> 16) % below;
}

static size_t some_path(unsigned *state, struct cshm_text path[DEEPEST])
{
    size_t depth = 1 + some(state, DEEPEST);
    for (size_t i = 0; i < depth; i++)
        path[i] = cshm_text(keys[some(state, sizeof keys / sizeof keys[0])]);
    return depth;
}

/* A group, or an array of up to half of what 64 bits count, so that sums go over. */
static struct cshm_node *something(unsigned *state, struct cshm_tree *tree)
{
    static const uint64_t sizes[] = {0, 8, 1 << 20, UINT64_C(1) << 62};
    struct cshm_node *node = cshm_arena_alloc(&tree->arena, sizeof *node);
    assert_non_null(node);
    if (some(state, 2) == 0)
        return node; /* a group */
    node->type = CSHM_NODE_ARRAY;
    uint64_t extent = sizes[some(state, 4)];
    struct cshm_dtype dtype;
    assert_int_equal(cshm_dtype_parse("uint8", 5, &dtype), 0);
    assert_int_equal(cshm_tree_set_array(tree, node, &dtype, 1, &extent), 0);
    return node;
}

static void assert_counted(const struct census *census, const struct cshm_tree *tree)
{
    struct census fresh;
    assert_int_equal(census_take(&fresh, tree), 0);
    const struct cshm_node *root = &tree->root;
    for (const struct cshm_node *n = root; n; n = cshm_node_walk(n, root)) {
        struct cshm_sidecar_totals kept;
        struct cshm_sidecar_totals counted = {0};
        census_totals(census, n, &kept);
        for (const struct cshm_node *m = cshm_node_walk(n, n); m; m = cshm_node_walk(m, n)) {
            counted.groups += m->type == CSHM_NODE_GROUP;
            counted.arrays += m->type == CSHM_NODE_ARRAY;
            uint64_t bytes = m->type == CSHM_NODE_ARRAY ? m->described->bytes : 0;
            if (__builtin_add_overflow(counted.bytes, bytes, &counted.bytes))
                counted.bytes = UINT64_MAX;
        }
        assert_memory_equal(&kept, &counted, sizeof kept);
        assert_int_equal(census_subgroups(census, n), census_subgroups(&fresh, n));
    }
    census_finish(&fresh);
}

static void test_counts_after_any_operations(void **state)
{
    (void)state;
    unsigned random = 6;
    unsigned done = 0;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct census census;
    assert_int_equal(census_take(&census, tree), 0);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct cshm_text path[DEEPEST], to[DEEPEST];
        static const enum cshm_operation_kind kinds[] = {
            CSHM_OPERATION_PUT,  CSHM_OPERATION_PUT,  CSHM_OPERATION_PUT,
            CSHM_OPERATION_MOVE, CSHM_OPERATION_MOVE, CSHM_OPERATION_REMOVE};
        struct cshm_operation operation = {.kind = kinds[some(&random, 6)], .path = path, .to = to};
        operation.depth = some_path(&random, path);
        operation.to_depth = some_path(&random, to);
        operation.exchange = operation.kind == CSHM_OPERATION_MOVE && some(&random, 2);
        operation.node = something(&random, tree);
        struct cshm_operation_place place;
        if (cshm_operation_find(tree, &operation, &place) < 0)
            continue;
        census_before(&census, &operation, &place);
        assert_int_equal(cshm_operation_apply(tree, &operation, &place), 0);
        assert_int_equal(census_after(&census, &operation, &place), 0);
        assert_counted(&census, tree);
        done++;
    }
    assert_true(done > OPERATIONS / 10);
    census_finish(&census);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_after_any_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
