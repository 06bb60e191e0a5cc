/* SPDX-License-Identifier: MIT */
#include "hdf5/decode.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "hdf5/fletcher32.h"
#include "hdf5/lzf.h"
#include "hdf5/shuffle.h"

enum { CHECKSUM_SIZE = 4, SIZE_UNKNOWN = 0 };

struct scratch {
    unsigned char *bytes;
    size_t size;
};

struct cshm_decoder {
    struct libdeflate_decompressor *inflater;
    struct scratch scratch[2]; /* a step reads the one and writes the other */
    unsigned written;          /* which of them was written last */
};

/* A filter to undo, and the bytes that are there afterwards. */
struct step {
    struct cshm_filter filter;
    size_t size;
};

struct steps {
    struct step steps[CSHM_FILTERS_MAX]; /* as applied when writing */
    size_t count;
    size_t limit; /* bytes of intermediate results whose size does not follow from the chunk's */
};

/* The bytes decoded so far. */
struct state {
    const unsigned char *bytes;
    size_t size;
};

int cshm_decoder_create(struct cshm_decoder **out)
{
    struct cshm_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return -ENOMEM;
    decoder->inflater = libdeflate_alloc_decompressor();
    if (!decoder->inflater) {
        free(decoder);
        return -ENOMEM;
    }
    *out = decoder;
    return 0;
}

void cshm_decoder_destroy(struct cshm_decoder *decoder)
{
    if (!decoder)
        return;
    libdeflate_free_decompressor(decoder->inflater);
    for (size_t i = 0; i < 2; i++)
        free(decoder->scratch[i].bytes);
    free(decoder);
}

/* Memory of `size` bytes that is not what the last call gave. */
static unsigned char *take_scratch(struct cshm_decoder *decoder, size_t size)
{
    struct scratch *scratch = &decoder->scratch[decoder->written ^ 1];
    if (scratch->size < size) {
        free(scratch->bytes);
        scratch->bytes = malloc(size);
        scratch->size = scratch->bytes ? size : 0;
        if (!scratch->bytes)
            return NULL;
    }
    decoder->written ^= 1;
    return scratch->bytes;
}

/* --- What is to be done ------------------------------------------------------------------ */

/* The size after a filter of writing. */
static int size_after(const struct cshm_filter *filter, size_t *size)
{
    switch (filter->kind) {
    case CSHM_FILTER_SHUFFLE:
        return filter->element_size > 0 ? 0 : -EINVAL;
    case CSHM_FILTER_FLETCHER32:
        if (*size != SIZE_UNKNOWN && __builtin_add_overflow(*size, CHECKSUM_SIZE, size))
            return -EINVAL;
        return 0;
    case CSHM_FILTER_DEFLATE:
    case CSHM_FILTER_LZF:
        *size = SIZE_UNKNOWN;
        return 0;
    }
    return -EINVAL;
}

static int plan(const struct cshm_filters *filters, uint32_t mask, size_t chunk_bytes,
                struct steps *out)
{
    size_t size = chunk_bytes;
    out->count = 0;
    /* Compressing what is compressed adds to it, but little. */
    if (filters->count > CSHM_FILTERS_MAX || chunk_bytes == 0 ||
        __builtin_add_overflow(chunk_bytes, chunk_bytes / 8 + 65536, &out->limit))
        return -EINVAL;
    for (size_t i = 0; i < filters->count; i++) {
        const struct cshm_filter *filter = &filters->filters[i];
        if (mask >> i & 1)
            continue;
        struct step step = {*filter, size};
        int result = size_after(filter, &size);
        if (result < 0)
            return result;
        if (filter->kind != CSHM_FILTER_SHUFFLE || filter->element_size > 1)
            out->steps[out->count++] = step;
    }
    return 0;
}

/* --- Doing it ---------------------------------------------------------------------------- */

/* libhdf5 before 1.6.3 swapped the bytes of both halves on little-endian machines. */
static uint32_t swap_halves(uint32_t sum)
{
    return (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff);
}

static int undo_fletcher32(struct state *state)
{
    if (state->size < CHECKSUM_SIZE)
        return -EINVAL;
    size_t size = state->size - CHECKSUM_SIZE;
    const unsigned char *end = state->bytes + size;
    uint32_t stored =
        end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    uint32_t sum = cshm_fletcher32(state->bytes, size);
    if (stored != sum && stored != swap_halves(sum))
        return -EBADMSG;
    state->size = size;
    return 0;
}

static int inflate(struct cshm_decoder *decoder, const struct state *state, unsigned char *to,
                   size_t room, size_t *made)
{
    /* What follows the end of the stream is no error, as with libhdf5 and zlib. */
    enum libdeflate_result result =
        libdeflate_zlib_decompress(decoder->inflater, state->bytes, state->size, to, room, made);
    return result == LIBDEFLATE_SUCCESS ? 0 : -EINVAL;
}

static int undo_lzf(const struct state *state, unsigned char *to, size_t room, size_t *made)
{
    *made = cshm_lzf_decode(state->bytes, state->size, to, room);
    return *made == 0 || *made == SIZE_MAX ? -EINVAL : 0;
}

static int write_step(struct cshm_decoder *decoder, const struct step *step, unsigned char *to,
                      size_t room, struct state *state)
{
    size_t made = state->size;
    int result = 0;
    if (step->filter.kind == CSHM_FILTER_DEFLATE)
        result = inflate(decoder, state, to, room, &made);
    else if (step->filter.kind == CSHM_FILTER_LZF)
        result = undo_lzf(state, to, room, &made);
    else
        cshm_unshuffle(state->bytes, state->size, step->filter.element_size, to);
    if (result < 0)
        return result;
    *state = (struct state){to, made};
    return 0;
}

/* `into` may be NULL; otherwise it has the bytes of this step's result. */
static int undo(struct cshm_decoder *decoder, const struct steps *steps, const struct step *step,
                unsigned char *into, struct state *state)
{
    int result;
    if (step->filter.kind == CSHM_FILTER_FLETCHER32) {
        result = undo_fletcher32(state);
    } else {
        bool is_shuffle = step->filter.kind == CSHM_FILTER_SHUFFLE;
        if (is_shuffle && step->size != SIZE_UNKNOWN && state->size != step->size)
            return -EINVAL;
        size_t known = is_shuffle ? state->size : step->size;
        size_t room = known == SIZE_UNKNOWN ? steps->limit : known;
        unsigned char *to = into ? into : take_scratch(decoder, room);
        result = to ? write_step(decoder, step, to, room, state) : -ENOMEM;
    }
    if (result < 0)
        return result;
    return step->size == SIZE_UNKNOWN || state->size == step->size ? 0 : -EINVAL;
}

int cshm_decode(struct cshm_decoder *decoder, const struct cshm_filters *filters, uint32_t mask,
                void *raw, size_t raw_size, size_t chunk_bytes, void *into, const void **out)
{
    struct steps steps;
    struct state state = {raw, raw_size};
    int result = plan(filters, mask, chunk_bytes, &steps);
    for (size_t i = steps.count; result == 0 && i-- > 0;)
        result = undo(decoder, &steps, &steps.steps[i], i == 0 ? into : NULL, &state);
    if (result < 0)
        return result;
    if (state.size != chunk_bytes)
        return -EINVAL;
    *out = state.bytes;
    return 0;
}
