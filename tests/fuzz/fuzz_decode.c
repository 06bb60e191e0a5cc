/* SPDX-License-Identifier: MIT */
/*
 * A chunk decodes the same with and without a place for the result, writes nothing beyond it, and
 * lands where the grid says. Input: number of filters, filters (a byte each), mask, two bytes of
 * the chunk's size, two of a grid's row and of a chunk's row, then the chunk as it is in a file.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hdf5/decode.h"

enum { FILTERS_MAX = 6, CHUNK_MAX = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static unsigned take(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static void take_filters(struct input *input, struct cshm_filters *filters)
{
    filters->count = take(input) % (FILTERS_MAX + 1);
    for (size_t i = 0; i < filters->count; i++) {
        unsigned choice = take(input);
        filters->filters[i] = (struct cshm_filter){(enum cshm_filter_kind)(choice % 4), choice / 4};
    }
}

/* Exact allocations, so that the sanitizer sees what reads or writes beyond them. */
static void *copy_of(const void *from, size_t size)
{
    void *bytes = malloc(size + !size);
    require(bytes);
    if (size)
        memcpy(bytes, from, size);
    return bytes;
}

static bool decodes_both_ways(struct cshm_decoder *decoder, const struct cshm_filters *filters,
                              uint32_t mask, const struct input *raw, unsigned char *into,
                              size_t bytes)
{
    const void *here;
    const void *there;
    void *first = copy_of(raw->at, raw->left);
    void *second = copy_of(raw->at, raw->left);
    struct cshm_decoder *other;
    require(cshm_decoder_create(&other) == 0);
    int result = cshm_decode(decoder, filters, mask, first, raw->left, bytes, into, &here);
    require(cshm_decode(other, filters, mask, second, raw->left, bytes, NULL, &there) == result);
    if (result == 0) {
        require(memcmp(here, there, bytes) == 0);
        memmove(into, here, bytes);
    }
    cshm_decoder_destroy(other);
    free(first);
    free(second);
    return result == 0;
}

static void check_place(const unsigned char *chunk, size_t bytes, size_t row, size_t chunk_row)
{
    struct cshm_grid grid = {2, {bytes / chunk_row + 1, row}, {bytes / chunk_row, chunk_row}, 1};
    if (grid.chunk[0] == 0)
        return;
    const uint64_t start[2] = {1, row > chunk_row ? row - chunk_row / 2 : 0};
    uint64_t right = row - start[1] < chunk_row ? row - start[1] : chunk_row;
    unsigned char *array = calloc(grid.shape[0], row);
    require(array);
    cshm_grid_place(&grid, start, chunk, array);
    for (size_t i = 0; i < grid.chunk[0]; i++)
        require(memcmp(array + (i + 1) * row + start[1], chunk + i * chunk_row, right) == 0);
    free(array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct cshm_filters filters = {0};
    take_filters(&input, &filters);
    uint32_t mask = take(&input);
    unsigned high = take(&input);
    size_t bytes = (high << 8 | take(&input)) % (CHUNK_MAX + 1);
    size_t row = take(&input) + 1;
    size_t chunk_row = take(&input) + 1;
    unsigned char *into = calloc(1, bytes + !bytes);
    struct cshm_decoder *decoder;
    require(into && cshm_decoder_create(&decoder) == 0);
    if (decodes_both_ways(decoder, &filters, mask, &input, into, bytes))
        check_place(into, bytes, row, chunk_row);
    cshm_decoder_destroy(decoder);
    free(into);
    return 0;
}
