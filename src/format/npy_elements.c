/* SPDX-License-Identifier: MIT */
#include "format/npy_elements.h"

#include <errno.h>

enum { PIECES_MAX = 1 << 20 };

/* --- Which arrays there are ---------------------------------------------------------------------
 */

struct listing {
    struct cshm_arena *arena;
    struct cshm_error *error;
    struct cshm_npy_leaf *leaves;
    size_t count;
    /* Of the type that is being looked at, from the outermost on. */
    size_t rank;
    uint64_t shape[CSHM_RANK_MAX];
    size_t loop_count;
    struct cshm_npy_loop loops[CSHM_RANK_MAX];
};

static int too_many_dimensions(const struct listing *list)
{
    return cshm_fail(list->error, -EINVAL,
                     "an array of this .npy file has more than 64 dimensions");
}

static void *copy(struct cshm_arena *arena, const void *from, size_t count, size_t size)
{
    void *made = cshm_arena_array(arena, count + 1, size);
    if (made && count > 0)
        memcpy(made, from, count * size);
    return made;
}

static int add_leaf(struct listing *list, const struct cshm_npy_type *type, uint64_t offset)
{
    struct cshm_npy_leaf *leaf = &list->leaves[list->count++];
    if (list->rank + type->rank > CSHM_RANK_MAX)
        return too_many_dimensions(list);
    *leaf = (struct cshm_npy_leaf){.dtype = type->dtype,
                                   .rank = list->rank + type->rank,
                                   .offset = offset,
                                   .piece = type->bytes,
                                   .pieces = 1,
                                   .loop_count = list->loop_count};
    uint64_t *shape = copy(list->arena, list->shape, CSHM_RANK_MAX, sizeof *shape);
    leaf->loops = copy(list->arena, list->loops, list->loop_count, sizeof *leaf->loops);
    if (!shape || !leaf->loops)
        return cshm_fail(list->error, -ENOMEM, "out of memory");
    if (type->rank > 0)
        memcpy(shape + list->rank, type->shape, type->rank * sizeof *shape);
    leaf->shape = shape;
    /* The product is no more than the bytes of an element, unless those are none. */
    for (size_t i = 0; i < leaf->loop_count; i++)
        if (__builtin_mul_overflow(leaf->pieces, leaf->loops[i].count, &leaf->pieces) ||
            leaf->pieces > PIECES_MAX)
            return cshm_fail(list->error, -EINVAL,
                             "an element of this .npy file has more than a million parts");
    leaf->bytes = leaf->piece * leaf->pieces;
    return 0;
}

static int add_leaves(struct listing *list, const struct cshm_npy_type *type, uint64_t offset)
{
    if (!type->is_structured)
        return add_leaf(list, type, offset);
    size_t rank = list->rank;
    size_t loop_count = list->loop_count;
    if (rank + type->rank > CSHM_RANK_MAX)
        return too_many_dimensions(list);
    uint64_t stride = type->itemsize;
    for (size_t i = type->rank; i-- > 0; stride *= type->shape[i]) {
        list->shape[rank + i] = type->shape[i];
        list->loops[loop_count + i] = (struct cshm_npy_loop){type->shape[i], stride};
    }
    list->rank += type->rank;
    list->loop_count += type->rank;
    int result = 0;
    for (const struct cshm_npy_field *field = type->fields; field && result == 0;
         field = field->next)
        result = add_leaves(list, &field->type, offset + field->offset);
    list->rank = rank;
    list->loop_count = loop_count;
    return result;
}

static size_t count_leaves(const struct cshm_npy_type *type)
{
    size_t count = !type->is_structured;
    for (const struct cshm_npy_field *field = type->fields; field; field = field->next)
        count += count_leaves(&field->type);
    return count;
}

int cshm_npy_leaves(const struct cshm_npy_header *header, struct cshm_arena *arena,
                    struct cshm_npy_leaf **out, size_t *count, struct cshm_error *error)
{
    struct listing list = {.arena = arena, .error = error, .rank = header->rank};
    list.leaves = cshm_arena_array(arena, count_leaves(&header->type) + 1, sizeof *list.leaves);
    if (!list.leaves)
        return cshm_fail(error, -ENOMEM, "out of memory");
    if (header->rank > 0)
        memcpy(list.shape, header->shape, header->rank * sizeof *list.shape);
    int result = add_leaves(&list, &header->type, 0);
    *out = list.leaves;
    *count = list.count;
    return result;
}

bool cshm_npy_is_plain(const struct cshm_npy_header *header)
{
    /* In one dimension, or with one element, the orders are the same. */
    return !header->type.is_structured &&
           (!header->is_fortran || header->rank < 2 || header->elements < 2);
}

/* --- Where the bytes go -------------------------------------------------------------------------
 */

/* An element of the file, and its place in the arrays. */
struct position {
    bool is_transposed;
    size_t rank;
    const uint64_t *shape;
    uint64_t place;
    uint64_t index[CSHM_RANK_MAX];
    uint64_t stride[CSHM_RANK_MAX]; /* in elements, in C order */
};

static void go_to(struct position *position, const struct cshm_npy_header *header, uint64_t element)
{
    position->is_transposed = header->is_fortran && header->rank > 1;
    position->rank = header->rank;
    position->shape = header->shape;
    position->place = element;
    if (!position->is_transposed)
        return;
    uint64_t stride = 1;
    for (size_t i = header->rank; i-- > 0; stride *= header->shape[i])
        position->stride[i] = stride;
    position->place = 0;
    for (size_t i = 0; i < header->rank; i++) {
        position->index[i] = element % header->shape[i];
        element /= header->shape[i];
        position->place += position->index[i] * position->stride[i];
    }
}

static void go_on(struct position *position)
{
    if (!position->is_transposed) {
        position->place++;
        return;
    }
    for (size_t i = 0; i < position->rank; i++) {
        position->place += position->stride[i];
        if (++position->index[i] < position->shape[i])
            return;
        position->place -= position->stride[i] * position->shape[i];
        position->index[i] = 0;
    }
}

/* memcpy() of a size that is not known takes several times as long. */
static inline void copy_small(char *to, const char *from, uint64_t size)
{
    switch (size) {
    case 1:
        *to = *from;
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    default:
        memcpy(to, from, size);
    }
}

static uint64_t offset_of_piece(const struct cshm_npy_leaf *leaf, uint64_t piece)
{
    uint64_t offset = leaf->offset;
    for (size_t i = leaf->loop_count; i-- > 0; piece /= leaf->loops[i].count)
        offset += piece % leaf->loops[i].count * leaf->loops[i].stride;
    return offset;
}

/* The first piece that ends behind `start`: they lie one behind the other. */
static uint64_t first_piece(const struct cshm_npy_leaf *leaf, uint64_t start)
{
    uint64_t low = 0;
    uint64_t high = leaf->pieces;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (offset_of_piece(leaf, middle) + leaf->piece > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/*
 * Of one element the bytes from `start` on, `length` of them. In time that depends on these: an
 * element may have a million pieces, and be written byte by byte.
 */
static void copy_element(const struct cshm_npy_leaf *leaf, char *to, const char *bytes,
                         uint64_t start, uint64_t length)
{
    for (uint64_t i = start <= leaf->offset ? 0 : first_piece(leaf, start); i < leaf->pieces; i++) {
        uint64_t piece = i == 0 ? leaf->offset : offset_of_piece(leaf, i);
        if (piece >= start + length)
            return;
        uint64_t from = piece > start ? piece : start;
        uint64_t end = piece + leaf->piece < start + length ? piece + leaf->piece : start + length;
        if (from < end)
            copy_small(to + i * leaf->piece + (from - piece), bytes + (from - start), end - from);
    }
}

void cshm_npy_scatter(const struct cshm_npy_header *header, const struct cshm_npy_leaf *leaf,
                      char *to, const char *bytes, uint64_t length, uint64_t offset)
{
    uint64_t size = header->type.bytes;
    if (length == 0 || leaf->bytes == 0)
        return;
    struct position position = {0};
    go_to(&position, header, offset / size);
    uint64_t start = offset % size;
    while (length > 0) {
        uint64_t part = size - start < length ? size - start : length;
        copy_element(leaf, to + position.place * leaf->bytes, bytes, start, part);
        bytes += part;
        length -= part;
        start = 0;
        if (length > 0)
            go_on(&position);
    }
}
