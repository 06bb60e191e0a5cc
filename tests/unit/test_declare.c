/* SPDX-License-Identifier: MIT */
/* What an array becomes when its sidecar is written. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/sidecar.h"
#include "model/declare.h"

struct sample {
    struct cshm_tree *tree;
    struct cshm_node *present;
    struct cshm_node *written;
    struct cshm_sidecar_hints hints;
    struct cshm_node declared;
    enum cshm_declared how;
    struct cshm_error error;
    int result;
};

/* An array of 3 x 4 int64 with an encoding, in a file of `length` bytes. */
static void declare(struct sample *s, uint64_t length, const char *text)
{
    static const uint64_t shape[] = {3, 4};
    struct cshm_dtype dtype;
    *s = (struct sample){.tree = cshm_tree_create()};
    struct cshm_node *root = &s->tree->root;
    assert_int_equal(cshm_dtype_parse("int64", 5, &dtype), 0);
    assert_int_equal(cshm_tree_add(s->tree, root, cshm_text("x"), CSHM_NODE_ARRAY, &s->present), 0);
    assert_int_equal(cshm_tree_set_array(s->tree, s->present, &dtype, 2, shape), 0);
    s->present->described->undeclared = true;
    s->present->described->segment = "a segment";
    struct cshm_detail *detail = cshm_tree_detail(s->tree, s->present->described);
    assert_non_null(detail);
    detail->encoding = "ascii";
    assert_int_equal(cshm_tree_add(s->tree, root, cshm_text("w"), CSHM_NODE_BARE, &s->written), 0);
    assert_int_equal(
        cshm_sidecar_parse(text, strlen(text), false, s->tree, s->written, &s->hints, &s->error),
        0);
    const struct cshm_declaration declaration = {.present = s->present->described,
                                                 .wanted = s->written->described,
                                                 .rest = s->hints.rest,
                                                 .length = length};
    s->declared.type = CSHM_NODE_ARRAY;
    s->result = cshm_declare(s->tree, &s->declared, &declaration, &s->how, &s->error);
}

static void assert_declared(uint64_t length, const char *text, enum cshm_declared how,
                            const char *dtype, int rank, uint64_t first, uint64_t bytes)
{
    struct sample s;
    declare(&s, length, text);
    assert_int_equal(s.result, 0);
    const struct cshm_description *described = s.declared.described;
    assert_int_equal(s.how, how);
    assert_string_equal(described->dtype_text, dtype);
    assert_int_equal(described->rank, rank);
    if (rank > 0)
        assert_int_equal(described->shape[0], first);
    assert_int_equal(described->bytes, bytes);
    assert_false(described->undeclared);
    assert_null(described->segment);
    cshm_tree_destroy(s.tree);
}

static void what_is_not_said_stays(void **state)
{
    (void)state;
    assert_declared(96, "", CSHM_DECLARED_SAME, "int64", 2, 3, 96);
    assert_declared(99, "[attrs]\nx = 1\n", CSHM_DECLARED_SAME, "int64", 2, 3, 96);
    assert_declared(99, "[array]\nshape = [3, 4]\n", CSHM_DECLARED_SAME, "int64", 2, 3, 96);
    assert_declared(99, "[array]\ndtype = \"<i8\"\n", CSHM_DECLARED_SAME, "int64", 2, 3, 96);
}

static void a_new_dtype_alone_is_the_vector_that_fills_the_file(void **state)
{
    (void)state;
    assert_declared(96, "[array]\ndtype = \"float32\"\n", CSHM_DECLARED_FITS, "float32", 1, 24, 96);
    assert_declared(99, "[array]\ndtype = \"float32\"\n", CSHM_DECLARED_FITS, "float32", 1, 24, 96);
    assert_declared(0, "[array]\ndtype = \"float32\"\n", CSHM_DECLARED_FITS, "float32", 1, 0, 0);
}

static void another_size_is_for_others_to_decide(void **state)
{
    (void)state;
    assert_declared(96, "[array]\nshape = [12]\n", CSHM_DECLARED_FITS, "int64", 1, 12, 96);
    assert_declared(96, "[array]\nshape = [11]\n", CSHM_DECLARED_SIZE, "int64", 1, 11, 88);
    assert_declared(99, "[array]\nshape = [12]\n", CSHM_DECLARED_SIZE, "int64", 1, 12, 96);
    assert_declared(99, "[array]\nshape = [12]\nrest = 3\n", CSHM_DECLARED_FITS, "int64", 1, 12,
                    96);
    assert_declared(96, "[array]\ndtype = \"int8\"\nshape = []\n", CSHM_DECLARED_SIZE, "int8", 0, 0,
                    1);
}

static void details_go_with_the_dtype(void **state)
{
    (void)state;
    struct sample s;
    declare(&s, 96, "[array]\nkind = \"k\"\n");
    assert_string_equal(s.declared.described->detail->encoding, "ascii");
    assert_string_equal(s.declared.described->detail->kind, "k");
    cshm_tree_destroy(s.tree);
    declare(&s, 96, "[array]\ndtype = \"int64\"\nkind = \"k\"\n");
    assert_null(s.declared.described->detail->encoding);
    cshm_tree_destroy(s.tree);
}

static void an_array_does_not_become_null_nor_too_large(void **state)
{
    (void)state;
    struct sample s;
    declare(&s, 96, "[array]\nshape = \"null\"\n");
    assert_int_equal(s.result, -EINVAL);
    cshm_tree_destroy(s.tree);
    declare(&s, 96, "[array]\nshape = [9223372036854775807, 9]\n");
    assert_int_equal(s.result, -EINVAL);
    assert_string_equal(s.error.text, "shape and dtype are too large");
    cshm_tree_destroy(s.tree);
}

static void nodes_that_say_the_same(void **state)
{
    (void)state;
    struct sample s;
    declare(&s, 96, "");
    s.present->described->undeclared = false;
    assert_true(cshm_node_says_same(s.present, &s.declared));
    assert_int_equal(cshm_tree_add_attribute(s.tree, s.present, cshm_text("a"),
                                             &(struct cshm_value){.type = CSHM_VALUE_INTEGER},
                                             NULL),
                     0);
    assert_false(cshm_node_says_same(s.present, &s.declared));
    s.declared.attributes = s.present->attributes;
    assert_true(cshm_node_says_same(s.present, &s.declared));
    s.declared.described->empty_rest = true;
    assert_false(cshm_node_says_same(s.present, &s.declared));
    cshm_tree_destroy(s.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_stays),
        cmocka_unit_test(a_new_dtype_alone_is_the_vector_that_fills_the_file),
        cmocka_unit_test(another_size_is_for_others_to_decide),
        cmocka_unit_test(details_go_with_the_dtype),
        cmocka_unit_test(an_array_does_not_become_null_nor_too_large),
        cmocka_unit_test(nodes_that_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
