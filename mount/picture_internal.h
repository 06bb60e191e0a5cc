/* SPDX-License-Identifier: MIT */
/* Between picture.c and picture_change.c. */
#ifndef MOUNT_PICTURE_INTERNAL_H
#define MOUNT_PICTURE_INTERNAL_H

#include "picture.h"

/* picture_refresh() for whoever holds `loading`. */
int picture_refresh_loading(struct picture *picture);

#endif
