/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "log.h"

void access_init(struct access *access, enum access_wish wish, int shm_fd)
{
    *access = (struct access){.wish = wish, .shm_fd = shm_fd};
    (void)pthread_mutex_init(&access->lock, NULL);
}

void access_finish(struct access *access)
{
    (void)pthread_mutex_destroy(&access->lock);
}

void access_negotiate(struct access *access, struct fuse_conn_info *connection)
{
    /* Splicing costs two system calls a request and wins nothing: no bytes come through here. */
    libfuse_refuse(connection, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    /* Kernel: write-back caching and passthrough exclude each other, silently. */
    libfuse_refuse(connection, FUSE_CAP_WRITEBACK_CACHE);
    (void)libfuse_want(connection, FUSE_CAP_PARALLEL_DIROPS);
    (void)libfuse_want(connection, FUSE_CAP_ATOMIC_O_TRUNC);
    /*
     * Without the second version every passthrough write asks for security.capability first. With
     * the first one on as well the kernel would take that.
     */
    if (libfuse_want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2))
        libfuse_refuse(connection, FUSE_CAP_HANDLE_KILLPRIV);
    /*
     * Left to itself the kernel goes over to plain listings after the first piece, and find and du
     * then look each of 100,000 names up. What it knows already is not described again anyway.
     */
    libfuse_refuse(connection, FUSE_CAP_READDIRPLUS_AUTO);
    /* A link's inode is one segment, so its target never changes. */
    (void)libfuse_want(connection, FUSE_CAP_CACHE_SYMLINKS);

    access->offered =
        access->wish != ACCESS_WANT_SYMLINK && libfuse_want(connection, FUSE_CAP_PASSTHROUGH);
    /* Kernel: 2 and more switches passthrough off without a word. */
    if (access->offered)
        libfuse_stack_depth(connection, 1);
}

/* 0 when a file in the shared memory directory can be registered, else negative errno. */
static int try_passthrough(const struct access *access, fuse_req_t request)
{
    CSHM_AUTO_FD int fd =
        openat(access->shm_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -errno;
    log_hush_libfuse(true);
    errno = EIO;
    int id = libfuse_backing_open(request, fd);
    int code = -errno;
    log_hush_libfuse(false);
    if (id <= 0)
        return code;
    libfuse_backing_close(request, id);
    return 0;
}

/* Says in access->why what stands against passthrough; false when nothing does. */
static bool find_obstacle(struct access *access, fuse_req_t request)
{
    if (!LIBFUSE_HAS_PASSTHROUGH) {
        (void)snprintf(access->why, sizeof access->why,
                       "kernel passthrough needs libfuse 3.17, this was built with %d.%d",
                       FUSE_MAJOR_VERSION, FUSE_MINOR_VERSION);
        return true;
    }
    if (!access->offered) {
        (void)snprintf(access->why, sizeof access->why,
                       "this kernel has no FUSE passthrough: Linux 6.9 or newer needed");
        return true;
    }
    int result = try_passthrough(access, request);
    if (result == -EPERM)
        (void)snprintf(access->why, sizeof access->why,
                       "kernel passthrough needs CAP_SYS_ADMIN: run as root");
    else if (result < 0)
        (void)snprintf(access->why, sizeof access->why,
                       "kernel passthrough was refused for the shared memory directory: %s",
                       strerror(-result));
    return result < 0;
}

static enum access_mode decide(struct access *access, fuse_req_t request)
{
    if (access->wish == ACCESS_WANT_SYMLINK) {
        (void)snprintf(access->why, sizeof access->why, "asked for");
        return ACCESS_SYMLINK;
    }
    if (find_obstacle(access, request))
        return access->wish == ACCESS_AUTO ? ACCESS_SYMLINK : ACCESS_FAILED;
    (void)snprintf(access->why, sizeof access->why, "kernel and privileges allow it");
    return ACCESS_PASSTHROUGH;
}

enum access_mode access_decide(struct access *access, fuse_req_t request)
{
    enum access_mode mode = atomic_load_explicit(&access->mode, memory_order_acquire);
    if (mode != ACCESS_UNDECIDED)
        return mode;
    (void)pthread_mutex_lock(&access->lock);
    mode = atomic_load_explicit(&access->mode, memory_order_relaxed);
    if (mode == ACCESS_UNDECIDED) {
        mode = decide(access, request);
        atomic_store_explicit(&access->mode, mode, memory_order_release);
    }
    (void)pthread_mutex_unlock(&access->lock);
    return mode;
}

const char *access_name(enum access_mode mode)
{
    return mode == ACCESS_PASSTHROUGH ? "passthrough" : "symlink";
}
