/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "format/toml.h"
#include "format/toml_nesting.h"

struct parsed {
    struct cshm_arena arena;
    struct cshm_value root;
    struct cshm_error error;
    int result;
};

static void parse_bytes(struct parsed *parsed, const char *text, size_t length)
{
    *parsed = (struct parsed){0};
    parsed->result = cshm_toml_parse(text, length, &parsed->arena, &parsed->root, &parsed->error);
}

static void parse(struct parsed *parsed, const char *text)
{
    parse_bytes(parsed, text, strlen(text));
}

static void finish(struct parsed *parsed)
{
    cshm_arena_finish(&parsed->arena);
}

static void assert_refused(const char *text, int code, const char *why)
{
    struct parsed parsed;
    parse(&parsed, text);
    assert_int_equal(parsed.result, code);
    if (why && !strstr(parsed.error.text, why))
        fail_msg("\"%s\" does not say \"%s\"", parsed.error.text, why);
    finish(&parsed);
}

static const struct cshm_value *get(const struct parsed *parsed, const char *key)
{
    const struct cshm_value *value = cshm_value_get(&parsed->root, key);
    assert_non_null(value);
    return value;
}

/* The keys of a table, joined with '|'. */
static void assert_keys(const struct cshm_value *table, const char *expected)
{
    CSHM_AUTO_BUFFER struct cshm_buffer keys = CSHM_BUFFER_INIT;
    assert_int_equal(table->type, CSHM_VALUE_TABLE);
    cshm_buffer_add_string(&keys, "");
    for (size_t i = 0; i < table->table.count; i++) {
        if (i > 0)
            cshm_buffer_add_char(&keys, '|');
        cshm_buffer_add(&keys, table->table.members[i].key.bytes,
                        table->table.members[i].key.length);
    }
    assert_string_equal(keys.bytes, expected);
}

static void assert_text(const struct cshm_value *value, const char *bytes, size_t length)
{
    assert_int_equal(value->type, CSHM_VALUE_STRING);
    assert_int_equal(value->string.length, length);
    assert_memory_equal(value->string.bytes, bytes, length);
}

/* --- Values ------------------------------------------------------------------------------ */

static void scalars_have_their_types(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = 'x'\nb = -5\nc = 1.5\nd = true\ne = 1e3\nf = 0xFF\n");
    assert_int_equal(p.result, 0);
    assert_text(get(&p, "a"), "x", 1);
    assert_int_equal(get(&p, "b")->integer, -5);
    assert_true(get(&p, "c")->number == 1.5);
    assert_true(get(&p, "d")->boolean);
    assert_int_equal(get(&p, "e")->type, CSHM_VALUE_FLOAT);
    assert_true(get(&p, "e")->number == 1000.0);
    assert_int_equal(get(&p, "f")->integer, 255);
    finish(&p);
}

static void floats_are_exact_at_the_edges(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = inf\nb = -inf\nc = nan\nd = -0.0\ne = 5e-324\nf = 1.7976931348623157e+308\n"
              "g = 0.1\nh = 9007199254740993.0\n");
    assert_int_equal(p.result, 0);
    assert_true(isinf(get(&p, "a")->number) && get(&p, "a")->number > 0);
    assert_true(isinf(get(&p, "b")->number) && get(&p, "b")->number < 0);
    assert_true(isnan(get(&p, "c")->number));
    assert_true(get(&p, "d")->number == 0 && signbit(get(&p, "d")->number));
    assert_true(get(&p, "e")->number == 0x1p-1074);
    assert_true(get(&p, "f")->number == 0x1.fffffffffffffp+1023);
    assert_true(get(&p, "g")->number == 0x1.999999999999ap-4);
    assert_true(get(&p, "h")->number == 9007199254740992.0);
    finish(&p);
}

static void integers_reach_from_end_to_end_and_no_further(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = 9223372036854775807\nb = -9223372036854775808\n");
    assert_int_equal(p.result, 0);
    assert_true(get(&p, "a")->integer == INT64_MAX);
    assert_true(get(&p, "b")->integer == INT64_MIN);
    finish(&p);
    assert_refused("a = 9223372036854775808\n", -EINVAL, "line 1");
    assert_refused("\n\na = 99999999999999999999\n", -EINVAL, "line 3");
}

static void dates_and_times_are_kept_as_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1979-05-27",
        "07:32:00",
        "07:32:00.25",
        "1979-05-27T07:32:00",
        "1979-05-27T07:32:00Z",
        "1979-05-27T00:32:00.999999-07:00",
        "1979-05-27T00:32:00+13:45",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[100];
        struct parsed p;
        (void)snprintf(text, sizeof text, "a = %s\n", texts[i]);
        parse(&p, text);
        assert_int_equal(p.result, 0);
        assert_int_equal(get(&p, "a")->type, CSHM_VALUE_DATETIME);
        assert_string_equal(get(&p, "a")->string.bytes, texts[i]);
        finish(&p);
    }
}

static void strings_come_unescaped(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = \"\\\"\\\\\\n\\u0000\\u00e9\\U0001F600\"\nb = 'C:\\x'\n"
              "c = \"\"\"one\n\"\"two\\\n   three\"\"\"\"\nd = '''x''''\ne = \"\"\n");
    assert_int_equal(p.result, 0);
    assert_text(get(&p, "a"), "\"\\\n\0\xC3\xA9\xF0\x9F\x98\x80", 10);
    assert_text(get(&p, "b"), "C:\\x", 4);
    assert_text(get(&p, "c"), "one\n\"\"twothree\"", 15);
    assert_text(get(&p, "d"), "x'", 2);
    assert_text(get(&p, "e"), "", 0);
    finish(&p);
}

static void lists_keep_their_mixture_and_nesting(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = [1, 2.0, 'x', [], [[true]], {k = 1}]\n");
    const struct cshm_value *a = get(&p, "a");
    assert_int_equal(a->array.count, 6);
    assert_int_equal(a->array.items[0].type, CSHM_VALUE_INTEGER);
    assert_int_equal(a->array.items[1].type, CSHM_VALUE_FLOAT);
    assert_int_equal(a->array.items[3].array.count, 0);
    assert_true(a->array.items[4].array.items[0].array.items[0].boolean);
    assert_int_equal(cshm_value_get(&a->array.items[5], "k")->integer, 1);
    finish(&p);
}

/* --- Order ------------------------------------------------------------------------------- */

static void members_come_in_the_order_of_their_lines(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "z = 1\na = 2\nm = {z = 1, a = 2, m.y = 3, m.b = 4}\n[t]\nb = 1\na = 2\n[c]\n[b]\n");
    assert_keys(&p.root, "z|a|m|t|c|b");
    assert_keys(get(&p, "m"), "z|a|m");
    assert_keys(cshm_value_get(get(&p, "m"), "m"), "y|b");
    assert_keys(get(&p, "t"), "b|a");
    finish(&p);
}

static void a_table_stands_where_it_is_first_mentioned(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "[z.y.x]\n[a]\n[z.b]\n[z]\nq = 1\n[m.n]\n[[l]]\n[b]\n[[l]]\n");
    assert_int_equal(p.result, 0);
    assert_keys(&p.root, "z|a|m|l|b");
    assert_keys(get(&p, "z"), "y|b|q");
    assert_int_equal(get(&p, "l")->array.count, 2);
    finish(&p);
}

static void dotted_keys_keep_their_order(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "z.b = 1\na.x = 2\nz.a = 3\nz . 'c' . \"d.e\" = 4\n");
    assert_int_equal(p.result, 0);
    assert_keys(&p.root, "z|a");
    assert_keys(get(&p, "z"), "b|a|c");
    assert_keys(cshm_value_get(get(&p, "z"), "c"), "d.e");
    finish(&p);
}

static void keys_on_one_line_are_told_apart_by_column(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "x = {\"\xC3\xA9\xC3\xA9\" = 1, b = 2, \"\" = 3, a = 4}\n");
    assert_keys(get(&p, "x"), "\xC3\xA9\xC3\xA9|b||a");
    finish(&p);
}

static void values_know_their_lines(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "a = 1\n\n[b]\nc = [\n1,\n2]\n");
    assert_int_equal(get(&p, "a")->line, 1);
    assert_int_equal(get(&p, "b")->line, 3);
    const struct cshm_value *c = cshm_value_get(get(&p, "b"), "c");
    assert_int_equal(c->line, 4);
    assert_int_equal(c->array.items[1].line, 6);
    finish(&p);
}

static void a_hundred_thousand_tables_keep_their_order(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    for (unsigned i = 0; i < 100000;
         i++) /* 7919 is prime, so all are different and none in order */
        cshm_buffer_add_format(&text, "[k%u]\nx = %u\n", i * 7919U % 100000, i);
    struct parsed p;
    parse_bytes(&p, text.bytes, text.length);
    assert_int_equal(p.result, 0);
    assert_int_equal(p.root.table.count, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(cshm_value_get(&p.root.table.members[i].value, "x")->integer, i);
    finish(&p);
}

/* --- What is refused --------------------------------------------------------------------- */

static void damage_is_refused_with_line_and_column(void **state)
{
    (void)state;
    assert_refused("a = 1\nb = \n", -EINVAL, "line 2, column 5");
    assert_refused("a = 1\na = 2\n", -EINVAL, "line 2");
    assert_refused("[a]\n[a]\n", -EINVAL, "line 2");
    assert_refused("a = {b = 1,\n", -EINVAL, NULL);
    assert_refused("a = \"x\n", -EINVAL, "line 1");
    assert_refused("a = \"\x01\"\n", -EINVAL, "line 1");
    assert_refused("a\n", -EINVAL, NULL);
    assert_refused("[a", -EINVAL, NULL);
    assert_refused("a = '''x", -EINVAL, NULL);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    struct parsed p;
    parse_bytes(&p, "a = 1\nb = 'x\0y'\n", 17);
    assert_int_equal(p.result, -EINVAL);
    assert_string_equal(p.error.text, "line 2: a NUL byte");
    finish(&p);
    assert_refused("a = 1\n# \xE9\n", -EINVAL, "line 2: not UTF-8");
    assert_refused("a = '\xED\xA0\x80'\n", -EINVAL, "line 1: not UTF-8");
}

static void letters_outside_of_quotes_are_refused(void **state)
{
    (void)state;
    assert_refused("k\xEF\xB3\xBF = 1\n", -EINVAL, "line 1, column 2");
    assert_refused("a = 1\n\xC3\xA9 = 2\n", -EINVAL, "line 2, column 1");
    assert_refused("a = 84''''\xEF\xBB\xBD''\n", -EINVAL, "line 1");
    assert_refused("x = 4[\"\xEF\xBB\xB7\"]\n", -EINVAL, "line 1");
    assert_refused("\"\"\"\\\xEF\xBB\xB7", -EINVAL, "line 1");
}

static void letters_in_quotes_and_comments_are_read(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "# \xC3\xA9\n\"\xC3\xA9\" = [\"\xC3\xA9\", '\xC3\xA9'] # \xC3\xA9\n"
              "f = \"\"\"\\\n  \xEF\xBB\xB7\\\n\xC3\xA9\"\"\"\n['\xC3\xA4'.b]\n");
    assert_int_equal(p.result, 0);
    assert_text(get(&p, "f"), "\xEF\xBB\xB7\xC3\xA9", 5);
    finish(&p);
}

static void broken_assertions_of_the_library_are_errors(void **state)
{
    (void)state;
    assert_refused("[# a", -EINVAL, NULL);
    assert_refused("[a.#]", -EINVAL, NULL);
    assert_refused("x = {#", -EINVAL, NULL);
}

static void too_much_text_is_refused_unread(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_value out;
    struct cshm_error error;
    assert_int_equal(cshm_toml_parse("", CSHM_TOML_SIZE_MAX + 1, &arena, &out, &error), -EFBIG);
}

static void nothing_is_an_empty_document(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "#", "# x", "\xEF\xBB\xBF", " \t\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct parsed p;
        parse(&p, texts[i]);
        assert_int_equal(p.result, 0);
        assert_int_equal(p.root.table.count, 0);
        finish(&p);
    }
}

/* --- Nesting ----------------------------------------------------------------------------- */

static void repeat(struct cshm_buffer *text, const char *piece, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cshm_buffer_add_string(text, piece);
}

static int parse_repeated(const char *before, const char *piece, size_t count, const char *between,
                          const char *piece_after, const char *after)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text, before);
    repeat(&text, piece, count);
    cshm_buffer_add_string(&text, between);
    repeat(&text, piece_after, count);
    cshm_buffer_add_string(&text, after);
    struct parsed p;
    parse_bytes(&p, text.bytes, text.length);
    finish(&p);
    return p.result;
}

static void keys_and_headers_nest_so_deep_and_no_deeper(void **state)
{
    (void)state;
    size_t most = CSHM_TOML_DEPTH_MAX - 1;
    assert_int_equal(parse_repeated("[", "a.", most, "a]\n", "", ""), 0);
    assert_int_equal(parse_repeated("[", "a.", most + 1, "a]\n", "", ""), -ELOOP);
    assert_int_equal(parse_repeated("[[", "a.", most, "a]]\n", "", ""), 0);
    assert_int_equal(parse_repeated("[[", "a.", most + 1, "a]]\n", "", ""), -ELOOP);
    assert_int_equal(parse_repeated("", "a.", most, "a = 1\n", "", ""), 0);
    assert_int_equal(parse_repeated("", "a.", most + 1, "a = 1\n", "", ""), -ELOOP);
    assert_int_equal(parse_repeated("", "a . ", 50000, "a = 1\n", "", ""), -ELOOP);
    assert_int_equal(parse_repeated("[", "'a'.", 50000, "a]\n", "", ""), -ELOOP);
    assert_int_equal(parse_repeated("x = {", "a.", 50000, "a = 1}\n", "", ""), -ELOOP);
}

static void header_and_key_add_up(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text, "[");
    repeat(&text, "a.", CSHM_TOML_DEPTH_MAX - 2);
    cshm_buffer_add_string(&text, "a]\nx = 1\n");
    struct parsed p;
    parse_bytes(&p, text.bytes, text.length);
    assert_int_equal(p.result, 0);
    finish(&p);
    cshm_buffer_add_string(&text, "y.z = 1\n");
    parse_bytes(&p, text.bytes, text.length);
    assert_int_equal(p.result, -ELOOP);
    finish(&p);
}

static void lists_and_inline_tables_nest_so_deep_and_no_deeper(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("x = ", "[", 255, "1", "]", "\n"), 0);
    assert_true(parse_repeated("x = ", "[", 257, "1", "]", "\n") < 0);
    assert_int_equal(parse_repeated("x = ", "[", 200000, "1", "]", "\n"), -ELOOP);
    assert_int_equal(parse_repeated("x = ", "{a.b = ", 255, "1", "}", "\n"), 0);
    assert_int_equal(parse_repeated("x = ", "{a=[\n", 100000, "1", "]}", "\n"), -ELOOP);
}

static void every_table_in_a_list_can_have_a_deep_key(void **state)
{
    (void)state;
    /* Each line alone is harmless: what adds up is the nesting of the brackets. */
    CSHM_AUTO_BUFFER struct cshm_buffer piece = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&piece, "[\n{");
    repeat(&piece, "a.", 500);
    cshm_buffer_add_string(&piece, "a = ");
    assert_int_equal(parse_repeated("x = ", piece.bytes, 100, "1", "}]", "\n"), -ELOOP);
    assert_int_equal(parse_repeated("x = ", piece.bytes, 2, "1", "}]", "\n"), 0);
}

static void dots_in_values_strings_and_comments_are_no_nesting(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("x = [", "1.5, ", 3000, "]\n", "", ""), 0);
    assert_int_equal(parse_repeated("x = '", "a.[{", 3000, "'\n", "", ""), 0);
    assert_int_equal(parse_repeated("x = \"\\\"", "a.[{", 3000, "\"\n", "", ""), 0);
    assert_int_equal(parse_repeated("['", "a.", 3000, "']\n", "", ""), 0);
    assert_int_equal(parse_repeated("#", "a.[{", 3000, "\n", "", ""), 0);
    assert_int_equal(parse_repeated("x = \"\"\"\n\"", "a.[{", 3000, "\\\"\"\"\"\n", "", ""), 0);
    assert_int_equal(parse_repeated("x = [ # ", "[", 3000, "\n]\n", "", ""), 0);
}

static void the_scan_sees_what_follows_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t depth;
    } samples[] = {
        {"", 0},
        {"a = 1", 1},
        {"a.b.c = 1", 3},
        {"[a.b]\nc.d = 1", 4},
        {"[a.b]\n[c]\nd = 1", 2},
        {"x = [[1], [[2]]]", 4},
        {"x = {a.b = {c = 1}, d = 1}", 4},
        {"x = [{a = 1}, {b.c = 1}]", 4},
        {"\"a.b\".'c.d'.e = 1", 3},
        {"x = \"\"\"\"\"\"\"\"\na.b = 1", 2},
        {"x = '''a''''\na.b.c = 1", 3},
        {"x = \"\"\"\\\"\"\"\"\na.b.c = 1", 3},
        {"x = '\\'\na.b.c = 1", 3},
        {"x = [ # ]\n[ # \"\n1]]\na.b.c.d = 1", 4},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        assert_int_equal(cshm_toml_nesting(samples[i].text, strlen(samples[i].text)).depth,
                         samples[i].depth);
}

static void *parse_often(void *result)
{
    for (int i = 0; i < 50; i++) {
        struct parsed p;
        parse(&p, "b = 1\na = [1.5, 'x']\n");
        if (p.result < 0 || p.root.table.count != 2)
            *(int *)result = -1;
        finish(&p);
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    int results[4] = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_often, &results[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(results[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_have_their_types),
        cmocka_unit_test(floats_are_exact_at_the_edges),
        cmocka_unit_test(integers_reach_from_end_to_end_and_no_further),
        cmocka_unit_test(dates_and_times_are_kept_as_text),
        cmocka_unit_test(strings_come_unescaped),
        cmocka_unit_test(lists_keep_their_mixture_and_nesting),
        cmocka_unit_test(members_come_in_the_order_of_their_lines),
        cmocka_unit_test(a_table_stands_where_it_is_first_mentioned),
        cmocka_unit_test(dotted_keys_keep_their_order),
        cmocka_unit_test(keys_on_one_line_are_told_apart_by_column),
        cmocka_unit_test(values_know_their_lines),
        cmocka_unit_test(a_hundred_thousand_tables_keep_their_order),
        cmocka_unit_test(damage_is_refused_with_line_and_column),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(letters_outside_of_quotes_are_refused),
        cmocka_unit_test(letters_in_quotes_and_comments_are_read),
        cmocka_unit_test(broken_assertions_of_the_library_are_errors),
        cmocka_unit_test(too_much_text_is_refused_unread),
        cmocka_unit_test(nothing_is_an_empty_document),
        cmocka_unit_test(keys_and_headers_nest_so_deep_and_no_deeper),
        cmocka_unit_test(header_and_key_add_up),
        cmocka_unit_test(lists_and_inline_tables_nest_so_deep_and_no_deeper),
        cmocka_unit_test(every_table_in_a_list_can_have_a_deep_key),
        cmocka_unit_test(dots_in_values_strings_and_comments_are_no_nesting),
        cmocka_unit_test(the_scan_sees_what_follows_strings),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
