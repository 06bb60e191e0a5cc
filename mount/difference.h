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
 * An operation is about to be applied, under the picture's lock for a change. `own`: by a request,
 * of whose name and directory the kernel knows by itself. O(depth), and what is below the node.
 */
void difference_change(struct daemon *daemon, struct picture *picture,
                       const struct cshm_operation *operation,
                       const struct cshm_operation_place *place, bool own);

/*
 * All that is known below a directory that moves with `node`, the group it was: texts say where
 * they are. `elsewhere`: in another project, so owners and modes may be others. Under the locks for
 * the change.
 */
void difference_moved(struct daemon *daemon, struct inode *directory, const struct cshm_node *node,
                      bool elsewhere);

/*
 * A segment is not what it was: the attributes of the sidecars of all arrays that share it, and,
 * where they may have lost or got back their files, of the directories they are in. Under the
 * picture's lock for reading.
 */
void difference_segment(struct daemon *daemon, const struct picture *picture, const char *segment,
                        bool files_too);

/* The attributes of the arrays whose segment it is. Under any lock of a picture. */
void difference_arrays(struct daemon *daemon, const char *segment);

/* An entry of `directory` came or went without a change of the project. */
void difference_entries(struct daemon *daemon, struct inode *directory);

#endif
