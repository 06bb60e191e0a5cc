/* SPDX-License-Identifier: MIT */
/* The links of a group, or the names of an object's attributes, in the order h5py gives them. */
#ifndef CSHM_HDF5_LINKS_H
#define CSHM_HDF5_LINKS_H

#include "hdf5/loader.h"

struct cshm_link {
    char *name;
    H5L_type_t type;
    unsigned char token[CSHM_TOKEN_SIZE]; /* of a hard link */
};

struct cshm_links {
    struct cshm_link *links;
    size_t count;
    size_t capacity;
    struct cshm_arena names;
};

/*
 * Reads the links of a group. 0 or negative errno; what could be read before an error is there, and
 * the caller finishes it in any case.
 */
int cshm_links_read(struct cshm_loader *loader, hid_t group, struct cshm_links *out);

/* The same of the attributes of a group or dataset: names only. */
int cshm_links_read_attributes(struct cshm_loader *loader, hid_t object, H5O_type_t type,
                               struct cshm_links *out);

void cshm_links_finish(struct cshm_links *links);

#define CSHM_AUTO_LINKS __attribute__((cleanup(cshm_links_finish)))

#endif
