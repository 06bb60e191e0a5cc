/* SPDX-License-Identifier: MIT */
/*
 * HDF5 file -> shared memory project. libhdf5 crashes on some hostile files and loops on others, so
 * all of it runs in a child process; the caller's process only watches and reports.
 */
#ifndef CSHM_HDF5_IMPORT_H
#define CSHM_HDF5_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

struct cshm_import_progress {
    uint64_t total_bytes; /* known once the file was walked; 0 before */
    uint64_t done_bytes;  /* bytes really written to segments */
    uint64_t datasets;    /* begun so far */
    const char *current;  /* path of the dataset being loaded, escaped; "" between */
};

enum cshm_import_when {
    CSHM_IMPORT_ALWAYS,
    /*
     * Only if the project (with `into`: that group of it) is not there. While somebody else loads
     * it, that is waited for; if he fails or dies, the next one loads. One that is damaged, or
     * whose arrays have lost their memory, is not there and is replaced. Not with `overwrite`.
     */
    CSHM_IMPORT_IF_MISSING,
    /*
     * Also if the file is not the one it was loaded from, or has changed since (path, size, mtime,
     * selection); a project that does not say what it was loaded from is held against the file by
     * the age of both. Then it is replaced as with `overwrite`. Not with `into`.
     */
    CSHM_IMPORT_IF_NEWER,
};

/* A project that did not need to be loaded. */
struct cshm_import_found {
    const char *source;  /* of the project, as it was given then; NULL: it does not say */
    const char *created; /* RFC 3339; NULL likewise */
};

struct cshm_import_options {
    enum cshm_import_when when;
    bool overwrite;
    /*
     * Gives the memory of the project that is there back once the file was found readable and
     * before any is reserved, for when both do not fit: readers see it vanish and come back, and
     * an error after that leaves none. Needs `overwrite`; not together with `into`.
     */
    bool free_first;
    bool skip_errors; /* what cannot be read is left out, the rest published */
    /*
     * Only these groups (with all below) and datasets, with the groups above them and the
     * attributes of all these; NULL: everything. Paths are spelt as on a mount ("a/b", entries as
     * cshm_fsname_encode() makes them). What is not selected is not opened.
     */
    const char *const *select;
    size_t select_count;
    /*
     * Everything goes below this group of the project (spelt as on a mount, "/" for its top), the
     * attributes of the file's root to the group. The group is made if missing and so is the
     * project; what else is in that stays, and so do its owner and mode. What has a name that is
     * there already is refused (-EEXIST), or replaced with `overwrite`. NULL: a project of its own.
     */
    const char *into;
    uint64_t max_bytes;     /* -EFBIG if the arrays need more than so; 0: no limit but the room */
    unsigned jobs;          /* threads that load; 0: as many as this process has processors */
    unsigned stall_seconds; /* no progress for so long: the child is ended; 0: the default, 60 */
    /* Called in the caller's process, about ten times a second while loading and once at the end.
     */
    void (*progress)(void *context, const struct cshm_import_progress *progress);
    /* One line, "/path: reason", escaped: something was left out or converted. */
    void (*warning)(void *context, const char *line);
    /* One line, "/path: reason", for each thing left out with skip_errors. */
    void (*skipped)(void *context, const char *line);
    /* It is there already: called once, and nothing was loaded. */
    void (*found)(void *context, const struct cshm_import_found *found);
    /* One line: another process loads this project and is waited for. After a second of that. */
    void (*waiting)(void *context, const char *line);
    void *context;
};

struct cshm_import_result {
    uint64_t arrays;   /* published */
    uint64_t datasets; /* of the file, loaded */
    uint64_t bytes;    /* in segments; shared ones counted once */
    uint64_t skipped;  /* things left out because of errors; 0 without skip_errors */
    bool is_found;     /* it was there already: nothing loaded, the rest is 0 */
};

/*
 * Loads `file` as `project`. Nothing is published unless 0 is returned; nothing is left behind in
 * any other case, also when the child crashes or this process is killed. The error's text is
 * "FILE: /path: reason" or "FILE: reason". -EEXIST (published already, no overwrite), -ENOENT (the
 * file, or a selected path), -EINVAL (not HDF5, damaged; options that exclude each other), -EPERM
 * (another user's project), -ENOTDIR (`into` is no group), -ENOTSUP (a type not handled, by name),
 * -ENOSPC, -EFBIG (max_bytes), -EIO (child crashed), -ETIMEDOUT (stalled), -EINTR (ended by SIGINT
 * or SIGTERM; also while waiting for another loader).
 * Blocks. Forks: not for programs with other threads that hold locks.
 */
int cshm_hdf5_import(struct cshm_store *store, const char *project, const char *file,
                     const struct cshm_import_options *options, struct cshm_import_result *result,
                     struct cshm_error *error);

#endif
