/* SPDX-License-Identifier: MIT */
#include "hdf5/grid.h"

#include <string.h>

/* Bytes of a fill's pattern: enough for long copies, and it stays in the first cache. */
enum { PATTERN_MAX = 4096 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* So many runs, or planes of them, which begin this many bytes apart in chunk and array. */
struct axis {
    size_t count;
    size_t from;
    size_t to;
};

/* What is to be copied, taken together as far as it is contiguous on both sides. */
struct layout {
    size_t run;    /* bytes */
    size_t offset; /* of the first run in the array */
    size_t axis_count;
    struct axis axes[CSHM_GRID_RANK_MAX + 1]; /* innermost first; two at least */
    bool is_clipped;
    size_t period; /* of a fill: its source has so many bytes, which repeat */
};

typedef void plane_function(const struct layout *layout, const unsigned char *from,
                            unsigned char *to);

static void add_axis(struct layout *layout, struct axis axis)
{
    if (axis.count == 1)
        return;
    if (layout->axis_count == 0 && axis.from == layout->run && axis.to == layout->run) {
        layout->run *= axis.count;
        return;
    }
    struct axis *last = layout->axis_count ? &layout->axes[layout->axis_count - 1] : NULL;
    if (last && axis.from == last->count * last->from && axis.to == last->count * last->to)
        last->count *= axis.count;
    else
        layout->axes[layout->axis_count++] = axis;
}

/* False: nothing of the chunk is inside of the dataset. */
static bool make_layout(const struct cshm_grid *grid, const uint64_t *start, struct layout *layout)
{
    for (size_t i = 0; i < grid->rank; i++)
        if (start[i] >= grid->shape[i])
            return false;
    layout->run = grid->element;
    layout->offset = 0;
    layout->axis_count = 0;
    layout->is_clipped = false;
    struct axis axis = {0, grid->element, grid->element};
    for (size_t i = grid->rank; i-- > 0;) {
        axis.count = grid->shape[i] - start[i];
        if (axis.count < grid->chunk[i])
            layout->is_clipped = true;
        else
            axis.count = grid->chunk[i];
        layout->offset += start[i] * axis.to;
        add_axis(layout, axis);
        axis.from *= grid->chunk[i];
        axis.to *= grid->shape[i];
    }
    return true;
}

/* Planes are spared a look at how many axes there are. */
static void pad_axes(struct layout *layout)
{
    while (layout->axis_count < 2)
        layout->axes[layout->axis_count++] = (struct axis){1, 0, 0};
}

/* Does what is to be done with the two innermost axes for each step of all others. */
static void each_plane(const struct layout *layout, const unsigned char *from, unsigned char *to,
                       plane_function *plane)
{
    size_t index[CSHM_GRID_RANK_MAX + 1] = {0};
    for (;;) {
        plane(layout, from, to);
        size_t i = 2;
        for (; i < layout->axis_count; i++) {
            const struct axis *axis = &layout->axes[i];
            if (++index[i] < axis->count) {
                from += axis->from;
                to += axis->to;
                break;
            }
            index[i] = 0;
            from -= (axis->count - 1) * axis->from;
            to -= (axis->count - 1) * axis->to;
        }
        if (i == layout->axis_count)
            return;
    }
}

/* A call of memcpy costs more than these bytes: two pieces that may overlap. */
#define COPY_ENDS(type)                                                                            \
    do {                                                                                           \
        type head_;                                                                                \
        type tail_;                                                                                \
        memcpy(&head_, from, sizeof head_);                                                        \
        memcpy(&tail_, from + size - sizeof tail_, sizeof tail_);                                  \
        memcpy(to, &head_, sizeof head_);                                                          \
        memcpy(to + size - sizeof tail_, &tail_, sizeof tail_);                                    \
    } while (0)

struct sixteen {
    uint64_t halves[2];
};

ALWAYS_INLINE void copy_run(unsigned char *to, const unsigned char *from, size_t size)
{
    if (size > 32)
        memcpy(to, from, size);
    else if (size >= 16)
        COPY_ENDS(struct sixteen);
    else if (size >= 8)
        COPY_ENDS(uint64_t);
    else if (size >= 4)
        COPY_ENDS(uint32_t);
    else if (size >= 2)
        COPY_ENDS(uint16_t);
    else
        *to = *from;
}

ALWAYS_INLINE void copy_runs(const struct layout *layout, const unsigned char *from,
                             unsigned char *to, size_t run)
{
    const struct axis inner = layout->axes[0];
    const struct axis outer = layout->axes[1];
    for (size_t i = 0; i < outer.count; i++)
        for (size_t j = 0; j < inner.count; j++)
            copy_run(to + i * outer.to + j * inner.to, from + i * outer.from + j * inner.from, run);
}

static void copy_plane(const struct layout *layout, const unsigned char *from, unsigned char *to)
{
    switch (layout->run) {
    case 1:
        copy_runs(layout, from, to, 1);
        return;
    case 2:
        copy_runs(layout, from, to, 2);
        return;
    case 4:
        copy_runs(layout, from, to, 4);
        return;
    case 8:
        copy_runs(layout, from, to, 8);
        return;
    case 16:
        copy_runs(layout, from, to, 16);
        return;
    default:
        copy_runs(layout, from, to, layout->run);
    }
}

bool cshm_grid_is_run(const struct cshm_grid *grid, const uint64_t *start, uint64_t *offset)
{
    struct layout layout;
    if (!make_layout(grid, start, &layout) || layout.is_clipped || layout.axis_count > 0)
        return false;
    *offset = layout.offset;
    return true;
}

void cshm_grid_place(const struct cshm_grid *grid, const uint64_t *start, const void *chunk,
                     void *array)
{
    struct layout layout;
    if (!make_layout(grid, start, &layout))
        return;
    pad_axes(&layout);
    each_plane(&layout, chunk, (unsigned char *)array + layout.offset, copy_plane);
}

/* --- Fill values ------------------------------------------------------------------------- */

static void fill_run(const struct layout *layout, const unsigned char *from, unsigned char *to)
{
    if (layout->period == 1) {
        memset(to, *from, layout->run);
        return;
    }
    size_t done = 0;
    for (; layout->run - done >= layout->period; done += layout->period)
        memcpy(to + done, from, layout->period);
    memcpy(to + done, from, layout->run - done);
}

static void fill_plane(const struct layout *layout, const unsigned char *from, unsigned char *to)
{
    const struct axis inner = layout->axes[0];
    const struct axis outer = layout->axes[1];
    for (size_t i = 0; i < outer.count; i++)
        for (size_t j = 0; j < inner.count; j++)
            fill_run(layout, from, to + i * outer.to + j * inner.to);
}

/* As many elements as fit. */
static size_t make_pattern(const void *element, size_t size, unsigned char pattern[PATTERN_MAX])
{
    size_t whole = PATTERN_MAX / size * size;
    memcpy(pattern, element, size);
    for (size_t made = size; made < whole; made *= 2)
        memcpy(pattern + made, pattern, made < whole - made ? made : whole - made);
    return whole;
}

static bool is_one_byte(const unsigned char *element, size_t size)
{
    return memcmp(element, element + 1, size - 1) == 0;
}

void cshm_grid_fill(const struct cshm_grid *grid, const uint64_t *start, const void *element,
                    void *array)
{
    struct layout layout;
    unsigned char pattern[PATTERN_MAX];
    const unsigned char *from = element;
    if (!make_layout(grid, start, &layout))
        return;
    pad_axes(&layout);
    for (size_t i = 0; i < layout.axis_count; i++)
        layout.axes[i].from = 0;
    size_t made = grid->element <= PATTERN_MAX ? make_pattern(element, grid->element, pattern) : 0;
    if (made)
        from = pattern;
    layout.period = made ? made : grid->element;
    if (is_one_byte(element, grid->element))
        layout.period = 1;
    each_plane(&layout, from, (unsigned char *)array + layout.offset,
               layout.run <= made ? copy_plane : fill_plane);
}
