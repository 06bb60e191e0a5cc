/* SPDX-License-Identifier: MIT */
/* A dataset while it is open: its plan, its shape, how it lies in the file; and what is done with
 * it. */
#ifndef CSHM_HDF5_DATASET_H
#define CSHM_HDF5_DATASET_H

#include "hdf5/loader.h"
#include "hdf5/plan.h"

struct cshm_dataset {
    hid_t id; /* borrowed */
    hid_t space;
    hid_t file_type;
    hid_t creation; /* property list, once cshm_dataset_look_at_layout() was called */
    struct cshm_type_plan type;
    H5D_layout_t layout;
    bool is_null;
    bool is_chunked;
    size_t rank;
    uint64_t shape[H5S_MAX_RANK];
    uint64_t chunk[H5S_MAX_RANK];
    uint64_t elements;     /* product of shape */
    unsigned long file;    /* its number, for references */
    uint64_t output_bytes; /* of all its arrays, while it is filled */
    uint64_t told_bytes;   /* of these, added to done_bytes */
    uint64_t lost;         /* references that lead nowhere */
};

/* Looks at an open dataset's type and shape. 0 or negative errno; finish it also after an error. */
int cshm_dataset_open(struct cshm_loader *loader, hid_t id, unsigned long file,
                      struct cshm_dataset *out);
void cshm_dataset_finish(struct cshm_dataset *dataset);

/* Looks at how it is stored, if that was not done before. */
int cshm_dataset_look_at_layout(struct cshm_loader *loader, struct cshm_dataset *dataset);

#define CSHM_AUTO_DATASET __attribute__((cleanup(cshm_dataset_finish)))

/*
 * Reads what its plan finds variable (or, to know that it can be read, all of it) and describes its
 * nodes again with the sizes found.
 */
int cshm_dataset_measure(struct cshm_loader *loader, struct cshm_dataset *dataset,
                         struct cshm_node *node);

/*
 * Reserves the arrays of its nodes and decodes into them with libhdf5. `fd` (-1: none) is that of a
 * segment begun already for the only array. After an error the caller drops what it reserved.
 */
int cshm_dataset_fill(struct cshm_loader *loader, struct cshm_dataset *dataset,
                      struct cshm_node *node, int fd);

#endif
