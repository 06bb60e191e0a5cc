/* SPDX-License-Identifier: MIT */
/* Removing a sidecar: what is said goes, what is there stays. */
#ifndef MOUNT_SIDECAR_REMOVE_H
#define MOUNT_SIDECAR_REMOVE_H

#include "change.h"
#include "entries.h"

/*
 * Of the array or bare node `entry`: its attributes go, and the sidecar is not shown until
 * something is declared; what has no data goes itself. 0 or negative errno.
 */
int sidecar_remove(struct change *change, const struct entry *entry);

/* The `.meta` of change->group: attributes, kind and shape. */
int sidecar_remove_meta(struct change *change);

/* What is still being written of a sidecar goes nowhere. Whether it was one not there yet. */
bool sidecar_detach(struct daemon *daemon, struct inode *directory, bool is_meta,
                    struct cshm_text key);

#endif
