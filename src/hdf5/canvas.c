/* SPDX-License-Identifier: MIT */
#include "hdf5/canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "store/segment.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int map_canvas(struct cshm_canvas *canvas)
{
    if (canvas->size > INT64_MAX || canvas->size > SIZE_MAX)
        return -EOVERFLOW;
    if (ftruncate(canvas->fd, (off_t)canvas->size) < 0)
        return -errno;
    canvas->ready =
        calloc((size_t)((canvas->size - 1) / CSHM_CANVAS_BLOCK + 1), sizeof *canvas->ready);
    if (!canvas->ready)
        return -ENOMEM;
    void *bytes = mmap(NULL, canvas->size, PROT_READ | PROT_WRITE, MAP_SHARED, canvas->fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    canvas->bytes = bytes;
    return 0;
}

int cshm_canvas_open(struct cshm_canvas *canvas, int fd, uint64_t size, bool map)
{
    *canvas = (struct cshm_canvas){.fd = fd, .size = size};
    int result = map ? map_canvas(canvas) : 0;
    if (result < 0)
        cshm_canvas_close(canvas);
    return result;
}

void cshm_canvas_close(struct cshm_canvas *canvas)
{
    if (canvas->bytes)
        (void)munmap(canvas->bytes, canvas->size);
    free(canvas->ready);
    canvas->bytes = NULL;
    canvas->ready = NULL;
}

/* --- Pages
 * -------------------------------------------------------------------------------------- */

static int populate(const struct cshm_canvas *canvas, uint64_t at, uint64_t length)
{
    while (madvise(canvas->bytes + at, length, MADV_POPULATE_WRITE) < 0) {
        if (errno == EINVAL) /* an older kernel: memory is there then, faults find it */
            return cshm_segment_reserve(canvas->fd, at, length);
        if (errno == EFAULT) /* where a store would have been SIGBUS */
            return -ENOSPC;
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

int cshm_canvas_prepare(struct cshm_canvas *canvas, uint64_t at, uint64_t length)
{
    if (length == 0)
        return 0;
    uint64_t last = (at + length - 1) / CSHM_CANVAS_BLOCK;
    for (uint64_t block = at / CSHM_CANVAS_BLOCK; block <= last; block++) {
        if (atomic_load_explicit(&canvas->ready[block], memory_order_relaxed))
            continue;
        uint64_t first = block * CSHM_CANVAS_BLOCK;
        int result = populate(canvas, first, at_most(CSHM_CANVAS_BLOCK, canvas->size - first));
        if (result < 0)
            return result;
        atomic_store_explicit(&canvas->ready[block], 1, memory_order_relaxed);
    }
    return 0;
}

/* --- Either way
 * --------------------------------------------------------------------------------- */

/* `most`: how many may be at it, one writing and the others waiting for it in the kernel. */
static bool begin_write(struct cshm_canvas *canvas, unsigned most)
{
    if (atomic_fetch_add_explicit(&canvas->writers, 1, memory_order_relaxed) < most ||
        !canvas->bytes)
        return true;
    atomic_fetch_sub_explicit(&canvas->writers, 1, memory_order_relaxed);
    return false;
}

static void end_write(struct cshm_canvas *canvas)
{
    atomic_fetch_sub_explicit(&canvas->writers, 1, memory_order_relaxed);
}

static int read_source(int source, void *bytes, uint64_t length, uint64_t from)
{
    unsigned char *to = bytes;
    while (length) {
        ssize_t got = pread(source, to, length, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOMEM)
            return -ENOMEM;
        if (got <= 0)
            return -ENODATA;
        to += got;
        from += (uint64_t)got;
        length -= (uint64_t)got;
    }
    return 0;
}

static int copy_by_write(const struct cshm_canvas *canvas, int source, uint64_t from, uint64_t at,
                         uint64_t length, void *buffer)
{
    int result = 0;
    for (uint64_t done = 0; done < length && result == 0;) {
        uint64_t part = at_most(length - done, CSHM_COPY_BYTES);
        result = read_source(source, buffer, part, from + done);
        if (result == 0)
            result = cshm_file_write_at(canvas->fd, buffer, part, at + done);
        done += part;
    }
    return result;
}

int cshm_canvas_copy(struct cshm_canvas *canvas, int source, uint64_t from, uint64_t at,
                     uint64_t length, void *buffer)
{
    if (begin_write(canvas, 1)) {
        int result = copy_by_write(canvas, source, from, at, length, buffer);
        end_write(canvas);
        return result;
    }
    int result = cshm_canvas_prepare(canvas, at, length);
    if (result == 0)
        result = read_source(source, canvas->bytes + at, length, from);
    /* Unmapping takes its time too, and is better done by all than by one at the end. */
    (void)madvise(canvas->bytes + at, length, MADV_DONTNEED);
    return result;
}

int cshm_canvas_put(struct cshm_canvas *canvas, uint64_t at, const void *bytes, uint64_t length)
{
    /* Short, and after long decoding: waiting for one costs less than populating. */
    if (begin_write(canvas, 2)) {
        int result = cshm_file_write_at(canvas->fd, bytes, length, at);
        end_write(canvas);
        return result;
    }
    int result = cshm_canvas_prepare(canvas, at, length);
    if (result == 0)
        memcpy(canvas->bytes + at, bytes, length);
    return result;
}
