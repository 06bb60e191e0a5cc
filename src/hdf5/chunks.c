/* SPDX-License-Identifier: MIT */
#include "hdf5/chunks.h"

#include <errno.h>
#include <stdlib.h>

#include "hdf5/dataset.h"
#include "hdf5/decode.h"
#include "hdf5/transfer.h"

enum {
    FILTER_LZF = 32000,    /* registered by h5py */
    RAW_SPARE = 64 * 1024, /* of a chunk's bytes in the file beyond twice the decoded ones */
};

struct cshm_chunks {
    struct cshm_grid grid;
    struct cshm_filters filters;
    size_t bytes;                        /* of a decoded chunk */
    uint64_t counts[CSHM_GRID_RANK_MAX]; /* of chunks along each dimension */
    bool has_raw_edges;                  /* chunks that reach beyond the dataset are not filtered */
    unsigned char *value; /* what chunks hold that the file does not have; NULL: zeros */
};

void cshm_chunks_destroy(struct cshm_chunks *chunks)
{
    if (chunks)
        free(chunks->value);
    free(chunks);
}

/* --- Looking at a dataset
 * ----------------------------------------------------------------------- */

static bool take_filter(hid_t creation, unsigned at, struct cshm_filters *filters)
{
    unsigned flags;
    unsigned values[1] = {0};
    size_t count = 1;
    struct cshm_filter *filter = &filters->filters[filters->count++];
    switch (H5Pget_filter2(creation, at, &flags, &count, values, 0, NULL, NULL)) {
    case H5Z_FILTER_DEFLATE:
        filter->kind = CSHM_FILTER_DEFLATE;
        return true;
    case H5Z_FILTER_SHUFFLE:
        filter->kind = CSHM_FILTER_SHUFFLE;
        filter->element_size = values[0];
        return count == 1;
    case H5Z_FILTER_FLETCHER32:
        filter->kind = CSHM_FILTER_FLETCHER32;
        return true;
    case FILTER_LZF:
        filter->kind = CSHM_FILTER_LZF;
        return true;
    default:
        return false;
    }
}

static bool take_filters(hid_t creation, struct cshm_filters *filters)
{
    int count = H5Pget_nfilters(creation);
    if (count < 0 || count > CSHM_FILTERS_MAX)
        return false;
    for (int i = 0; i < count; i++)
        if (!take_filter(creation, (unsigned)i, filters))
            return false;
    return true;
}

/* False also for sizes that overflow; the array's own were checked when it was described. */
static bool take_grid(const struct cshm_dataset *dataset, struct cshm_chunks *chunks)
{
    chunks->grid.rank = dataset->rank;
    chunks->grid.element = chunks->bytes = cshm_plan_extent(&dataset->type.root);
    for (size_t i = 0; i < dataset->rank; i++) {
        chunks->grid.shape[i] = dataset->shape[i];
        chunks->grid.chunk[i] = dataset->chunk[i];
        chunks->counts[i] = (dataset->shape[i] - 1) / dataset->chunk[i] + 1;
        if (__builtin_mul_overflow(chunks->bytes, dataset->chunk[i], &chunks->bytes))
            return false;
    }
    return chunks->bytes <= SIZE_MAX / 4;
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i])
            return false;
    return true;
}

/* 1, 0 where libhdf5 has to say what it makes of it, negative errno. */
static int take_value(struct cshm_loader *loader, const struct cshm_dataset *dataset,
                      struct cshm_chunks *chunks)
{
    H5D_fill_value_t defined;
    H5D_fill_time_t time;
    if (H5Pfill_value_defined(dataset->creation, &defined) < 0 ||
        H5Pget_fill_time(dataset->creation, &time) < 0 || defined == H5D_FILL_VALUE_UNDEFINED)
        return 0;
    if (defined != H5D_FILL_VALUE_USER_DEFINED || time == H5D_FILL_TIME_NEVER)
        return 1;
    size_t size = chunks->grid.element;
    chunks->value = malloc(size);
    if (!chunks->value)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    if (H5Pget_fill_value(dataset->creation, dataset->type.memory, chunks->value) < 0)
        return 0;
    if (is_zero(chunks->value, size)) {
        free(chunks->value);
        chunks->value = NULL;
    }
    return 1;
}

static int look(struct cshm_loader *loader, struct cshm_dataset *dataset,
                struct cshm_chunks *chunks)
{
    unsigned options = 0;
    if (H5Pget_chunk_opts(dataset->creation, &options) < 0 ||
        !take_filters(dataset->creation, &chunks->filters) || !take_grid(dataset, chunks))
        return 0;
    chunks->has_raw_edges = options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS;
    return take_value(loader, dataset, chunks);
}

int cshm_chunks_look(struct cshm_loader *loader, struct cshm_dataset *dataset,
                     struct cshm_chunks **out)
{
    int result = cshm_dataset_look_at_layout(loader, dataset);
    if (result < 0 || !dataset->is_chunked)
        return result;
    struct cshm_chunks *chunks = calloc(1, sizeof *chunks);
    if (!chunks)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    result = look(loader, dataset, chunks);
    if (result > 0)
        *out = chunks;
    else
        cshm_chunks_destroy(chunks);
    return result;
}

/* --- By a worker: one chunk
 * --------------------------------------------------------------------- */

static void find_start(const struct cshm_chunks *chunks, uint64_t number, uint64_t *start)
{
    for (size_t i = chunks->grid.rank; i-- > 0;) {
        start[i] = number % chunks->counts[i] * chunks->grid.chunk[i];
        number /= chunks->counts[i];
    }
}

/* Of what is inside of the dataset: from its first byte to its last, and how many are its own. */
struct extent {
    uint64_t first;
    uint64_t length;
    uint64_t own;
    bool is_partial;
};

static struct extent find_extent(const struct cshm_grid *grid, const uint64_t *start)
{
    struct extent extent = {.own = grid->element};
    uint64_t last = 0;
    for (size_t i = 0; i < grid->rank; i++) {
        uint64_t left = grid->shape[i] - start[i];
        uint64_t count = left < grid->chunk[i] ? left : grid->chunk[i];
        extent.is_partial |= left < grid->chunk[i];
        extent.own *= count;
        extent.first = extent.first * grid->shape[i] + start[i];
        last = last * grid->shape[i] + start[i] + count - 1;
    }
    extent.first *= grid->element;
    extent.length = (last + 1) * grid->element - extent.first;
    return extent;
}

static int fill_chunk(struct cshm_transfer *transfer, const uint64_t *start,
                      const struct extent *extent)
{
    const struct cshm_chunks *chunks = transfer->chunks;
    int result = cshm_canvas_prepare(&transfer->canvas, extent->first, extent->length);
    if (result == 0)
        cshm_grid_fill(&chunks->grid, start, chunks->value, transfer->canvas.bytes);
    return result;
}

static int decode(struct cshm_worker *worker, const struct cshm_chunks *chunks,
                  const struct cshm_work *work, uint32_t mask, const void **out)
{
    if (!worker->decoder && cshm_decoder_create(&worker->decoder) < 0)
        return -ENODATA;
    int result = cshm_decode(worker->decoder, &chunks->filters, mask, work->raw, work->size,
                             chunks->bytes, NULL, out);
    return result < 0 ? -ENODATA : 0;
}

static int place_chunk(struct cshm_transfer *transfer, const uint64_t *start,
                       const struct extent *extent, const void *decoded)
{
    const struct cshm_grid *grid = &transfer->chunks->grid;
    uint64_t offset;
    if (cshm_grid_is_run(grid, start, &offset))
        return cshm_canvas_put(&transfer->canvas, offset, decoded, transfer->chunks->bytes);
    int result = cshm_canvas_prepare(&transfer->canvas, extent->first, extent->length);
    if (result == 0)
        cshm_grid_place(grid, start, decoded, transfer->canvas.bytes);
    return result;
}

static int run_chunk(struct cshm_worker *worker, const struct cshm_work *work)
{
    struct cshm_transfer *transfer = (struct cshm_transfer *)work->batch;
    const struct cshm_chunks *chunks = transfer->chunks;
    uint64_t start[CSHM_GRID_RANK_MAX];
    find_start(chunks, work->where, start);
    struct extent extent = find_extent(&chunks->grid, start);
    uint32_t mask = chunks->has_raw_edges && extent.is_partial ? UINT32_MAX : work->mask;
    const void *decoded;
    int result = work->raw ? decode(worker, chunks, work, mask, &decoded)
                           : fill_chunk(transfer, start, &extent);
    if (result == 0 && work->raw)
        result = place_chunk(transfer, start, &extent, decoded);
    if (result == 0)
        cshm_transfer_tell(transfer, extent.own);
    return result;
}

/* --- By the main thread: all chunks
 * ------------------------------------------------------------- */

/* Zeros are there already where nobody writes, once they have memory. */
static void add_missing(struct cshm_loader *loader, struct cshm_transfer *transfer,
                        const struct cshm_work *work, const uint64_t *start)
{
    if (transfer->chunks->value) {
        cshm_workers_add(loader->workers, work);
        return;
    }
    transfer->has_holes = true;
    cshm_transfer_tell(transfer, find_extent(&transfer->chunks->grid, start).own);
}

/* All chunks of a dataset, in the order of their place in it. */
struct scan {
    struct cshm_loader *loader;
    struct cshm_transfer *transfer;
    hid_t dataset;
    hid_t space;    /* whole: 1.10 does not take H5S_ALL for it */
    uint64_t total; /* of the grid */
    hsize_t stored; /* in the file, as its index has it */
    hsize_t found;
};

/* Bytes of a chunk in the file; 0: it is not there, or cannot be found, which 1.10 calls the same.
 */
static hsize_t find_size(const struct scan *scan, const hsize_t *offset)
{
    hsize_t size = 0;
    return H5Dget_chunk_storage_size(scan->dataset, offset, &size) < 0 ? 0 : size;
}

static int read_chunk(const struct scan *scan, const hsize_t *offset, struct cshm_work *work)
{
    size_t bytes = scan->transfer->chunks->bytes;
    if (work->size > bytes && work->size - bytes > bytes + RAW_SPARE)
        return -ENODATA;
    work->raw = malloc(work->size);
    if (!work->raw) /* a size that is a lie, likely */
        return -ENODATA;
    if (cshm_h5_read_chunk(scan->dataset, scan->loader->transfer, offset, &work->mask, work->raw) >=
        0)
        return 0;
    free(work->raw);
    return -ENODATA;
}

/*
 * Not with H5Dget_chunk_info: in 1.10 each call walks the whole index, and its addresses leave out
 * the user block.
 */
static int add_chunk(struct scan *scan, uint64_t number)
{
    const struct cshm_chunks *chunks = scan->transfer->chunks;
    uint64_t start[CSHM_GRID_RANK_MAX];
    hsize_t offset[CSHM_GRID_RANK_MAX];
    find_start(chunks, number, start);
    for (size_t i = 0; i < chunks->grid.rank; i++)
        offset[i] = start[i];
    struct cshm_work work = {.batch = &scan->transfer->batch, .where = number};
    if (scan->found < scan->stored)
        work.size = find_size(scan, offset);
    if (work.size == 0) {
        add_missing(scan->loader, scan->transfer, &work, start);
        return 0;
    }
    scan->found++;
    int result = read_chunk(scan, offset, &work);
    if (result == 0)
        cshm_workers_add(scan->loader->workers, &work);
    return result;
}

static int add_chunks(struct scan *scan)
{
    if (H5Dget_num_chunks(scan->dataset, scan->space, &scan->stored) < 0)
        return -ENODATA;
    for (uint64_t number = 0; number < scan->total; number++) {
        cshm_loader_beat(scan->loader);
        int result = add_chunk(scan, number);
        if (result == 0)
            result = atomic_load(&scan->transfer->batch.error);
        if (result < 0)
            return result;
    }
    return scan->found == scan->stored ? 0 : -ENODATA;
}

void cshm_chunks_add(struct cshm_loader *loader, struct cshm_dataset *dataset,
                     struct cshm_transfer *transfer)
{
    const struct cshm_chunks *chunks = transfer->chunks;
    struct scan scan = {.loader = loader,
                        .transfer = transfer,
                        .dataset = dataset->id,
                        .space = dataset->space,
                        .total = 1};
    for (size_t i = 0; i < chunks->grid.rank; i++)
        scan.total *= chunks->counts[i]; /* at most the elements there are */
    transfer->batch.run = run_chunk;
    int result = add_chunks(&scan);
    int none = 0;
    if (result < 0)
        (void)atomic_compare_exchange_strong(&transfer->batch.error, &none, result);
}
