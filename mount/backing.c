/* SPDX-License-Identifier: MIT */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "log.h"
#include "store/segment.h"

/*
 * A lock for some of the inodes: registering is a few microseconds and must not be done twice.
 * Taken under a picture's lock; nothing is taken inside.
 */
enum { LOCKS = 64, KEPT_MOST = 4096, ARRIVING_NANOSECONDS = 100 * 1000 * 1000 };
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_of(const struct inode *inode)
{
    return &locks[((uintptr_t)inode >> 6) % LOCKS];
}

static atomic_uint kept; /* descriptors of all that is open for writing */

/* --- Opening ------------------------------------------------------------------------------------
 */

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
    if (!array->use) {
        array->use = calloc(1, sizeof *array->use);
        if (array->use)
            array->use->fd = -1;
    }
    return array->use;
}

static void end_unused(struct inode_array *array)
{
    struct inode_use *use = array->use;
    if (!use || use->opens > 0)
        return;
    if (use->fd >= 0)
        atomic_fetch_sub(&kept, 1);
    cshm_close_fd(&use->fd);
    free(use);
    array->use = NULL;
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

/* What cannot be kept is no matter until the name goes. */
static void keep_descriptor(struct daemon *daemon, struct inode_array *array)
{
    struct inode_use *use = array->use;
    if (use->fd >= 0 || atomic_load(&kept) >= KEPT_MOST)
        return;
    if (cshm_segment_open(daemon->store, array->segment, array->owner, O_RDWR, array->number,
                          &use->fd) == 0)
        atomic_fetch_add(&kept, 1);
}

static int open_through(struct daemon *daemon, fuse_req_t request, struct inode_array *array,
                        const struct backing_wish *wish, struct fuse_file_info *file)
{
    int result = register_once(daemon, request, array);
    if (result < 0)
        return result;
    array->use->through++;
    libfuse_backing_use(file, array->use->backing_id);
    if (wish->writing) {
        array->use->touched = true;
        keep_descriptor(daemon, array);
    }
    return 1;
}

static int open_beside(struct inode_array *array, struct fuse_file_info *file)
{
    (void)clock_gettime(CLOCK_MONOTONIC, &array->use->beside);
    array->use->arriving++;
    file->direct_io = 1;
    return 0;
}

int backing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct backing_wish *wish, struct fuse_file_info *file)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    struct inode_use *use = begin_use(array);
    int result = -ENOMEM;
    if (use && wish->empty && !wish->writing && use->through == 0)
        result = open_beside(array, file);
    else if (use)
        result = open_through(daemon, request, array, wish, file);
    if (result >= 0) {
        use->opens++;
        use->last = *wish->st;
    }
    end_unused(array);
    (void)pthread_mutex_unlock(lock_of(inode));
    return result;
}

void backing_arrived(struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    array->use->arriving--;
    (void)pthread_mutex_unlock(lock_of(inode));
}

static bool are_arriving(struct inode *inode)
{
    const struct inode_array *array = inode_array(inode);
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)pthread_mutex_lock(lock_of(inode));
    const struct inode_use *use = array->use;
    bool some = use && use->arriving > 0 &&
                (now.tv_sec - use->beside.tv_sec) * INT64_C(1000000000) + now.tv_nsec -
                        use->beside.tv_nsec <
                    ARRIVING_NANOSECONDS;
    (void)pthread_mutex_unlock(lock_of(inode));
    return some;
}

void backing_let_arrive(struct inode *inode)
{
    while (are_arriving(inode)) /* nobody tells when an answer has arrived */
        (void)nanosleep(&(struct timespec){.tv_nsec = 500 * 1000}, NULL);
}

bool backing_release(fuse_req_t request, struct inode *inode, bool through)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    struct inode_use *use = array->use;
    bool last = through && --use->through == 0;
    bool touched = last && use->touched;
    if (last) {
        libfuse_backing_close(request, use->backing_id);
        use->backing_id = 0;
        use->touched = false;
    }
    use->opens--;
    end_unused(array);
    (void)pthread_mutex_unlock(lock_of(inode));
    return touched;
}

/* --- While it is open ---------------------------------------------------------------------------
 */

bool backing_is_through(struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    bool through = array->use && array->use->through > 0;
    (void)pthread_mutex_unlock(lock_of(inode));
    return through;
}

bool backing_is_written(struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    bool written = array->use && array->use->through > 0 && array->use->fd >= 0;
    (void)pthread_mutex_unlock(lock_of(inode));
    return written;
}

void backing_touch(struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    if (array->use)
        array->use->touched = true;
    (void)pthread_mutex_unlock(lock_of(inode));
}

bool backing_pass_on(struct inode *inode)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    bool through = array->use && array->use->through > 0;
    if (through)
        array->use->touched = true;
    (void)pthread_mutex_unlock(lock_of(inode));
    return through;
}

/* The descriptor of who has it open for writing. */
static int copy_kept(struct inode *inode, int *fd)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    int copy = -1;
    if (array->use && array->use->fd >= 0)
        copy = fcntl(array->use->fd, F_DUPFD_CLOEXEC, 0);
    int result = copy >= 0 ? 0 : array->use && array->use->fd >= 0 ? -errno : -ESTALE;
    (void)pthread_mutex_unlock(lock_of(inode));
    if (result == 0)
        *fd = copy;
    return result;
}

int backing_segment(struct daemon *daemon, struct inode *inode, bool writing, int *fd)
{
    const struct inode_array *array = inode_array(inode);
    int result = cshm_segment_open(daemon->store, array->segment, array->owner,
                                   writing ? O_RDWR : O_RDONLY, array->number, fd);
    return result == -ESTALE ? copy_kept(inode, fd) : result;
}

bool backing_last_seen(struct inode *inode, struct stat *out)
{
    struct inode_array *array = inode_array(inode);
    struct stat now;
    (void)pthread_mutex_lock(lock_of(inode));
    const struct inode_use *use = array->use;
    if (use)
        *out = use->last;
    if (use && use->fd >= 0 && fstat(use->fd, &now) == 0) {
        out->st_size = now.st_size;
        out->st_blocks = now.st_blocks;
        out->st_mode = (out->st_mode & S_IFMT) | (now.st_mode & 0777);
        out->st_atim = now.st_atim;
        out->st_mtim = now.st_mtim;
        out->st_ctim = now.st_ctim;
    }
    (void)pthread_mutex_unlock(lock_of(inode));
    return use != NULL;
}
