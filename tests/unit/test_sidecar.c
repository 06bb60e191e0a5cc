/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/tree_equal.h"
#include "format/manifest.h"
#include "format/sidecar.h"

#define SEGMENT "cute-shm.myproject.Qw3rT9yUiO"
#define NAMES   "shm_name = \"" SEGMENT "\"\n"

/* --- Rendering --------------------------------------------------------------------------- */

static struct cshm_tree *manifest(const char *text)
{
    struct cshm_tree *tree = NULL;
    assert_int_equal(cshm_manifest_parse(text, strlen(text), &tree, NULL), 0);
    return tree;
}

static struct cshm_node *child(const struct cshm_node *group, const char *key)
{
    struct cshm_node *node = cshm_node_child(group, cshm_text(key));
    assert_non_null(node);
    return node;
}

static void assert_shows(const struct cshm_tree *tree, const struct cshm_node *node,
                         const struct cshm_sidecar_facts *facts, const char *expected)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_sidecar_render(tree, node, facts, &out), 0);
    assert_string_equal(out.bytes, expected);
}

static const struct cshm_sidecar_facts of_project = {.project = "myproject"};

static void the_example_is_shown(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("[b.b1]\n" NAMES "shape = [100]\ndtype = \"float32\"\n[b.b1.attrs]\n"
                 "units = \"m/s\"\nscale = [1.0, 2.5]\n[b.b1.attr_types]\nscale = \"float32\"\n");
    const struct cshm_sidecar_facts facts = {.project = "myproject", .file_bytes = 400};
    assert_shows(tree, child(child(&tree->root, "b"), "b1"), &facts,
                 "# /myproject/b/b1\n"
                 "[array]\n"
                 "dtype = \"float32\"\n"
                 "shape = [100]\n"
                 "nbytes = 400\n"
                 "segment = \"" SEGMENT "\"\n"
                 "\n"
                 "[attrs]\n"
                 "units = \"m/s\"\n"
                 "scale = [1.0, 2.5]\n"
                 "\n"
                 "[attr_types]\n"
                 "scale = \"float32\"\n");
}

static void all_of_an_array_is_shown(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("[x]\n" NAMES "shape = []\ndtype = \"uint8\"\nkind = \"raw\"\ntag = \"!!t\"\n"
                 "encoding = \"ascii\"\nenum = {RED = 0, \"dark green\" = 1}\n");
    const struct cshm_sidecar_facts facts = {
        .project = "p", .file_bytes = 6, .state = "broken", .reason = "too \"short\"\n"};
    assert_shows(tree, child(&tree->root, "x"), &facts,
                 "# /p/x\n[array]\ndtype = \"uint8\"\nshape = []\nnbytes = 1\n"
                 "segment = \"" SEGMENT "\"\nencoding = \"ascii\"\n"
                 "enum = {RED = 0, \"dark green\" = 1}\nkind = \"raw\"\ntag = \"!!t\"\nrest = 5\n"
                 "state = \"broken\"\nreason = \"too \\\"short\\\"\\n\"\n");
}

static void a_problem_of_the_manifest_is_the_reason(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("[x]\n" NAMES "shape = [2]\ndtype = \"object\"\n");
    assert_shows(tree, child(&tree->root, "x"), &of_project,
                 "# /myproject/x\n[array]\ndtype = \"object\"\nshape = [2]\nnbytes = 0\n"
                 "segment = \"" SEGMENT "\"\nstate = \"broken\"\n"
                 "reason = \"dtype \\\"object\\\" cannot be shared memory\"\n");
}

/* The file lengths at which an array of `bytes` shows a rest. */
static void assert_rest(const char *leaf, uint64_t file_bytes, const char *expected)
{
    char text[500];
    (void)snprintf(text, sizeof text, "[x]\n" NAMES "%s", leaf);
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest(text);
    const struct cshm_sidecar_facts facts = {.project = "p", .file_bytes = file_bytes};
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_sidecar_render(tree, child(&tree->root, "x"), &facts, &out), 0);
    const char *rest = strstr(out.bytes, "rest = ");
    if (!expected)
        assert_null(rest);
    else if (!rest || strncmp(rest, expected, strlen(expected)) != 0)
        fail_msg("no \"%s\" in:\n%s", expected, out.bytes);
}

static void bytes_beyond_the_array_are_its_rest(void **state)
{
    (void)state;
    static const char full[] = "shape = [3]\ndtype = \"int16\"\n";
    static const char empty[] = "shape = [0, 2]\ndtype = \"int16\"\n";
    static const char with_rest[] = "shape = [0, 2]\ndtype = \"int16\"\nrest = 1\n";
    assert_rest(full, 0, NULL);
    assert_rest(full, 6, NULL);
    assert_rest(full, 7, "rest = 1\n");
    assert_rest(empty, 0, NULL);
    assert_rest(empty, 1, NULL); /* the byte that every empty array has */
    assert_rest(empty, 2, "rest = 2\n");
    assert_rest(with_rest, 1, "rest = 1\n");
}

static void bare_nodes_show_what_they_wait_for(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("#~ [[node]]\n#~ path = [\"n\"]\n#~ shape = \"null\"\n#~ dtype = \"float64\"\n"
                 "#~ [[node]]\n#~ path = [\"w\"]\n#~ state = \"waiting\"\n#~ shape = [2]\n"
                 "#~ dtype = \"int8\"\n");
    assert_shows(tree, child(&tree->root, "n"), &of_project,
                 "# /myproject/n\n[array]\ndtype = \"float64\"\nshape = \"null\"\n");
    assert_shows(tree, child(&tree->root, "w"), &of_project,
                 "# /myproject/w\n[array]\ndtype = \"int8\"\nshape = [2]\nstate = \"waiting\"\n");
}

static void groups_show_totals_below_them(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("#~ [project]\n#~ source = \"a.h5\"\n#~ created = \"2025-01-02T03:04:05Z\"\n"
                 "#~ persistent = true\n"
                 "#~ [[node]]\n#~ path = [\"g\"]\n#~ kind = \"ragged\"\n#~ shape = [4]\n"
                 "#~ [node.attrs]\n#~ title = \"x\"\n"
                 "#~ [[node]]\n#~ path = [\"n\"]\n#~ shape = \"null\"\n"
                 "[a]\n" NAMES "shape = [3]\ndtype = \"int8\"\n"
                 "[g.b]\n" NAMES "shape = [5]\ndtype = \"int8\"\n"
                 "[g.h.c]\n" NAMES "shape = [7]\ndtype = \"int8\"\n");
    assert_shows(tree, child(&tree->root, "g"), &of_project,
                 "# /myproject/g\n[group]\narrays = 2\ngroups = 1\nnbytes = 12\nkind = \"ragged\"\n"
                 "shape = [4]\n\n[attrs]\ntitle = \"x\"\n");
    const struct cshm_sidecar_facts facts = {.project = "myproject", .owner = "alice"};
    assert_shows(tree, &tree->root, &facts,
                 "# /myproject\n[group]\narrays = 3\ngroups = 2\nnbytes = 15\n"
                 "created = \"2025-01-02T03:04:05Z\"\nsource = \"a.h5\"\npersistent = true\n"
                 "owner = \"alice\"\n");
}

static void a_damaged_project_says_so(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    const struct cshm_sidecar_facts facts = {
        .project = "p", .state = "broken", .reason = "line 3: \xFF"};
    assert_shows(tree, &tree->root, &facts,
                 "# /p\n[group]\narrays = 0\ngroups = 0\nnbytes = 0\nstate = \"broken\"\n"
                 "reason = \"!bytes 6c696e6520333a20ff\"\n");
}

static void comments_hold_no_control_characters(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *node;
    assert_int_equal(
        cshm_tree_add(tree, &tree->root, cshm_text("a\n\x1B\xFF/b"), CSHM_NODE_BARE, &node), 0);
    const struct cshm_sidecar_facts facts = {.project = "p", .remark = "line 1: \"x\ny\""};
    assert_shows(tree, node, &facts,
                 "# /p/a\\n\\x1b\\xff/b\n[array]\nstate = \"waiting\"\n\n# line 1: \"x\\ny\"\n");
}

/* --- Parsing ----------------------------------------------------------------------------- */

struct written {
    struct cshm_tree *tree;
    struct cshm_node *node;
    struct cshm_error error;
    struct cshm_sidecar_hints hints;
    int result;
};

static void write_sidecar(struct written *written, const char *text, bool is_group)
{
    *written = (struct written){.tree = cshm_tree_create()};
    assert_int_equal(cshm_tree_add(written->tree, &written->tree->root, cshm_text("x"),
                                   is_group ? CSHM_NODE_GROUP : CSHM_NODE_BARE, &written->node),
                     0);
    written->result = cshm_sidecar_parse(text, strlen(text), is_group, written->tree, written->node,
                                         &written->hints, &written->error);
}

static void finish(struct written *written)
{
    cshm_tree_destroy(written->tree);
}

static void assert_accepted(struct written *written, const char *text, bool is_group)
{
    write_sidecar(written, text, is_group);
    if (written->result < 0)
        fail_msg("%s", written->error.text);
}

static void assert_refused(const char *text, bool is_group, const char *why)
{
    struct written w;
    write_sidecar(&w, text, is_group);
    assert_int_equal(w.result, -EINVAL);
    assert_string_equal(w.error.text, why);
    finish(&w);
}

static void three_lines_describe_an_array(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w, "[array]\ndtype = \"float64\"\nshape = [1000, 3]\n", false);
    assert_string_equal(w.node->described->dtype_text, "float64");
    assert_int_equal(w.node->described->rank, 2);
    assert_int_equal(w.node->described->shape[0], 1000);
    assert_int_equal(w.node->described->bytes, 24000);
    assert_false(w.hints.has_segment);
    finish(&w);
}

static void what_is_not_said_is_not_set(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w, "", false);
    assert_null(w.node->described);
    assert_null(w.node->attributes);
    finish(&w);
    assert_accepted(&w, "[array]\ndtype = \">f4\"\n", false);
    assert_int_equal(w.node->described->rank, CSHM_NO_RANK);
    finish(&w);
    assert_accepted(&w, "[array]\nshape = [2]\n", false);
    assert_null(w.node->described->dtype_text);
    assert_int_equal(w.node->described->rank, 1);
    finish(&w);
    assert_accepted(&w, "[attrs]\nx = 1\n", true);
    assert_null(w.node->described);
    assert_int_equal(w.node->attributes->value.integer, 1);
    finish(&w);
}

static void descriptive_keys_are_accepted_and_ignored(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w,
                    "[array]\nnbytes = 5\nsegment = \"x\"\nrest = 1\nstate = \"missing\"\n"
                    "reason = 5\ndtype = \"int8\"\nshape = [0]\n",
                    false);
    assert_true(w.hints.has_segment);
    assert_null(w.node->described->segment);
    assert_int_equal(w.node->described->bytes, 0);
    assert_false(w.node->described->empty_rest);
    finish(&w);
    assert_accepted(&w,
                    "[group]\narrays = 1\ngroups = 2\nnbytes = 3\ncreated = \"\"\nsource = \"\"\n"
                    "persistent = true\nowner = \"x\"\nstate = \"broken\"\nreason = \"y\"\n"
                    "kind = \"compound\"\nshape = [3]\n",
                    true);
    assert_string_equal(w.node->described->detail->kind, "compound");
    assert_int_equal(w.node->described->shape[0], 3);
    finish(&w);
}

static void null_datasets_can_be_written(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w, "[array]\nshape = \"null\"\ndtype = \"int8\"\n", false);
    assert_int_equal(w.node->described->rank, CSHM_SHAPE_NULL);
    finish(&w);
}

static void attributes_have_types_in_any_order(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w,
                    "[attr_types]\nb = \"S7\"\na = \"float32\"\n"
                    "[attrs]\na = 1.5\nm = true\nb = \"x\"\n",
                    false);
    const struct cshm_attribute *a = w.node->attributes;
    assert_string_equal(a->type, "float32");
    assert_null(a->next->type);
    assert_string_equal(a->next->next->type, "S7");
    assert_null(a->next->next->next);
    finish(&w);
}

static void names_of_bytes_are_read(void **state)
{
    (void)state;
    struct written w;
    assert_accepted(&w,
                    "[array]\nbytes_attrs = true\nbytes_enum = true\nenum = {\"%FF\" = 1}\n"
                    "[attrs]\n\"%E9\" = 1\n\"%25E9\" = 2\n[attr_types]\n\"%25E9\" = \"int8\"\n",
                    false);
    assert_true(cshm_text_is(w.node->attributes->name, "\xE9"));
    assert_true(cshm_text_is(w.node->attributes->next->name, "%E9"));
    assert_string_equal(w.node->attributes->next->type, "int8");
    assert_true(cshm_text_is(w.node->described->detail->enumeration->table.members[0].key, "\xFF"));
    finish(&w);
}

static void what_is_not_understood_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("dtype = \"int8\"\n", false, "line 1: unknown key \"dtype\"");
    assert_refused("[array]\n\ndtyp = \"int8\"\n", false, "line 3: unknown key \"dtyp\" in array");
    assert_refused("[array]\ndeclared = false\n", false,
                   "line 2: unknown key \"declared\" in array");
    assert_refused("[group]\ndtype = \"int8\"\n", true, "line 2: unknown key \"dtype\" in group");
    assert_refused("[array]\n", true, "line 1: unknown key \"array\"");
    assert_refused("[group]\n", false, "line 1: unknown key \"group\"");
    assert_refused("[other]\n", false, "line 1: unknown key \"other\"");
    assert_refused("[[array]]\n", false, "line 1: array is not a table");
    assert_refused("attrs = 1\n", false, "line 1: attrs is not a table");
    assert_refused("\nattr_types = [1]\n", true, "line 2: attr_types is not a table");
    assert_refused("[array]\ndtype = \"int7\"\n", false, "line 2: dtype \"int7\" is not known");
    assert_refused("[array]\ndtype = \"object\"\n", false,
                   "line 2: dtype \"object\" cannot be shared memory");
    assert_refused("[array]\ndtype = 8\n", false, "line 2: dtype is not a string");
    assert_refused("[array]\nshape = [1,\n-1]\n", false,
                   "line 3: shape holds something else than lengths");
    assert_refused("[array]\nshape = \"many\"\n", false, "line 2: shape is not a list");
    assert_refused("[array]\nshape = [9223372036854775807, 2]\ndtype = \"int8\"\n", false,
                   "line 2: shape and dtype are too large");
    assert_refused("[array]\nkind = 1\n", false, "line 2: kind is not a string");
    assert_refused("[array]\nencoding = 1\n", false, "line 2: encoding is not a string");
    assert_refused("[array]\ntag = 1\n", false, "line 2: tag is not a string");
    assert_refused("[array]\nenum = [1]\n", false, "line 2: enum is not a table of integers");
    assert_refused("[array]\nenum = {A = 1.5}\n", false, "line 2: enum is not a table of integers");
    assert_refused("[attrs]\na = 1\n[attr_types]\nb = \"int8\"\n", false,
                   "line 4: attr_types names an attribute that is not in attrs");
    assert_refused("[attrs]\na = 1\n[attr_types]\na = 8\n", false,
                   "line 4: attr_types holds something else than strings");
    assert_refused("[array]\nbytes_attrs = true\n[attrs]\n\"%41\" = 1\n", false,
                   "line 4: a name is not spelled as bytes_attrs says");
}

static void damage_is_refused_with_its_line(void **state)
{
    (void)state;
    struct written w;
    write_sidecar(&w, "[array]\ndtype = \n", false);
    assert_int_equal(w.result, -EINVAL);
    assert_non_null(strstr(w.error.text, "line 2, column 9"));
    finish(&w);
    write_sidecar(&w, "[array]\nx = \xFF\n", false);
    assert_int_equal(w.result, -EINVAL);
    assert_string_equal(w.error.text, "line 2: not UTF-8");
    finish(&w);
}

static void attributes_that_nest_too_deep_are_refused(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text, "[attrs]\nx = ");
    for (int i = 0; i < 130; i++)
        cshm_buffer_add_char(&text, '[');
    cshm_buffer_add_char(&text, '1');
    for (int i = 0; i < 130; i++)
        cshm_buffer_add_char(&text, ']');
    assert_refused(text.bytes, false, "line 2: an attribute nests deeper than 128");
}

/* --- Both -------------------------------------------------------------------------------- */

static void what_is_shown_can_be_written_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[array]\ndtype = \"|S5\"\nshape = [0, 3]\nencoding = \"utf-8\"\nkind = \"vlen-string\"\n"
        "tag = \"!bytes 00ff\"\nenum = {A = -1, B = \"!uint64 18446744073709551615\"}\n"
        "[attrs]\n\"\" = \"\"\n\"a.b\" = [[1, 2], []]\nt = 1979-05-27T07:32:00.5Z\n"
        "n = nan\ni = -inf\nc = \"!{r = 1.0}\"\n\"\\u0000\\u0085\" = {x = {y = \"\\u001b\"}}\n"
        "[attr_types]\n\"a.b\" = \"int8\"\n",
        "[array]\nshape = \"null\"\nbytes_attrs = true\n[attrs]\n\"%FF\" = 1\n\"%25FF\" = 2\n",
        "[array]\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct written w;
        struct written again;
        assert_accepted(&w, texts[i], false);
        const struct cshm_sidecar_facts facts = {.project = "p", .remark = "not that"};
        CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
        assert_int_equal(cshm_sidecar_render(w.tree, w.node, &facts, &out), 0);
        assert_accepted(&again, out.bytes, false);
        assert_true(same_node(w.node, again.node));
        finish(&w);
        finish(&again);
    }
}

static void a_copied_sidecar_is_known_by_its_segment(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        manifest("[x]\n" NAMES "shape = [2]\ndtype = \"int8\"\n");
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_sidecar_render(tree, child(&tree->root, "x"), &of_project, &out), 0);
    struct written w;
    assert_accepted(&w, out.bytes, false);
    assert_true(w.hints.has_segment);
    assert_int_equal(w.node->described->shape[0], 2);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_shown),
        cmocka_unit_test(all_of_an_array_is_shown),
        cmocka_unit_test(a_problem_of_the_manifest_is_the_reason),
        cmocka_unit_test(bytes_beyond_the_array_are_its_rest),
        cmocka_unit_test(bare_nodes_show_what_they_wait_for),
        cmocka_unit_test(groups_show_totals_below_them),
        cmocka_unit_test(a_damaged_project_says_so),
        cmocka_unit_test(comments_hold_no_control_characters),
        cmocka_unit_test(three_lines_describe_an_array),
        cmocka_unit_test(what_is_not_said_is_not_set),
        cmocka_unit_test(descriptive_keys_are_accepted_and_ignored),
        cmocka_unit_test(null_datasets_can_be_written),
        cmocka_unit_test(attributes_have_types_in_any_order),
        cmocka_unit_test(names_of_bytes_are_read),
        cmocka_unit_test(what_is_not_understood_is_refused_with_its_line),
        cmocka_unit_test(damage_is_refused_with_its_line),
        cmocka_unit_test(attributes_that_nest_too_deep_are_refused),
        cmocka_unit_test(what_is_shown_can_be_written_back),
        cmocka_unit_test(a_copied_sidecar_is_known_by_its_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
