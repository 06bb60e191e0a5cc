/* SPDX-License-Identifier: MIT */
/*
 * Which directory entries a node of a project has: `x` for a group, `x` and `x.meta` for an array,
 * only `x.meta` for what has no data (design: the mount's contract, "Sidecars" and "Broken and
 * missing"). Nothing here knows of requests or inodes.
 */
#ifndef MOUNT_ENTRIES_H
#define MOUNT_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "picture.h"

#define ENTRIES_META ".meta"
#define ENTRIES_NPY  ".npy"

/* Whether the name is one of a sidecar (`.meta` itself too), or of a view. */
bool entries_names_sidecar(const char *name);
bool entries_names_npy(const char *name);

/* An array or bare node as it is now. */
struct entries {
    bool data;        /* `x` is there */
    bool sidecar;     /* `x.meta` is there */
    bool has_segment; /* `segment` is filled: there is a file to take owner and mode from */
    struct stat segment;
    const char *state;  /* "missing", "broken", "waiting", or NULL */
    const char *reason; /* or NULL */
};

/* Looks at the segment. The picture's lock is held. */
void entries_of(const struct picture *picture, const struct cshm_node *node, struct entries *out);

/* Whether the group (or the project: its root) has a `.meta`. */
bool entries_has_meta(const struct picture *picture, const struct cshm_node *group);

/* The same in a project that need not be the picture's any more. */
bool entries_project_has_meta(const struct cshm_project *project, const struct cshm_node *group);

/* Length of the array's file as it is shown: of an empty array 0, though its segment has a byte. */
uint64_t entries_size(const struct cshm_node *array, const struct stat *segment);

/* What a name in a directory means. */
enum entry_kind {
    ENTRY_NONE,
    ENTRY_GROUP,
    ENTRY_DATA,
    ENTRY_SIDECAR, /* of the child `node` */
    ENTRY_META,    /* of the directory */
    ENTRY_NPY,     /* the view of the child `node`; never listed */
};

struct entry {
    enum entry_kind kind;
    struct cshm_node *node;
    struct entries looks; /* of all those of a child but groups */
};

/* Finds a name in a group. The picture's lock is held. */
void entry_find(const struct picture *picture, struct cshm_node *group, const char *name,
                struct entry *out);

#endif
