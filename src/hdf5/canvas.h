/* SPDX-License-Identifier: MIT */
/*
 * An array's segment while several threads fill it, without reserving it as a whole beforehand.
 *
 * Two ways lead into it. write(2) needs neither zeroed pages nor page faults and is the faster one
 * by itself, but the kernel lets one thread at a time write to a file (the inode's lock). So one
 * thread writes, and those that find it writing have pages put into a mapping
 * (MADV_POPULATE_WRITE, which takes no such lock) and store there. Either way a full file system is
 * -ENOSPC, never SIGBUS: nothing is stored into a page that was not seen to be there.
 */
#ifndef CSHM_HDF5_CANVAS_H
#define CSHM_HDF5_CANVAS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CSHM_CANVAS_BLOCK = 2 * 1024 * 1024, /* what is populated at once */
    CSHM_COPY_BYTES = 128 * 1024,        /* of a buffer: more falls out of the processor's caches */
};

struct cshm_canvas {
    int fd; /* borrowed */
    uint64_t size;
    unsigned char *bytes; /* the mapping; NULL: only one thread, only write(2) */
    atomic_uchar *ready;  /* by block: populated */
    atomic_uint writers; /* threads that write, or wait for it */
};

/* `size` > 0. `map`: more than one thread fills it, or bytes are not put in runs. -ENOMEM, -errno.
 */
int cshm_canvas_open(struct cshm_canvas *canvas, int fd, uint64_t size, bool map);
void cshm_canvas_close(struct cshm_canvas *canvas);

/* --- By any number of threads, each elsewhere
 * ----------------------------------------------------------------------- */

/*
 * Copies `length` bytes at `from` of the file `source` to `at`; best a block at a time. `buffer`
 * has CSHM_COPY_BYTES. -ENODATA: the file cannot be read there, or ends before; -ENOSPC, -ENOMEM.
 */
int cshm_canvas_copy(struct cshm_canvas *canvas, int source, uint64_t from, uint64_t at,
                     uint64_t length, void *buffer);

int cshm_canvas_put(struct cshm_canvas *canvas, uint64_t at, const void *bytes, uint64_t length);

/* After this, the part may be stored to in `bytes`. Needs the mapping. */
int cshm_canvas_prepare(struct cshm_canvas *canvas, uint64_t at, uint64_t length);

#endif
