/* SPDX-License-Identifier: MIT */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "log.h"
#include "store/segment.h"

/*
 * A lock for some of the inodes: registering is a few microseconds and must not be done twice.
 * Taken under a picture's lock; nothing is taken inside.
 */
enum { LOCKS = 64 };
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_of(const struct inode *inode)
{
    return &locks[((uintptr_t)inode >> 6) % LOCKS];
}

/* The id of the segment, or negative errno. */
static int register_segment(struct daemon *daemon, fuse_req_t request,
                            const struct inode_array *array)
{
    CSHM_AUTO_FD int fd = -1;
    /* Reading is enough: the kernel opens it again with the flags of each open. */
    int result = cshm_segment_open(daemon->store, array->segment, array->owner, O_RDONLY,
                                   array->number, &fd);
    if (result < 0)
        return result;
    errno = EIO;
    int id = libfuse_backing_open(request, fd);
    if (id > 0)
        return id;
    /* Never a silent open through the page cache: that would not be the segment's memory. */
    log_line(LOG_ERR, "segment %s: the kernel refuses passthrough: %s", array->segment,
             strerror(errno));
    return -EIO;
}

/* What is known of an array as long as it is open; NULL: no memory. */
static struct inode_use *begin_use(struct inode_array *array)
{
    if (!array->use)
        array->use = calloc(1, sizeof *array->use);
    return array->use;
}

static void end_unused(struct inode_array *array)
{
    if (array->use && array->use->opens == 0) {
        free(array->use);
        array->use = NULL;
    }
}

static int register_once(struct daemon *daemon, fuse_req_t request, struct inode_array *array)
{
    if (array->use->backing_id > 0)
        return 0;
    int result = register_segment(daemon, request, array);
    if (result > 0)
        array->use->backing_id = result;
    return result < 0 ? result : 0;
}

int backing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct stat *st, struct fuse_file_info *file)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    struct inode_use *use = begin_use(array);
    int result = use ? 0 : -ENOMEM;
    if (result == 0 && file)
        result = register_once(daemon, request, array);
    if (result == 0) {
        use->opens++;
        use->last = *st;
        if (file)
            libfuse_backing_use(file, use->backing_id);
    }
    end_unused(array);
    (void)pthread_mutex_unlock(lock_of(inode));
    return result;
}

void backing_release(fuse_req_t request, struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    if (--array->use->opens == 0 && array->use->backing_id > 0)
        libfuse_backing_close(request, array->use->backing_id);
    end_unused(array);
    (void)pthread_mutex_unlock(lock_of(inode));
}

bool backing_last_seen(struct inode *inode, struct stat *out)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    bool open = array->use != NULL;
    if (open)
        *out = array->use->last;
    (void)pthread_mutex_unlock(lock_of(inode));
    return open;
}
