/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/tree_equal.h"
#include "format/journal.h"
#include "format/manifest.h"

#define SEGMENT "cute-shm.p.Qw3rT9yUiO"
#define KEYS(...) ((struct cshm_text[]){__VA_ARGS__})

enum { GENERATION = 4711 };

static struct cshm_tree *manifest(const char *text)
{
    struct cshm_tree *tree = NULL;
    assert_int_equal(cshm_manifest_parse(text, strlen(text), &tree, NULL), 0);
    assert_int_equal(cshm_tree_index_segments(tree), 0);
    return tree;
}

static struct cshm_operation removal(const struct cshm_text *path, size_t depth)
{
    return (struct cshm_operation){CSHM_OPERATION_REMOVE, .path = path, .depth = depth};
}

static struct cshm_operation move(const struct cshm_text *path, size_t depth,
                                  const struct cshm_text *to, size_t to_depth, bool exchange)
{
    return (struct cshm_operation){CSHM_OPERATION_MOVE, exchange, path, depth, to, to_depth, NULL};
}

static void render(struct cshm_buffer *out, const struct cshm_operation *operation)
{
    assert_int_equal(cshm_journal_render(GENERATION, operation, 1, NULL, 0, out), 0);
}

static int apply(struct cshm_tree *tree, const struct cshm_operation *operation)
{
    struct cshm_operation_place place;
    int result = cshm_operation_find(tree, operation, &place);
    return result < 0 ? result : cshm_operation_apply(tree, operation, &place);
}

/* Every line of the text on the tree; all of it must be right. */
static void replay(struct cshm_tree *tree, const struct cshm_buffer *text)
{
    struct cshm_journal journal;
    assert_int_equal(cshm_journal_parse(text->bytes, text->length, GENERATION, &journal), 0);
    assert_int_equal(journal.end, text->length);
    for (size_t i = 0; i < journal.count; i++)
        for (size_t j = 0; j < journal.lines[i].count; j++)
            assert_int_equal(apply(tree, &journal.lines[i].operations[j]), 0);
    cshm_journal_finish(&journal);
}

static void assert_order(const struct cshm_node *group, const char *expected)
{
    char seen[256] = "";
    cshm_for_each_child (node, group) {
        strncat(seen, node->key.bytes, 32);
        strcat(seen, " ");
    }
    assert_string_equal(seen, expected);
}

/* --- Lines -------------------------------------------------------------------------------- */

static void a_line_is_as_the_manual_says(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    const struct cshm_operation operation = removal(KEYS(cshm_text("b"), cshm_text("b 1")), 2);
    const char *free = SEGMENT;
    assert_int_equal(cshm_journal_render(GENERATION, &operation, 1, &free, 1, &out), 0);
    const char *rest = "4711 [{op = \"remove\", path = [\"b\", \"b 1\"], free = [\"" SEGMENT "\"]}]";
    char expected[256];
    (void)snprintf(expected, sizeof expected, "%016" PRIx64 " %s\n",
                   cshm_hash(rest, strlen(rest)), rest);
    assert_string_equal(out.bytes, expected);
    struct cshm_journal journal;
    assert_int_equal(cshm_journal_parse(out.bytes, out.length, GENERATION, &journal), 0);
    assert_int_equal(journal.count, 1);
    assert_int_equal(journal.lines[0].free_count, 1);
    assert_string_equal(journal.lines[0].free[0], SEGMENT);
    cshm_journal_finish(&journal);
}

static const char everything[] =
    "#~ [[node]]\n#~ path = [\"c\"]\n#~ kind = \"compound\"\n#~ shape = [2, 3]\n"
    "#~ [node.attrs]\n#~ title = \"a \\\"b\\\"\\n\"\n"
    "#~ [[node]]\n#~ path = [\"c\", \"null\"]\n#~ shape = \"null\"\n#~ dtype = \"int8\"\n"
    "#~ [[node]]\n#~ path = [\"waits%FF\"]\n#~ state = \"waiting\"\n#~ bytes_name = true\n"
    "[c.x]\nshm_name = \"" SEGMENT "\"\nshape = [2, 3]\ndtype = \">f4\"\nencoding = \"ascii\"\n"
    "enum = {RED = 0, \"a b\" = 1}\nkind = \"raw\"\ntag = \"!bytes ff\"\nbytes_attrs = true\n"
    "[c.x.attrs]\n\"odd%FF\" = [1, 2]\n\"{\" = \"{\"\ndeep = [[1.5, inf], []]\n"
    "[c.x.attr_types]\n\"odd%FF\" = \"int8\"\n"
    "[c.raw]\nshm_name = \"cute-shm.p.AAAAAAAAAA\"\nshape = [0]\ndtype = \"uint8\"\n"
    "declared = false\nrest = 1\nlinked = true\nattrs = {}\n"
    "[c.broken]\nshm_name = \"x\"\nshape = [1]\ndtype = \"object\"\nattrs = {}\n";

/* Puts every node of `from` where it is, through the journal's text. */
static void put_all(const struct cshm_tree *from, struct cshm_buffer *out)
{
    const struct cshm_node *root = &from->root;
    for (const struct cshm_node *n = root; n; n = cshm_node_walk(n, root)) {
        struct cshm_text path[4];
        size_t depth = 0;
        for (const struct cshm_node *up = n; up->parent; up = up->parent)
            depth++;
        size_t at = depth;
        for (const struct cshm_node *up = n; up->parent; up = up->parent)
            path[--at] = up->key;
        const struct cshm_operation put = {
            CSHM_OPERATION_PUT, .path = path, .depth = depth, .node = n};
        render(out, &put);
    }
}

static void everything_a_node_says_comes_back(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest(everything);
    CSHM_AUTO_TREE struct cshm_tree *made = manifest("");
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    put_all(tree, &out);
    replay(made, &out);
    assert_true(same_tree(tree, made));
    replay(made, &out); /* what is there already is said again */
    assert_true(same_tree(tree, made));
    assert_ptr_equal(cshm_tree_find_segment(made, SEGMENT)->parent, made->root.first);
}

static void what_is_torn_never_happened(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    const struct cshm_operation first = removal(KEYS(cshm_text("a")), 1);
    const struct cshm_operation second = removal(KEYS(cshm_text("b")), 1);
    render(&out, &first);
    size_t whole = out.length;
    render(&out, &second);
    for (size_t length = 0; length <= out.length; length++) {
        struct cshm_journal journal;
        char *text = malloc(length + 1); /* so that a sanitizer sees what is read beyond it */
        assert_non_null(text);
        memcpy(text, out.bytes, length);
        assert_int_equal(cshm_journal_parse(text, length, GENERATION, &journal), 0);
        size_t expected = length == out.length ? 2 : length >= whole;
        assert_int_equal(journal.count, expected);
        assert_int_equal(journal.end, expected == 2 ? out.length : expected * whole);
        cshm_journal_finish(&journal);
        free(text);
    }
}

static void one_changed_byte_ends_the_journal(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    const struct cshm_operation operation = removal(KEYS(cshm_text("a")), 1);
    render(&out, &operation);
    size_t whole = out.length;
    render(&out, &operation);
    render(&out, &operation);
    for (size_t at = whole; at < 2 * whole; at++) {
        struct cshm_journal journal;
        out.bytes[at] ^= 1;
        assert_int_equal(cshm_journal_parse(out.bytes, out.length, GENERATION, &journal), 0);
        assert_int_equal(journal.count, 1);
        cshm_journal_finish(&journal);
        out.bytes[at] ^= 1;
    }
}

static void another_generation_ends_the_journal(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    const struct cshm_operation operation = removal(KEYS(cshm_text("a")), 1);
    render(&out, &operation);
    assert_int_equal(cshm_journal_render(GENERATION + 1, &operation, 1, NULL, 0, &out), 0);
    struct cshm_journal journal;
    assert_int_equal(cshm_journal_parse(out.bytes, out.length, GENERATION, &journal), 0);
    assert_int_equal(journal.count, 1);
    cshm_journal_finish(&journal);
    assert_int_equal(cshm_journal_parse(out.bytes, out.length, GENERATION + 1, &journal), 0);
    assert_int_equal(journal.count, 0);
    cshm_journal_finish(&journal);
    assert_int_equal(cshm_journal_parse(out.bytes, out.length, 0, &journal), 0);
    assert_int_equal(journal.count, 2); /* who only wants to know what is freed */
    cshm_journal_finish(&journal);
}

static void add_line(struct cshm_buffer *out, const char *toml)
{
    CSHM_AUTO_BUFFER struct cshm_buffer rest = CSHM_BUFFER_INIT;
    cshm_buffer_add_format(&rest, "%d %s", GENERATION, toml);
    cshm_buffer_add_format(out, "%016" PRIx64 " %s\n", cshm_hash(rest.bytes, rest.length),
                           rest.bytes);
}

/* Each behind a good line and before another one: exactly the first counts. */
static void a_rightly_summed_line_of_nonsense_ends_the_journal(void **state)
{
    (void)state;
    static const char *const nonsense[] = {
        "",
        "[]",
        "1",
        "{op = \"remove\", path = [\"a\"]}",
        "[{op = \"remove\", path = [\"a\"]}",
        "[{op = \"remove\", path = [\"a\"]}]]",
        "[{op = \"remove\", path = [\"\"\"a",
        "[{op = \"remove\", path = [1]}]",
        "[{op = \"remove\"}]",
        "[{op = \"steal\", path = [\"a\"]}]",
        "[{op = \"put\", path = [\"a\"]}]",
        "[{op = \"put\", path = [\"a\"], type = \"fifo\"}]",
        "[{op = \"move\", path = [\"a\"]}]",
        "[{op = \"remove\", path = [\"%GG\", \"%41\"], bytes_path = true}]",
        "[{op = \"remove\", path = [\"a\"], free = [\"../etc/passwd\"]}]",
        "[{op = \"remove\", path = [\"a\"]}, 1]",
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
        add_line(&out, "[{op = \"remove\", path = [\"x\"]}]");
        size_t whole = out.length;
        add_line(&out, nonsense[i]);
        add_line(&out, "[{op = \"remove\", path = [\"\"\"y\"\"\"]}]");
        struct cshm_journal journal;
        assert_int_equal(cshm_journal_parse(out.bytes, out.length, GENERATION, &journal), 0);
        assert_int_equal(journal.count, 1);
        assert_int_equal(journal.end, whole);
        cshm_journal_finish(&journal);
    }
}

static void names_that_are_not_utf8_are_found_again(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest("");
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    const struct cshm_node group = {.type = CSHM_NODE_GROUP};
    const struct cshm_text odd = {"\xFF%41/\0", 6};
    struct cshm_operation put = {
        CSHM_OPERATION_PUT, .path = KEYS(odd), .depth = 1, .node = &group};
    render(&out, &put);
    put.path = KEYS(odd, cshm_text(""));
    put.depth = 2;
    render(&out, &put);
    replay(tree, &out);
    struct cshm_node *made = cshm_node_child(&tree->root, odd);
    assert_non_null(made);
    assert_non_null(cshm_node_child(made, cshm_text("")));
    cshm_buffer_clear(&out);
    const struct cshm_operation operation = removal(KEYS(odd), 1);
    render(&out, &operation);
    replay(tree, &out);
    assert_int_equal(tree->node_count, 0);
}

static void a_line_too_long_is_refused(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    char *name = malloc(CSHM_JOURNAL_LINE_MAX);
    assert_non_null(name);
    memset(name, 'x', CSHM_JOURNAL_LINE_MAX);
    const struct cshm_operation operation =
        removal(&(struct cshm_text){name, CSHM_JOURNAL_LINE_MAX}, 1);
    assert_int_equal(cshm_journal_render(GENERATION, &operation, 1, NULL, 0, &out), -EFBIG);
    free(name);
}

/* --- What they do ------------------------------------------------------------------------- */

static const char four[] = "[a.x]\n[b]\n[c.y]\n[d]\n";

static void a_moved_node_takes_the_place_of_what_was_there(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest(four);
    struct cshm_operation one = move(KEYS(cshm_text("d")), 1, KEYS(cshm_text("a")), 1, false);
    assert_int_equal(apply(tree, &one), 0);
    assert_order(&tree->root, "a b c ");
    assert_int_equal(tree->node_count, 4);
    assert_null(cshm_node_child(&tree->root, cshm_text("d")));
    assert_null(tree->root.first->first); /* "a" is what was "d" */
    one = move(KEYS(cshm_text("a")), 1, KEYS(cshm_text("c"), cshm_text("z")), 2, false);
    assert_int_equal(apply(tree, &one), 0);
    assert_order(&tree->root, "b c ");
    assert_order(cshm_node_last_child(&tree->root), "y z ");
    one = move(KEYS(cshm_text("b")), 1, KEYS(cshm_text("c")), 1, false); /* beside each other */
    assert_int_equal(apply(tree, &one), 0);
    assert_order(&tree->root, "c ");
    assert_int_equal(tree->node_count, 1);
}

static void exchanged_nodes_take_each_others_place(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest(four);
    struct cshm_operation one = move(KEYS(cshm_text("a")), 1, KEYS(cshm_text("b")), 1, true);
    assert_int_equal(apply(tree, &one), 0);
    assert_order(&tree->root, "a b c d ");
    assert_order(tree->root.first->next, "x ");
    one = move(KEYS(cshm_text("d")), 1, KEYS(cshm_text("c"), cshm_text("y")), 2, true);
    assert_int_equal(apply(tree, &one), 0);
    one = move(KEYS(cshm_text("c")), 1, KEYS(cshm_text("c"), cshm_text("y")), 2, true);
    assert_int_equal(apply(tree, &one), -EINVAL);
    one = move(KEYS(cshm_text("c")), 1, KEYS(cshm_text("e")), 1, true);
    assert_int_equal(apply(tree, &one), -ENOENT);
    assert_int_equal(tree->node_count, 6);
}

/* In groups with a hash table, in all pairs, again and again: every key finds its node. */
static void names_are_found_after_many_moves(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest("");
    struct cshm_node *node[20];
    char names[20][8];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", i);
        assert_int_equal(
            cshm_tree_add(tree, &tree->root, cshm_text(names[i]), CSHM_NODE_GROUP, &node[i]), 0);
    }
    for (int step = 0; step < 2000; step++) {
        int a = step * 7 % 20;
        int b = step * 11 % 19;
        struct cshm_operation one =
            move(KEYS(cshm_text(names[a])), 1, KEYS(cshm_text(names[b])), 1, true);
        assert_int_equal(apply(tree, &one), 0);
        one = move(KEYS(cshm_text(names[a])), 1, KEYS(cshm_text("other")), 1, false);
        assert_int_equal(apply(tree, &one), 0);
        one = move(KEYS(cshm_text("other")), 1, KEYS(cshm_text(names[a])), 1, false);
        assert_int_equal(apply(tree, &one), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct cshm_node *found = cshm_node_child(&tree->root, cshm_text(names[i]));
        assert_non_null(found);
        cshm_tree_remove(tree, found);
        assert_null(cshm_node_child(&tree->root, cshm_text(names[i])));
    }
    assert_int_equal(cshm_node_child_count(&tree->root), 0);
}

static void what_cannot_be_done_changes_nothing(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest(everything);
    CSHM_AUTO_TREE struct cshm_tree *before = manifest(everything);
    const struct cshm_node bare = {.type = CSHM_NODE_BARE};
    const struct cshm_node array = {.type = CSHM_NODE_ARRAY};
    struct cshm_text c = cshm_text("c");
    struct cshm_text x = cshm_text("x");
    struct cshm_text no = cshm_text("no");
    const struct {
        struct cshm_operation operation;
        int expected;
    } cases[] = {
        {removal(NULL, 0), -EINVAL},
        {removal(KEYS(no), 1), -ENOENT},
        {removal(KEYS(no, x), 2), -ENOENT},
        {removal(KEYS(c, x, no), 3), -ENOTDIR},
        {move(KEYS(c), 1, KEYS(c, no), 2, false), -EINVAL},
        {move(KEYS(c, x), 2, KEYS(c), 1, false), -EINVAL},
        {move(KEYS(c), 1, NULL, 0, false), -EINVAL},
        {move(KEYS(c), 1, KEYS(no, x), 2, false), -ENOENT},
        {move(KEYS(no), 1, KEYS(c), 1, false), -ENOENT},
        {{CSHM_OPERATION_PUT, .path = KEYS(c), .depth = 1, .node = &bare}, -ENOTEMPTY},
        {{CSHM_OPERATION_PUT, .depth = 0, .node = &bare}, -EINVAL},
        {{CSHM_OPERATION_PUT, .path = KEYS(no), .depth = 1, .node = &array}, -EINVAL},
        {{CSHM_OPERATION_PUT, .path = KEYS(c, x, no), .depth = 3, .node = &bare}, -ENOTDIR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(apply(tree, &cases[i].operation), cases[i].expected);
    assert_true(same_tree(tree, before));
}

static void groups_do_not_nest_too_deep_by_moves(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest("[a.b.c]\n[d]\n");
    struct cshm_node *deep = cshm_node_child(&tree->root, cshm_text("d"));
    for (int i = 1; i < CSHM_DEPTH_MAX - 2; i++)
        assert_int_equal(cshm_tree_add(tree, deep, cshm_text("d"), CSHM_NODE_GROUP, &deep), 0);
    struct cshm_node *a = cshm_node_child(&tree->root, cshm_text("a"));
    assert_int_equal(cshm_tree_place(tree, a, deep, cshm_text("a")), -ELOOP);
    assert_int_equal(cshm_tree_place(tree, a->first, deep, cshm_text("b")), 0);
    assert_int_equal(tree->node_count, CSHM_DEPTH_MAX - 2 + 3);
}

/* --- Who names a segment ------------------------------------------------------------------ */

static size_t count_holders(const struct cshm_tree *tree, const char *segment)
{
    size_t count = 0;
    struct cshm_node *node = cshm_tree_find_segment(tree, segment);
    for (; node; node = node->described->next_holder)
        count++;
    return count;
}

static void the_holders_of_a_segment_are_known_through_all_changes(void **state)
{
    (void)state;
    CSHM_AUTO_TREE struct cshm_tree *tree = manifest("");
    char segment[64];
    struct cshm_description described = {.rank = 0,
                                         .dtype = &cshm_no_dtype,
                                         .dtype_text = "int8",
                                         .detail = &cshm_no_detail,
                                         .segment = segment};
    const struct cshm_node array = {.type = CSHM_NODE_ARRAY, .described = &described};
    char key[16];
    for (int i = 0; i < 3000; i++) { /* each of 1000 segments under three names */
        (void)snprintf(segment, sizeof segment, "cute-shm.p.%010d", i % 1000);
        (void)snprintf(key, sizeof key, "%d", i);
        const struct cshm_operation put = {
            CSHM_OPERATION_PUT, .path = KEYS(cshm_text(key)), .depth = 1, .node = &array};
        assert_int_equal(apply(tree, &put), 0);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(segment, sizeof segment, "cute-shm.p.%010d", i);
        assert_int_equal(count_holders(tree, segment), 3);
        for (int j = 0; j < i % 4; j++) { /* the first, the middle one, the last */
            (void)snprintf(key, sizeof key, "%d", i + (j + i) % 3 * 1000);
            const struct cshm_operation gone = removal(KEYS(cshm_text(key)), 1);
            assert_int_equal(apply(tree, &gone), 0);
            assert_int_equal(count_holders(tree, segment), 2 - j);
        }
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(segment, sizeof segment, "cute-shm.p.%010d", i);
        assert_int_equal(count_holders(tree, segment), 3 - i % 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_as_the_manual_says),
        cmocka_unit_test(everything_a_node_says_comes_back),
        cmocka_unit_test(what_is_torn_never_happened),
        cmocka_unit_test(one_changed_byte_ends_the_journal),
        cmocka_unit_test(another_generation_ends_the_journal),
        cmocka_unit_test(a_rightly_summed_line_of_nonsense_ends_the_journal),
        cmocka_unit_test(names_that_are_not_utf8_are_found_again),
        cmocka_unit_test(a_line_too_long_is_refused),
        cmocka_unit_test(a_moved_node_takes_the_place_of_what_was_there),
        cmocka_unit_test(exchanged_nodes_take_each_others_place),
        cmocka_unit_test(names_are_found_after_many_moves),
        cmocka_unit_test(what_cannot_be_done_changes_nothing),
        cmocka_unit_test(groups_do_not_nest_too_deep_by_moves),
        cmocka_unit_test(the_holders_of_a_segment_are_known_through_all_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
