/* SPDX-License-Identifier: MIT */
/*
 * What the kernel has to be told when a project changes: exactly what it knows and what is
 * different now. Only names and attributes are told of, of objects that have an inode; what is not
 * there is never believed, so what is new needs no word.
 */
#ifndef MOUNT_DIFFERENCE_H
#define MOUNT_DIFFERENCE_H

#include "daemon.h"

/*
 * One picture was replaced by another: `before` and `after` may each be NULL, a project that was
 * not there. The picture's `loading` is held, nothing else. O(what is in `before`).
 */
void difference_replaced(struct daemon *daemon, struct picture *picture,
                         const struct cshm_project *before, const struct cshm_project *after);

/*
 * `node` is about to be changed, under the picture's lock for a change. `own`: by a request, whose
 * own name and directory the kernel knows about. O(depth).
 */
void difference_change(struct daemon *daemon, struct picture *picture, enum cshm_change_kind kind,
                       const struct cshm_node *node, bool own);

#endif
