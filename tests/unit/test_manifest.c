/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/tree_equal.h"
#include "format/manifest.h"

#define SEGMENT "cute-shm.myproject.Qw3rT9yUiO"
#define NAMES   "shm_name = \"" SEGMENT "\"\nshm_private_name = \"/" SEGMENT "\"\n"
/* Keys of a leaf that is nothing special. */
#define LEAF NAMES "shape = [2]\ndtype = \"int8\"\nattrs = {}\n"

static struct cshm_tree *parse(const char *text)
{
    struct cshm_tree *tree = NULL;
    struct cshm_error error = {0};
    if (cshm_manifest_parse(text, strlen(text), &tree, &error) < 0)
        fail_msg("%s", error.text);
    return tree;
}

static void assert_refused(const char *text, int code, const char *why)
{
    struct cshm_tree *tree = NULL;
    struct cshm_error error = {0};
    assert_int_equal(cshm_manifest_parse(text, strlen(text), &tree, &error), code);
    assert_null(tree);
    if (!strstr(error.text, why))
        fail_msg("\"%s\" does not say \"%s\"", error.text, why);
}

static struct cshm_node *child(const struct cshm_node *group, const char *key)
{
    struct cshm_node *node = cshm_node_child(group, cshm_text(key));
    if (!node)
        fail_msg("no %s", key);
    return node;
}

static const struct cshm_value *attribute(const struct cshm_node *node, const char *name)
{
    for (const struct cshm_attribute *a = node->attributes; a; a = a->next)
        if (cshm_text_is(a->name, name))
            return &a->value;
    fail_msg("no attribute %s", name);
    return NULL;
}

static void assert_children(const struct cshm_node *group, const char *expected)
{
    CSHM_AUTO_BUFFER struct cshm_buffer keys = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&keys, "");
    cshm_for_each_child (node, group) {
        if (node->previous)
            cshm_buffer_add_char(&keys, '|');
        cshm_buffer_add(&keys, node->key.bytes, node->key.length);
    }
    assert_string_equal(keys.bytes, expected);
}

static void assert_reads_back(const struct cshm_tree *tree)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_manifest_render(tree, &out), 0);
    CSHM_AUTO_TREE struct cshm_tree *again = NULL;
    struct cshm_error error = {0};
    if (cshm_manifest_parse(out.bytes, out.length, &again, &error) < 0)
        fail_msg("%s\n%s", error.text, out.bytes);
    assert_false(again->complaint);
    if (!same_tree(tree, again))
        fail_msg("reads back differently:\n%s", out.bytes);
}

static void assert_renders(const struct cshm_tree *tree, const char *expected)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_manifest_render(tree, &out), 0);
    cshm_buffer_add_string(&out, "");
    assert_string_equal(out.bytes, expected);
}

/* --- The example of the design, and what the peer writes --------------------------------- */

static const char example[] = "#~ version = 1\n"
                              "#~ [project]\n"
                              "#~ source = \"run42.h5\"\n"
                              "#~ [[node]]\n"
                              "#~ path = [\"b\"]\n"
                              "#~ [node.attrs]\n"
                              "#~ title = \"second run\"\n"
                              "[a]\n" NAMES "shape = [3, 3]\n"
                              "dtype = \"int64\"\n"
                              "[a.attrs]\n"
                              "units = \"m\"\n"
                              "[b.b1]\n" NAMES "shape = []\n"
                              "dtype = \">f4\"\n"
                              "attrs = {}\n";

static void the_example_is_read(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse(example);
    assert_int_equal(tree->node_count, 3);
    assert_true(tree->facts.present);
    assert_string_equal(tree->facts.source, "run42.h5");
    assert_int_equal(tree->facts.persistent, -1);
    const struct cshm_node *a = child(&tree->root, "a");
    assert_int_equal(a->type, CSHM_NODE_ARRAY);
    assert_string_equal(a->described->dtype_text, "int64");
    assert_int_equal(a->described->rank, 2);
    assert_int_equal(a->described->shape[1], 3);
    assert_int_equal(a->described->bytes, 72);
    assert_string_equal(a->described->segment, SEGMENT);
    assert_null(a->problem);
    assert_true(cshm_text_is(attribute(a, "units")->string, "m"));
    const struct cshm_node *b = child(&tree->root, "b");
    assert_int_equal(b->type, CSHM_NODE_GROUP);
    assert_true(cshm_text_is(attribute(b, "title")->string, "second run"));
    assert_int_equal(child(b, "b1")->described->rank, 0);
    assert_int_equal(child(b, "b1")->described->bytes, 4);
}

static void the_example_is_written_as_it_was(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse(example);
    assert_renders(tree, example);
}

/* As tomli_w 1.2 prints it. */
#define PEER_NAMES(last)                                                                           \
    "shm_name = \"cute-shm.myproject.AAAAAAAAA" last "\"\n"                                        \
    "shm_private_name = \"/cute-shm.myproject.AAAAAAAAA" last "\"\n"
static const char written_by_the_peer[] = "[zeta]\n" PEER_NAMES(
    "1") "shape = [\n    3,\n    3,\n]\ndtype = \"float64\"\n"
         "\n[zeta.attrs]\n"
         "\n[\"a/b\"]\n" PEER_NAMES(
             "2") "shape = []\ndtype = \"bool\"\n"
                  "\n[\"a/b\".attrs]\nx = inf\ny = nan\nz = [\n    1.0,\n    -0.0,\n    "
                  "1e+300,\n]\n"
                  "s = \"line\\n\\\"quoted\\\"\t\\u007f\\u0001\"\n"
                  "\n[\"with space\".\"dots.in.it\".\"\"]\n" PEER_NAMES(
                      "3") "shape = [\n    0,\n]\ndtype = \">f4\"\n"
                           "\n[\"with space\".\"dots.in.it\".\"\".attrs]\n"
                           "\n[\"with space\".\"\xE6\x97\xA5\xE6\x9C\xAC\"]\n" PEER_NAMES(
                               "4") "shape = [\n    2,\n]\n"
                                    "dtype = \"<U7\"\n"
                                    "\n[\"with space\".\"\xE6\x97\xA5\xE6\x9C\xAC\".attrs]\n"
                                    "\n[empty]\n"
                                    "\n[alpha]\n" PEER_NAMES(
                                        "5") "shape = [\n    1,\n]\ndtype = \"complex128\"\n"
                                             "\n[alpha.attrs]\n";

static void what_the_peer_writes_is_read(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse(written_by_the_peer);
    assert_children(&tree->root, "zeta|a/b|with space|empty|alpha");
    assert_false(tree->facts.present);
    assert_false(tree->complaint);
    const struct cshm_node *with_space = child(&tree->root, "with space");
    assert_children(with_space, "dots.in.it|\xE6\x97\xA5\xE6\x9C\xAC");
    const struct cshm_node *nameless = child(child(with_space, "dots.in.it"), "");
    assert_int_equal(nameless->described->bytes, 0);
    assert_int_equal(nameless->described->rank, 1);
    assert_string_equal(nameless->described->dtype_text, ">f4");
    assert_int_equal(child(with_space, "\xE6\x97\xA5\xE6\x9C\xAC")->described->bytes, 56);
    assert_int_equal(child(&tree->root, "empty")->type, CSHM_NODE_GROUP);
    const struct cshm_node *ab = child(&tree->root, "a/b");
    assert_true(isinf(attribute(ab, "x")->number));
    assert_true(isnan(attribute(ab, "y")->number));
    assert_int_equal(attribute(ab, "z")->array.count, 3);
    assert_true(cshm_text_is(attribute(ab, "s")->string, "line\n\"quoted\"\t\x7F\x01"));
    assert_reads_back(tree);
}

static void a_leaf_needs_no_attrs_and_no_private_name(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[x]\nshm_name = \"" SEGMENT "\"\nshape = [1]\ndtype = \"<f8\"\nother = {y = 1}\n");
    const struct cshm_node *x = child(&tree->root, "x");
    assert_null(x->problem);
    assert_string_equal(x->described->dtype_text, "float64");
    assert_null(x->attributes);
    assert_renders(tree, "[x]\n" NAMES "shape = [1]\ndtype = \"float64\"\nattrs = {}\n");
}

static void nothing_is_an_empty_project(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse("");
    assert_int_equal(tree->node_count, 0);
    assert_renders(tree, "# an empty project\n"); /* nothing at all means: being written */
}

/* --- Order ------------------------------------------------------------------------------- */

static void arrays_come_in_the_order_of_their_lines(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[z]\n" LEAF "[g.y]\n" LEAF "[b]\n" LEAF "[g.a]\n" LEAF "[e]\n[a]\n" LEAF);
    assert_children(&tree->root, "z|g|b|e|a");
    assert_children(child(&tree->root, "g"), "y|a");
    assert_reads_back(tree);
}

static void nodes_without_a_leaf_keep_their_place(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("#~ [[node]]\n#~ path = [\"n1\"]\n#~ shape = \"null\"\n#~ position = 0\n"
              "#~ [[node]]\n#~ path = [\"n2\"]\n#~ shape = \"null\"\n#~ position = 1\n"
              "#~ [[node]]\n#~ path = [\"n3\"]\n#~ shape = \"null\"\n#~ position = 3\n"
              "#~ [[node]]\n#~ path = [\"n4\"]\n#~ state = \"waiting\"\n"
              "[a]\n" LEAF "[b]\n" LEAF);
    assert_children(&tree->root, "n1|n2|a|n3|b|n4");
    assert_reads_back(tree);
}

/* --- Leaves that say more, or cannot be used --------------------------------------------- */

static void all_keys_of_a_leaf_are_kept(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[x]\n" NAMES "shape = [0, 3]\ndtype = \"|S5\"\nencoding = \"utf-8\"\n"
              "kind = \"vlen-string\"\ntag = \"!bytes ff00\"\nenum = {GREEN = 1, RED = -1}\n"
              "declared = false\nrest = 3\nlinked = true\n[x.attrs]\ns = 1\nt = \"!uint64 18446744073709551615\"\n"
              "[x.attr_types]\ns = \"int16\"\n");
    const struct cshm_node *x = child(&tree->root, "x");
    const struct cshm_description *d = x->described;
    assert_null(x->problem);
    assert_string_equal(d->detail->encoding, "utf-8");
    assert_string_equal(d->detail->kind, "vlen-string");
    assert_int_equal(d->detail->tag.length, 2);
    assert_memory_equal(d->detail->tag.bytes, "\xFF\0", 2);
    assert_int_equal(d->detail->enumeration->table.count, 2);
    assert_true(cshm_text_is(d->detail->enumeration->table.members[0].key, "GREEN"));
    assert_true(d->undeclared);
    assert_true(d->empty_rest);
    assert_true(d->linked);
    assert_string_equal(x->attributes->type, "int16");
    assert_null(x->attributes->next->type);
    assert_true(cshm_text_is(attribute(x, "t")->string, "!uint64 18446744073709551615"));
    assert_reads_back(tree);
}

static void an_unusable_leaf_does_not_stop_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *leaf;
        const char *problem;
    } samples[] = {
        {NAMES "shape = [1]\n", "it has no dtype"},
        {NAMES "dtype = \"int8\"\n", "it has no shape"},
        {NAMES "shape = [1]\ndtype = \"object\"\n", "dtype \"object\" cannot be shared memory"},
        {NAMES "shape = [1]\ndtype = \"int7\"\n", "dtype \"int7\" is not known"},
        {NAMES "shape = [1]\ndtype = 5\n", "dtype is not a string"},
        {NAMES "shape = [-1]\ndtype = \"int8\"\n", "shape holds something else than lengths"},
        {NAMES "shape = [1.0]\ndtype = \"int8\"\n", "shape holds something else than lengths"},
        {NAMES "shape = 1\ndtype = \"int8\"\n", "shape is not a list"},
        {NAMES "shape = \"null\"\ndtype = \"int8\"\n", "it has no shape"},
        {NAMES "shape = [9223372036854775807, 2]\ndtype = \"int8\"\n",
         "shape and dtype are too large"},
        {"shm_name = \"elsewhere\"\nshape = [1]\ndtype = \"int8\"\n",
         "shm_name \"elsewhere\" is not a name for a segment"},
        {"shm_name = \"cute-shm.../x.AAAAAAAAAA\"\nshape = [1]\ndtype = \"int8\"\n",
         "shm_name \"cute-shm.../x.AAAAAAAAAA\" is not a name for a segment"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char text[1000];
        (void)snprintf(text, sizeof text, "[x]\n%s[y]\n%s", samples[i].leaf, LEAF);
        CSHM_AUTO_TREE struct cshm_tree *tree = parse(text);
        const struct cshm_node *x = child(&tree->root, "x");
        assert_int_equal(x->type, CSHM_NODE_ARRAY);
        assert_non_null(x->problem);
        assert_string_equal(x->problem, samples[i].problem);
        assert_null(child(&tree->root, "y")->problem);
        assert_reads_back(tree);
    }
}

static void what_was_understood_of_an_unusable_leaf_is_kept(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[x]\n" NAMES "shape = [4]\ndtype = \"object\"\nattrs = {u = 1}\n"
              "[y]\nshm_name = \"elsewhere\"\nshape = [4]\ndtype = \"int8\"\n");
    const struct cshm_node *x = child(&tree->root, "x");
    assert_string_equal(x->described->dtype_text, "object");
    assert_string_equal(x->described->segment, SEGMENT);
    assert_int_equal(x->described->rank, 1);
    assert_int_equal(attribute(x, "u")->integer, 1);
    assert_null(child(&tree->root, "y")->described->segment);
}

static void sixty_four_dimensions_and_no_more(void **state)
{
    (void)state;
    for (int rank = 64; rank <= 65; rank++) {
        CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
        cshm_buffer_add_string(&text, "[x]\n" NAMES "dtype = \"int8\"\nshape = [");
        for (int i = 0; i < rank; i++)
            cshm_buffer_add_string(&text, "1,");
        cshm_buffer_add_string(&text, "]\n");
        CSHM_AUTO_TREE struct cshm_tree *tree = parse(text.bytes);
        assert_int_equal(child(&tree->root, "x")->problem == NULL, rank == 64);
    }
}

static void several_leaves_may_share_a_segment(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse("[x]\n" LEAF "[g.y]\n" LEAF);
    assert_string_equal(child(&tree->root, "x")->described->segment,
                        child(child(&tree->root, "g"), "y")->described->segment);
    assert_reads_back(tree);
}

static void segment_names_may_need_escaping(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[x]\nshm_name = 'cute-shm.a\\\"b.AAAAAAAAAA'\nshape = [1]\ndtype = \"int8\"\n");
    assert_null(child(&tree->root, "x")->problem);
    assert_renders(tree, "[x]\nshm_name = \"cute-shm.a\\\\\\\"b.AAAAAAAAAA\"\n"
                         "shm_private_name = \"/cute-shm.a\\\\\\\"b.AAAAAAAAAA\"\n"
                         "shape = [1]\ndtype = \"int8\"\nattrs = {}\n");
    assert_reads_back(tree);
}

static void what_is_neither_group_nor_leaf_is_passed_over(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("n = 1\ns = \"x\"\nl = [1]\n[g]\nm = 2\n[g.x]\n" LEAF "[[tables]]\ny = 1\n");
    assert_children(&tree->root, "g");
    assert_children(child(&tree->root, "g"), "x");
}

static void a_child_called_shm_name_does_not_make_a_leaf(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = parse("[g.shm_name]\n" LEAF "[g.dtype]\n" LEAF);
    const struct cshm_node *g = child(&tree->root, "g");
    assert_int_equal(g->type, CSHM_NODE_GROUP);
    assert_children(g, "shm_name|dtype");
    assert_int_equal(child(g, "shm_name")->type, CSHM_NODE_ARRAY);
    assert_reads_back(tree);
}

/* --- The extension document -------------------------------------------------------------- */

static void facts_of_the_project_are_kept(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("#~ [project]\n#~ source = \"!bytes 61ff\"\n#~ created = \"2025-01-02T03:04:05Z\"\n"
              "#~ source_path = \"!bytes 2f61ff\"\n#~ source_size = 123\n"
              "#~ source_changed = \"2025-01-02T03:04:05.678901234Z\"\n"
              "#~ source_part = \"a\\nb/c\"\n"
              "#~ owner = {pid = 42, start = 4711}\n#~ persistent = false\n#~ generation = 7\n");
    assert_string_equal(tree->facts.source, "a\xFF");
    assert_string_equal(tree->facts.created, "2025-01-02T03:04:05Z");
    assert_string_equal(tree->facts.source_path, "/a\xFF");
    assert_int_equal(tree->facts.source_size, 123);
    assert_string_equal(tree->facts.source_changed, "2025-01-02T03:04:05.678901234Z");
    assert_string_equal(tree->facts.source_part, "a\nb/c");
    assert_int_equal(tree->facts.owner.pid, 42);
    assert_int_equal(tree->facts.owner.start, 4711);
    assert_int_equal(tree->facts.persistent, 0);
    assert_int_equal(tree->facts.generation, 7);
    assert_reads_back(tree);
}

/* So that a large project can be asked for them at every start of a job. */
static void facts_can_be_read_without_the_arrays(void **state)
{
    (void)state;
    static const char text[] = "#~ version = 1\n#~ [project]\n#~ source = \"x.h5\"\n"
                               "#~ generation = 7\n#~ [[node]]\n#~ path = [this is no TOML\n"
                               "nor is this\n";
    CSHM_AUTO_TREE struct cshm_tree *tree = NULL;
    assert_int_equal(cshm_manifest_parse_facts(text, sizeof text - 1, &tree), 0);
    assert_true(tree->facts.present);
    assert_string_equal(tree->facts.source, "x.h5");
    assert_int_equal(tree->facts.generation, 7);
    assert_null(tree->root.first);
}

static void facts_that_are_not_there_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[a]\n",
                                        "#~ [[node]]\n#~ path = []\n",
                                        "#~ [project\n",
                                        "#~ project = 3\n",
                                        "# [project]\n# source = \"x\"\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CSHM_AUTO_TREE struct cshm_tree *tree = NULL;
        assert_int_equal(cshm_manifest_parse_facts(texts[i], strlen(texts[i]), &tree), 0);
        assert_false(tree->facts.present);
        assert_null(tree->facts.source);
    }
}

static void groups_have_kinds_shapes_and_attributes(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("#~ [[node]]\n#~ path = []\n#~ [node.attrs]\n#~ \"\" = \"root\"\n"
              "#~ [[node]]\n#~ path = [\"g\", \"h\"]\n#~ kind = \"ragged\"\n#~ shape = [4]\n"
              "#~ [node.attrs]\n#~ x = 1.5\n#~ [node.attr_types]\n#~ x = \"float32\"\n"
              "[g.h.values]\n" LEAF);
    assert_true(cshm_text_is(attribute(&tree->root, "")->string, "root"));
    const struct cshm_node *h = child(child(&tree->root, "g"), "h");
    assert_string_equal(h->described->detail->kind, "ragged");
    assert_int_equal(h->described->shape[0], 4);
    assert_string_equal(h->attributes->type, "float32");
    assert_null(child(&tree->root, "g")->described);
    assert_reads_back(tree);
}

static void null_datasets_and_waiting_sidecars_are_bare(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("#~ [[node]]\n#~ path = [\"g\", \"n\"]\n#~ shape = \"null\"\n#~ dtype = \"float64\"\n"
              "#~ [[node]]\n#~ path = [\"w\"]\n#~ state = \"waiting\"\n#~ shape = [2, 3]\n"
              "#~ dtype = \"int16\"\n#~ [node.attrs]\n#~ u = 1\n[g]\n");
    const struct cshm_node *n = child(child(&tree->root, "g"), "n");
    assert_int_equal(n->type, CSHM_NODE_BARE);
    assert_int_equal(n->described->rank, CSHM_SHAPE_NULL);
    assert_string_equal(n->described->dtype_text, "float64");
    const struct cshm_node *w = child(&tree->root, "w");
    assert_int_equal(w->type, CSHM_NODE_BARE);
    assert_int_equal(w->described->rank, 2);
    assert_int_equal(attribute(w, "u")->integer, 1);
    assert_reads_back(tree);
}

static void nodes_that_name_a_leaf_or_nothing_are_passed_over(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("#~ [[node]]\n#~ path = [\"a\"]\n#~ kind = \"ragged\"\n#~ [node.attrs]\n#~ x = 1\n"
              "#~ [[node]]\n#~ path = [\"gone\"]\n#~ [node.attrs]\n#~ x = 1\n"
              "#~ [[node]]\n#~ path = [\"gone\", \"n\"]\n#~ shape = \"null\"\n"
              "#~ [[node]]\n#~ path = [\"a\", \"n\"]\n#~ shape = \"null\"\n"
              "#~ [[node]]\n#~ path = [1]\n#~ shape = \"null\"\n"
              "#~ [[node]]\n#~ shape = \"null\"\n"
              "[a]\n" LEAF);
    assert_children(&tree->root, "a");
    assert_null(child(&tree->root, "a")->attributes);
    assert_null(child(&tree->root, "a")->described->detail->kind);
    assert_false(tree->complaint);
}

static void a_damaged_extension_document_leaves_the_arrays(void **state)
{
    (void)state;
    static const char *const damaged[] = {"#~ [project\n", "#~ a = 1\n#~ a = 2\n",
                                          "#~ x = \"\"\"\n", "#~ k\xC3\xA9 = 1\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        char text[500];
        (void)snprintf(text, sizeof text, "%s[a]\n%s", damaged[i], LEAF);
        CSHM_AUTO_TREE struct cshm_tree *tree = parse(text);
        assert_true(tree->complaint);
        assert_children(&tree->root, "a");
    }
}

static void only_lines_at_the_top_belong_to_the_extension_document(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool present;
    } samples[] = {
        {"#~ [project]\n", true},    {"#~\n#~ [project]\r\n#~\n", true},
        {"#~ [project]", true},      {"# hello\n#~ [project]\n", false},
        {"\n#~ [project]\n", false}, {" #~ [project]\n", false},
        {"#~[project]\n", false},    {"[a]\n#~ [project]\n", false},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        CSHM_AUTO_TREE struct cshm_tree *tree = parse(samples[i].text);
        assert_int_equal(tree->facts.present, samples[i].present);
        assert_false(tree->complaint);
    }
}

static void control_characters_are_escaped_in_the_comment_lines(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_value value = {.type = CSHM_VALUE_STRING,
                               .string = {"a\nb\0c\x1F\x7F\xC2\x85\"\\", 11}};
    assert_int_equal(
        cshm_tree_add_attribute(tree, &tree->root, (struct cshm_text){"k\ny\0", 4}, &value, "S11"),
        0);
    assert_renders(tree, "#~ version = 1\n#~ [[node]]\n#~ path = []\n#~ [node.attrs]\n"
                         "#~ \"k\\ny\\u0000\" = \"a\\nb\\u0000c\\u001F\\u007F\\u0085\\\"\\\\\"\n"
                         "#~ [node.attr_types]\n#~ \"k\\ny\\u0000\" = \"S11\"\n");
    assert_reads_back(tree);
}

/* --- Names ------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t length;
} nasty[] = {
    {"", 0},
    {" ", 1},
    {".", 1},
    {"..", 2},
    {"a.b", 3},
    {"a/b", 3},
    {"\"", 1},
    {"'", 1},
    {"\\", 1},
    {"#", 1},
    {"#~ x", 4},
    {"[x]", 3},
    {"=", 1},
    {"\n", 1},
    {"\r\n", 2},
    {"\0", 1},
    {"a\0b", 3},
    {"\x7F\x1B[31m", 6},
    {"\xC2\x85\xE2\x80\xA8", 5},
    {"\xEF\xBB\xBF", 3},
    {"\xE6\x97\xA5\xE6\x9C\xAC", 6},
    {"\xF0\x9F\x98\x80", 4},
    {"\xEF\xBF\xBE", 3},
    {"\xFF", 1},
    {"caf\xE9", 4},
    {"caf%E9", 6},
    {"caf%25E9", 8},
    {"caf%2525E9", 10},
    {"%", 1},
    {"%25", 3},
    {"%FF", 3},
    {"%ff", 3},
    {"\xED\xA0\x80", 3},
    {"\xC3", 1},
    {"\xC3\xA9", 2},
    {"%C3\xA9", 4},
    {"!x", 2},
    {"shm_name", 8},
    {"attrs", 5},
    {"true", 4},
    {"1.5", 3},
    {"2025-01-01", 10},
};
enum { NASTY_COUNT = sizeof nasty / sizeof nasty[0] };

static struct cshm_node *add(struct cshm_tree *tree, struct cshm_node *group, struct cshm_text key,
                             enum cshm_node_type type)
{
    struct cshm_node *node;
    assert_int_equal(cshm_tree_add(tree, group, key, type, &node), 0);
    if (type == CSHM_NODE_GROUP)
        return node;
    struct cshm_dtype dtype;
    uint64_t shape = 3;
    assert_int_equal(cshm_dtype_parse("int16", 5, &dtype), 0);
    assert_int_equal(cshm_tree_set_array(tree, node, &dtype, 1, &shape), 0);
    if (type == CSHM_NODE_ARRAY)
        node->described->segment = SEGMENT;
    return node;
}

static struct cshm_text nasty_key(size_t i)
{
    return (struct cshm_text){nasty[i].bytes, nasty[i].length};
}

static void every_name_reads_back_of_every_node(void **state)
{
    (void)state;
    static const enum cshm_node_type types[] = {CSHM_NODE_ARRAY, CSHM_NODE_BARE, CSHM_NODE_GROUP};
    for (size_t turn = 0; turn < 3; turn++) {
        CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
        struct cshm_node *top = add(tree, &tree->root, nasty_key(24), CSHM_NODE_GROUP);
        for (size_t i = 0; i < NASTY_COUNT; i++) {
            struct cshm_node *node = add(tree, top, nasty_key(i), types[(i + turn) % 3]);
            if (node->type == CSHM_NODE_GROUP && i % 2 == 0)
                add(tree, node, nasty_key(i), types[turn % 2]);
        }
        assert_reads_back(tree);
    }
}

static void every_name_reads_back_of_attributes_and_enums(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *array = add(tree, &tree->root, cshm_text("x"), CSHM_NODE_ARRAY);
    struct cshm_member members[NASTY_COUNT];
    for (size_t i = 0; i < NASTY_COUNT; i++) {
        struct cshm_value number = {.type = CSHM_VALUE_INTEGER, .integer = (int64_t)i};
        members[i] = (struct cshm_member){.key = nasty_key(i), .value = number};
        const char *type = i % 2 ? "int8" : NULL;
        assert_int_equal(cshm_tree_add_attribute(tree, array, nasty_key(i), &number, type), 0);
        assert_int_equal(cshm_tree_add_attribute(tree, &tree->root, nasty_key(i), &number, type),
                         0);
    }
    const struct cshm_value table = {.type = CSHM_VALUE_TABLE, .table = {members, NASTY_COUNT}};
    cshm_tree_detail(tree, array->described)->enumeration = &table;
    assert_reads_back(tree);
}

static void names_that_are_not_utf8_say_so(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *group = add(tree, &tree->root, cshm_text("g\xFF"), CSHM_NODE_GROUP);
    add(tree, group, cshm_text("100%25"), CSHM_NODE_ARRAY);
    add(tree, group, cshm_text("\xE9"), CSHM_NODE_ARRAY);
    assert_renders(tree,
                   "#~ version = 1\n#~ [[node]]\n#~ path = [\"g%FF\"]\n#~ bytes_name = true\n"
                   "[\"g%FF\".\"100%25\"]\n" NAMES "shape = [3]\ndtype = \"int16\"\nattrs = {}\n"
                   "[\"g%FF\".\"%E9\"]\n" NAMES
                   "shape = [3]\ndtype = \"int16\"\nbytes_name = true\nattrs = {}\n");
    assert_reads_back(tree);
}

static void a_percent_sign_is_itself_unless_bytes_are_announced(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[\"%E9\"]\n" LEAF "[\"%FF\"]\n" LEAF "bytes_name = true\n"
              "[\"%41\"]\n" LEAF "bytes_name = true\n");
    assert_children(&tree->root, "%E9|\xFF|%41"); /* %41 is no spelling of ours */
}

static void names_that_would_be_the_same_are_kept_apart(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[\"%E9\"]\n" LEAF "[\"%25E9\"]\n" LEAF "bytes_name = true\n");
    assert_children(&tree->root, "%E9|%25E9");
    assert_reads_back(tree);
}

static void a_name_that_is_taken_twice_gets_another(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree =
        parse("[\"%2525E9\"]\n" LEAF "bytes_name = true\n[\"%E9\"]\n" LEAF "[\"%25E9\"]\n" LEAF
              "bytes_name = true\n");
    assert_children(&tree->root, "%25E9|%E9|%25E9~2");
    assert_reads_back(tree);
}

/* --- Size and depth ---------------------------------------------------------------------- */

static struct cshm_node *add_chain(struct cshm_tree *tree, size_t length)
{
    struct cshm_node *group = &tree->root;
    for (size_t i = 0; i < length; i++)
        group = add(tree, group, cshm_text("g"), CSHM_NODE_GROUP);
    return group;
}

static void the_deepest_tree_reads_back(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *deepest = add_chain(tree, CSHM_DEPTH_MAX - 1);
    struct cshm_node *array = add(tree, deepest, cshm_text("a.b"), CSHM_NODE_ARRAY);
    add(tree, deepest, cshm_text("n"), CSHM_NODE_BARE);
    /* A list in a list in a list, as deep as attributes may be. */
    struct cshm_value values[128];
    for (size_t i = 0; i < 128; i++)
        values[i] =
            i == 0 ? (struct cshm_value){.type = CSHM_VALUE_INTEGER, .integer = 7}
                   : (struct cshm_value){.type = CSHM_VALUE_ARRAY, .array = {&values[i - 1], 1}};
    assert_int_equal(cshm_tree_add_attribute(tree, array, cshm_text("deep"), &values[127], NULL),
                     0);
    assert_reads_back(tree);
}

static void deeper_trees_are_refused(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text, "[");
    for (int i = 0; i < CSHM_DEPTH_MAX; i++)
        cshm_buffer_add_string(&text, "g.");
    cshm_buffer_add_string(&text, "g]\n");
    assert_refused(text.bytes, -ELOOP, "line 1: groups nest deeper than 1000");
    cshm_buffer_clear(&text);
    cshm_buffer_add_string(&text, "[");
    for (int i = 0; i < 50000; i++)
        cshm_buffer_add_string(&text, "g.");
    cshm_buffer_add_string(&text, "g]\n");
    assert_refused(text.bytes, -ELOOP, "line 1: nested 50001 deep");
}

static void an_attribute_that_nests_too_deep_is_left_out(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text,
                           "[x]\n" NAMES "shape = [2]\ndtype = \"int8\"\n[x.attrs]\nfine = 1\n"
                           "[x.attrs.deep");
    for (int i = 0; i < 200; i++)
        cshm_buffer_add_string(&text, ".t");
    cshm_buffer_add_string(&text, "]\ny = 1\n");
    CSHM_AUTO_TREE struct cshm_tree *tree = parse(text.bytes);
    const struct cshm_node *x = child(&tree->root, "x");
    assert_null(x->problem);
    assert_int_equal(attribute(x, "fine")->integer, 1);
    assert_null(x->attributes->next);
}

static void many_arrays_and_many_attributes_read_back(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct cshm_node *group = add(tree, &tree->root, cshm_text("g"), CSHM_NODE_GROUP);
    for (int i = 0; i < 20000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "array %d", i);
        add(tree, i % 2 ? group : &tree->root, cshm_text(key),
            i % 5 ? CSHM_NODE_ARRAY : CSHM_NODE_BARE);
    }
    for (int i = 0; i < 1000; i++) {
        char key[32];
        struct cshm_value value = {.type = CSHM_VALUE_FLOAT, .number = i};
        (void)snprintf(key, sizeof key, "attribute %d", i);
        assert_int_equal(cshm_tree_add_attribute(tree, group, cshm_text(key), &value, "float32"),
                         0);
    }
    assert_reads_back(tree);
}

static void damage_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("[a]\n" NAMES "shape = [3,\n", -EINVAL, "line 4");
    assert_refused("[a]\nx\n", -EINVAL, "line 2");
    assert_refused("[a]\n[a]\n", -EINVAL, "line 2");
    assert_refused("\xFF", -EINVAL, "line 1: not UTF-8");
}

static void every_cut_of_a_manifest_is_read_or_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof example; length++) {
        struct cshm_tree *tree = NULL;
        int result = cshm_manifest_parse(example, length, &tree, NULL);
        assert_true(result == 0 || result == -EINVAL);
        cshm_tree_destroy(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read),
        cmocka_unit_test(the_example_is_written_as_it_was),
        cmocka_unit_test(what_the_peer_writes_is_read),
        cmocka_unit_test(a_leaf_needs_no_attrs_and_no_private_name),
        cmocka_unit_test(nothing_is_an_empty_project),
        cmocka_unit_test(arrays_come_in_the_order_of_their_lines),
        cmocka_unit_test(nodes_without_a_leaf_keep_their_place),
        cmocka_unit_test(all_keys_of_a_leaf_are_kept),
        cmocka_unit_test(an_unusable_leaf_does_not_stop_the_rest),
        cmocka_unit_test(what_was_understood_of_an_unusable_leaf_is_kept),
        cmocka_unit_test(sixty_four_dimensions_and_no_more),
        cmocka_unit_test(several_leaves_may_share_a_segment),
        cmocka_unit_test(segment_names_may_need_escaping),
        cmocka_unit_test(what_is_neither_group_nor_leaf_is_passed_over),
        cmocka_unit_test(a_child_called_shm_name_does_not_make_a_leaf),
        cmocka_unit_test(facts_of_the_project_are_kept),
        cmocka_unit_test(facts_can_be_read_without_the_arrays),
        cmocka_unit_test(facts_that_are_not_there_are_none),
        cmocka_unit_test(groups_have_kinds_shapes_and_attributes),
        cmocka_unit_test(null_datasets_and_waiting_sidecars_are_bare),
        cmocka_unit_test(nodes_that_name_a_leaf_or_nothing_are_passed_over),
        cmocka_unit_test(a_damaged_extension_document_leaves_the_arrays),
        cmocka_unit_test(only_lines_at_the_top_belong_to_the_extension_document),
        cmocka_unit_test(control_characters_are_escaped_in_the_comment_lines),
        cmocka_unit_test(every_name_reads_back_of_every_node),
        cmocka_unit_test(every_name_reads_back_of_attributes_and_enums),
        cmocka_unit_test(names_that_are_not_utf8_say_so),
        cmocka_unit_test(a_percent_sign_is_itself_unless_bytes_are_announced),
        cmocka_unit_test(names_that_would_be_the_same_are_kept_apart),
        cmocka_unit_test(a_name_that_is_taken_twice_gets_another),
        cmocka_unit_test(the_deepest_tree_reads_back),
        cmocka_unit_test(deeper_trees_are_refused),
        cmocka_unit_test(an_attribute_that_nests_too_deep_is_left_out),
        cmocka_unit_test(many_arrays_and_many_attributes_read_back),
        cmocka_unit_test(damage_is_refused_with_its_line),
        cmocka_unit_test(every_cut_of_a_manifest_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
