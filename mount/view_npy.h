/* SPDX-License-Identifier: MIT */
/* Open views: what view_npy.c reads from and npy_make.c writes to. */
#ifndef MOUNT_VIEW_NPY_H
#define MOUNT_VIEW_NPY_H

#include <pthread.h>

#include "npy_draft.h"
#include "right.h"
#include "view.h"

/* One that is being written. It is published when it is closed, or synced, and is whole. */
struct npy_writer {
    pthread_mutex_t lock; /* taken before a picture's */
    struct npy_draft draft;
    mode_t mode;        /* of a new array */
    struct right right; /* by which it was opened */
    bool unjudged;      /* something was written since the last close */
    bool published;     /* that was all */
    char key[CSHM_FSNAME_MAX + 1];
    size_t key_length;
};

struct npy_open {
    struct handle handle;
    const struct inode *inode; /* known as long as this is open */
    struct stat last;          /* as of the open */
    _Atomic uint64_t size;     /* of what is written */
    struct npy_writer *writer; /* or, for reading: */
    int fd;                    /* the segment */
    uint64_t bytes;            /* of its data */
    size_t header;             /* bytes */
    char text[];               /* the header */
};

/* An open file to be read; `header` bytes are copied. NULL: no memory, or too many are open. */
struct npy_open *npy_open_make(struct daemon *daemon, const struct inode *inode,
                               const struct stat *last, const char *text, size_t header);
/* The same to be written. The key is of no longer a name than CSHM_FSNAME_MAX. */
struct npy_open *npy_open_writer(struct daemon *daemon, const struct inode *inode,
                                 const struct stat *last, struct cshm_text key, mode_t mode,
                                 const struct right *right);

static inline struct npy_open *npy_open_of(const struct fuse_file_info *file)
{
    return (struct npy_open *)(uintptr_t)file->fh;
}

/* npy_make.c: an inode that no lookup finds, for as long as it is written. NULL: no memory. */
struct inode *npy_make_inode(struct daemon *daemon, struct inode *directory, struct cshm_text key);

/* npy_make.c: members of the view. */
void npy_write(struct daemon *daemon, fuse_req_t request, struct inode *inode, const char *bytes,
               size_t size, off_t offset, const struct fuse_file_info *file);
int npy_flush(struct daemon *daemon, fuse_req_t request, struct inode *inode,
              const struct fuse_file_info *file);
int npy_sync(struct daemon *daemon, fuse_req_t request, struct inode *inode,
             const struct fuse_file_info *file);
int npy_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size,
               const struct fuse_file_info *file);

#endif
