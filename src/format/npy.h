/* SPDX-License-Identifier: MIT */
/*
 * The header of a .npy file, versions 1.0 to 3.0 (numpy's "NPY format" page): a magic string, a
 * length, and a Python dictionary of the element type, the order and the shape. Pure: bytes in,
 * facts out. The bytes are hostile.
 */
#ifndef CSHM_FORMAT_NPY_H
#define CSHM_FORMAT_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "model/dtype.h"
#include "model/tree.h"

enum {
    CSHM_NPY_START = 12, /* so many bytes always tell how long the header is */
    CSHM_NPY_HEADER_MAX = 1 << 20,
    CSHM_NPY_FIELDS_MAX = 1024, /* each becomes a segment */
    CSHM_NPY_NESTING_MAX = 32,
};

struct cshm_npy_field;

/* What an element is, or a field of one. */
struct cshm_npy_type {
    struct cshm_dtype dtype;             /* unless it has fields */
    const struct cshm_npy_field *fields; /* in order, padding left out */
    bool is_structured;                  /* it has fields, or could have: [] */
    uint64_t itemsize;                   /* with padding */
    size_t rank;                         /* of the sub-array that it is; else 0 */
    const uint64_t *shape;
    uint64_t bytes; /* itemsize * product(shape) */
};

struct cshm_npy_field {
    const struct cshm_npy_field *next;
    struct cshm_text name; /* UTF-8 */
    uint64_t offset;       /* from the beginning of the element it is a field of */
    struct cshm_npy_type type;
};

struct cshm_npy_header {
    size_t length; /* where the data begins */
    bool is_fortran;
    struct cshm_npy_type type;
    size_t rank;
    const uint64_t *shape;
    uint64_t elements; /* product(shape) */
    uint64_t bytes;    /* of the data; header and data together fit into an off_t */
};

/*
 * How long the header is of a file that begins with these bytes. 0; -EAGAIN: more of them are
 * needed, CSHM_NPY_START at most; -EINVAL: it is no .npy file, or of a version not known.
 */
int cshm_npy_length(const char *bytes, size_t length, size_t *out, struct cshm_error *error);

/*
 * Reads a whole header (`length` as cshm_npy_length() says). Texts, shapes and fields are in
 * `arena`. -EINVAL with what is wrong, also for object arrays and whatever else has no place in
 * shared memory; -ENOMEM.
 */
int cshm_npy_parse(const char *bytes, size_t length, struct cshm_arena *arena,
                   struct cshm_npy_header *out, struct cshm_error *error);

/* Adds the header of an array in C order, as numpy writes it. Ask the buffer for its error. */
void cshm_npy_render(const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape,
                     struct cshm_buffer *out);

#endif
