/* SPDX-License-Identifier: MIT */
/* Between picture.c and picture_change.c. */
#ifndef MOUNT_PICTURE_INTERNAL_H
#define MOUNT_PICTURE_INTERNAL_H

#include "picture.h"

/* picture_refresh() for whoever holds `loading`. */
int picture_refresh_loading(struct picture *picture);

/* Nodes may be others, or elsewhere. With the lock for a change. */
static inline void picture_age(struct picture *picture)
{
    /* A directory that moves takes what was read of it to another picture: no two may be alike. */
    picture->generation = atomic_fetch_add(&picture->all->generations, 1) + 1;
}

/* Has the project, which is in its picture now, tell of operations. */
void picture_observe(struct picture *picture);

#endif
