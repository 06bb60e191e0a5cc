/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

int cshm_file_read(int fd, size_t limit, struct cshm_buffer *out)
{
    cshm_buffer_clear(out);
    char piece[64 * 1024];
    for (;;) {
        ssize_t got = pread(fd, piece, sizeof piece, (off_t)out->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return out->error;
        if ((size_t)got > limit - out->length)
            return -EFBIG;
        cshm_buffer_add(out, piece, (size_t)got);
        if (out->error)
            return out->error;
    }
}

int cshm_file_write(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t written = write(fd, from, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        from += written;
        length -= (size_t)written;
    }
    return 0;
}

int cshm_file_write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t written = pwrite(fd, from, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        from += written;
        length -= (size_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}
