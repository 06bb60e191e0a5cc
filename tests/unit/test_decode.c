/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "hdf5/decode.h"
#include "hdf5/fletcher32.h"
#include "hdf5/lzf.h"
#include "hdf5/shuffle.h"

/* --- A writer, as plain as can be --------------------------------------------------------- */

struct bytes {
    unsigned char *at;
    size_t size;
};

static uint32_t random_state;

static uint32_t random_next(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Never zero bytes, so that an exact allocation shows what reads or writes beyond it. */
static struct bytes allocate(size_t size)
{
    struct bytes bytes = {malloc(size), size};
    assert_non_null(bytes.at);
    return bytes;
}

static struct bytes copy_of(const void *from, size_t size)
{
    struct bytes bytes = allocate(size);
    memcpy(bytes.at, from, size);
    return bytes;
}

/* Compresses somewhat: half of it repeats. */
static struct bytes sample(size_t size)
{
    struct bytes bytes = allocate(size);
    random_state = (uint32_t)size;
    for (size_t i = 0; i < size; i++)
        bytes.at[i] = (unsigned char)(i / 64 % 2 ? random_next() : i);
    return bytes;
}

static struct bytes written_deflate(struct bytes in)
{
    uLongf size = compressBound(in.size);
    struct bytes out = allocate(size);
    assert_int_equal(compress2(out.at, &size, in.at, in.size, 6), Z_OK);
    out.size = size;
    return out;
}

static struct bytes written_shuffle(struct bytes in, size_t element)
{
    struct bytes out = copy_of(in.at, in.size);
    size_t count = in.size / element;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < element; j++)
            out.at[j * count + i] = in.at[i * element + j];
    return out;
}

/* As the HDF5 file format specification has it: sums of big-endian words modulo 65535. */
static uint32_t plain_fletcher32(struct bytes in)
{
    uint64_t first = 0;
    uint64_t second = 0;
    for (size_t i = 0; i < in.size; i += 2) {
        first += (uint32_t)in.at[i] << 8 | (i + 1 < in.size ? in.at[i + 1] : 0);
        first = (first & 0xffff) + (first >> 16);
        second += first;
        second = (second & 0xffff) + (second >> 16);
    }
    return (uint32_t)(second << 16 | first);
}

static struct bytes written_checksum(struct bytes in, uint32_t sum)
{
    struct bytes out = allocate(in.size + 4);
    memcpy(out.at, in.at, in.size);
    for (size_t i = 0; i < 4; i++)
        out.at[in.size + i] = (unsigned char)(sum >> 8 * i);
    return out;
}

/* Literals only. */
static struct bytes written_lzf(struct bytes in)
{
    struct bytes out = allocate(in.size + in.size / 32 + 1);
    size_t made = 0;
    for (size_t i = 0; i < in.size; i += 32) {
        size_t length = in.size - i < 32 ? in.size - i : 32;
        out.at[made++] = (unsigned char)(length - 1);
        memcpy(out.at + made, in.at + i, length);
        made += length;
    }
    out.size = made;
    return out;
}

static struct bytes written_by(const struct cshm_filter *filter, struct bytes in)
{
    switch (filter->kind) {
    case CSHM_FILTER_DEFLATE:
        return written_deflate(in);
    case CSHM_FILTER_SHUFFLE:
        return written_shuffle(in, filter->element_size);
    case CSHM_FILTER_FLETCHER32:
        return written_checksum(in, plain_fletcher32(in));
    case CSHM_FILTER_LZF:
        return written_lzf(in);
    }
    fail();
    return in;
}

static struct bytes written(const struct cshm_filters *filters, uint32_t mask, struct bytes chunk)
{
    struct bytes now = copy_of(chunk.at, chunk.size);
    for (size_t i = 0; i < filters->count; i++) {
        if (mask >> i & 1)
            continue;
        struct bytes next = written_by(&filters->filters[i], now);
        free(now.at);
        now = copy_of(next.at, next.size);
        free(next.at);
    }
    return now;
}

/* --- Reading it --------------------------------------------------------------------------- */

#define DEFLATE                                                                                    \
    {                                                                                              \
        CSHM_FILTER_DEFLATE, 0                                                                     \
    }
#define SHUFFLE(n)                                                                                 \
    {                                                                                              \
        CSHM_FILTER_SHUFFLE, n                                                                     \
    }
#define FLETCHER32                                                                                 \
    {                                                                                              \
        CSHM_FILTER_FLETCHER32, 0                                                                  \
    }
#define LZF                                                                                        \
    {                                                                                              \
        CSHM_FILTER_LZF, 0                                                                         \
    }
#define COUNT_OF(a) (sizeof(a) / sizeof(a)[0])

static int create_decoder(void **state)
{
    return cshm_decoder_create((struct cshm_decoder **)state);
}

static int destroy_decoder(void **state)
{
    cshm_decoder_destroy(*state);
    return 0;
}

/* Decodes a copy, with and without a place for the result, which must come to the same. */
static int decode(void **state, const struct cshm_filters *filters, uint32_t mask, struct bytes raw,
                  struct bytes expected)
{
    int results[2];
    for (size_t i = 0; i < 2; i++) {
        struct bytes copy = copy_of(raw.at, raw.size);
        struct bytes into = allocate(expected.size);
        const void *out = NULL;
        results[i] = cshm_decode(*state, filters, mask, copy.at, copy.size, expected.size,
                                 i ? into.at : NULL, &out);
        if (results[i] == 0)
            assert_memory_equal(out, expected.at, expected.size);
        free(copy.at);
        free(into.at);
    }
    assert_int_equal(results[0], results[1]);
    return results[0];
}

static void assert_round_trip(void **state, const struct cshm_filters *filters, uint32_t mask,
                              size_t size)
{
    struct bytes chunk = sample(size);
    struct bytes raw = written(filters, mask, chunk);
    assert_int_equal(decode(state, filters, mask, raw, chunk), 0);
    free(raw.at);
    free(chunk.at);
}

static const struct cshm_filters pipelines[] = {
    {{DEFLATE}, 1},
    {{SHUFFLE(4)}, 1},
    {{FLETCHER32}, 1},
    {{LZF}, 1},
    {{SHUFFLE(8), DEFLATE}, 2},
    {{SHUFFLE(2), LZF}, 2},
    {{DEFLATE, FLETCHER32}, 2},
    {{FLETCHER32, DEFLATE}, 2},
    {{SHUFFLE(1), DEFLATE}, 2},
    {{DEFLATE, SHUFFLE(1)}, 2},
    {{FLETCHER32, SHUFFLE(4), DEFLATE}, 3},
    {{SHUFFLE(4), DEFLATE, FLETCHER32}, 3},
    {{SHUFFLE(3), FLETCHER32, DEFLATE, FLETCHER32}, 4},
    {{DEFLATE, SHUFFLE(4), DEFLATE}, 3},
    {{DEFLATE, DEFLATE, DEFLATE}, 3},
    {{LZF, FLETCHER32, DEFLATE, SHUFFLE(2)}, 4},
};

static void what_was_written_is_read(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 16, 100, 4096, 65537, 300001};
    for (size_t i = 0; i < COUNT_OF(pipelines); i++)
        for (size_t j = 0; j < COUNT_OF(sizes); j++)
            assert_round_trip(state, &pipelines[i], 0, sizes[j]);
}

static void filters_skipped_for_a_chunk_are_left_out(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pipelines); i++)
        for (uint32_t mask = 0; mask < 1u << pipelines[i].count; mask++)
            assert_round_trip(state, &pipelines[i], mask, 5003);
    /* Bits beyond the filters there are mean nothing. */
    assert_round_trip(state, &pipelines[0], 0xfffffffe, 100);
}

static void as_many_filters_as_hdf5_allows_are_undone(void **state)
{
    struct cshm_filters filters = {.count = CSHM_FILTERS_MAX};
    for (size_t i = 0; i < CSHM_FILTERS_MAX; i++)
        filters.filters[i] =
            (struct cshm_filter){i % 2 ? CSHM_FILTER_FLETCHER32 : CSHM_FILTER_SHUFFLE, i % 7 + 1};
    assert_round_trip(state, &filters, 0, 1000);
    assert_round_trip(state, &filters, 0x80000001, 1000);
}

static void the_last_step_writes_into_place(void **state)
{
    static const bool is_in_place[] = {true, true, false, true, true, true, true, false, true};
    struct bytes chunk = sample(1000);
    for (size_t i = 0; i < COUNT_OF(is_in_place); i++) {
        struct bytes raw = written(&pipelines[i], 0, chunk);
        struct bytes into = allocate(chunk.size);
        const void *out;
        assert_int_equal(
            cshm_decode(*state, &pipelines[i], 0, raw.at, raw.size, chunk.size, into.at, &out), 0);
        assert_int_equal(out == into.at, is_in_place[i]);
        free(raw.at);
        free(into.at);
    }
    struct cshm_filters none = {.count = 0};
    const void *out;
    assert_int_equal(cshm_decode(*state, &none, 0, chunk.at, chunk.size, chunk.size, NULL, &out),
                     0);
    assert_ptr_equal(out, chunk.at);
    free(chunk.at);
}

static void a_chunk_of_another_size_is_refused(void **state)
{
    struct bytes chunk = sample(1000);
    for (size_t i = 0; i < COUNT_OF(pipelines); i++) {
        struct bytes raw = written(&pipelines[i], 0, chunk);
        for (size_t size = 998; size <= 1002; size++) {
            struct bytes expected = sample(size);
            if (size != chunk.size)
                assert_int_equal(decode(state, &pipelines[i], 0, raw, expected), -EINVAL);
            free(expected.at);
        }
        free(raw.at);
    }
    struct cshm_filters none = {.count = 0};
    assert_int_equal(decode(state, &none, 0, chunk, (struct bytes){chunk.at, 999}), -EINVAL);
    free(chunk.at);
}

static void a_chunk_cut_short_is_refused(void **state)
{
    struct bytes chunk = sample(600);
    for (size_t i = 0; i < COUNT_OF(pipelines); i++) {
        struct bytes raw = written(&pipelines[i], 0, chunk);
        for (size_t size = 0; size < raw.size; size++)
            assert_true(decode(state, &pipelines[i], 0, (struct bytes){raw.at, size}, chunk) < 0);
        free(raw.at);
    }
    free(chunk.at);
}

static void damaged_bytes_never_pass_a_checksum(void **state)
{
    struct cshm_filters filters = {{SHUFFLE(4), DEFLATE, FLETCHER32}, 3};
    struct bytes chunk = sample(600);
    struct bytes raw = written(&filters, 0, chunk);
    for (size_t i = 0; i < raw.size; i++) {
        raw.at[i] ^= 0x10;
        assert_int_equal(decode(state, &filters, 0, raw, chunk), -EBADMSG);
        raw.at[i] ^= 0x10;
    }
    assert_int_equal(decode(state, &filters, 0, raw, chunk), 0);
    /* Without it, deflate has a checksum of its own. */
    filters.count = 2;
    raw.size -= 4;
    raw.at[raw.size - 1] ^= 1;
    assert_int_equal(decode(state, &filters, 0, raw, chunk), -EINVAL);
    free(raw.at);
    free(chunk.at);
}

static void checksums_of_early_libraries_count(void **state)
{
    static const struct cshm_filters filters = {{FLETCHER32}, 1};
    struct bytes chunk = sample(1001);
    uint32_t sum = plain_fletcher32(chunk);
    uint32_t swapped = (sum & 0xff00ff) << 8 | (sum & 0xff00ff00) >> 8;
    struct bytes raw = written_checksum(chunk, swapped);
    assert_int_not_equal(sum, swapped);
    assert_int_equal(decode(state, &filters, 0, raw, chunk), 0);
    free(raw.at);
    raw = written_checksum(chunk, sum << 16 | sum >> 16);
    assert_int_equal(decode(state, &filters, 0, raw, chunk), -EBADMSG);
    free(raw.at);
    free(chunk.at);
}

static void bytes_behind_a_deflate_stream_are_ignored(void **state)
{
    static const struct cshm_filters filters = {{DEFLATE}, 1};
    struct bytes chunk = sample(1000);
    struct bytes raw = written(&filters, 0, chunk);
    struct bytes longer = allocate(raw.size + 100);
    memset(longer.at, 0x78, longer.size);
    memcpy(longer.at, raw.at, raw.size);
    assert_int_equal(decode(state, &filters, 0, longer, chunk), 0);
    free(longer.at);
    free(raw.at);
    free(chunk.at);
}

/* A stream inside a stream may say it has any size; no more memory is taken than chunks need. */
static void an_inner_stream_beyond_bounds_is_refused(void **state)
{
    static const struct cshm_filters filters = {{DEFLATE, DEFLATE}, 2};
    struct bytes chunk = sample(1000);
    struct bytes zeros = {calloc(1, 10 << 20), 10 << 20};
    assert_non_null(zeros.at);
    struct bytes raw = written_deflate(zeros);
    assert_int_equal(decode(state, &filters, 0, raw, chunk), -EINVAL);
    free(raw.at);
    free(zeros.at);
    free(chunk.at);
}

static void filters_that_make_no_sense_are_refused(void **state)
{
    struct bytes chunk = sample(16);
    const struct cshm_filters no_size = {{SHUFFLE(0)}, 1};
    assert_int_equal(decode(state, &no_size, 0, chunk, chunk), -EINVAL);
    assert_int_equal(decode(state, &no_size, 1, chunk, chunk), 0);
    const struct cshm_filters too_many = {.count = CSHM_FILTERS_MAX + 1};
    assert_int_equal(decode(state, &too_many, 0, chunk, chunk), -EINVAL);
    const struct cshm_filters unknown = {{{(enum cshm_filter_kind)99, 0}}, 1};
    assert_int_equal(decode(state, &unknown, 0, chunk, chunk), -EINVAL);
    const struct cshm_filters none = {.count = 0};
    const void *out;
    assert_int_equal(cshm_decode(*state, &none, 0, chunk.at, 0, 0, NULL, &out), -EINVAL);
    const struct cshm_filters huge = {{DEFLATE, SHUFFLE(2)}, 2};
    assert_int_equal(cshm_decode(*state, &huge, 0, chunk.at, 16, SIZE_MAX, NULL, &out), -EINVAL);
    free(chunk.at);
}

/* --- The filters by themselves ------------------------------------------------------------ */

static void elements_of_any_size_are_put_together(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 33, 1024, 1041, 3000};
    for (size_t element = 1; element <= 70; element++) {
        for (size_t i = 0; i < COUNT_OF(counts); i++) {
            struct bytes chunk = sample(counts[i] * element + (element - 1) / 2);
            struct bytes shuffled = written_shuffle(chunk, element);
            struct bytes out = allocate(chunk.size);
            cshm_unshuffle(shuffled.at, shuffled.size, element, out.at);
            assert_memory_equal(out.at, chunk.at, chunk.size);
            free(out.at);
            free(shuffled.at);
            free(chunk.at);
        }
    }
}

static void checksums_are_those_of_libhdf5(void **state)
{
    (void)state;
    /* Of bytes 0, 7, 14, …, as libhdf5 1.10.8 wrote them. */
    static const struct {
        size_t size;
        uint32_t sum;
    } known[] = {{1, 0x00000000},  {2, 0x00070007},    {3, 0x0e0e0e07},    {16, 0x9d9889c1},
                 {17, 0x975af9c1}, {1000, 0xf5fc3ce7}, {5777, 0x15b9615e}, {100001, 0xcb293745}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct bytes bytes = allocate(known[i].size);
        for (size_t j = 0; j < bytes.size; j++)
            bytes.at[j] = (unsigned char)(j * 7);
        assert_int_equal(cshm_fletcher32(bytes.at, bytes.size), known[i].sum);
        free(bytes.at);
    }
}

static void checksums_of_all_sizes_and_extremes_agree(void **state)
{
    (void)state;
    static const size_t sizes[] = {5759, 5760, 5761, 5776, 11520, 11521, 100000, 1000001};
    for (size_t i = 0; i < 300 + COUNT_OF(sizes); i++) {
        size_t size = i < 300 ? i : sizes[i - 300];
        struct bytes bytes = sample(size + !size);
        bytes.size = size;
        assert_int_equal(cshm_fletcher32(bytes.at, size), plain_fletcher32(bytes));
        memset(bytes.at, 0xff, size);
        assert_int_equal(cshm_fletcher32(bytes.at, size), plain_fletcher32(bytes));
        memset(bytes.at, 0, size);
        assert_int_equal(cshm_fletcher32(bytes.at, size), 0);
        free(bytes.at);
    }
}

/* A reference may reach into what it is just writing, and to the very end of the output. */
static void lzf_references_repeat_what_is_before(void **state)
{
    (void)state;
    static const unsigned char in[] = {2, 'a', 'b', 'c', 0x20, 2, 0xe0, 20, 0, 0xe0, 0, 12};
    unsigned char expected[3 + 3 + 29 + 9] = {'a', 'b', 'c', 'a', 'b'};
    memset(expected + 5, 'c', sizeof expected - 5);
    for (size_t room = 0; room < 64; room++) {
        struct bytes out = allocate(room + !room);
        size_t made = cshm_lzf_decode(in, sizeof in, out.at, room);
        assert_int_equal(made, room < sizeof expected ? SIZE_MAX : sizeof expected);
        if (room >= sizeof expected)
            assert_memory_equal(out.at, expected, sizeof expected);
        free(out.at);
    }
    static const unsigned char before_the_start[] = {0, 'a', 0x20, 1};
    unsigned char out[16];
    assert_int_equal(cshm_lzf_decode(before_the_start, 4, out, sizeof out), 0);
    for (size_t cut = 5; cut < 9; cut++)
        if (cut != 6)
            assert_int_equal(cshm_lzf_decode(in, cut, out, sizeof out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(filters_skipped_for_a_chunk_are_left_out),
        cmocka_unit_test(as_many_filters_as_hdf5_allows_are_undone),
        cmocka_unit_test(the_last_step_writes_into_place),
        cmocka_unit_test(a_chunk_of_another_size_is_refused),
        cmocka_unit_test(a_chunk_cut_short_is_refused),
        cmocka_unit_test(damaged_bytes_never_pass_a_checksum),
        cmocka_unit_test(checksums_of_early_libraries_count),
        cmocka_unit_test(bytes_behind_a_deflate_stream_are_ignored),
        cmocka_unit_test(an_inner_stream_beyond_bounds_is_refused),
        cmocka_unit_test(filters_that_make_no_sense_are_refused),
        cmocka_unit_test(elements_of_any_size_are_put_together),
        cmocka_unit_test(checksums_are_those_of_libhdf5),
        cmocka_unit_test(checksums_of_all_sizes_and_extremes_agree),
        cmocka_unit_test(lzf_references_repeat_what_is_before),
    };
    return cmocka_run_group_tests(tests, create_decoder, destroy_decoder);
}
