/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hdf5/grid.h"

#define BEFORE 0xA5 /* what the array holds where nothing was put */

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static uint64_t product(const uint64_t *dims, size_t rank)
{
    uint64_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= dims[i];
    return count;
}

/* The next index in C order; false after the last. */
static bool advance(uint64_t *index, const uint64_t *shape, size_t rank)
{
    for (size_t i = rank; i-- > 0;) {
        if (++index[i] < shape[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static uint64_t position(const uint64_t *index, const uint64_t *shape, size_t rank)
{
    uint64_t at = 0;
    for (size_t i = 0; i < rank; i++)
        at = at * shape[i] + index[i];
    return at;
}

/* Element by element. A `stride` of 0 repeats the first one. Returns how many were in the dataset.
 */
static uint64_t plain_place(const struct cshm_grid *grid, const uint64_t *start,
                            const unsigned char *chunk, size_t stride, unsigned char *array)
{
    uint64_t index[CSHM_GRID_RANK_MAX] = {0};
    uint64_t placed = 0;
    do {
        uint64_t target[CSHM_GRID_RANK_MAX];
        bool is_inside = true;
        for (size_t i = 0; i < grid->rank; i++) {
            target[i] = start[i] + index[i];
            is_inside = is_inside && target[i] < grid->shape[i];
        }
        if (!is_inside)
            continue;
        memcpy(array + position(target, grid->shape, grid->rank) * grid->element,
               chunk + position(index, grid->chunk, grid->rank) * stride, grid->element);
        placed++;
    } while (advance(index, grid->chunk, grid->rank));
    return placed;
}

static unsigned char *allocate(size_t size)
{
    unsigned char *bytes = malloc(size + !size);
    assert_non_null(bytes);
    memset(bytes, BEFORE, size);
    return bytes;
}

static void assert_is_run(const struct cshm_grid *grid, const uint64_t *start,
                          const unsigned char *chunk, size_t chunk_bytes,
                          const unsigned char *array)
{
    uint64_t offset;
    if (!cshm_grid_is_run(grid, start, &offset))
        return;
    assert_true(offset + chunk_bytes <= product(grid->shape, grid->rank) * grid->element);
    assert_memory_equal(array + offset, chunk, chunk_bytes);
}

/* Exact allocations, so that a sanitizer sees what reads or writes beyond them. */
static void assert_chunk_at(const struct cshm_grid *grid, const uint64_t *start)
{
    size_t array_bytes = product(grid->shape, grid->rank) * grid->element;
    size_t chunk_bytes = product(grid->chunk, grid->rank) * grid->element;
    unsigned char *chunk = allocate(chunk_bytes);
    unsigned char *expected = allocate(array_bytes);
    unsigned char *array = allocate(array_bytes);
    for (size_t i = 0; i < chunk_bytes; i++)
        chunk[i] = (unsigned char)random_below(256);
    plain_place(grid, start, chunk, grid->element, expected);
    cshm_grid_place(grid, start, chunk, array);
    assert_memory_equal(array, expected, array_bytes);
    assert_is_run(grid, start, chunk, chunk_bytes, array);

    if (random_below(3) == 0)
        memset(chunk, chunk[0], grid->element);
    memset(expected, BEFORE, array_bytes);
    memset(array, BEFORE, array_bytes);
    plain_place(grid, start, chunk, 0, expected);
    cshm_grid_fill(grid, start, chunk, array);
    assert_memory_equal(array, expected, array_bytes);
    free(chunk);
    free(expected);
    free(array);
}

static void every_chunk_lands_where_each_element_would(const struct cshm_grid *grid)
{
    uint64_t chunks[CSHM_GRID_RANK_MAX];
    uint64_t index[CSHM_GRID_RANK_MAX] = {0};
    for (size_t i = 0; i < grid->rank; i++)
        chunks[i] = (grid->shape[i] + grid->chunk[i] - 1) / grid->chunk[i];
    do {
        uint64_t start[CSHM_GRID_RANK_MAX];
        for (size_t i = 0; i < grid->rank; i++)
            start[i] = index[i] * grid->chunk[i];
        assert_chunk_at(grid, start);
    } while (advance(index, chunks, grid->rank));
}

static void chunks_of_any_shape_land_in_place(void **state)
{
    (void)state;
    static const size_t elements[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 33, 100};
    static const uint32_t sides[] = {0, 400, 40, 12, 7, 5, 4};
    for (size_t i = 0; i < 1500; i++) {
        struct cshm_grid grid = {.rank = random_below(6) + 1};
        grid.element = elements[random_below(sizeof elements / sizeof elements[0])];
        for (size_t j = 0; j < grid.rank; j++) {
            grid.shape[j] = random_below(sides[grid.rank]) + 1;
            /* Often whole or single, which is what makes runs; sometimes beyond the dataset. */
            uint32_t kind = random_below(4);
            grid.chunk[j] = kind == 0   ? grid.shape[j]
                            : kind == 1 ? 1
                                        : random_below((uint32_t)grid.shape[j] + 2) + 1;
            if (grid.shape[j] / grid.chunk[j] > 10)
                grid.chunk[j] = grid.shape[j] / 10;
        }
        if (product(grid.chunk, grid.rank) > 5000 || grid.rank > 4)
            grid.element = 1 + grid.element % 3;
        if (grid.rank > 4) { /* a few chunks stand for the thousands */
            for (size_t j = 0; j + 2 < grid.rank; j++)
                grid.chunk[j] = random_below(2) ? grid.shape[j] : (grid.shape[j] + 1) / 2;
        }
        every_chunk_lands_where_each_element_would(&grid);
    }
}

static void as_many_dimensions_as_hdf5_allows_are_placed(void **state)
{
    (void)state;
    struct cshm_grid grid = {.rank = CSHM_GRID_RANK_MAX, .element = 2};
    for (size_t i = 0; i < grid.rank; i++)
        grid.shape[i] = grid.chunk[i] = 1;
    every_chunk_lands_where_each_element_would(&grid);
    for (size_t i = 0; i < grid.rank; i += 5) {
        grid.shape[i] = 3;
        grid.chunk[i] = 2;
    }
    every_chunk_lands_where_each_element_would(&grid);
}

static void wide_rows_and_wide_elements_are_filled(void **state)
{
    (void)state;
    static const size_t elements[] = {1, 3, 8, 100, 4095, 4096, 4097, 10000};
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        struct cshm_grid grid = {3, {3, 7, 500}, {2, 3, 300}, elements[i]};
        if (elements[i] > 100)
            grid.shape[2] = grid.chunk[2] = 2;
        every_chunk_lands_where_each_element_would(&grid);
    }
}

static void chunks_that_are_one_run_are_known(void **state)
{
    (void)state;
    static const struct {
        struct cshm_grid grid;
        uint64_t start[3];
        bool is_run;
        uint64_t offset;
    } cases[] = {
        {{1, {10}, {5}, 8}, {5}, true, 40},
        {{1, {9}, {5}, 8}, {0}, true, 0},
        {{1, {9}, {5}, 8}, {5}, false, 0},  /* clipped */
        {{1, {9}, {5}, 8}, {10}, false, 0}, /* outside */
        {{2, {10, 4}, {5, 4}, 2}, {5, 0}, true, 40},
        {{2, {10, 4}, {1, 2}, 2}, {3, 2}, true, 28},
        {{2, {10, 4}, {2, 2}, 2}, {2, 2}, false, 0},
        {{2, {3, 4}, {2, 4}, 2}, {2, 0}, false, 0},
        {{2, {1, 4}, {2, 4}, 2}, {0, 0}, false, 0},
        {{3, {4, 1, 6}, {2, 1, 6}, 1}, {2, 0, 0}, true, 12},
        {{3, {4, 3, 6}, {1, 2, 6}, 1}, {1, 0, 0}, true, 18},
        {{3, {4, 3, 6}, {2, 1, 6}, 1}, {0, 1, 0}, false, 0},
        {{2, {0, 4}, {2, 4}, 2}, {0, 0}, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t offset = 0;
        assert_int_equal(cshm_grid_is_run(&cases[i].grid, cases[i].start, &offset),
                         cases[i].is_run);
        assert_int_equal(offset, cases[i].offset);
    }
}

static void chunks_outside_of_the_dataset_change_nothing(void **state)
{
    (void)state;
    static const struct cshm_grid grid = {2, {4, 4}, {2, 2}, 1};
    static const uint64_t starts[][2] = {{4, 0}, {0, 4}, {UINT64_MAX, 0}, {6, 6}};
    static const unsigned char chunk[4] = {1, 2, 3, 4};
    unsigned char array[16] = {0};
    static const unsigned char unchanged[16] = {0};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        cshm_grid_place(&grid, starts[i], chunk, array);
        cshm_grid_fill(&grid, starts[i], chunk, array);
        assert_memory_equal(array, unchanged, sizeof array);
    }
    static const struct cshm_grid empty = {2, {0, UINT64_MAX}, {2, 2}, 1};
    cshm_grid_place(&empty, (const uint64_t[]){0, 0}, chunk, array);
    assert_memory_equal(array, unchanged, sizeof array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_of_any_shape_land_in_place),
        cmocka_unit_test(as_many_dimensions_as_hdf5_allows_are_placed),
        cmocka_unit_test(wide_rows_and_wide_elements_are_filled),
        cmocka_unit_test(chunks_that_are_one_run_are_known),
        cmocka_unit_test(chunks_outside_of_the_dataset_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
