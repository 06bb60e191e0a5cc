/* SPDX-License-Identifier: MIT */
/*
 * Drafts: a .npy file on its way in. The bytes come in any order behind the header, and go straight
 * to where they belong, in segments that have no name yet: private memory is only for the header.
 * Memory is reserved as soon as the header says how much. Nothing here knows of requests; a draft
 * is used by one thread at a time.
 */
#ifndef MOUNT_NPY_DRAFT_H
#define MOUNT_NPY_DRAFT_H

#include "base/names.h"
#include "format/npy_elements.h"
#include "store/store.h"

/* A segment in the making, one for each array that the file becomes. */
struct npy_part {
    int fd;
    char *map; /* unless the data is the array as it is */
    uint64_t bytes;
    char name[CSHM_SEGMENT_NAME_SIZE]; /* to be had when it is published */
};

struct npy_draft {
    struct cshm_arena arena;
    struct cshm_buffer head;       /* the header, or what there is of it */
    struct cshm_npy_header header; /* its length is 0 until it is known */
    struct cshm_npy_leaf *leaves;
    struct npy_part *parts; /* as many as leaves */
    size_t count;
    uint64_t size; /* of the file up to now */
    int wrong;     /* negative errno: nothing can come of it any more */
    struct cshm_error error;
};

void npy_draft_begin(struct npy_draft *draft);
void npy_draft_finish(struct npy_draft *draft);

/* Bytes of the daemon's own memory that it takes. */
size_t npy_draft_memory(const struct npy_draft *draft);

/*
 * Takes bytes of the file. 0; -EINVAL (no such header, more bytes than it says), -ENOSPC, -EMFILE,
 * -ENOMEM, which are said of everything after as well.
 */
int npy_draft_write(const struct cshm_store *store, struct npy_draft *draft, const char *bytes,
                    size_t size, uint64_t offset);

/* The file gets longer, by zeros, or empty, to begin anew. -EINVAL for everything else. */
int npy_draft_resize(struct npy_draft *draft, uint64_t size);

/* 0 when it is whole, else what is wrong with it, and draft->error. */
int npy_draft_judge(struct npy_draft *draft);

#endif
