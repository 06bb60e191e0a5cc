/* SPDX-License-Identifier: MIT */
/*
 * A chunk of a chunked dataset, from the bytes in the file to its place in the array, without
 * libhdf5 (whose global lock would make threads queue). Pure: no system calls, fuzzed. What is not
 * known here (another filter, damaged data) is left to H5Dread, whose word then counts.
 */
#ifndef CSHM_HDF5_DECODE_H
#define CSHM_HDF5_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "hdf5/grid.h"

enum cshm_filter_kind {
    CSHM_FILTER_DEFLATE,
    CSHM_FILTER_SHUFFLE,
    CSHM_FILTER_FLETCHER32,
    CSHM_FILTER_LZF,
};

struct cshm_filter {
    enum cshm_filter_kind kind;
    size_t element_size; /* of shuffle: bytes of an element, its only parameter in the file */
};

enum { CSHM_FILTERS_MAX = 32 }; /* H5Z_MAX_NFILTERS */

struct cshm_filters {
    struct cshm_filter filters[CSHM_FILTERS_MAX]; /* in the order they were applied when writing */
    size_t count;
};

/*
 * Scratch memory: nothing for one step straight into place, a chunk for two (shuffle and deflate),
 * 2.25 chunks and 128 KiB at most. Kept between calls. One thread at a time.
 */
struct cshm_decoder;

/* 0 or -ENOMEM; `*out` is the caller's. */
int cshm_decoder_create(struct cshm_decoder **out);
void cshm_decoder_destroy(struct cshm_decoder *decoder); /* accepts NULL */

/*
 * Undoes the filters; bit i of `mask` says that filter i was skipped for this chunk. `*out` gets
 * the `chunk_bytes` (> 0) decoded bytes: in `raw` (nothing but checksums to undo), in `into`
 * (chunk_bytes long; may be NULL; used when the last step can write there: the place in the array
 * itself), or in the decoder's memory, valid until its next call. `raw` may be overwritten, and so
 * may `into` by a chunk that then fails.
 *
 * What libhdf5 decodes to chunk_bytes gives the same bytes here: what follows the end of a deflate
 * stream is ignored, checksums of libhdf5 before 1.6.3 count. -EINVAL: does not decode to exactly
 * chunk_bytes, or filters that make no sense; -EBADMSG: wrong fletcher32; -ENOMEM.
 */
int cshm_decode(struct cshm_decoder *decoder, const struct cshm_filters *filters, uint32_t mask,
                void *raw, size_t raw_size, size_t chunk_bytes, void *into, const void **out);

#endif
