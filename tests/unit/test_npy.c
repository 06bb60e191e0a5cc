/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/npy_elements.h"
#include "unit.h"

/* --- Headers ------------------------------------------------------------------------------------
 */

static size_t make_header(char *out, int version, const char *text)
{
    size_t length = strlen(text);
    size_t start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (char)version;
    out[7] = 0;
    for (size_t i = 8; i < start; i++)
        out[i] = (char)(length >> 8 * (i - 8) & 0xFF);
    memcpy(out + start, text, length);
    return start + length;
}

static int parse(int version, const char *text, struct cshm_arena *arena,
                 struct cshm_npy_header *out, struct cshm_error *error)
{
    char bytes[8192];
    return cshm_npy_parse(bytes, make_header(bytes, version, text), arena, out, error);
}

static void test_a_header_as_numpy_writes_it(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    for (int version = 1; version <= 3; version++) {
        assert_int_equal(parse(version,
                               "{'descr': '>f4', 'fortran_order': True, 'shape': (3, 4), }      \n",
                               &arena, &header, NULL),
                         0);
        assert_int_equal(header.type.dtype.kind, 'f');
        assert_int_equal(header.type.dtype.byte_order, '>');
        assert_true(header.is_fortran);
        assert_int_equal(header.rank, 2);
        assert_int_equal(header.shape[0], 3);
        assert_int_equal(header.shape[1], 4);
        assert_int_equal(header.elements, 12);
        assert_int_equal(header.bytes, 48);
    }
    cshm_arena_finish(&arena);
}

static void test_other_spellings_of_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"shape\":(3,),\"descr\":\"<i8\",\"fortran_order\":False}",
        "{'shape': (3L,), 'fortran_order': False, 'descr': u'<i8'}",
        " { 'descr' : '<i8' , 'fortran_order' : False , 'shape' : ( 3 , ) , } \n",
        "{'descr': '\\x3ci\\u0038', 'fortran_order': False, 'shape': (3,)}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cshm_arena arena = {0};
        struct cshm_npy_header header;
        assert_int_equal(parse(1, texts[i], &arena, &header, NULL), 0);
        assert_int_equal(header.bytes, 24);
        cshm_arena_finish(&arena);
    }
}

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        {"", "'{' is missing"},
        {"{", "string is missing"},
        {"{}", "is missing"},
        {"{'descr': '<f8', 'fortran_order': False}", "is missing"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': ()} x", "behind"},
        {"{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': ()}", "twice"},
        {"{'descr': '<f8', 'fortran_order': 0, 'shape': ()}", "True nor False"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3)}", "tuple"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': 3}", "'(' is missing"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "number is missing"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551616,)}", "too large"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         "too large"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': ()}", "objects"},
        {"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': ()}", "objects"},
        {"{'descr': 'hello', 'fortran_order': False, 'shape': ()}", "no dtype"},
        {"{'descr': [('a', '<i4'), ('a', '<i4')], 'fortran_order': False, 'shape': ()}",
         "one name"},
        {"{'descr': [('a', '<i4', (2147483647, 2))], 'fortran_order': False, 'shape': ()}",
         "element is too large"},
        {"{'descr': [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "'(' is missing"},
        {"{'descr': ((((((((((((((((((((((((((((((((((((((", "too deep"},
        {"{'descr': '\\q'}", "escape"},
        {"{'descr': '\\ud800'}", "escape"},
        {"{'descr': 'x", "does not end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cshm_arena arena = {0};
        struct cshm_npy_header header;
        struct cshm_error error = {0};
        assert_int_equal(parse(1, cases[i].text, &arena, &header, &error), -EINVAL);
        if (!strstr(error.text, cases[i].said))
            fail_msg("%s: %s", cases[i].text, error.text);
        cshm_arena_finish(&arena);
    }
}

static void test_how_long_it_is_needs_twelve_bytes(void **state)
{
    (void)state;
    char bytes[64] = {0};
    size_t length;
    (void)make_header(bytes, 2, "0123456789");
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(cshm_npy_length(bytes, i, &length, NULL), -EAGAIN);
    assert_int_equal(cshm_npy_length(bytes, CSHM_NPY_START, &length, NULL), 0);
    assert_int_equal(length, 22);
    assert_int_equal(cshm_npy_length("\x93NUMPX", 6, &length, NULL), -EINVAL);
    assert_int_equal(cshm_npy_length("x", 1, &length, NULL), -EINVAL);
    assert_int_equal(cshm_npy_length("\x93NUMPY\4\0", 8, &length, NULL), -EINVAL);
    assert_int_equal(cshm_npy_length("\x93NUMPY\2\0\0\0\0\1", 12, &length, NULL), -EINVAL);
}

static void test_names_are_latin_1_or_utf_8(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    assert_int_equal(parse(1,
                           "{'descr': [('gr\xFCn', '<i4')], 'fortran_order': False, 'shape': ()}",
                           &arena, &header, NULL),
                     0);
    assert_true(cshm_text_is(header.type.fields->name, "gr\xC3\xBCn"));
    assert_int_equal(
        parse(3, "{'descr': [('gr\xC3\xBCn', '<i4')], 'fortran_order': False, 'shape': ()}", &arena,
              &header, NULL),
        0);
    assert_true(cshm_text_is(header.type.fields->name, "gr\xC3\xBCn"));
    assert_int_equal(parse(3,
                           "{'descr': [('gr\xFCn', '<i4')], 'fortran_order': False, 'shape': ()}",
                           &arena, &header, NULL),
                     -EINVAL);
    cshm_arena_finish(&arena);
}

static void test_it_is_written_as_numpy_writes_it(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        size_t rank;
        uint64_t shape[3];
        const char *text;
    } cases[] = {
        {"float64", 2, {3, 4}, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }"},
        {"bool", 1, {3}, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }"},
        {">U3", 0, {0}, "{'descr': '>U3', 'fortran_order': False, 'shape': (), }"},
        {"datetime64[25s]", 0, {0}, "{'descr': '<M8[25s]', 'fortran_order': False, 'shape': (), }"},
        {"complex256", 0, {0}, "{'descr': '<c32', 'fortran_order': False, 'shape': (), }"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
        struct cshm_arena arena = {0};
        struct cshm_npy_header header;
        struct cshm_dtype dtype;
        assert_int_equal(cshm_dtype_parse(cases[i].dtype, strlen(cases[i].dtype), &dtype), 0);
        cshm_npy_render(&dtype, cases[i].rank, cases[i].shape, &out);
        assert_int_equal(out.error, 0);
        assert_int_equal(out.length % 64, 0);
        assert_int_equal(out.bytes[out.length - 1], '\n');
        assert_memory_equal(out.bytes + 10, cases[i].text, strlen(cases[i].text));
        assert_int_equal(cshm_npy_parse(out.bytes, out.length, &arena, &header, NULL), 0);
        assert_int_equal(header.rank, cases[i].rank);
        assert_memory_equal(&header.type.dtype, &dtype, sizeof dtype);
        cshm_arena_finish(&arena);
    }
}

/* --- Elements -----------------------------------------------------------------------------------
 */

static void read_leaves(const char *text, struct cshm_arena *arena, struct cshm_npy_header *header,
                        struct cshm_npy_leaf **leaves, size_t *count)
{
    assert_int_equal(parse(1, text, arena, header, NULL), 0);
    assert_int_equal(cshm_npy_leaves(header, arena, leaves, count, NULL), 0);
}

static void test_fields_have_offsets_shapes_and_padding(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    struct cshm_npy_leaf *leaves;
    size_t count;
    read_leaves("{'descr': [('a', '|i1'), ('', '|V3'), (('title', 'b'), '<f4', (2, 3)), "
                "('c', [('x', '<i2'), ('y', '<i8')], (2,))], 'fortran_order': False, "
                "'shape': (5,)}",
                &arena, &header, &leaves, &count);
    assert_int_equal(count, 4);
    assert_int_equal(header.type.bytes, 1 + 3 + 24 + 20);
    assert_int_equal(leaves[1].offset, 4);
    assert_int_equal(leaves[1].rank, 3);
    assert_int_equal(leaves[1].shape[2], 3);
    assert_int_equal(leaves[3].offset, 30);
    assert_int_equal(leaves[3].pieces, 2);
    assert_int_equal(leaves[3].loops[0].stride, 10);
    assert_int_equal(leaves[3].shape[1], 2);
    assert_false(cshm_npy_is_plain(&header));
    cshm_arena_finish(&arena);
}

/* Every byte of 7 structures of 10 bytes, in pieces of `step`. */
static void scatter_in_steps(const struct cshm_npy_header *header, const struct cshm_npy_leaf *leaf,
                             char *to, size_t step)
{
    char data[70];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)i;
    for (size_t at = 0; at < sizeof data; at += step) {
        size_t size = step < sizeof data - at ? step : sizeof data - at;
        cshm_npy_scatter(header, leaf, to, data + at, size, at);
    }
}

static void test_pieces_of_any_size_are_put_where_they_belong(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    struct cshm_npy_leaf *leaves;
    size_t count;
    read_leaves("{'descr': [('a', '<i2'), ('b', '<i4', (2,))], 'fortran_order': False, "
                "'shape': (7,)}",
                &arena, &header, &leaves, &count);
    for (size_t step = 1; step <= 70; step++) {
        char a[14];
        char b[56];
        scatter_in_steps(&header, &leaves[0], a, step);
        scatter_in_steps(&header, &leaves[1], b, step);
        for (size_t i = 0; i < sizeof a; i++)
            assert_int_equal(a[i], i / 2 * 10 + i % 2);
        for (size_t i = 0; i < sizeof b; i++)
            assert_int_equal(b[i], i / 8 * 10 + 2 + i % 8);
    }
    cshm_arena_finish(&arena);
}

static void test_fortran_order_becomes_c_order(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    struct cshm_npy_leaf *leaves;
    size_t count;
    read_leaves("{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3, 4)}", &arena, &header,
                &leaves, &count);
    uint16_t data[24];
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 4; k++)
                data[i + 2 * j + 6 * k] = (uint16_t)((i * 3 + j) * 4 + k);
    for (size_t step = 1; step <= sizeof data; step++) {
        uint16_t out[24] = {0};
        for (size_t at = 0; at < sizeof data; at += step)
            cshm_npy_scatter(&header, leaves, (char *)out, (const char *)data + at,
                             step < sizeof data - at ? step : sizeof data - at, at);
        for (size_t i = 0; i < 24; i++)
            assert_int_equal(out[i], i);
    }
    cshm_arena_finish(&arena);
}

static void test_too_many_parts_are_refused(void **state)
{
    (void)state;
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    struct cshm_npy_leaf *leaves;
    size_t count;
    assert_int_equal(parse(1,
                           "{'descr': [('c', [('x', '|i1'), ('y', '|i1')], (2000000,))], "
                           "'fortran_order': False, 'shape': ()}",
                           &arena, &header, NULL),
                     0);
    assert_int_equal(cshm_npy_leaves(&header, &arena, &leaves, &count, NULL), -EINVAL);
    cshm_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_as_numpy_writes_it),
        cmocka_unit_test(test_other_spellings_of_the_same),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_how_long_it_is_needs_twelve_bytes),
        cmocka_unit_test(test_names_are_latin_1_or_utf_8),
        cmocka_unit_test(test_it_is_written_as_numpy_writes_it),
        cmocka_unit_test(test_fields_have_offsets_shapes_and_padding),
        cmocka_unit_test(test_pieces_of_any_size_are_put_where_they_belong),
        cmocka_unit_test(test_fortran_order_becomes_c_order),
        cmocka_unit_test(test_too_many_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
