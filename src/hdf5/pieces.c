/* SPDX-License-Identifier: MIT */
#include "hdf5/pieces.h"

#include "hdf5/dataset.h"

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* `a * b`, or the largest number: budgets are compared with it only. */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* Starting from one chunk (or one element), as many as fit along the last dimension, then before.
 */
static void choose_boxes(struct cshm_pieces *pieces, const struct cshm_dataset *dataset,
                         uint64_t budget)
{
    uint64_t elements = 1;
    for (size_t i = 0; i < pieces->rank; i++) {
        pieces->step[i] = dataset->is_chunked ? at_most(dataset->chunk[i], pieces->shape[i]) : 1;
        elements = times(elements, pieces->step[i]);
    }
    for (size_t i = pieces->rank; i-- > 0;) {
        uint64_t fit = elements ? budget / elements : 0;
        uint64_t unit = pieces->step[i];
        if (fit <= 1)
            break;
        pieces->step[i] = at_most(times(unit, fit), pieces->shape[i]);
        elements = elements / unit * pieces->step[i];
        if (pieces->step[i] < pieces->shape[i])
            break;
    }
}

/* Whole rows of the last dimensions, as many as fit, one index of the dimensions before. */
static void choose_rows(struct cshm_pieces *pieces, const struct cshm_dataset *dataset,
                        uint64_t budget)
{
    uint64_t elements = 1;
    for (size_t i = 0; i < pieces->rank; i++)
        pieces->step[i] = 1;
    for (size_t i = pieces->rank; i-- > 0;) {
        uint64_t fit = budget / elements;
        if (fit >= pieces->shape[i]) {
            pieces->step[i] = pieces->shape[i];
            elements *= pieces->shape[i];
            continue;
        }
        if (dataset->is_chunked && fit >= dataset->chunk[i])
            fit -= fit % dataset->chunk[i];
        pieces->step[i] = fit ? fit : 1;
        return;
    }
}

void cshm_pieces_start(struct cshm_pieces *pieces, const struct cshm_dataset *dataset,
                       uint64_t budget, bool in_order)
{
    *pieces = (struct cshm_pieces){.rank = dataset->rank, .is_empty = dataset->elements == 0};
    for (size_t i = 0; i < dataset->rank; i++)
        pieces->shape[i] = dataset->shape[i];
    if (pieces->is_empty)
        return;
    if (in_order)
        choose_rows(pieces, dataset, budget);
    else
        choose_boxes(pieces, dataset, budget);
}

static void clip(struct cshm_pieces *pieces)
{
    for (size_t i = 0; i < pieces->rank; i++)
        pieces->count[i] = at_most(pieces->step[i], pieces->shape[i] - pieces->start[i]);
}

bool cshm_pieces_next(struct cshm_pieces *pieces)
{
    if (pieces->is_empty)
        return false;
    if (!pieces->has_begun) {
        pieces->has_begun = true;
        clip(pieces);
        return true;
    }
    for (size_t i = pieces->rank; i-- > 0;) {
        if (pieces->shape[i] - pieces->start[i] > pieces->step[i]) {
            pieces->start[i] += pieces->step[i];
            clip(pieces);
            return true;
        }
        pieces->start[i] = 0;
    }
    return false;
}

uint64_t cshm_pieces_elements(const struct cshm_pieces *piece)
{
    uint64_t elements = 1;
    for (size_t i = 0; i < piece->rank; i++)
        elements *= piece->count[i];
    return elements;
}

bool cshm_pieces_split(const struct cshm_pieces *piece, struct cshm_pieces halves[2])
{
    for (size_t i = 0; i < piece->rank; i++) {
        if (piece->count[i] < 2)
            continue;
        halves[0] = halves[1] = *piece;
        halves[0].count[i] = piece->count[i] / 2;
        halves[1].start[i] += halves[0].count[i];
        halves[1].count[i] -= halves[0].count[i];
        return true;
    }
    return false;
}
