/* SPDX-License-Identifier: MIT */
/* Publishing a draft: a .npy file that is whole becomes an array, or a group of its fields. */
#ifndef MOUNT_NPY_PUBLISH_H
#define MOUNT_NPY_PUBLISH_H

#include "change.h"
#include "npy_draft.h"
#include "right.h"

/* Where a file that is renamed onto a view comes from. */
struct npy_source {
    struct inode *directory;
    struct cshm_text key;
    const char *segment; /* that was read */
    struct stat st;      /* of that */
};

struct npy_publication {
    struct npy_draft *draft;         /* whole */
    struct cshm_text key;            /* of the array */
    mode_t mode;                     /* of a new one; one that is there keeps owner and mode */
    const struct right *right;       /* of who began to write; NULL: he asks now */
    const struct npy_source *source; /* NULL: written. Else of the same project, and goes */
};

/*
 * One commit in `directory`. An array that was there, or a group of fields, is replaced and leaves
 * its attributes. 0; -EISDIR (any other group); errors of change_run() and change_commit().
 */
int npy_publish(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                struct npy_publication *publication);

/* Whether a file of this key can be made there: 0, -EISDIR, -ENOENT, -EACCES; and by what right. */
int npy_may_publish(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                    struct cshm_text key, struct right *right);

#endif
