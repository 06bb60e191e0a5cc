/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "model/fit.h"

struct sample {
    struct cshm_tree *tree;
    struct cshm_node *node;
};

static struct sample make(const char *dtype_text, size_t rank, const uint64_t *shape)
{
    struct sample s = {.tree = cshm_tree_create()};
    struct cshm_dtype dtype;
    assert_non_null(s.tree);
    assert_int_equal(cshm_dtype_parse(dtype_text, strlen(dtype_text), &dtype), 0);
    assert_int_equal(cshm_tree_add(s.tree, &s.tree->root, cshm_text("x"), CSHM_NODE_ARRAY, &s.node),
                     0);
    assert_int_equal(cshm_tree_set_array(s.tree, s.node, &dtype, rank, shape), 0);
    return s;
}

#define SHAPE(...)                                                                                 \
    sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[])                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void the_first_dimension_is_the_whole_rows_in_the_size(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        size_t rank;
        uint64_t shape[3];
        uint64_t length;
        uint64_t rows, bytes, rest;
    } cases[] = {
        {"uint8", 1, {0}, 0, 0, 0, 0},
        {"uint8", 1, {0}, 1, 1, 1, 0},
        {"uint8", 1, {7}, 1000, 1000, 1000, 0},
        {"float64", 1, {3}, 24, 3, 24, 0},
        {"float64", 1, {3}, 23, 2, 16, 7},
        {"float64", 1, {3}, 7, 0, 0, 7},
        {"float64", 2, {5, 3}, 0, 0, 0, 0},
        {"float64", 2, {5, 3}, 24, 1, 24, 0},
        {"float64", 2, {0, 3}, 25, 1, 24, 1},
        {"float64", 2, {5, 3}, 23, 0, 0, 23},
        {"|S5", 3, {1, 2, 3}, 61, 2, 60, 1},
        {"uint8", 1, {0}, INT64_MAX, INT64_MAX, INT64_MAX, 0},
        {"uint16", 3, {0, UINT64_C(1) << 40, UINT64_C(1) << 40}, 100, 0, 0, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sample s = make(cases[i].dtype, cases[i].rank, cases[i].shape);
        struct cshm_fit fit;
        assert_int_equal(cshm_fit_measure(s.node->described, cases[i].length, &fit), 0);
        assert_int_equal(fit.rows, cases[i].rows);
        assert_int_equal(fit.bytes, cases[i].bytes);
        assert_int_equal(fit.rest, cases[i].rest);
        assert_false(fit.broken);
        assert_int_equal(cshm_tree_fit(s.tree, s.node, cases[i].length, false), 0);
        assert_int_equal(s.node->described->shape[0], cases[i].rows);
        assert_int_equal(s.node->described->bytes, cases[i].bytes);
        assert_true(cshm_fit_is_settled(s.node->described, cases[i].length, false));
        cshm_tree_destroy(s.tree);
    }
}

static void dtype_and_trailing_shape_survive_any_size(void **state)
{
    (void)state;
    struct sample s = make(">i4", SHAPE(4, 5, 6));
    static const uint64_t lengths[] = {0, 1, 119, 120, 121, 12345, 0, 480};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_int_equal(cshm_tree_fit(s.tree, s.node, lengths[i], i % 2), 0);
    assert_int_equal(s.node->described->rank, 3);
    assert_int_equal(s.node->described->shape[0], 4);
    assert_int_equal(s.node->described->shape[1], 5);
    assert_int_equal(s.node->described->shape[2], 6);
    assert_string_equal(s.node->described->dtype_text, ">i4");
    cshm_tree_destroy(s.tree);
}

static void rows_without_bytes_keep_their_number(void **state)
{
    (void)state;
    struct sample zero = make("int32", SHAPE(4, 0, 6));
    struct sample nothing = make("S0", SHAPE(4));
    assert_int_equal(cshm_tree_fit(zero.tree, zero.node, 100, false), 0);
    assert_int_equal(zero.node->described->shape[0], 4);
    assert_int_equal(zero.node->described->bytes, 0);
    assert_true(zero.node->described->empty_rest);
    assert_int_equal(cshm_tree_fit(nothing.tree, nothing.node, 1, false), 0);
    assert_int_equal(nothing.node->described->shape[0], 4);
    assert_true(nothing.node->described->empty_rest);
    /* A zero extent makes rows empty even where the others are beyond counting. */
    struct sample huge = make("int64", SHAPE(1, UINT64_C(1) << 60, UINT64_C(1) << 60, 0));
    assert_int_equal(cshm_tree_fit(huge.tree, huge.node, 8, false), 0);
    assert_int_equal(huge.node->described->shape[0], 1);
    cshm_tree_destroy(zero.tree);
    cshm_tree_destroy(nothing.tree);
    cshm_tree_destroy(huge.tree);
}

static void a_scalar_keeps_its_element(void **state)
{
    (void)state;
    struct sample s = make("complex128", 0, NULL);
    struct cshm_fit fit;
    assert_int_equal(cshm_fit_measure(s.node->described, 16, &fit), 0);
    assert_true(fit.rows == 1 && fit.bytes == 16 && fit.rest == 0 && !fit.broken);
    assert_int_equal(cshm_fit_measure(s.node->described, 19, &fit), 0);
    assert_true(fit.bytes == 16 && fit.rest == 3 && !fit.broken);
    assert_int_equal(cshm_fit_measure(s.node->described, 15, &fit), 0);
    assert_true(fit.bytes == 16 && fit.rest == 0 && fit.broken);
    for (uint64_t length = 0; length < 40; length++) {
        assert_true(cshm_fit_is_settled(s.node->described, length, length % 2));
        assert_int_equal(cshm_tree_fit(s.tree, s.node, length, length % 2), 0);
        assert_int_equal(s.node->described->bytes, 16);
        assert_false(s.node->described->empty_rest);
    }
    cshm_tree_destroy(s.tree);
}

static void only_an_array_without_elements_says_that_it_has_a_rest(void **state)
{
    (void)state;
    struct sample s = make("int64", SHAPE(2));
    struct cshm_description *d = s.node->described;
    assert_int_equal(cshm_tree_fit(s.tree, s.node, 17, true), 0);
    assert_false(d->empty_rest);
    assert_int_equal(cshm_tree_fit(s.tree, s.node, 7, false), 0);
    assert_true(d->empty_rest);
    assert_int_equal(cshm_tree_fit(s.tree, s.node, 0, false), 0);
    assert_false(d->empty_rest);
    cshm_tree_destroy(s.tree);
}

static void an_empty_array_that_is_held_has_no_byte_but_its_own(void **state)
{
    (void)state;
    struct sample s = make("int64", SHAPE(0));
    struct cshm_description *d = s.node->described;
    assert_true(cshm_fit_is_settled(d, 0, false));
    assert_false(cshm_fit_is_settled(d, 0, true));
    assert_int_equal(cshm_tree_fit(s.tree, s.node, 0, true), 0);
    assert_true(d->empty_rest);
    assert_true(cshm_fit_is_settled(d, 0, true));
    assert_true(cshm_fit_is_settled(d, 1, true)); /* so a byte that came since is not lost */
    assert_false(cshm_fit_is_settled(d, 0, false));
    cshm_tree_destroy(s.tree);
}

static void what_is_not_known_cannot_be_fitted(void **state)
{
    (void)state;
    struct sample s = make("int64", SHAPE(2));
    struct cshm_fit fit;
    assert_int_equal(cshm_fit_measure(s.node->described, UINT64_MAX, &fit), -EINVAL);
    s.node->described->rank = CSHM_SHAPE_NULL;
    assert_int_equal(cshm_fit_measure(s.node->described, 5, &fit), -EINVAL);
    assert_true(cshm_fit_is_settled(s.node->described, 5, false));
    s.node->described->rank = 1;
    s.node->described->dtype = &cshm_no_dtype;
    assert_int_equal(cshm_tree_fit(s.tree, s.node, 5, false), -EINVAL);
    assert_int_equal(cshm_tree_fit(s.tree, &s.tree->root, 5, false), -EINVAL);
    cshm_tree_destroy(s.tree);
}

static void a_new_dtype_alone_is_the_vector_that_fills_the_file(void **state)
{
    (void)state;
    struct sample s = make("int64", SHAPE(2, 3));
    struct cshm_dtype dtype;
    assert_int_equal(cshm_dtype_parse("|S5", 3, &dtype), 0);
    assert_int_equal(cshm_tree_fit_vector(s.tree, s.node, &dtype, 48), 0);
    assert_int_equal(s.node->described->rank, 1);
    assert_int_equal(s.node->described->shape[0], 9);
    assert_int_equal(s.node->described->bytes, 45);
    assert_string_equal(s.node->described->dtype_text, "|S5");
    assert_int_equal(cshm_tree_fit_vector(s.tree, s.node, &dtype, 4), 0);
    assert_int_equal(s.node->described->shape[0], 0);
    assert_true(s.node->described->empty_rest);
    struct cshm_node *bare;
    assert_int_equal(cshm_tree_add(s.tree, &s.tree->root, cshm_text("y"), CSHM_NODE_BARE, &bare),
                     0);
    assert_int_equal(cshm_tree_fit_vector(s.tree, bare, &dtype, 11), 0);
    assert_int_equal(bare->described->shape[0], 2);
    assert_int_equal(cshm_tree_fit_vector(s.tree, bare, &cshm_no_dtype, 11), -EINVAL);
    cshm_tree_destroy(s.tree);
}

static void an_empty_array_has_a_segment_of_one_byte(void **state)
{
    (void)state;
    struct sample empty = make("int64", SHAPE(0, 3));
    struct sample scalar = make("int64", 0, NULL);
    assert_int_equal(cshm_fit_segment(empty.node->described, 0), 1);
    assert_int_equal(cshm_fit_segment(empty.node->described, 2), 2);
    assert_int_equal(cshm_fit_segment(scalar.node->described, 0), 0);
    cshm_tree_destroy(empty.tree);
    cshm_tree_destroy(scalar.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_dimension_is_the_whole_rows_in_the_size),
        cmocka_unit_test(dtype_and_trailing_shape_survive_any_size),
        cmocka_unit_test(rows_without_bytes_keep_their_number),
        cmocka_unit_test(a_scalar_keeps_its_element),
        cmocka_unit_test(only_an_array_without_elements_says_that_it_has_a_rest),
        cmocka_unit_test(an_empty_array_that_is_held_has_no_byte_but_its_own),
        cmocka_unit_test(what_is_not_known_cannot_be_fitted),
        cmocka_unit_test(a_new_dtype_alone_is_the_vector_that_fills_the_file),
        cmocka_unit_test(an_empty_array_has_a_segment_of_one_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
