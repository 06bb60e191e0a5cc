/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "format/attribute_text.h"
#include "unit.h"

static void read_text(const char *text, struct cshm_arena *arena, struct cshm_value *out)
{
    assert_int_equal(cshm_attribute_text_read(cshm_text(text), arena, out), 0);
}

static void assert_written(const struct cshm_value *value, const char *text)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_attribute_text_write(value, &out), 0);
    assert_int_equal(out.length, strlen(text));
    assert_memory_equal(out.length ? out.bytes : "", text, out.length);
}

static void test_values_are_read_by_type_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum cshm_value_type type;
    } cases[] = {
        {"42", CSHM_VALUE_INTEGER},       {"-1.5", CSHM_VALUE_FLOAT},
        {"true", CSHM_VALUE_BOOLEAN},     {"[1, 2]", CSHM_VALUE_ARRAY},
        {"{a = 1}", CSHM_VALUE_TABLE},    {"1979-05-27", CSHM_VALUE_DATETIME},
        {"m/s", CSHM_VALUE_STRING},       {"", CSHM_VALUE_STRING},
        {"truely", CSHM_VALUE_STRING},    {"1 m", CSHM_VALUE_STRING},
        {"1\nx = 2", CSHM_VALUE_STRING},  {"[1, 2", CSHM_VALUE_STRING},
        {"!uint64 5", CSHM_VALUE_STRING}, {"\"42\"", CSHM_VALUE_STRING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cshm_arena arena = {0};
        struct cshm_value value;
        read_text(cases[i].text, &arena, &value);
        assert_int_equal(value.type, cases[i].type);
        assert_written(&value, cases[i].text);
        cshm_arena_finish(&arena);
    }
}

static void test_strings_are_quoted_only_where_they_would_read_as_something_else(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"42", "\"42\""}, {"nan", "\"nan\""}, {"'x'", "\"'x'\""}, {"1 # one", "\"1 # one\""},
        {"x", "x"},       {"t", "t"},         {" 1", "\" 1\""},   {"0x", "0x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct cshm_value value = {.type = CSHM_VALUE_STRING,
                                         .string = cshm_text(cases[i][0])};
        assert_written(&value, cases[i][1]);
    }
}

static void test_bytes_that_are_no_text_are_named_so(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_value value;
    read_text("\x47\xC3", &arena, &value);
    assert_true(cshm_text_is(value.string, "!bytes 47c3"));
    cshm_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_by_type_and_written_back),
        cmocka_unit_test(test_strings_are_quoted_only_where_they_would_read_as_something_else),
        cmocka_unit_test(test_bytes_that_are_no_text_are_named_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
