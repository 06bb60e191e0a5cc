/* SPDX-License-Identifier: MIT */
/*
 * References as text. An object is named by its path (the first one the walk found); a region by
 * the path of its dataset and what is selected, as h5dump writes it:
 *
 *   /a/b {(0,0)-(1,2), (5,0)-(5,2)}    blocks, first and last element
 *   /a/b {(0,1), (3,2)}                points
 *   /a/b {(0)-(0) : stride (2) count (500000)}   a regular pattern of more than 64 blocks
 *   /a/b {all}, /a/b {none}
 */
#ifndef CSHM_HDF5_REFERENCE_H
#define CSHM_HDF5_REFERENCE_H

#include "hdf5/loader.h"
#include "hdf5/plan.h"

/*
 * The text of the reference at `element`, found in an object `location` of file number `file`;
 * valid until the next call. "" for a null reference. 0; -ENOENT (and "") when its target has no
 * name or is not there; -ENOMEM.
 */
int cshm_reference_text(struct cshm_loader *loader, hid_t location, unsigned long file,
                        enum cshm_text_source source, const void *element, struct cshm_text *out);

#endif
