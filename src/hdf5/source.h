/* SPDX-License-Identifier: MIT */
/* What a project records of the file it is loaded from, and whether it still is that file. */
#ifndef CSHM_HDF5_SOURCE_H
#define CSHM_HDF5_SOURCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buffer.h"
#include "hdf5/import.h"
#include "store/presence.h"

struct cshm_source {
    bool is_whole;           /* the project is this file; with `into` the rest records nothing */
    char path[PATH_MAX];     /* absolute, symbolic links followed; "": not known */
    char changed[48];        /* mtime, RFC 3339 with nanoseconds */
    struct timespec mtime;   /* the same */
    uint64_t size;           /* bytes */
    struct cshm_buffer part; /* what of it is selected, a path a line; empty: all */
};

/* To be asked before the file is read. Negative errno. Finish with cshm_source_finish(). */
int cshm_source_look(const char *file, const struct cshm_import_options *options,
                     struct cshm_source *out);
void cshm_source_finish(struct cshm_source *source);

/* Puts it into the facts, as far as it may be believed later. -ENOMEM. */
int cshm_source_record(const struct cshm_source *source, struct cshm_tree *tree);

/* Whether a project was loaded from the file as it is. One that does not say: is it younger? */
bool cshm_source_is_loaded(const struct cshm_source *source, const struct cshm_presence *project);

#endif
