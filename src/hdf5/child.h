/* SPDX-License-Identifier: MIT */
/* The parser child: everything that touches libhdf5 runs in here. */
#ifndef CSHM_HDF5_CHILD_H
#define CSHM_HDF5_CHILD_H

#include "hdf5/channel.h"
#include "hdf5/import.h"
#include "hdf5/source.h"

struct cshm_child {
    struct cshm_store *store;
    const char *project;
    const char *file;
    const struct cshm_import_options *options;
    const struct cshm_source *source;
    struct cshm_channel *channel;
    pid_t parent;
};

/* Loads, publishes and tells; never returns. To be called right after fork(2). */
_Noreturn void cshm_child_run(const struct cshm_child *child);

#endif
