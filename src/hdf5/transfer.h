/* SPDX-License-Identifier: MIT */
/*
 * Datasets that the workers fill without libhdf5: their bytes in the file are those of the array
 * (no conversion of types), stored in one piece or in chunks whose filters are known here. The main
 * thread begins and ends each; between, the threads have it. Whatever goes wrong with the file on
 * this way, the dataset is done again by libhdf5, whose word counts: its data or its error.
 */
#ifndef CSHM_HDF5_TRANSFER_H
#define CSHM_HDF5_TRANSFER_H

#include "hdf5/canvas.h"
#include "hdf5/workers.h"

struct cshm_channel;
struct cshm_chunks;
struct cshm_dataset;
struct cshm_loader;
struct cshm_object;

/*
 * Which way datasets take; for tests, by the environment variable CUTE_SHM_HDF5_WAY (slow, fast).
 * CSHM_WAY_FAST makes an error of what CSHM_WAY_ANY would silently do again by libhdf5.
 */
enum cshm_way {
    CSHM_WAY_ANY,
    CSHM_WAY_SLOW,
    CSHM_WAY_FAST,
};

enum cshm_way cshm_way_from_environment(void);

struct cshm_transfer {
    struct cshm_batch batch; /* first: the work's batch is the transfer */
    struct cshm_transfer *next;
    struct cshm_object *object;
    struct cshm_channel *channel;
    struct cshm_canvas canvas;
    int source;                 /* descriptor of the file */
    uint64_t from;              /* CONTIGUOUS: where in it */
    struct cshm_chunks *chunks; /* CHUNKED; NULL */
    atomic_ullong told_bytes;   /* added to done_bytes so far */
    bool has_holes;             /* parts that nobody writes: to be reserved at the end */
};

struct cshm_transfers {
    struct cshm_transfer *first;
    struct cshm_transfer **last;
    size_t count;
};

/*
 * Begins the open dataset of `object`: 1 when it was taken on, 0 when libhdf5 has to read it,
 * negative errno.
 */
int cshm_transfer_begin(struct cshm_loader *loader, struct cshm_dataset *dataset,
                        struct cshm_object *object);

/*
 * The next transfer that came to its end, no more in the list and the caller's; with `wait` works
 * until one does. NULL: none. Its outcome is batch.error: 0, -ENODATA (to be done again), -ENOSPC,
 * -ENOMEM and others of write(2).
 */
struct cshm_transfer *cshm_transfer_next(struct cshm_loader *loader, bool wait);

/* Whether so many are under way that the next begun should wait for the first. */
bool cshm_transfer_is_full(const struct cshm_loader *loader);

void cshm_transfer_destroy(struct cshm_transfer *transfer);

/* Gives up all that are under way. */
void cshm_transfers_finish(struct cshm_loader *loader);

/* Adds to what is done; by any thread. */
void cshm_transfer_tell(struct cshm_transfer *transfer, uint64_t bytes);

#endif
