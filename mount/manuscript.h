/* SPDX-License-Identifier: MIT */
/*
 * Manuscripts: the text of a sidecar while somebody has it open for writing. All its writers share
 * it, as they would share a file; who reads meanwhile sees the sidecar as it is (of one that is not
 * there yet: what has been written of it). A close or fsync judges what was written since the last
 * judgement; an emptied text only the last close, because a shell closes its first descriptor
 * before anything is written.
 */
#ifndef MOUNT_MANUSCRIPT_H
#define MOUNT_MANUSCRIPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "handle.h"
#include "inode.h"
#include "sidecar_judge.h"

/*
 * How long a sidecar may get by writing: parsing takes some ten times as much memory, and the
 * attributes of HDF5 files are far smaller.
 */
#define MANUSCRIPT_BYTES_MAX ((size_t)64 << 20)

/* Guarded by the one lock of all manuscripts, which is innermost but for the handles'. */
struct manuscript {
    struct handle handle;
    pthread_mutex_t judging; /* held while it is judged: outermost */
    struct inode *inode;     /* held */
    unsigned opens;
    bool attached;    /* the inode's own: false once the sidecar was removed or replaced */
    bool draft;       /* there is no such sidecar yet */
    uint64_t version; /* moves with each write ... */
    uint64_t judged;  /* ... and this was judged last */
    char *bytes;
    size_t length;
    size_t capacity;
    struct timespec changed;
    struct sidecar_author author;
    struct stat draft_attributes; /* of a draft: all but size and times */
};

/* How a writer begins. */
struct manuscript_start {
    struct cshm_text text; /* what the sidecar says now */
    bool truncate;
    bool draft;
    struct sidecar_author author;
    const struct stat *draft_attributes;
};

/*
 * Counts an open for writing of the sidecar `inode`. A text on which nobody has an unjudged word
 * begins anew with what the sidecar says. 0, -ENFILE, -ENOMEM. May be called under a picture's
 * lock.
 */
int manuscript_open(struct daemon *daemon, struct inode *inode,
                    const struct manuscript_start *start, struct manuscript **out);

/* The draft of an inode, one open more: for who opens by name what is not there yet. NULL: none. */
struct manuscript *manuscript_join(struct inode *inode, bool truncate);

/*
 * Undoes an open; the last one judges what is left to be judged. The kernel tells nobody what
 * comes of that.
 */
void manuscript_close(struct daemon *daemon, struct manuscript *manuscript);

/*
 * Judges what was written: no emptied text, unless this is the only open and `emptied` says so. 0
 * or negative errno. Under no lock.
 */
int manuscript_judge(struct daemon *daemon, struct manuscript *manuscript, bool emptied);

/* -EFBIG, -ENOSPC (all of them are too long), -ENOMEM. */
int manuscript_write(struct daemon *daemon, struct manuscript *manuscript, const char *bytes,
                     size_t size, uint64_t offset, bool append);
int manuscript_resize(struct daemon *daemon, struct manuscript *manuscript, uint64_t size);

/* A copy of a part, which is the caller's to free; `*size` becomes its length. NULL: no memory. */
char *manuscript_copy(const struct manuscript *manuscript, uint64_t offset, size_t *size);

/* Size and time of change, where somebody has written what was not judged yet. */
bool manuscript_attributes(struct inode *inode, struct stat *out);

/* All attributes of a sidecar that is not there yet, if somebody is writing it. */
bool manuscript_draft_attributes(struct inode *inode, struct stat *out);

/* The sidecar was removed or replaced: what is still written goes nowhere. Whether it was a draft.
 */
bool manuscript_detach(struct inode *inode);

#endif
