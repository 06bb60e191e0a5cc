/* SPDX-License-Identifier: MIT */
/* The attributes of a group or dataset become those of its node. */
#ifndef CSHM_HDF5_ATTRIBUTE_H
#define CSHM_HDF5_ATTRIBUTE_H

#include "hdf5/loader.h"

/*
 * Reads all attributes of an open object. One that fails is given up with the node's path; an error
 * is returned only if that ends the load.
 */
int cshm_attributes_load(struct cshm_loader *loader, hid_t id, const struct cshm_object *object);

#endif
