/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/attribute.h"
#include "format/keys.h"
#include "format/toml.h"
#include "format/toml_write.h"

static void assert_bytes(struct cshm_buffer *out, const char *expected)
{
    cshm_buffer_add_string(out, "");
    assert_int_equal(out->error, 0);
    assert_string_equal(out->bytes, expected);
    cshm_buffer_finish(out);
}

static void assert_string(const char *bytes, size_t length, const char *expected)
{
    struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_toml_write_string(&out, (struct cshm_text){bytes, length});
    assert_bytes(&out, expected);
}

static void assert_key(const char *key, const char *expected)
{
    struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_toml_write_key(&out, cshm_text(key));
    assert_bytes(&out, expected);
}

static void assert_float(double value, const char *expected)
{
    struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_toml_write_float(&out, value);
    assert_bytes(&out, expected);
}

/* --- Strings, keys, numbers -------------------------------------------------------------- */

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_string("", 0, "\"\"");
    assert_string("plain \xC3\xA9", 8, "\"plain \xC3\xA9\"");
    assert_string("\0\x01\x1F\x7F", 4, "\"\\u0000\\u0001\\u001F\\u007F\"");
    assert_string("\b\t\n\f\r\"\\", 7, "\"\\b\\t\\n\\f\\r\\\"\\\\\"");
    assert_string("\xC2\x80\xC2\x9F\xC2\xA0", 6, "\"\\u0080\\u009F\xC2\xA0\"");
}

static void keys_are_bare_where_they_can_be(void **state)
{
    (void)state;
    assert_key("abc-DEF_019", "abc-DEF_019");
    assert_key("", "\"\"");
    assert_key("a.b", "\"a.b\"");
    assert_key("a/b c", "\"a/b c\"");
    assert_key("\xC3\xA9", "\"\xC3\xA9\"");
    assert_key("\"", "\"\\\"\"");
}

static void floats_are_short_and_are_floats(void **state)
{
    (void)state;
    assert_float(0.0, "0.0");
    assert_float(-0.0, "-0.0");
    assert_float(1.0, "1.0");
    assert_float(0.1, "0.1");
    assert_float(1e22, "1e+22");
    assert_float(5e-324, "5e-324");
    assert_float(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_float(123456789.0, "123456789.0");
    assert_float(INFINITY, "inf");
    assert_float(-INFINITY, "-inf");
    assert_float(NAN, "nan");
    assert_float(-NAN, "nan");
}

static void integers_are_written_to_their_ends(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } samples[] = {{0, "0"},
                   {-1, "-1"},
                   {1000000, "1000000"},
                   {INT64_MAX, "9223372036854775807"},
                   {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct cshm_buffer out = CSHM_BUFFER_INIT;
        cshm_toml_write_integer(&out, samples[i].value);
        assert_bytes(&out, samples[i].text);
    }
}

static void values_stand_on_one_line(void **state)
{
    (void)state;
    static const char text[] = "{a = [1, 2.0, true, \"\\n\"], \"b c\" = {}, d = [], "
                               "e = 1979-05-27T07:32:00.5Z, f = [{x = [[]]}]}";
    CSHM_AUTO_BUFFER struct cshm_buffer document = CSHM_BUFFER_INIT;
    cshm_buffer_add_format(&document, "v = %s\n", text);
    struct cshm_arena arena = {0};
    struct cshm_value root;
    assert_int_equal(cshm_toml_parse(document.bytes, document.length, &arena, &root, NULL), 0);
    struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_toml_write_value(&out, cshm_value_get(&root, "v"));
    assert_bytes(&out, text);
    cshm_arena_finish(&arena);
}

/* A small generator, so that the samples are the same on every run (Numerical Recipes' constants).
 */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 11 ^ *state << 40;
}

static void every_float_reads_back_the_same_bits(void **state)
{
    (void)state;
    uint64_t random = 1;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    enum { COUNT = 5000 };
    static double values[COUNT];
    cshm_buffer_add_string(&text, "x = [");
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t bits = next_random(&random);
        memcpy(&values[i], &bits, sizeof bits);
        cshm_toml_write_float(&text, values[i]);
        cshm_buffer_add_string(&text, ",");
    }
    cshm_buffer_add_string(&text, "]");
    struct cshm_arena arena = {0};
    struct cshm_value root;
    assert_int_equal(cshm_toml_parse(text.bytes, text.length, &arena, &root, NULL), 0);
    const struct cshm_value *list = cshm_value_get(&root, "x");
    for (size_t i = 0; i < COUNT; i++) {
        double back = list->array.items[i].number;
        assert_true(isnan(values[i]) ? isnan(back) : memcmp(&back, &values[i], 8) == 0);
    }
    cshm_arena_finish(&arena);
}

/* --- Names that are not UTF-8 ------------------------------------------------------------ */

static void assert_spelled(const char *raw, size_t length, const char *spelled)
{
    struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_key_spell(&out, (struct cshm_text){raw, length});
    struct cshm_arena arena = {0};
    struct cshm_text back;
    assert_int_equal(cshm_key_read(&arena, cshm_text(spelled), &back), 0);
    assert_int_equal(back.length, length);
    assert_memory_equal(back.bytes, raw, length);
    cshm_arena_finish(&arena);
    assert_bytes(&out, spelled);
}

static void bad_bytes_are_spelled_and_read_back(void **state)
{
    (void)state;
    assert_spelled("", 0, "");
    assert_spelled("caf\xE9", 4, "caf%E9");
    assert_spelled("\xC3\xA9\xC3", 3, "\xC3\xA9%C3");
    assert_spelled("%E9\xE9", 4, "%25E9%E9");
    assert_spelled("%\xE9", 2, "%%E9");
    assert_spelled("%4\xE9", 3, "%4%E9");
    assert_spelled("%%41", 4, "%%2541");
    assert_spelled("100% %z %", 9, "100% %z %");
    assert_spelled("%25", 3, "%2525");
}

static void only_one_spelling_is_read(void **state)
{
    (void)state;
    static const char *const wrong[] = {"%41", "%e9", "%C3%A9", "%25", "%2", "%25zz"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct cshm_arena arena = {0};
        struct cshm_text raw;
        bool plain = strcmp(wrong[i], "%2") == 0; /* no two digits: it is its own spelling */
        assert_int_equal(cshm_key_read(&arena, cshm_text(wrong[i]), &raw), plain ? 0 : -EINVAL);
        cshm_arena_finish(&arena);
    }
}

/* --- Strings as attribute values --------------------------------------------------------- */

static void assert_written(const char *raw, size_t length, const char *expected)
{
    struct cshm_arena arena = {0};
    struct cshm_text written;
    struct cshm_text back;
    assert_int_equal(cshm_attribute_write_string(&arena, (struct cshm_text){raw, length}, &written),
                     0);
    assert_int_equal(written.length, strlen(expected));
    assert_memory_equal(written.bytes, expected, written.length);
    assert_int_equal(cshm_attribute_read_string(&arena, written, &back), 0);
    assert_int_equal(back.length, length);
    assert_memory_equal(back.bytes, raw, length);
    cshm_arena_finish(&arena);
}

static void strings_become_values_and_back(void **state)
{
    (void)state;
    assert_written("", 0, "");
    assert_written("m/s", 3, "m/s");
    assert_written("a!b", 3, "a!b");
    assert_written("!", 1, "!!");
    assert_written("!!x", 3, "!!!x");
    assert_written("!bytes 47", 9, "!!bytes 47");
    assert_written("G\xC3", 2, "!bytes 47c3");
    assert_written("!\xFF", 2, "!bytes 21ff");
}

static void forms_that_are_no_string_are_refused(void **state)
{
    (void)state;
    static const char *const forms[] = {"!",         "!uint64 5", "!bytes",   "!bytes 4",
                                        "!bytes 4G", "!bytes 4C", "!Bytes 47"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct cshm_arena arena = {0};
        struct cshm_text raw;
        assert_int_equal(cshm_attribute_read_string(&arena, cshm_text(forms[i]), &raw), -EINVAL);
        cshm_arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(keys_are_bare_where_they_can_be),
        cmocka_unit_test(floats_are_short_and_are_floats),
        cmocka_unit_test(integers_are_written_to_their_ends),
        cmocka_unit_test(values_stand_on_one_line),
        cmocka_unit_test(every_float_reads_back_the_same_bits),
        cmocka_unit_test(bad_bytes_are_spelled_and_read_back),
        cmocka_unit_test(only_one_spelling_is_read),
        cmocka_unit_test(strings_become_values_and_back),
        cmocka_unit_test(forms_that_are_no_string_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
