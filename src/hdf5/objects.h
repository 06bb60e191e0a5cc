/* SPDX-License-Identifier: MIT */
/*
 * The objects of a load by identity: the first path of each, so that further paths share its
 * segments and references find a name; and the files they are in, which stay open, because libhdf5
 * numbers a file anew each time it is opened.
 */
#ifndef CSHM_HDF5_OBJECTS_H
#define CSHM_HDF5_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"
#include "hdf5/library.h"
#include "model/tree.h"

struct cshm_object {
    struct cshm_object *next; /* in the order they were found */
    struct cshm_object *same_slot;
    struct cshm_identity identity;
    struct cshm_node *node; /* the first path; NULL: not in the tree (committed type, left out) */
    struct cshm_text path;  /* once asked for: the first path, raw, for references */
    H5O_type_t type;
    bool has_attributes;
    bool is_variable; /* a dataset whose sizes its content decides */
    bool is_being_walked;
    bool is_left_out;
};

struct cshm_open_file {
    unsigned long number;
    hid_t id;
    int fd;       /* libhdf5's own, for pread(2); -1: it reads this file in another way than that */
    uint64_t end; /* what libhdf5 reads of `fd` is before this; 0 without one */
};

struct cshm_objects {
    struct cshm_object **slots;
    size_t slot_count;
    size_t count;
    struct cshm_object *first;
    struct cshm_object **last;
    struct cshm_open_file *files;
    size_t file_count;
};

/* The object, or NULL. */
struct cshm_object *cshm_objects_find(const struct cshm_objects *objects,
                                      const struct cshm_identity *identity);

/* Adds one that is not there yet. NULL: out of memory. */
struct cshm_object *cshm_objects_add(struct cshm_objects *objects, struct cshm_arena *arena,
                                     const struct cshm_object_info *info);

/* Keeps the file of an open object open. 0, -ENOMEM, -EINVAL (libhdf5). */
int cshm_objects_keep_file(struct cshm_objects *objects, hid_t object, unsigned long number);

/* The descriptor an object's file can be read by, while it is kept open; -1: none. */
int cshm_objects_descriptor(const struct cshm_objects *objects, unsigned long number);

/* Up to where libhdf5 would read that file; 0 without a descriptor. */
uint64_t cshm_objects_end(const struct cshm_objects *objects, unsigned long number);

/* Opens an object again. Negative: libhdf5's error. */
hid_t cshm_objects_open(const struct cshm_objects *objects, const struct cshm_object *object);

/*
 * Raw path of an object's node in the project: `above` (the group it goes below, or empty) and then
 * "/a/b", kept in `arena`. bytes NULL: it has none, or no memory.
 */
struct cshm_text cshm_object_path(struct cshm_object *object, struct cshm_text above,
                                  struct cshm_arena *arena);

void cshm_objects_finish(struct cshm_objects *objects);

#endif
