/* SPDX-License-Identifier: MIT */
#include "hdf5/scatter.h"

#include <errno.h>

#include "hdf5/reference.h"

/* `count` elements, `stride` bytes apart, that are number `at` and following of the plan's array.
 */
struct run {
    const unsigned char *elements;
    size_t stride;
    uint64_t count;
    uint64_t at;
};

static int scatter_dims(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run);

static int changed(struct cshm_scatter *scatter)
{
    return cshm_fail(&scatter->loader->error, -ESTALE, "changed while it was read");
}

/* Where elements `at` and following go; NULL: beyond the end. */
static unsigned char *place(const struct cshm_sink *sink, uint64_t at, uint64_t count, size_t size)
{
    uint64_t capacity = size ? sink->size / size : 0;
    return at <= capacity && count <= capacity - at ? sink->bytes + at * size : NULL;
}

static int scatter_plain(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    if (scatter->is_measuring)
        return 0;
    unsigned char *to = place(&plan->out, run.at, run.count, plan->size);
    if (!to)
        return changed(scatter);
    if (run.stride == plan->size) {
        memcpy(to, run.elements, run.count * plan->size);
        return 0;
    }
    for (uint64_t i = 0; i < run.count; i++)
        memcpy(to + i * plan->size, run.elements + i * run.stride, plan->size);
    return 0;
}

static int text_of(struct cshm_scatter *scatter, const struct cshm_plan *plan,
                   const unsigned char *element, struct cshm_text *out)
{
    if (plan->source != CSHM_TEXT_STRING) {
        int result = cshm_reference_text(scatter->loader, scatter->location, scatter->file,
                                         plan->source, element, out);
        scatter->lost += result == -ENOENT;
        return result == -ENOENT ? 0 : result;
    }
    const char *string;
    memcpy(&string, element, sizeof string); /* fields of packed compounds are not aligned */
    *out = string ? cshm_text(string) : cshm_text("");
    return 0;
}

static int scatter_text(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    size_t itemsize = scatter->is_measuring ? 0 : (size_t)plan->node->described->dtype->itemsize;
    unsigned char *to =
        scatter->is_measuring ? NULL : place(&plan->out, run.at, run.count, itemsize);
    if (!scatter->is_measuring && !to)
        return changed(scatter);
    for (uint64_t i = 0; i < run.count; i++) {
        struct cshm_text text;
        int result = text_of(scatter, plan, run.elements + i * run.stride, &text);
        if (result < 0)
            return result;
        if (scatter->is_measuring) {
            if (text.length > plan->longest)
                plan->longest = text.length;
            continue;
        }
        if (text.length > itemsize)
            return changed(scatter);
        memcpy(to + i * itemsize, text.bytes, text.length);
        memset(to + i * itemsize + text.length, 0, itemsize - text.length);
    }
    return 0;
}

static int scatter_compound(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    for (struct cshm_plan *field = plan->first; field; field = field->next) {
        if (scatter->is_measuring && !field->is_variable)
            continue;
        struct run part = run;
        part.elements += field->offset;
        int result = scatter_dims(scatter, field, part);
        if (result < 0)
            return result;
    }
    return 0;
}

static int scatter_sequence(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    struct cshm_plan *element = plan->first;
    size_t extent = cshm_plan_extent(element);
    unsigned char *offsets = NULL;
    if (!scatter->is_measuring) {
        /* offsets[0] is 0, the segment is zeroed: each sequence writes its end. */
        offsets = place(&plan->offsets, run.at + 1, run.count, sizeof(uint64_t));
        if (!offsets)
            return changed(scatter);
    }
    for (uint64_t i = 0; i < run.count; i++) {
        hvl_t sequence;
        memcpy(&sequence, run.elements + i * run.stride, sizeof sequence);
        uint64_t length = sequence.p ? sequence.len : 0;
        struct run part = {sequence.p, extent, length, plan->total};
        int result = length ? scatter_dims(scatter, element, part) : 0;
        if (result < 0)
            return result;
        if (__builtin_add_overflow(plan->total, length, &plan->total))
            return changed(scatter);
        if (offsets)
            memcpy(offsets + i * sizeof(uint64_t), &plan->total, sizeof(uint64_t));
    }
    return 0;
}

static int scatter_run(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    static int (*const functions[])(struct cshm_scatter *, struct cshm_plan *, struct run) = {
        [CSHM_PLAN_PLAIN] = scatter_plain,
        [CSHM_PLAN_TEXT] = scatter_text,
        [CSHM_PLAN_COMPOUND] = scatter_compound,
        [CSHM_PLAN_RAGGED] = scatter_sequence,
    };
    return functions[plan->kind](scatter, plan, run);
}

/* Array types: every element is plan->count of them, next to each other. */
static int scatter_dims(struct cshm_scatter *scatter, struct cshm_plan *plan, struct run run)
{
    if (plan->count == 1)
        return scatter_run(scatter, plan, run);
    if (run.stride == cshm_plan_extent(plan)) {
        struct run all = {run.elements, plan->size, run.count * plan->count, run.at * plan->count};
        return scatter_run(scatter, plan, all);
    }
    int result = 0;
    for (uint64_t i = 0; i < run.count && result == 0; i++) {
        struct run one = {run.elements + i * run.stride, plan->size, plan->count,
                          (run.at + i) * plan->count};
        result = scatter_run(scatter, plan, one);
    }
    return result;
}

/* Number of the piece's row that begins at `index`, in C order of the whole dataset. */
static uint64_t position(const uint64_t *shape, size_t rank, const uint64_t *index)
{
    uint64_t at = 0;
    for (size_t i = 0; i < rank; i++)
        at = at * shape[i] + index[i];
    return at;
}

/* Dimensions from which on the piece is contiguous in the dataset: their first may be in part. */
static size_t contiguous_from(const uint64_t *shape, size_t rank, const struct cshm_pieces *piece)
{
    size_t from = rank;
    while (from > 0) {
        from--;
        if (piece->count[from] != shape[from])
            break;
    }
    return from;
}

int cshm_scatter_piece(struct cshm_scatter *scatter, struct cshm_plan *plan, const uint64_t *shape,
                       size_t rank, const struct cshm_pieces *piece, const unsigned char *elements)
{
    if (scatter->is_measuring && !plan->is_variable)
        return 0;
    size_t from = contiguous_from(shape, rank, piece);
    uint64_t length = 1;
    for (size_t i = from; i < rank; i++)
        length *= piece->count[i];
    uint64_t index[H5S_MAX_RANK];
    memcpy(index, piece->start, sizeof index);
    size_t extent = cshm_plan_extent(plan);
    for (;;) {
        struct run run = {elements, extent, length, position(shape, rank, index)};
        int result = scatter_dims(scatter, plan, run);
        if (result < 0)
            return result;
        elements += length * extent;
        size_t i = from;
        for (; i > 0; i--) {
            if (++index[i - 1] < piece->start[i - 1] + piece->count[i - 1])
                break;
            index[i - 1] = piece->start[i - 1];
        }
        if (i == 0)
            return 0;
    }
}
