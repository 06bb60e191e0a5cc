/* SPDX-License-Identifier: MIT */
/* The steps over all objects: measure what only the content knows, then reserve and decode. */
#include <errno.h>

#include "hdf5/attribute.h"
#include "hdf5/dataset.h"
#include "store/registry.h"
#include "store/room.h"
#include "store/segment.h"

uint64_t cshm_bytes_below(const struct cshm_node *top)
{
    uint64_t bytes = 0;
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top))
        if (node->type == CSHM_NODE_ARRAY && node->described &&
            __builtin_add_overflow(bytes, node->described->bytes, &bytes))
            return UINT64_MAX;
    return bytes;
}

/* What the caller set, and no machine. */
static int check_max(struct cshm_loader *loader, uint64_t bytes)
{
    char wanted[32];
    char most[32];
    uint64_t max = loader->options->max_bytes;
    if (max == 0 || bytes <= max)
        return 0;
    return cshm_loader_fail_all(loader, -EFBIG, "needs %s, more than the %s it may (--max-size)",
                                cshm_bytes_to_human(bytes, wanted), cshm_bytes_to_human(max, most));
}

/* In the words of the command. */
static const char *advice(const struct cshm_loader *loader)
{
    const struct cshm_import_options *options = loader->options;
    bool can_free =
        options->overwrite && !options->free_first && !options->into &&
        cshm_registry_read(loader->store, loader->project, NULL, &(struct stat){0}) == 0;
    return can_free ? "--free-first, --select, " : "--select, ";
}

static int check_room(struct cshm_loader *loader)
{
    uint64_t bytes = cshm_bytes_below(&loader->tree->root);
    int result = check_max(loader, bytes);
    if (result < 0)
        return result;
    result = cshm_room_check(loader->store, bytes, advice(loader), &loader->error);
    if (result == 0) {
        atomic_store_explicit(&loader->channel->page->total_bytes, bytes, memory_order_relaxed);
        return 0;
    }
    loader->fatal = true;
    if (loader->error.code == 0)
        return cshm_fail_errno(&loader->error, result, "cannot tell how much memory there is");
    return result;
}

/* What will not fit however much is freed is no reason to free anything. */
static int check_size(struct cshm_loader *loader)
{
    struct cshm_room room;
    char wanted[32];
    char size[32];
    uint64_t bytes = cshm_bytes_below(&loader->tree->root);
    int result = check_max(loader, bytes);
    if (result < 0)
        return result;
    if (cshm_room_measure(loader->store->shm_fd, &room) < 0 || bytes <= room.shm_size)
        return 0;
    return cshm_loader_fail_all(loader, -ENOSPC, "needs %s, but %s has only %s as a whole",
                                cshm_bytes_to_human(bytes, wanted), loader->store->shm_dir,
                                cshm_bytes_to_human(room.shm_size, size));
}

static int free_first(struct cshm_loader *loader)
{
    struct cshm_progress_page *page = loader->channel->page;
    int result = check_size(loader);
    if (result < 0)
        return result;
    /* Said before, so that it is true whenever this process ends. */
    atomic_store(&page->is_old_freed, 1);
    result = cshm_project_remove(loader->store, loader->project, &loader->error);
    if (result == 0)
        return 0;
    bool is_there =
        cshm_registry_read(loader->store, loader->project, NULL, &(struct stat){0}) == 0;
    if (is_there || result == -ENOENT)
        atomic_store(&page->is_old_freed, 0);
    if (result == -ENOENT)
        loader->error = (struct cshm_error){0};
    return result == -ENOENT ? 0 : result;
}

static void set_current(struct cshm_loader *loader, const struct cshm_node *node)
{
    char path[CSHM_CURRENT_MAX];
    cshm_channel_set_current(loader->channel, cshm_node_path(node, path, sizeof path));
    cshm_loader_beat(loader);
}

/* Takes a dataset out of the tree, after its error. The path stays for references to it. */
static int leave_out(struct cshm_loader *loader, struct cshm_object *object, int code)
{
    int result = cshm_loader_give_up_node(loader, object->node, code);
    if (result < 0)
        return result;
    (void)cshm_object_path(object, loader->above, &loader->arena);
    cshm_tree_remove(loader->tree, object->node);
    object->node = NULL;
    object->is_left_out = true;
    return 0;
}

/* --- Measuring
 * ------------------------------------------------------------------------------------ */

static int measure(struct cshm_loader *loader, struct cshm_object *object)
{
    CSHM_AUTO_HID hid_t id = cshm_objects_open(&loader->objects, object);
    if (id < 0)
        return cshm_loader_fail_h5(loader, "cannot be opened");
    CSHM_AUTO_DATASET struct cshm_dataset dataset;
    int result = cshm_dataset_open(loader, id, object->identity.file, &dataset);
    return result < 0 ? result : cshm_dataset_measure(loader, &dataset, object->node);
}

static bool is_to_be_measured(const struct cshm_object *object)
{
    return object->type == H5O_TYPE_DATASET && object->node &&
           object->node->type != CSHM_NODE_BARE && object->is_variable;
}

int cshm_measure_all(struct cshm_loader *loader)
{
    bool frees = loader->options->free_first;
    int result = frees ? check_size(loader) : check_room(loader);
    for (struct cshm_object *object = loader->objects.first; object && result == 0;
         object = object->next) {
        if (!is_to_be_measured(object))
            continue;
        set_current(loader, object->node);
        result = measure(loader, object);
        if (result < 0)
            result = leave_out(loader, object, result);
    }
    if (result == 0 && frees)
        result = free_first(loader);
    return result < 0 ? result : check_room(loader);
}

/* --- Filling
 * -------------------------------------------------------------------------------------- */

static void warn_lost(struct cshm_loader *loader, const struct cshm_object *object, uint64_t lost)
{
    char path[CSHM_PATH_TEXT_MAX];
    if (lost)
        cshm_loader_warn(loader, cshm_node_path(object->node, path, sizeof path),
                         "%llu references lead to nothing that has a name",
                         (unsigned long long)lost);
}

static void count_filled(struct cshm_loader *loader, const struct cshm_node *node)
{
    loader->result.datasets++;
    for (const struct cshm_node *below = node; below; below = cshm_node_walk(below, node))
        if (below->type == CSHM_NODE_ARRAY) {
            loader->result.arrays++;
            loader->result.bytes += below->described->bytes;
        }
}

/* A dataset that cannot be read, after its error: with skip_errors it is as if it never was. */
static int give_back(struct cshm_loader *loader, struct cshm_object *object, int code)
{
    uint64_t bytes = cshm_bytes_below(object->node);
    if (!loader->skip_errors || loader->fatal)
        return cshm_loader_give_up_node(loader, object->node, code);
    cshm_draft_drop(loader->draft, object->node);
    atomic_fetch_sub_explicit(&loader->channel->page->total_bytes, bytes, memory_order_relaxed);
    return leave_out(loader, object, code);
}

/* By libhdf5. `fd` (-1: none) is a segment that was begun. */
static int read_dataset(struct cshm_loader *loader, struct cshm_object *object,
                        struct cshm_dataset *dataset, int fd)
{
    int result = cshm_dataset_fill(loader, dataset, object->node, fd);
    if (result < 0)
        return result;
    warn_lost(loader, object, dataset->lost);
    count_filled(loader, object->node);
    return 0;
}

/* --- Those the workers are at
 * ------------------------------------------------------------------- */

static int read_again(struct cshm_loader *loader, struct cshm_object *object, int fd)
{
    CSHM_AUTO_HID hid_t id = cshm_objects_open(&loader->objects, object);
    if (id < 0)
        return cshm_loader_fail_h5(loader, "cannot be opened again");
    CSHM_AUTO_DATASET struct cshm_dataset dataset;
    int result = cshm_dataset_open(loader, id, object->identity.file, &dataset);
    return result < 0 ? result : read_dataset(loader, object, &dataset, fd);
}

static int complete(struct cshm_loader *loader, const struct cshm_transfer *transfer)
{
    struct cshm_node *node = transfer->object->node;
    int result = 0;
    if (transfer->has_holes) {
        cshm_loader_be_patient(loader, transfer->canvas.size);
        result = cshm_segment_reserve(transfer->canvas.fd, 0, transfer->canvas.size);
        cshm_loader_be_patient(loader, 0);
    }
    if (result < 0)
        return cshm_loader_fail_room(loader, node, result);
    result = cshm_draft_filled(loader->draft, node, &loader->error);
    if (result < 0) {
        loader->fatal = true;
        return result;
    }
    count_filled(loader, node);
    return 0;
}

static int end_transfer(struct cshm_loader *loader, struct cshm_transfer *transfer)
{
    struct cshm_object *object = transfer->object;
    int fd = transfer->canvas.fd;
    int result = atomic_load(&transfer->batch.error);
    if (result == 0)
        result = complete(loader, transfer);
    else
        atomic_fetch_sub_explicit(&loader->channel->page->done_bytes,
                                  atomic_load(&transfer->told_bytes), memory_order_relaxed);
    cshm_transfer_destroy(transfer);
    if (result == -ENODATA && loader->way == CSHM_WAY_FAST)
        result = cshm_fail(&loader->error, -EINVAL, "cannot be read without libhdf5");
    else if (result == -ENODATA)
        result = read_again(loader, object, fd);
    else if (result < 0 && !loader->fatal)
        result = cshm_loader_fail_room(loader, object->node, result);
    return result < 0 ? give_back(loader, object, result) : 0;
}

/* Those that are done; all of them, or so many that another can be begun. */
static int end_transfers(struct cshm_loader *loader, bool all)
{
    struct cshm_transfer *transfer;
    int result = 0;
    while (result == 0 &&
           (transfer = cshm_transfer_next(loader, all || cshm_transfer_is_full(loader))))
        result = end_transfer(loader, transfer);
    return result;
}

/* --- One after the other
 * ------------------------------------------------------------------------ */

static int fill_open(struct cshm_loader *loader, struct cshm_object *object, hid_t id)
{
    CSHM_AUTO_DATASET struct cshm_dataset dataset;
    int result = cshm_dataset_open(loader, id, object->identity.file, &dataset);
    if (result == 0)
        result = cshm_transfer_begin(loader, &dataset, object);
    if (result == 0)
        result = read_dataset(loader, object, &dataset, -1);
    return result < 0 ? give_back(loader, object, result) : 0;
}

static void log_begun(struct cshm_loader *loader, const struct cshm_node *node)
{
    char path[CSHM_PATH_TEXT_MAX];
    if (loader->store->log.function)
        cshm_log(&loader->store->log, "loading %s", cshm_node_path(node, path, sizeof path));
}

static int fill_dataset(struct cshm_loader *loader, struct cshm_object *object, hid_t id)
{
    struct cshm_progress_page *page = loader->channel->page;
    atomic_fetch_add_explicit(&page->datasets, 1, memory_order_relaxed);
    log_begun(loader, object->node);
    if (object->node->type == CSHM_NODE_BARE) {
        loader->result.datasets++;
        return 0;
    }
    int result = fill_open(loader, object, id);
    return result < 0 ? result : end_transfers(loader, false);
}

static int fill(struct cshm_loader *loader, struct cshm_object *object)
{
    CSHM_AUTO_HID hid_t id = cshm_objects_open(&loader->objects, object);
    if (id < 0) {
        int code = cshm_loader_fail_h5(loader, "cannot be opened again");
        return object->type == H5O_TYPE_DATASET
                   ? give_back(loader, object, code)
                   : cshm_loader_give_up_node(loader, object->node, code);
    }
    int result = object->has_attributes ? cshm_attributes_load(loader, id, object) : 0;
    if (result == 0 && object->type == H5O_TYPE_DATASET)
        result = fill_dataset(loader, object, id);
    return result;
}

int cshm_fill_all(struct cshm_loader *loader)
{
    int result = 0;
    for (struct cshm_object *object = loader->objects.first; object && result == 0;
         object = object->next) {
        if (!object->node || (object->type == H5O_TYPE_GROUP && !object->has_attributes))
            continue;
        set_current(loader, object->node);
        result = fill(loader, object);
    }
    return result < 0 ? result : end_transfers(loader, true);
}
