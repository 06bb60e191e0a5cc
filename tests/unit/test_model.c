/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "model/dtype.h"
#include "model/tree.h"

/* What numpy 2 prints as str(np.dtype(TEXT)); NULL where np.dtype() or this format refuses it. */
static const struct {
    const char *text;
    const char *printed;
    uint64_t itemsize;
} dtypes[] = {
    {"bool", "bool", 1},
    {"?", "bool", 1},
    {"|b1", "bool", 1},
    {"int8", "int8", 1},
    {">i1", "int8", 1},
    {"<i2", "int16", 2},
    {"=i4", "int32", 4},
    {">i8", ">i8", 8},
    {"uint64", "uint64", 8},
    {"float16", "float16", 2},
    {"<f8", "float64", 8},
    {">f16", ">f16", 16},
    {"float128", "float128", 16},
    {"c8", "complex64", 8},
    {">c32", ">c32", 32},
    {"complex256", "complex256", 32},
    {"|S5", "|S5", 5},
    {"S0", "|S0", 0},
    {"<U7", "<U7", 28},
    {">U3", ">U3", 12},
    {"|V8", "|V8", 8},
    {"datetime64[ns]", "datetime64[ns]", 8},
    {"<M8[25s]", "datetime64[25s]", 8},
    {"M8[1s]", "datetime64[s]", 8},
    {">m8[D]", ">m8[D]", 8},
    {"timedelta64", "timedelta64", 8},
    {"M8", "datetime64", 8},
    {"object", NULL, 0},
    {"|O", NULL, 0},
    {"[('a', '<i4')]", NULL, 0},
    {"float24", NULL, 0},
    {"i3", NULL, 0},
    {"f", NULL, 0},
    {"", NULL, 0},
    {"<", NULL, 0},
    {"S-1", NULL, 0},
    {"S99999999999", NULL, 0},
    {"i04", NULL, 0},
    {"M8[xs]", NULL, 0},
    {"M8[0s]", NULL, 0},
    {"M8[", NULL, 0},
    {"i4[s]", NULL, 0},
    {"int64 ", NULL, 0},
};

static void dtypes_read_and_print_as_numpy_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        struct cshm_dtype dtype;
        char printed[CSHM_DTYPE_TEXT_MAX];
        int result = cshm_dtype_parse(dtypes[i].text, strlen(dtypes[i].text), &dtype);
        if (!dtypes[i].printed) {
            assert_true(result < 0);
            continue;
        }
        assert_int_equal(result, 0);
        assert_string_equal(cshm_dtype_format(&dtype, printed), dtypes[i].printed);
        assert_int_equal(dtype.itemsize, dtypes[i].itemsize);
    }
}

static void array_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct cshm_dtype dtype;
    uint64_t bytes;
    assert_int_equal(cshm_dtype_parse("f8", 2, &dtype), 0);
    assert_int_equal(cshm_dtype_array_size(&dtype, 2, (uint64_t[]){3, 4}, &bytes), 0);
    assert_int_equal(bytes, 96);
    assert_int_equal(cshm_dtype_array_size(&dtype, 0, NULL, &bytes), 0);
    assert_int_equal(bytes, 8);
    assert_int_equal(cshm_dtype_array_size(&dtype, 2, (uint64_t[]){UINT64_MAX, 2}, &bytes),
                     -EOVERFLOW);
    assert_int_equal(cshm_dtype_array_size(&dtype, 1, (uint64_t[]){1ULL << 60}, &bytes),
                     -EOVERFLOW);
    assert_int_equal(cshm_dtype_array_size(&dtype, 2, (uint64_t[]){UINT64_MAX, 0}, &bytes), 0);
    assert_int_equal(bytes, 0);
}

static struct cshm_node *add(struct cshm_tree *tree, struct cshm_node *group, const char *key)
{
    struct cshm_node *node = NULL;
    assert_int_equal(cshm_tree_add(tree, group, cshm_text(key), CSHM_NODE_GROUP, &node), 0);
    return node;
}

static void children_are_found_among_many_and_after_removals(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    char key[32];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 1000; i++) {
            (void)snprintf(key, sizeof key, "%d-%d", round, i);
            add(tree, &tree->root, key);
        }
        for (int i = 0; i < 990; i++) {
            (void)snprintf(key, sizeof key, "%d-%d", round, i);
            cshm_tree_remove(tree, cshm_node_child(&tree->root, cshm_text(key)));
        }
    }
    assert_int_equal(cshm_node_child_count(&tree->root), 50);
    assert_int_equal(tree->node_count, 50);
    assert_non_null(cshm_node_child(&tree->root, cshm_text("3-995")));
    assert_null(cshm_node_child(&tree->root, cshm_text("3-5")));
    struct cshm_node *again;
    assert_int_equal(
        cshm_tree_add(tree, &tree->root, cshm_text("3-995"), CSHM_NODE_ARRAY, &again), -EEXIST);
}

/* Each exchange leaves marks in the index, which is filled anew now and then. */
static void exchanged_children_are_each_in_the_index_once(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *nodes[20];
    char key[16];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(
            cshm_tree_add(tree, &tree->root, cshm_text(key), CSHM_NODE_ARRAY, &nodes[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        struct cshm_node *a = nodes[i % 20];
        struct cshm_node *b = nodes[(i * 7 + 1) % 20];
        assert_int_equal(cshm_tree_exchange(tree, a, b), 0);
        (void)snprintf(key, sizeof key, "other %d", i);
        assert_int_equal(cshm_tree_place(tree, a, &tree->root, cshm_text(key)), 0);
        assert_ptr_equal(cshm_node_child(&tree->root, a->key), a);
        assert_ptr_equal(cshm_node_child(&tree->root, b->key), b);
    }
    for (int i = 0; i < 20; i++) {
        cshm_tree_remove(tree, nodes[i]);
        assert_null(cshm_node_child(&tree->root, nodes[i]->key));
    }
}

static void children_are_found_by_their_directory_entry(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    char key[300];
    char name[CSHM_FSNAME_MAX + 1];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct cshm_node *longest = add(tree, &tree->root, key);
    struct cshm_node *slash = add(tree, &tree->root, "a/b");
    cshm_fsname_encode(longest->key, name);
    assert_ptr_equal(cshm_node_child_by_fsname(&tree->root, name), longest);
    assert_ptr_equal(cshm_node_child_by_fsname(&tree->root, "a%2Fb"), slash);
    assert_null(cshm_node_child_by_fsname(&tree->root, "a"));
}

static void trees_have_a_deepest_level(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *node = &tree->root;
    for (int i = 0; i < CSHM_DEPTH_MAX; i++)
        node = add(tree, node, "g");
    struct cshm_node *one_more;
    assert_int_equal(cshm_tree_add(tree, node, cshm_text("g"), CSHM_NODE_GROUP, &one_more), -ELOOP);
    char path[64];
    cshm_node_path(node, path, sizeof path);
    assert_memory_equal(path, "...", 3);
    assert_true(strlen(path) < sizeof path);
}

static void walks_visit_every_node_once_in_order(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *b = add(tree, &tree->root, "b");
    add(tree, add(tree, b, "c"), "d");
    add(tree, b, "e");
    add(tree, &tree->root, "a");
    char seen[256] = "";
    for (struct cshm_node *n = &tree->root; n; n = cshm_node_walk(n, &tree->root)) {
        char path[64];
        strcat(seen, cshm_node_path(n, path, sizeof path));
        strcat(seen, " ");
    }
    assert_string_equal(seen, "/ /b /b/c /b/c/d /b/e /a ");
    assert_null(cshm_node_walk(cshm_node_last_child(b), b));
}

static void nodes_move_to_another_tree(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *from = cshm_tree_create();
    CSHM_AUTO_TREE struct cshm_tree *to = cshm_tree_create();
    struct cshm_node *group = NULL;
    struct cshm_node *node = NULL;
    assert_int_equal(cshm_tree_add(to, &to->root, cshm_text("0"), CSHM_NODE_BARE, &node), 0);
    for (int i = 0; i < 20; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "%d", i);
        group = add(from, &from->root, key);
        add(from, group, "x");
    }
    assert_int_equal(cshm_tree_move(from, from->root.first, to, &to->root), -EEXIST);
    assert_int_equal(cshm_tree_move(from, group, to, node), -ENOTDIR);
    while ((node = cshm_node_last_child(&from->root)) != from->root.first)
        assert_int_equal(cshm_tree_move(from, node, to, &to->root), 0);
    assert_int_equal(from->node_count, 2);
    assert_int_equal(to->node_count, 1 + 19 * 2);
    assert_ptr_equal(cshm_node_child(&to->root, cshm_text("19")), group);
    assert_ptr_equal(group->parent, &to->root);
    assert_null(cshm_node_child(&from->root, cshm_text("19")));
    assert_int_equal(cshm_node_child_count(&to->root), 20);
}

static void what_is_moved_may_not_get_too_deep(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *from = cshm_tree_create();
    CSHM_AUTO_TREE struct cshm_tree *to = cshm_tree_create();
    struct cshm_node *deep = &from->root;
    for (int i = 0; i < CSHM_DEPTH_MAX; i++)
        deep = add(from, deep, "g");
    struct cshm_node *group = add(to, &to->root, "to");
    assert_int_equal(cshm_tree_move(from, from->root.first, to, group), -ELOOP);
    assert_int_equal(cshm_tree_move(from, from->root.first->first, to, group), 0);
    assert_int_equal(to->node_count, CSHM_DEPTH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_read_and_print_as_numpy_does),
        cmocka_unit_test(array_sizes_that_overflow_are_refused),
        cmocka_unit_test(children_are_found_among_many_and_after_removals),
        cmocka_unit_test(exchanged_children_are_each_in_the_index_once),
        cmocka_unit_test(children_are_found_by_their_directory_entry),
        cmocka_unit_test(trees_have_a_deepest_level),
        cmocka_unit_test(walks_visit_every_node_once_in_order),
        cmocka_unit_test(nodes_move_to_another_tree),
        cmocka_unit_test(what_is_moved_may_not_get_too_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
