/* SPDX-License-Identifier: MIT */
/* Further paths of objects that are in the tree already: same segments, same attributes. */
#ifndef CSHM_HDF5_ALIAS_H
#define CSHM_HDF5_ALIAS_H

#include "hdf5/loader.h"

/* Notes that `node`, which is in its place in the tree, stands for `object` too. 0 or -ENOMEM. */
int cshm_alias_note(struct cshm_loader *loader, struct cshm_node *node, struct cshm_object *object);

/* Once all is filled: makes them what their objects are. */
int cshm_alias_all(struct cshm_loader *loader);

#endif
