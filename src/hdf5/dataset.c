/* SPDX-License-Identifier: MIT */
#include "hdf5/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/file.h"
#include "hdf5/nodes.h"
#include "hdf5/pieces.h"
#include "hdf5/scatter.h"
#include "store/segment.h"

enum {
    PIECE_BYTES = 8 * 1024 * 1024,   /* of a private buffer that elements are scattered from */
    DIRECT_BYTES = 32 * 1024 * 1024, /* decoded straight into a segment between two heartbeats */
    BUFFERED_BYTES = 1024 * 1024,    /* of all arrays of a dataset that is not worth mapping */
    PIECE_ELEMENTS = 64 * 1024,      /* of variable length: what they point to comes on top */
    POOL_BYTES = 32 * 1024 * 1024,
};

/* --- Looking at one
 * ------------------------------------------------------------------------------- */

static int look_at_space(struct cshm_loader *loader, struct cshm_dataset *dataset)
{
    hsize_t dims[H5S_MAX_RANK] = {0};
    dataset->space = H5Dget_space(dataset->id);
    if (dataset->space < 0)
        return cshm_loader_fail_h5(loader, "dataspace");
    dataset->is_null = H5Sget_simple_extent_type(dataset->space) == H5S_NULL;
    if (dataset->is_null)
        return 0;
    int rank = H5Sget_simple_extent_ndims(dataset->space);
    if (rank < 0 || rank > H5S_MAX_RANK ||
        H5Sget_simple_extent_dims(dataset->space, dims, NULL) < 0)
        return cshm_loader_fail_h5(loader, "dataspace");
    dataset->rank = (size_t)rank;
    dataset->elements = 1;
    bool is_empty = false;
    for (size_t i = 0; i < dataset->rank; i++) {
        dataset->shape[i] = dims[i];
        is_empty |= dims[i] == 0;
    }
    for (size_t i = 0; i < dataset->rank && !is_empty; i++)
        if (__builtin_mul_overflow(dataset->elements, dims[i], &dataset->elements))
            return cshm_fail(&loader->error, -EOVERFLOW, "declares an array of impossible size");
    if (is_empty)
        dataset->elements = 0;
    return 0;
}

int cshm_dataset_look_at_layout(struct cshm_loader *loader, struct cshm_dataset *dataset)
{
    if (dataset->creation >= 0)
        return 0;
    dataset->creation = H5Dget_create_plist(dataset->id);
    if (dataset->creation < 0)
        return cshm_loader_fail_h5(loader, "storage layout");
    dataset->layout = H5Pget_layout(dataset->creation);
    if (dataset->layout < 0)
        return cshm_loader_fail_h5(loader, "storage layout");
    hsize_t dims[H5S_MAX_RANK + 1];
    if (dataset->layout != H5D_CHUNKED)
        return 0;
    if (H5Pget_chunk(dataset->creation, H5S_MAX_RANK, dims) != (int)dataset->rank)
        return cshm_loader_fail_h5(loader, "chunks");
    dataset->is_chunked = dataset->rank > 0;
    for (size_t i = 0; i < dataset->rank; i++)
        dataset->chunk[i] = dims[i] ? dims[i] : 1;
    return 0;
}

int cshm_dataset_open(struct cshm_loader *loader, hid_t id, unsigned long file,
                      struct cshm_dataset *out)
{
    memset(out, 0, sizeof *out);
    out->id = id;
    out->file = file;
    out->space = out->creation = H5I_INVALID_HID;
    out->type.memory = H5I_INVALID_HID;
    out->file_type = H5Dget_type(id);
    if (out->file_type < 0)
        return cshm_loader_fail_h5(loader, "type");
    int result = cshm_type_plan_make(loader, out->file_type, &out->type);
    return result < 0 ? result : look_at_space(loader, out);
}

void cshm_dataset_finish(struct cshm_dataset *dataset)
{
    cshm_h5_release(&dataset->space);
    cshm_h5_release(&dataset->file_type);
    cshm_h5_release(&dataset->creation);
    dataset->space = dataset->file_type = dataset->creation = H5I_INVALID_HID;
    cshm_type_plan_finish(&dataset->type);
}

/* --- Reading pieces into a buffer
 * ----------------------------------------------------------------- */

struct reading {
    struct cshm_loader *loader;
    struct cshm_dataset *dataset;
    struct cshm_scatter scatter;
    unsigned char *buffer;
    size_t buffer_size;
    uint64_t done; /* elements */
};

static hid_t select_piece(const struct cshm_dataset *dataset, const struct cshm_pieces *piece)
{
    hsize_t start[H5S_MAX_RANK];
    hsize_t count[H5S_MAX_RANK];
    for (size_t i = 0; i < dataset->rank; i++) {
        start[i] = piece->start[i];
        count[i] = piece->count[i];
    }
    return dataset->rank == 0 || H5Sselect_hyperslab(dataset->space, H5S_SELECT_SET, start, NULL,
                                                     count, NULL) >= 0
               ? dataset->space
               : H5I_INVALID_HID;
}

static int grow_buffer(struct reading *reading, uint64_t elements)
{
    size_t size;
    if (__builtin_mul_overflow(elements, cshm_plan_extent(&reading->dataset->type.root), &size))
        return cshm_fail(&reading->loader->error, -EOVERFLOW, "has elements of impossible size");
    if (size <= reading->buffer_size)
        return 0;
    free(reading->buffer);
    reading->buffer_size = 0;
    reading->buffer = malloc(size);
    if (!reading->buffer)
        return cshm_fail(&reading->loader->error, -ENOMEM, "no memory for a piece of %zu bytes",
                         size);
    reading->buffer_size = size;
    return 0;
}

/* Shares of pieces are rounded down; the last word is exact. */
static void tell(struct cshm_loader *loader, struct cshm_dataset *dataset, uint64_t bytes)
{
    dataset->told_bytes += bytes;
    atomic_fetch_add_explicit(&loader->channel->page->done_bytes, bytes, memory_order_relaxed);
}

static void advance(struct reading *reading, uint64_t elements)
{
    struct cshm_dataset *dataset = reading->dataset;
    reading->done += elements;
    cshm_loader_beat(reading->loader);
    if (reading->scatter.is_measuring || dataset->elements == 0)
        return;
    double part = (double)elements / (double)dataset->elements;
    tell(reading->loader, dataset, (uint64_t)((double)dataset->output_bytes * part));
}

static int read_into(struct reading *reading, const struct cshm_pieces *piece, uint64_t elements)
{
    struct cshm_dataset *dataset = reading->dataset;
    CSHM_AUTO_HID hid_t memory_space = H5Screate_simple(1, (hsize_t[]){elements}, NULL);
    hid_t file_space = select_piece(dataset, piece);
    if (memory_space < 0 || file_space < 0)
        return cshm_loader_fail_h5(reading->loader, "selection");
    /* What libhdf5 leaves untouched after an error must not be taken for pointers. */
    memset(reading->buffer, 0, elements * cshm_plan_extent(&dataset->type.root));
    if (H5Dread(dataset->id, dataset->type.memory, memory_space, file_space,
                reading->loader->transfer, reading->buffer) < 0)
        return cshm_loader_fail_h5(reading->loader, "cannot be read");
    int result = cshm_scatter_piece(&reading->scatter, &dataset->type.root, dataset->shape,
                                    dataset->rank, piece, reading->buffer);
    if (dataset->type.root.has_resources)
        cshm_h5_reclaim(dataset->type.memory, memory_space, reading->loader->transfer,
                        reading->buffer);
    return result;
}

/*
 * Elements of variable length may point to more than the pool allows: then half of the piece at a
 * time, first half first, and a single element whatever it takes.
 */
static int read_piece(struct reading *reading, const struct cshm_pieces *piece)
{
    uint64_t elements = cshm_pieces_elements(piece);
    struct cshm_pool *pool = &reading->loader->pool;
    pool->limit = elements > 1 ? POOL_BYTES : 0;
    int result = grow_buffer(reading, elements);
    if (result == 0)
        result = read_into(reading, piece, elements);
    bool exceeded = pool->exceeded;
    cshm_pool_reset(pool);
    if (result == 0)
        advance(reading, elements);
    struct cshm_pieces halves[2];
    if (result == 0 || !exceeded || !cshm_pieces_split(piece, halves))
        return result;
    reading->loader->error = (struct cshm_error){0};
    result = read_piece(reading, &halves[0]);
    return result < 0 ? result : read_piece(reading, &halves[1]);
}

static int read_pieces(struct cshm_loader *loader, struct cshm_dataset *dataset, bool is_measuring)
{
    struct cshm_plan *plan = &dataset->type.root;
    struct reading reading = {
        .loader = loader,
        .dataset = dataset,
        .scatter = {.loader = loader,
                    .is_measuring = is_measuring,
                    .location = dataset->id,
                    .file = dataset->file},
    };
    size_t extent = cshm_plan_extent(plan);
    uint64_t budget = PIECE_BYTES / extent ? PIECE_BYTES / extent : 1;
    if (plan->is_variable && budget > PIECE_ELEMENTS)
        budget = PIECE_ELEMENTS;
    struct cshm_pieces piece;
    cshm_pieces_start(&piece, dataset, budget, plan->is_variable);
    int result = 0;
    while (result == 0 && cshm_pieces_next(&piece))
        result = read_piece(&reading, &piece);
    free(reading.buffer);
    dataset->lost = reading.scatter.lost;
    return result;
}

int cshm_dataset_measure(struct cshm_loader *loader, struct cshm_dataset *dataset,
                         struct cshm_node *node)
{
    int result = cshm_dataset_look_at_layout(loader, dataset);
    if (result == 0)
        result = read_pieces(loader, dataset, true);
    return result < 0 ? result
                      : cshm_nodes_describe(loader, &dataset->type.root, node, dataset->rank,
                                            dataset->shape);
}

/* --- Sinks: reserved, filled, handed over
 * --------------------------------------------------------- */

/* What is written whole at the end needs nothing beforehand; what is mapped must be there. */
static int reserve(struct cshm_loader *loader, struct cshm_node *node, bool map,
                   struct cshm_sink *sink)
{
    if (sink->fd >= 0) {
        int result = ftruncate(sink->fd, 0) < 0 ? -errno : 0; /* what is in it may be wrong */
        if (result == 0)
            result = cshm_segment_reserve(sink->fd, 0, sink->size);
        return result < 0 ? cshm_loader_fail_room(loader, node, result) : 0;
    }
    if (!map && sink->size > 0)
        return cshm_draft_begin(loader->draft, node, &sink->fd, &loader->error);
    return cshm_draft_reserve(loader->draft, node, &sink->fd, &loader->error);
}

static int open_sink(struct cshm_loader *loader, struct cshm_node *node, bool map,
                     struct cshm_sink *sink)
{
    sink->size = node->described->bytes;
    cshm_loader_be_patient(loader, sink->size);
    int result = reserve(loader, node, map, sink);
    cshm_loader_be_patient(loader, 0);
    if (result < 0) {
        loader->fatal = true;
        return result;
    }
    if (sink->size == 0)
        return 0;
    if (!map) {
        sink->bytes = calloc(1, sink->size);
        return sink->bytes ? 0 : cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    }
    void *mapped = mmap(NULL, sink->size, PROT_READ | PROT_WRITE, MAP_SHARED, sink->fd, 0);
    if (mapped == MAP_FAILED)
        return cshm_loader_fail_all(loader, -errno, "cannot map a segment of %llu bytes",
                                    (unsigned long long)sink->size);
    sink->bytes = mapped;
    sink->is_mapped = true;
    return 0;
}

static int close_sink(struct cshm_loader *loader, struct cshm_node *node, struct cshm_sink *sink)
{
    int result = 0;
    if (sink->bytes && !sink->is_mapped)
        result = cshm_file_write_at(sink->fd, sink->bytes, sink->size, 0);
    if (result < 0)
        result = cshm_loader_fail_room(loader, node, result);
    if (result == 0) {
        result = cshm_draft_filled(loader->draft, node, &loader->error);
        loader->fatal |= result < 0;
    }
    return result;
}

static void drop_sink(struct cshm_sink *sink)
{
    if (sink->bytes && sink->is_mapped)
        (void)munmap(sink->bytes, sink->size);
    else
        free(sink->bytes);
    sink->bytes = NULL;
}

static int open_sinks(struct cshm_loader *loader, struct cshm_plan *plan, bool map)
{
    int result = 0;
    if (cshm_plan_node_type(plan) == CSHM_NODE_ARRAY)
        return open_sink(loader, plan->node, map, &plan->out);
    if (plan->kind == CSHM_PLAN_RAGGED)
        result = open_sink(loader, cshm_node_last_child(plan->node), map, &plan->offsets);
    for (struct cshm_plan *part = plan->first; part && result == 0; part = part->next)
        result = open_sinks(loader, part, map);
    return result;
}

static int close_sinks(struct cshm_loader *loader, struct cshm_plan *plan)
{
    int result = 0;
    if (cshm_plan_node_type(plan) == CSHM_NODE_ARRAY)
        return close_sink(loader, plan->node, &plan->out);
    if (plan->kind == CSHM_PLAN_RAGGED)
        result = close_sink(loader, cshm_node_last_child(plan->node), &plan->offsets);
    for (struct cshm_plan *part = plan->first; part && result == 0; part = part->next)
        result = close_sinks(loader, part);
    return result;
}

static void drop_sinks(struct cshm_plan *plan)
{
    drop_sink(&plan->out);
    drop_sink(&plan->offsets);
    for (struct cshm_plan *part = plan->first; part; part = part->next)
        drop_sinks(part);
}

/* --- Decoding straight into one segment
 * ----------------------------------------------------------- */

static int read_direct(struct cshm_loader *loader, struct cshm_dataset *dataset)
{
    struct cshm_plan *plan = &dataset->type.root;
    struct reading reading = {.loader = loader, .dataset = dataset};
    size_t extent = cshm_plan_extent(plan);
    struct cshm_pieces piece;
    cshm_pieces_start(&piece, dataset, DIRECT_BYTES / extent ? DIRECT_BYTES / extent : 1, false);
    while (cshm_pieces_next(&piece)) {
        hid_t space = select_piece(dataset, &piece);
        /* The segment has the dataset's shape, so one selection serves both sides. */
        if (space < 0 || H5Dread(dataset->id, dataset->type.memory, space, space, loader->transfer,
                                 plan->out.bytes) < 0)
            return cshm_loader_fail_h5(loader, "cannot be read");
        advance(&reading, cshm_pieces_elements(&piece));
    }
    return 0;
}

static void forget_descriptors(struct cshm_plan *plan)
{
    plan->out.fd = plan->offsets.fd = -1;
    for (struct cshm_plan *part = plan->first; part; part = part->next)
        forget_descriptors(part);
}

int cshm_dataset_fill(struct cshm_loader *loader, struct cshm_dataset *dataset,
                      struct cshm_node *node, int fd)
{
    struct cshm_plan *plan = &dataset->type.root;
    cshm_nodes_bind(plan, node);
    forget_descriptors(plan);
    plan->out.fd = fd;
    dataset->output_bytes = cshm_bytes_below(node);
    dataset->told_bytes = 0;
    int result = cshm_dataset_look_at_layout(loader, dataset);
    if (result == 0)
        result = open_sinks(loader, plan, dataset->output_bytes > BUFFERED_BYTES);
    if (result == 0 && dataset->elements > 0)
        result = plan->kind == CSHM_PLAN_PLAIN ? read_direct(loader, dataset)
                                               : read_pieces(loader, dataset, false);
    if (result == 0)
        result = close_sinks(loader, plan);
    drop_sinks(plan);
    /* Modulo 2**64: after an error all of it is taken back. */
    tell(loader, dataset, (result < 0 ? 0 : dataset->output_bytes) - dataset->told_bytes);
    return result;
}
