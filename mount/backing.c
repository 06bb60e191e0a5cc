/* SPDX-License-Identifier: MIT */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "claim.h"
#include "log.h"
#include "store/segment.h"

/*
 * A lock for some of the inodes: registering is a few microseconds and must not be done twice.
 * Taken under a picture's lock; nothing is taken inside.
 */
enum { LOCKS = 64, KEPT_MOST = 4096 };
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
    if (use && use->through == 0 && use->claimed) {
        claim_drop(use->fd);
        use->claimed = false;
    }
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

/* What cannot be kept is no matter until the name goes, or another daemon writes there, too. */
static void keep_descriptor(struct daemon *daemon, struct inode_array *array)
{
    struct inode_use *use = array->use;
    if (use->fd >= 0 || atomic_load(&kept) >= KEPT_MOST)
        return;
    if (cshm_segment_open(daemon->store, array->segment, array->owner, O_RDWR, array->number,
                          &use->fd) == 0)
        atomic_fetch_add(&kept, 1);
}

/* Before anybody writes: from now on nobody gives the array its byte. */
static int claim(struct daemon *daemon, struct inode_array *array, const struct backing_wish *wish)
{
    struct inode_use *use = array->use;
    struct stat st;
    keep_descriptor(daemon, array);
    if (use->fd < 0 || use->claimed)
        return 0;
    use->claimed = claim_share(use->fd);
    if (wish->changing)
        return 0;
    if (!use->claimed)
        return -EAGAIN;
    if (fstat(use->fd, &st) < 0)
        return -errno;
    return (uint64_t)st.st_size == wish->length ? 0 : -EAGAIN;
}

static int open_registered(struct daemon *daemon, fuse_req_t request, struct inode_array *array,
                           const struct backing_wish *wish, struct fuse_file_info *file)
{
    struct inode_use *use = array->use;
    int result = wish->writing ? claim(daemon, array, wish) : 0;
    if (result == 0)
        result = register_once(daemon, request, array);
    if (result < 0)
        return result;
    bool beside = wish->empty && !wish->writing && use->through == 0;
    if (!beside)
        use->through++;
    if (wish->writing)
        use->touched = true;
    libfuse_backing_use(file, use->backing_id);
    file->direct_io = beside;
    use->opens++;
    use->last = *wish->st;
    return !beside;
}

int backing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct backing_wish *wish, struct fuse_file_info *file)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    int result = begin_use(array) ? open_registered(daemon, request, array, wish, file) : -ENOMEM;
    end_unused(array);
    (void)pthread_mutex_unlock(lock_of(inode));
    return result;
}

bool backing_release(fuse_req_t request, struct inode *inode, bool through)
{
    struct inode_array *array = inode_array(inode);
    (void)pthread_mutex_lock(lock_of(inode));
    struct inode_use *use = array->use;
    bool last = through && --use->through == 0;
    bool touched = last && use->touched;
    if (last)
        use->touched = false;
    if (--use->opens == 0)
        libfuse_backing_close(request, use->backing_id);
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
