/* SPDX-License-Identifier: MIT */
#include "hdf5/transfer.h"

#include <errno.h>
#include <stdlib.h>

#include "hdf5/chunks.h"
#include "hdf5/dataset.h"

enum {
    UNDER_WAY_MAX = 16,         /* each has a descriptor, and they cannot be linked early yet */
    AT_ONCE_BYTES = 256 * 1024, /* not worth another thread */
};

enum cshm_way cshm_way_from_environment(void)
{
    const char *word = getenv("CUTE_SHM_HDF5_WAY");
    if (word && strcmp(word, "slow") == 0)
        return CSHM_WAY_SLOW;
    return word && strcmp(word, "fast") == 0 ? CSHM_WAY_FAST : CSHM_WAY_ANY;
}

void cshm_transfer_tell(struct cshm_transfer *transfer, uint64_t bytes)
{
    atomic_fetch_add_explicit(&transfer->told_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&transfer->channel->page->done_bytes, bytes, memory_order_relaxed);
    cshm_channel_beat(transfer->channel);
}

/* --- The list
 * ----------------------------------------------------------------------------------- */

static void enlist(struct cshm_transfers *transfers, struct cshm_transfer *transfer)
{
    if (!transfers->last)
        transfers->last = &transfers->first;
    *transfers->last = transfer;
    transfers->last = &transfer->next;
    transfers->count++;
}

static void unlist(struct cshm_transfers *transfers, struct cshm_transfer **at)
{
    struct cshm_transfer *transfer = *at;
    *at = transfer->next;
    if (transfers->last == &transfer->next)
        transfers->last = at;
    transfer->next = NULL;
    transfers->count--;
}

struct cshm_transfer *cshm_transfer_next(struct cshm_loader *loader, bool wait)
{
    struct cshm_transfers *transfers = &loader->transfers;
    if (wait && transfers->first)
        cshm_workers_wait(loader->workers, &transfers->first->batch);
    for (struct cshm_transfer **at = &transfers->first; *at; at = &(*at)->next) {
        struct cshm_transfer *transfer = *at;
        if (!cshm_workers_is_done(loader->workers, &transfer->batch))
            continue;
        unlist(transfers, at);
        return transfer;
    }
    return NULL;
}

bool cshm_transfer_is_full(const struct cshm_loader *loader)
{
    return loader->transfers.count >= UNDER_WAY_MAX;
}

void cshm_transfer_destroy(struct cshm_transfer *transfer)
{
    cshm_canvas_close(&transfer->canvas);
    cshm_chunks_destroy(transfer->chunks);
    free(transfer);
}

void cshm_transfers_finish(struct cshm_loader *loader)
{
    int none = 0;
    for (struct cshm_transfer *t = loader->transfers.first; t; t = t->next)
        (void)atomic_compare_exchange_strong(&t->batch.error, &none, -ECANCELED);
    struct cshm_transfer *transfer;
    while ((transfer = cshm_transfer_next(loader, true)))
        cshm_transfer_destroy(transfer);
}

/* --- Contiguous data
 * ---------------------------------------------------------------------------- */

static int copy_block(struct cshm_worker *worker, const struct cshm_work *work)
{
    struct cshm_transfer *transfer = (struct cshm_transfer *)work->batch;
    int result = cshm_canvas_copy(&transfer->canvas, transfer->source, work->from, work->where,
                                  work->size, worker->buffer);
    if (result == 0)
        cshm_transfer_tell(transfer, work->size);
    return result;
}

static void add_blocks(struct cshm_loader *loader, struct cshm_transfer *transfer)
{
    uint64_t size = transfer->canvas.size;
    for (uint64_t at = 0; at < size && atomic_load(&transfer->batch.error) == 0;) {
        uint64_t left = size - at;
        struct cshm_work work = {
            .batch = &transfer->batch,
            .where = at,
            .from = transfer->from + at,
            .size = left < CSHM_CANVAS_BLOCK ? left : CSHM_CANVAS_BLOCK,
        };
        cshm_workers_add(loader->workers, &work);
        at += work.size;
    }
}

/* --- Beginning
 * ---------------------------------------------------------------------------------- */

/* Whether H5Dread would only copy. */
static bool is_as_in_file(const struct cshm_dataset *dataset)
{
    const struct cshm_plan *plan = &dataset->type.root;
    return plan->kind == CSHM_PLAN_PLAIN && !plan->is_variable && !plan->has_resources &&
           H5Tequal(dataset->file_type, dataset->type.memory) > 0;
}

static bool is_small(const struct cshm_transfer *transfer)
{
    return transfer->canvas.size <= AT_ONCE_BYTES;
}

static int open_canvas(struct cshm_loader *loader, struct cshm_transfer *transfer)
{
    struct cshm_node *node = transfer->object->node;
    uint64_t size = node->described->bytes;
    int fd;
    int result = cshm_draft_begin(loader->draft, node, &fd, &loader->error);
    if (result < 0) {
        loader->fatal = true;
        return result;
    }
    bool is_alone = cshm_workers_count(loader->workers) == 1 || size <= AT_ONCE_BYTES;
    result = cshm_canvas_open(&transfer->canvas, fd, size, transfer->chunks || !is_alone);
    return result < 0 ? cshm_loader_fail_room(loader, node, result) : 0;
}

static int begin(struct cshm_loader *loader, struct cshm_dataset *dataset,
                 struct cshm_transfer *transfer)
{
    int result = open_canvas(loader, transfer);
    if (result < 0)
        return result;
    if (transfer->chunks) {
        cshm_chunks_add(loader, dataset, transfer);
        return 0;
    }
    transfer->batch.run = copy_block;
    if (!is_small(transfer)) {
        add_blocks(loader, transfer);
        return 0;
    }
    const struct cshm_work work = {
        .batch = &transfer->batch, .from = transfer->from, .size = transfer->canvas.size};
    atomic_store(&transfer->batch.error, copy_block(cshm_workers_own(loader->workers), &work));
    return 0;
}

/*
 * The offset is that of the whole file, user block and all, and there is none for anything but
 * contiguous data in this very file.
 */
static int find_storage(struct cshm_loader *loader, struct cshm_dataset *dataset,
                        struct cshm_transfer *transfer)
{
    haddr_t offset = H5Dget_offset(dataset->id);
    if (offset == HADDR_UNDEF)
        return cshm_chunks_look(loader, dataset, &transfer->chunks);
    uint64_t end;
    transfer->from = offset;
    if (__builtin_add_overflow(offset, transfer->object->node->described->bytes, &end))
        return 0;
    return end <= cshm_objects_end(&loader->objects, dataset->file);
}

static void log_way(struct cshm_loader *loader, const struct cshm_object *object, const char *way)
{
    char path[CSHM_PATH_TEXT_MAX];
    if (loader->store->log.function)
        cshm_log(&loader->store->log, "%s: %s", cshm_node_path(object->node, path, sizeof path),
                 way);
}

/* 1 with what it takes, 0, negative errno. */
static int look(struct cshm_loader *loader, struct cshm_dataset *dataset,
                struct cshm_transfer *transfer)
{
    transfer->channel = loader->channel;
    transfer->source = cshm_objects_descriptor(&loader->objects, dataset->file);
    bool may = loader->way != CSHM_WAY_SLOW && dataset->elements > 0 && is_as_in_file(dataset);
    int result = may ? find_storage(loader, dataset, transfer) : 0;
    if (result >= 0)
        log_way(loader, transfer->object,
                result == 0        ? "read by libhdf5"
                : transfer->chunks ? "chunks decoded in threads"
                                   : "copied from the file");
    return result;
}

int cshm_transfer_begin(struct cshm_loader *loader, struct cshm_dataset *dataset,
                        struct cshm_object *object)
{
    struct cshm_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    transfer->object = object;
    int result = look(loader, dataset, transfer);
    if (result > 0) {
        result = begin(loader, dataset, transfer);
        if (result == 0) {
            enlist(&loader->transfers, transfer);
            return 1;
        }
    }
    cshm_transfer_destroy(transfer);
    return result;
}
