/* SPDX-License-Identifier: MIT */
/*
 * libfuse, and everything that differs between its versions, in one place. 3.14 (Debian 12) is the
 * oldest; kernel passthrough came with 3.17, and so did fuse_set_feature_flag(): `want` is a
 * deprecated view of a wider field since then.
 */
#ifndef MOUNT_LIBFUSE_H
#define MOUNT_LIBFUSE_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define LIBFUSE_HAS_PASSTHROUGH 1
#else
#define LIBFUSE_HAS_PASSTHROUGH 0
#endif

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
#define LIBFUSE_HAS_IO_URING 1
#else
#define LIBFUSE_HAS_IO_URING 0
#endif

#ifndef FUSE_CAP_HANDLE_KILLPRIV_V2
#define FUSE_CAP_HANDLE_KILLPRIV_V2 0
#endif
#ifndef FUSE_CAP_PASSTHROUGH
#define FUSE_CAP_PASSTHROUGH 0
#endif

/* Asks for a feature. False when the kernel (or this libfuse) does not have it. */
static inline bool libfuse_want(struct fuse_conn_info *connection, uint64_t feature)
{
    if (!feature)
        return false;
#if LIBFUSE_HAS_PASSTHROUGH
    return fuse_set_feature_flag(connection, feature);
#else
    if (!(connection->capable & feature))
        return false;
    connection->want |= (unsigned)feature;
    return true;
#endif
}

static inline void libfuse_refuse(struct fuse_conn_info *connection, uint64_t feature)
{
#if LIBFUSE_HAS_PASSTHROUGH
    fuse_unset_feature_flag(connection, feature);
#else
    connection->want &= ~(unsigned)feature;
#endif
}

/*
 * Registers a file for passthrough: an id above 0, or 0 with errno set. The kernel keeps its own
 * reference, so `fd` may be closed at once.
 */
static inline int libfuse_backing_open(fuse_req_t request, int fd)
{
#if LIBFUSE_HAS_PASSTHROUGH
    return fuse_passthrough_open(request, fd);
#else
    (void)request, (void)fd;
    return 0;
#endif
}

static inline void libfuse_backing_close(fuse_req_t request, int id)
{
#if LIBFUSE_HAS_PASSTHROUGH
    (void)fuse_passthrough_close(request, id);
#else
    (void)request, (void)id;
#endif
}

static inline void libfuse_backing_use(struct fuse_file_info *file, int id)
{
#if LIBFUSE_HAS_PASSTHROUGH
    file->backing_id = id;
#else
    (void)file, (void)id;
#endif
}

/* Whether the request came through a ring. */
static inline bool libfuse_is_by_ring(fuse_req_t request)
{
#if LIBFUSE_HAS_IO_URING
    return fuse_req_is_uring(request);
#else
    (void)request;
    return false;
#endif
}

/* The kernel asks anew about all names it knows. 0, or a negative errno: it cannot be told so. */
static inline int libfuse_increment_epoch(struct fuse_session *session)
{
#if LIBFUSE_HAS_IO_URING /* came with the same version */
    return fuse_lowlevel_notify_increment_epoch(session);
#else
    (void)session;
    return -ENOSYS;
#endif
}

static inline void libfuse_stack_depth(struct fuse_conn_info *connection, unsigned depth)
{
#if LIBFUSE_HAS_PASSTHROUGH
    connection->max_backing_stack_depth = depth;
#else
    (void)connection, (void)depth;
#endif
}

#endif
