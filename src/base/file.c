/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"

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

/* What a write call that returned `written` means: bytes to step on, or negative errno. */
static ssize_t step(ssize_t written)
{
    if (written >= 0)
        return written;
    return errno == EINTR ? 0 : -errno;
}

int cshm_file_write(int fd, const void *bytes, size_t length)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t done = step(write(fd, from, length));
        if (done < 0)
            return (int)done;
        from += done;
        length -= (size_t)done;
    }
    return 0;
}

int cshm_file_write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t done = step(pwrite(fd, from, length, (off_t)offset));
        if (done < 0)
            return (int)done;
        from += done;
        length -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int cshm_file_open_directory(int fd, DIR **out)
{
    CSHM_AUTO_FD int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (readable < 0)
        return -errno;
    *out = fdopendir(readable);
    if (!*out)
        return -errno;
    (void)cshm_steal_fd(&readable);
    return 0;
}
