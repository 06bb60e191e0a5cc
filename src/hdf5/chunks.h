/* SPDX-License-Identifier: MIT */
/*
 * Chunked datasets: the main thread asks libhdf5 for each chunk's bytes as they are in the file,
 * the workers undo the filters and put the result in its place.
 */
#ifndef CSHM_HDF5_CHUNKS_H
#define CSHM_HDF5_CHUNKS_H

struct cshm_chunks;
struct cshm_dataset;
struct cshm_loader;
struct cshm_transfer;

/* Whether a dataset that needs no conversion is such a one: 1 with `*out`, 0, negative errno. */
int cshm_chunks_look(struct cshm_loader *loader, struct cshm_dataset *dataset,
                     struct cshm_chunks **out);
void cshm_chunks_destroy(struct cshm_chunks *chunks); /* accepts NULL */

/* Adds the work of a transfer that has chunks. What fails becomes the batch's error. */
void cshm_chunks_add(struct cshm_loader *loader, struct cshm_dataset *dataset,
                     struct cshm_transfer *transfer);

#endif
