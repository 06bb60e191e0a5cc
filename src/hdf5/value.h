/* SPDX-License-Identifier: MIT */
/*
 * Elements as values of the model, and types as text: what attributes become. Design: formats,
 * section 5, "Attribute values". Where that page only sketches a form, it is this:
 *
 *   values   !opaque TAG 00ff         the tag with %XX for spaces, controls and '%'; may be empty
 *            !raw 00ff                types that became raw bytes
 *            !datetime64[ns] 12345    h5py's opaque times, as their number; others: !opaque
 *            !ref /a/b                a null reference: "!ref"
 *            !region /a/b SELECTION   the selection as in reference.h
 *            !{r = 1.0}               compounds; one within another is a plain inline table
 *   types    int16, >f8, S7           numpy's names
 *            S7 utf-8                 fixed strings of that charset; without it ASCII
 *            ascii, utf-8             variable-length strings
 *            enum int8 {RED = 0}, bitfield uint8, opaque V2 TAG, raw V12, ref, region
 *            vlen int32, (3,2)int32   sequences and array types of ...
 *            compound {a = "int64"}
 */
#ifndef CSHM_HDF5_VALUE_H
#define CSHM_HDF5_VALUE_H

#include "hdf5/loader.h"
#include "hdf5/plan.h"

struct cshm_valuer {
    struct cshm_loader *loader;
    struct cshm_arena *arena; /* of the values */
    hid_t location;           /* an object of the file that references are of */
    unsigned long file;
    unsigned compounds; /* around the present element */
    uint64_t lost;      /* references that lead nowhere */
};

/*
 * The value of elements at `elements` that lie in an array of this shape (rank 0: one). 0 or
 * negative errno with the reason in loader->error.
 */
int cshm_value_make(struct cshm_valuer *valuer, const struct cshm_plan *plan, size_t rank,
                    const uint64_t *shape, const unsigned char *elements, struct cshm_value *out);

/* Appends the type's text. Out of memory is in the buffer. */
void cshm_type_text(struct cshm_buffer *out, const struct cshm_plan *plan);

/* int64, float64, bool, variable-length UTF-8: what a bare TOML value means. */
bool cshm_type_is_plain(const struct cshm_plan *plan);

/* Appends a name or tag as one word: %XX for spaces, controls, '%' and bytes that are not UTF-8. */
void cshm_word_add(struct cshm_buffer *out, struct cshm_text raw);

#endif
