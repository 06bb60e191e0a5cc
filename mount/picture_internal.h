/* SPDX-License-Identifier: MIT */
/* Between picture.c and picture_change.c. */
#ifndef MOUNT_PICTURE_INTERNAL_H
#define MOUNT_PICTURE_INTERNAL_H

#include "picture.h"

/* picture_refresh() for whoever holds `loading`. */
int picture_refresh_loading(struct picture *picture);

/* Has the project, which is in its picture now, tell of operations. */
void picture_observe(struct picture *picture);

#endif
