/* SPDX-License-Identifier: MIT */
/*
 * Threads for everything but libhdf5, which stays with the main thread: it queues work, and works
 * too when the queue is full or nothing else is left to do, so that `jobs` are busy and one job
 * needs no other thread. The queue is bounded in entries and in bytes that wait in memory.
 */
#ifndef CSHM_HDF5_WORKERS_H
#define CSHM_HDF5_WORKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cshm_workers;
struct cshm_decoder;

/* What one thread has for itself. */
struct cshm_worker {
    struct cshm_workers *all;
    unsigned char *buffer;        /* CSHM_COPY_BYTES */
    struct cshm_decoder *decoder; /* once it was needed */
};

struct cshm_batch;

/* A piece of work. What its numbers mean is the business of the batch it belongs to. */
struct cshm_work {
    struct cshm_batch *batch;
    uint64_t where;
    uint64_t from;
    unsigned char *raw; /* malloc()ed, freed when it was run; NULL: none */
    size_t size;
    uint32_t mask;
};

/* Zeroed but for `run` by its owner, who keeps it until it is done. */
struct cshm_batch {
    int (*run)(struct cshm_worker *worker, const struct cshm_work *work); /* 0 or negative errno */
    size_t pending;   /* under the lock of the workers */
    atomic_int error; /* the first that run() returned; what is left of the batch is not run */
};

/* Starts up to `jobs` - 1 threads; fewer, where the system gives no more. 0 or -ENOMEM. */
int cshm_workers_create(unsigned jobs, struct cshm_workers **out);

/* Waits for nothing: batches must be done. Accepts NULL. */
void cshm_workers_destroy(struct cshm_workers *workers);

/* How many there are, the main thread included. */
unsigned cshm_workers_count(const struct cshm_workers *workers);

/* --- By the main thread
 * ------------------------------------------------------------------------- */

/* Takes over `raw`. Where the queue is full, works until it is not. */
void cshm_workers_add(struct cshm_workers *workers, const struct cshm_work *work);

bool cshm_workers_is_done(struct cshm_workers *workers, const struct cshm_batch *batch);

/* Works until the batch is done. */
void cshm_workers_wait(struct cshm_workers *workers, const struct cshm_batch *batch);

/* The main thread's own. */
struct cshm_worker *cshm_workers_own(struct cshm_workers *workers);

#endif
