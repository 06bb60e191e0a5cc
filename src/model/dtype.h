/* SPDX-License-Identifier: MIT */
/*
 * Element types, as numpy names them. Text forms: str(numpy.dtype) ("float64", ">f4", "|S5",
 * "datetime64[ns]") and the type-string form ("<f8"); source: numpy's "Data type objects" and
 * "Array interface protocol" pages.
 */
#ifndef CSHM_MODEL_DTYPE_H
#define CSHM_MODEL_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#define CSHM_DTYPE_TEXT_MAX 64
#define CSHM_DTYPE_UNIT_MAX 14 /* numpy counts units in 32 bits: "2147483647ms" is the longest */

struct cshm_dtype {
    uint64_t itemsize; /* bytes; 0 for S0, U0 and V0 */
    char kind;         /* b bool, i u integers, f c floats and complex, S U strings, V void, M m times */
    char byte_order;   /* '<', '>', or '|' where it does not apply (one-byte elements, S, V) */
    char unit[CSHM_DTYPE_UNIT_MAX]; /* of M and m: "ns", "25s", "" for the generic unit; else "" */
};

/*
 * Parses `text` in either form. Native names mean little-endian order (the peer and this library
 * run on little-endian machines only). 0; -EINVAL for what is no numpy dtype; -ENOTSUP for one that
 * cannot be shared memory (object, structured).
 */
int cshm_dtype_parse(const char *text, size_t length, struct cshm_dtype *out);

/* The text str(numpy.dtype) gives. Returns `out`. */
const char *cshm_dtype_format(const struct cshm_dtype *dtype, char out[CSHM_DTYPE_TEXT_MAX]);

/* product(shape) * itemsize. -EOVERFLOW when it does not fit into an off_t. */
int cshm_dtype_array_size(const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape,
                          uint64_t *bytes);

#endif
