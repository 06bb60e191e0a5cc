/* SPDX-License-Identifier: MIT */
/*
 * A .npy file that is accepted becomes arrays of no more bytes than it has, each byte of the data
 * has its place in them, and a header of a plain array is written as one that says the same. The
 * pieces that the data comes in make no difference.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/npy_elements.h"
#include "tree_equal.h"

enum { DATA_MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_written(const struct cshm_npy_header *header, struct cshm_arena *arena)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    struct cshm_npy_header again;
    cshm_npy_render(&header->type.dtype, header->rank, header->shape, &out);
    require(out.error == 0 && out.length % 64 == 0);
    require(cshm_npy_parse(out.bytes, out.length, arena, &again, NULL) == 0);
    require(same_dtype(&header->type.dtype, &again.type.dtype) && header->rank == again.rank);
    require(memcmp(header->shape, again.shape, header->rank * sizeof *header->shape) == 0);
    require(header->bytes == again.bytes);
}

static void check_scattered(const struct cshm_npy_header *header, const struct cshm_npy_leaf *leaf,
                            const char *bytes)
{
    uint64_t length;
    require(cshm_dtype_array_size(&leaf->dtype, leaf->rank, leaf->shape, &length) == 0);
    require(length == header->elements * leaf->bytes && length <= header->bytes);
    char *whole = calloc(length + 1, 1);
    char *parts = calloc(length + 1, 1);
    require(whole && parts);
    cshm_npy_scatter(header, leaf, whole, bytes, header->bytes, 0);
    for (uint64_t at = header->bytes; at > 0;) { /* the last one first */
        uint64_t part = at < 1021 ? at : 1021;
        at -= part;
        cshm_npy_scatter(header, leaf, parts, bytes + at, part, at);
    }
    require(memcmp(whole, parts, length) == 0);
    free(whole);
    free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char bytes[DATA_MOST] = {[0 ... DATA_MOST - 1] = 1};
    struct cshm_arena arena = {0};
    struct cshm_npy_header header;
    struct cshm_npy_leaf *leaves;
    size_t length;
    size_t count;
    if (cshm_npy_length((const char *)data, size, &length, NULL) == 0 && length <= size &&
        cshm_npy_parse((const char *)data, length, &arena, &header, NULL) == 0) {
        require(header.length == length);
        if (!header.type.is_structured && header.type.rank == 0)
            check_written(&header, &arena);
        if (cshm_npy_leaves(&header, &arena, &leaves, &count, NULL) == 0)
            for (size_t i = 0; i < count && header.bytes <= DATA_MOST; i++)
                if (leaves[i].pieces < 1000 || header.bytes < 4096)
                    check_scattered(&header, &leaves[i], bytes);
    }
    cshm_arena_finish(&arena);
    return 0;
}
