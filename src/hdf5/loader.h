/* SPDX-License-Identifier: MIT */
/*
 * One load, as the parser child sees it: what all its steps share, and how they report.
 *
 * Steps, each over the whole file: walk (links, types, sizes that are declared), measure (sizes
 * only the content knows: strings, sequences, references), fill (reserve, decode), alias (further
 * paths), publish. A function returns 0 or negative errno with the reason in loader->error; who
 * knows the path passes it through cshm_loader_give_up().
 */
#ifndef CSHM_HDF5_LOADER_H
#define CSHM_HDF5_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "hdf5/channel.h"
#include "hdf5/source.h"
#include "hdf5/import.h"
#include "hdf5/library.h"
#include "hdf5/objects.h"
#include "hdf5/pool.h"
#include "hdf5/transfer.h"
#include "model/tree.h"
#include "store/project.h"

struct cshm_alias;
struct cshm_workers;

struct cshm_loader {
    struct cshm_store *store;
    const char *project;
    const char *file_name;
    const struct cshm_source *source; /* the same file, as its project is to record it */
    struct cshm_channel *channel;
    struct cshm_draft *draft;
    struct cshm_tree *tree; /* of the draft */
    struct cshm_objects objects;
    struct cshm_alias *aliases; /* in the order they were found */
    struct cshm_alias **last_alias;
    struct cshm_pool pool;   /* what variable-length elements of one piece point to */
    struct cshm_buffer text; /* of the last region reference */
    struct cshm_arena arena;
    struct cshm_text above; /* raw path of the group it goes below; empty: the project's root */
    struct cshm_import_result result;
    struct cshm_error error;
    const struct cshm_import_options *options;
    hid_t file;
    hid_t transfer; /* property list: variable-length memory from `pool` */
    struct cshm_workers *workers;
    struct cshm_transfers transfers; /* datasets the workers are at */
    enum cshm_way way;
    bool skip_errors;
    bool fatal; /* the error is no matter of one object (memory, room): skip_errors does not help */
};

enum { CSHM_PATH_TEXT_MAX = 700 }; /* of an escaped path in a message */

/* libhdf5's error stack: the innermost entry is where it happened, the outermost what was asked
 * for. */
struct cshm_reasons {
    char inner[400];
    char outer[400];
    bool is_inner_plugin;
};

/* Takes (and clears) the stack of the last call. */
void cshm_reasons_take(struct cshm_reasons *reasons);

/* An error of libhdf5's last call: "WHAT: its words". To be called before anything else of it. */
int cshm_loader_fail_h5(struct cshm_loader *loader, const char *format, ...) CSHM_PRINTF(2, 3);

/* An error that ends the load even with skip_errors. */
int cshm_loader_fail_all(struct cshm_loader *loader, int code, const char *format, ...)
    CSHM_PRINTF(3, 4);

/* Memory of an array cannot be had: ends the load. */
int cshm_loader_fail_room(struct cshm_loader *loader, const struct cshm_node *node, int code);

/*
 * Something at `path` (escaped) failed with `code`. 0 with skip_errors, where it was told and
 * counted and the caller leaves it out; else `code`, the path put before the reason.
 */
int cshm_loader_give_up(struct cshm_loader *loader, const char *path, int code);
int cshm_loader_give_up_node(struct cshm_loader *loader, const struct cshm_node *node, int code);

/* Something was left out or changed that does no harm to the rest. */
void cshm_loader_warn(struct cshm_loader *loader, const char *path, const char *format, ...)
    CSHM_PRINTF(3, 4);

static inline void cshm_loader_beat(struct cshm_loader *loader)
{
    cshm_channel_beat(loader->channel);
}

/* Around the kernel reserving so much at once, during which nothing beats; 0: that is over. */
void cshm_loader_be_patient(struct cshm_loader *loader, uint64_t bytes);

/* The steps; further paths are in alias.h. */
int cshm_walk(struct cshm_loader *loader);
int cshm_measure_all(struct cshm_loader *loader);
int cshm_fill_all(struct cshm_loader *loader);

/* Bytes of all arrays of a subtree that have a size yet; UINT64_MAX when they do not fit. */
uint64_t cshm_bytes_below(const struct cshm_node *top);

#endif
