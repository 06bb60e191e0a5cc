/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

static void text_for_people_has_no_control_characters(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *safe;
    } cases[] = {
        {"plain \xc3\xa9", "plain \xc3\xa9"}, {"a\nb\tc", "a\\nb\\tc"},
        {"\x1b[31m", "\\x1b[31m"},            {"bad\xff", "bad\\xff"},
        {"c1\xc2\x9b", "c1\\u009b"},          {"\x7f", "\\x7f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        cshm_text_escape(cases[i].raw, strlen(cases[i].raw), out, sizeof out);
        assert_string_equal(out, cases[i].safe);
    }
    char tiny[4];
    assert_string_equal(cshm_text_escape("ab\n", 3, tiny, sizeof tiny), "ab");
}

static void utf8_is_what_rfc_3629_says(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80",
                                      "\xe2\x82", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(cshm_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(cshm_utf8_valid("\xf4\x8f\xbf\xbf \xed\x9f\xbf \xe2\x82\xac", 12));
    assert_true(cshm_utf8_valid("", 0));
}

static void sizes_read_as_the_peer_prints_them(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(cshm_bytes_to_human(0, out), "0 bytes");
    assert_string_equal(cshm_bytes_to_human(1023, out), "1023 bytes");
    assert_string_equal(cshm_bytes_to_human(1536, out), "1.50 KB");
    assert_string_equal(cshm_bytes_to_human(UINT64_MAX, out), "16.00 EB");
}

static void errors_carry_their_code_and_escaped_text(void **state)
{
    (void)state;
    struct cshm_error error = {0};
    assert_int_equal(cshm_fail(&error, -EINVAL, "bad %s", "a\nb"), -EINVAL);
    assert_string_equal(error.text, "bad a\\nb");
    assert_int_equal(cshm_error_prefix(&error, "file"), -EINVAL);
    assert_string_equal(error.text, "file: bad a\\nb");
    assert_int_equal(cshm_fail_errno(&error, -ENOENT, "x"), -ENOENT);
    assert_string_equal(error.text, "x: No such file or directory");
    assert_int_equal(cshm_fail(NULL, -EIO, "nobody listens"), -EIO);
    char large[3000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    cshm_fail(&error, -EIO, "%s", large);
    cshm_error_prefix(&error, "%s", large);
    assert_true(strlen(error.text) < sizeof error.text);
}

static void buffers_grow_and_end_with_nul(void **state)
{
    (void)state;
    CSHM_AUTO_BUFFER struct cshm_buffer buffer = CSHM_BUFFER_INIT;
    for (int i = 0; i < 1000; i++)
        cshm_buffer_add_format(&buffer, "%d,", i);
    assert_int_equal(buffer.error, 0);
    assert_int_equal(strlen(buffer.bytes), buffer.length);
    cshm_buffer_clear(&buffer);
    cshm_buffer_add(&buffer, "a\0b", 3);
    assert_int_equal(buffer.length, 3);
}

static void arenas_hand_out_aligned_zeroed_memory(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    for (size_t i = 1; i < 3000; i += 7) {
        unsigned char *memory = cshm_arena_alloc(&arena, i);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(uint64_t), 0);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(memory[j], 0);
        memset(memory, 0xAA, i);
        assert_string_equal(cshm_arena_string(&arena, "text", 4), "text");
    }
    assert_null(cshm_arena_array(&arena, SIZE_MAX / 2, 3));
    cshm_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_for_people_has_no_control_characters),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(sizes_read_as_the_peer_prints_them),
        cmocka_unit_test(errors_carry_their_code_and_escaped_text),
        cmocka_unit_test(buffers_grow_and_end_with_nul),
        cmocka_unit_test(arenas_hand_out_aligned_zeroed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
