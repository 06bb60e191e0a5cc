/* SPDX-License-Identifier: MIT */
/* Loading only what is not there yet, and only one of many processes that want the same. */
#ifndef CSHM_HDF5_ONCE_H
#define CSHM_HDF5_ONCE_H

#include <stdbool.h>

#include "hdf5/import.h"
#include "hdf5/source.h"
#include "store/loading.h"

struct cshm_once {
    struct cshm_loading loading; /* held if there is something to load */
    bool is_found;               /* there already: nothing to load; `found` was called */
    bool replaces;               /* what there is may be overwritten */
};

/*
 * Looks whether the project has to be loaded, waiting for whoever loads it meanwhile. 0, -EINTR, or
 * what else keeps it from being told. cshm_loading_end() after the load. Signals are caught
 * (interrupt.h).
 */
int cshm_once_begin(const struct cshm_store *store, const char *project,
                    const struct cshm_import_options *options, const struct cshm_source *source,
                    struct cshm_once *once, struct cshm_error *error);

#endif
