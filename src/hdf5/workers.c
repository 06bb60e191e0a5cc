/* SPDX-License-Identifier: MIT */
#include "hdf5/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "hdf5/canvas.h"
#include "hdf5/decode.h"

enum {
    QUEUE_ENTRIES = 256,
    WAITING_BYTES = 32 * 1024 * 1024, /* of chunks in the queue; one alone may be more */
    STACK_BYTES = 256 * 1024,         /* counts against RLIMIT_DATA for each thread */
    JOBS_MAX = 1024,
};

struct cshm_workers {
    pthread_mutex_t lock;
    pthread_cond_t added; /* or is_ending */
    pthread_cond_t finished;
    struct cshm_work queue[QUEUE_ENTRIES];
    size_t first;
    size_t count;
    size_t waiting_bytes;
    bool is_ending;
    struct cshm_worker own;
    size_t thread_count;
    pthread_t *threads;
};

/* --- One piece
 * ---------------------------------------------------------------------------------- */

static void run(struct cshm_worker *worker, const struct cshm_work *work)
{
    struct cshm_batch *batch = work->batch;
    if (atomic_load(&batch->error) == 0) {
        int result = work->batch->run(worker, work);
        int none = 0;
        if (result < 0)
            (void)atomic_compare_exchange_strong(&batch->error, &none, result);
    }
    free(work->raw);
}

/* With the lock, which is let go while the work is done. */
static void run_next(struct cshm_worker *worker)
{
    struct cshm_workers *workers = worker->all;
    struct cshm_work work = workers->queue[workers->first];
    workers->first = (workers->first + 1) % QUEUE_ENTRIES;
    workers->count--;
    workers->waiting_bytes -= work.raw ? work.size : 0;
    (void)pthread_mutex_unlock(&workers->lock);
    run(worker, &work);
    (void)pthread_mutex_lock(&workers->lock);
    work.batch->pending--;
    (void)pthread_cond_signal(&workers->finished);
}

/* --- Threads
 * ------------------------------------------------------------------------------------ */

static int begin_worker(struct cshm_workers *workers, struct cshm_worker *worker)
{
    *worker = (struct cshm_worker){.all = workers, .buffer = malloc(CSHM_COPY_BYTES)};
    return worker->buffer ? 0 : -ENOMEM;
}

static void end_worker(struct cshm_worker *worker)
{
    free(worker->buffer);
    cshm_decoder_destroy(worker->decoder);
    worker->buffer = NULL;
    worker->decoder = NULL;
}

static void *work_on(void *context)
{
    struct cshm_workers *workers = context;
    struct cshm_worker worker;
    if (begin_worker(workers, &worker) < 0)
        return NULL;
    (void)pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->count == 0 && !workers->is_ending)
            (void)pthread_cond_wait(&workers->added, &workers->lock);
        if (workers->count == 0)
            break;
        run_next(&worker);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    end_worker(&worker);
    return NULL;
}

/*
 * As many as there may be: with none at all the main thread does everything. Signals are for that
 * one, which holds them back while it publishes.
 */
static void start_threads(struct cshm_workers *workers, size_t wanted)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (workers->thread_count < wanted &&
           pthread_create(&workers->threads[workers->thread_count], &attributes, work_on,
                          workers) == 0)
        workers->thread_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
}

int cshm_workers_create(unsigned jobs, struct cshm_workers **out)
{
    size_t wanted = jobs < 2 ? 0 : (jobs > JOBS_MAX ? JOBS_MAX : jobs) - 1;
    struct cshm_workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return -ENOMEM;
    workers->threads = calloc(wanted + 1, sizeof *workers->threads);
    if (!workers->threads || begin_worker(workers, &workers->own) < 0) {
        free(workers->threads);
        free(workers);
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&workers->lock, NULL);
    (void)pthread_cond_init(&workers->added, NULL);
    (void)pthread_cond_init(&workers->finished, NULL);
    start_threads(workers, wanted);
    *out = workers;
    return 0;
}

void cshm_workers_destroy(struct cshm_workers *workers)
{
    if (!workers)
        return;
    (void)pthread_mutex_lock(&workers->lock);
    workers->is_ending = true;
    (void)pthread_cond_broadcast(&workers->added);
    (void)pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->thread_count; i++)
        (void)pthread_join(workers->threads[i], NULL);
    (void)pthread_cond_destroy(&workers->finished);
    (void)pthread_cond_destroy(&workers->added);
    (void)pthread_mutex_destroy(&workers->lock);
    end_worker(&workers->own);
    free(workers->threads);
    free(workers);
}

unsigned cshm_workers_count(const struct cshm_workers *workers)
{
    return (unsigned)workers->thread_count + 1;
}

struct cshm_worker *cshm_workers_own(struct cshm_workers *workers)
{
    return &workers->own;
}

/* --- The queue
 * ---------------------------------------------------------------------------------- */

static bool has_room(const struct cshm_workers *workers, const struct cshm_work *work)
{
    if (workers->count == QUEUE_ENTRIES)
        return false;
    return !work->raw || workers->waiting_bytes == 0 ||
           workers->waiting_bytes + work->size <= WAITING_BYTES;
}

void cshm_workers_add(struct cshm_workers *workers, const struct cshm_work *work)
{
    if (workers->thread_count == 0) {
        run(&workers->own, work);
        return;
    }
    (void)pthread_mutex_lock(&workers->lock);
    while (!has_room(workers, work))
        run_next(&workers->own);
    workers->queue[(workers->first + workers->count) % QUEUE_ENTRIES] = *work;
    workers->count++;
    workers->waiting_bytes += work->raw ? work->size : 0;
    work->batch->pending++;
    (void)pthread_cond_signal(&workers->added);
    (void)pthread_mutex_unlock(&workers->lock);
}

bool cshm_workers_is_done(struct cshm_workers *workers, const struct cshm_batch *batch)
{
    (void)pthread_mutex_lock(&workers->lock);
    bool is_done = batch->pending == 0;
    (void)pthread_mutex_unlock(&workers->lock);
    return is_done;
}

void cshm_workers_wait(struct cshm_workers *workers, const struct cshm_batch *batch)
{
    (void)pthread_mutex_lock(&workers->lock);
    while (batch->pending > 0) {
        if (workers->count > 0)
            run_next(&workers->own);
        else
            (void)pthread_cond_wait(&workers->finished, &workers->lock);
    }
    (void)pthread_mutex_unlock(&workers->lock);
}
