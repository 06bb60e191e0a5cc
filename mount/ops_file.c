/* SPDX-License-Identifier: MIT */
/* Callbacks: open files. Of arrays only opening and closing comes here; the kernel does the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "base/scope.h"
#include "ops.h"
#include "right.h"
#include "sidecar_place.h"
#include "view.h"

/*
 * What was replaced or removed meanwhile is ESTALE: the kernel then looks the name up again and
 * opens (or creates) what it finds. It does so once, and a second ESTALE would get to the program.
 * So it is remembered for a moment which thread was told so of which name; the second time it is
 * gone.
 */
enum { TOLD_SLOTS = 256, TOLD_NANOSECONDS = 100 * 1000 * 1000 };

struct told {
    pid_t pid; /* 0: nothing told */
    uint64_t name;
    struct timespec when;
};

static struct told told_stale[TOLD_SLOTS];
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER; /* taken alone */

static bool is_fresh(const struct timespec *when, const struct timespec *now)
{
    return (now->tv_sec - when->tv_sec) * INT64_C(1000000000) + now->tv_nsec - when->tv_nsec <
           TOLD_NANOSECONDS;
}

/* Notes that `pid` is told that `name` is stale (0: that it could open). Whether it was told
 * before. */
static bool tell_stale(pid_t pid, uint64_t name)
{
    struct told *slot = &told_stale[(unsigned)pid % TOLD_SLOTS];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)pthread_mutex_lock(&told_lock);
    bool before = slot->pid == pid && slot->name == name && is_fresh(&slot->when, &now);
    *slot = (struct told){.pid = name && !before ? pid : 0, .name = name, .when = now};
    (void)pthread_mutex_unlock(&told_lock);
    return before;
}

void ops_could_open(fuse_req_t request)
{
    (void)tell_stale(fuse_req_ctx(request)->pid, 0);
}

static int gone(struct daemon *daemon, fuse_req_t request, struct inode *inode)
{
    pid_t pid = fuse_req_ctx(request)->pid;
    struct inode *parent = inode_hold_parent(&daemon->inodes, inode);
    (void)pthread_mutex_lock(&daemon->inodes.lock); /* an array's key may change, a sidecar's not */
    struct cshm_text key = inode_name(inode);
    uint64_t name = inode_number_hashed(inode_number(parent), inode->kind, key);
    (void)pthread_mutex_unlock(&daemon->inodes.lock);
    if (inode->kind == INODE_SIDECAR) /* opening a ghost to write ends it */
        (void)ghost_lay(&daemon->ghosts, parent, key, pid);
    inode_drop(&daemon->inodes, parent, 1);
    return tell_stale(pid, name) ? -ENOENT : -ESTALE;
}

/* Before anybody can ask whether the array was written. */
static void note_writer(struct daemon *daemon, struct inode *inode,
                        const struct fuse_file_info *file)
{
    bool writes = (file->flags & O_ACCMODE) != O_RDONLY || (file->flags & O_TRUNC);
    if (writes && inode->kind == INODE_ARRAY)
        pristine_end(&daemon->pristine, inode_array(inode)->segment);
}

/*
 * The inode of an array is that of one file. Texts and views go by their names: what the kernel has
 * been told may have been of another user's.
 */
static int check_asker(fuse_req_t request, const struct inode *inode, const struct sight *sight,
                       const struct fuse_file_info *file)
{
    if (inode->kind == INODE_ARRAY)
        return 0;
    const struct right now = right_to(sight->picture, sight->node);
    bool reads = (file->flags & O_ACCMODE) != O_WRONLY;
    bool writes = (file->flags & O_ACCMODE) != O_RDONLY || file->flags & O_TRUNC;
    bool may =
        (!reads || right_allows(request, &now, 04)) && (!writes || right_allows(request, &now, 02));
    return may ? 0 : -EACCES;
}

static int open_seen(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                     struct fuse_file_info *file)
{
    const struct view *view = view_of(inode);
    struct sight sight;
    int result = sight_begin(daemon, inode, &sight);
    if (result < 0)
        return result;
    result = check_asker(request, inode, &sight, file);
    if (result == 0)
        result = view->open(daemon, request, inode, &sight, file);
    note_writer(daemon, inode, file);
    sight_end(&sight);
    return result > 0 ? view->open_changing(daemon, request, inode, file) : result;
}

int ops_open_inode(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                   struct fuse_file_info *file)
{
    bool changes = (file->flags & O_ACCMODE) != O_RDONLY || file->flags & O_TRUNC;
    if (changes && daemon->read_only)
        return -EROFS;
    if (inode->kind == INODE_NPY && file->flags & O_TRUNC)
        return npy_open_to_write(daemon, request, inode, file);
    int result = open_seen(daemon, request, inode, file);
    if (result == -ENOENT && (inode->kind == INODE_SIDECAR || inode->kind == INODE_META))
        result = view_sidecar_open_draft(daemon, request, inode, file);
    if (result == -ENOENT && inode->kind == INODE_SIDECAR)
        result = view_sidecar_open_ghost(daemon, request, inode, file);
    return result;
}

void ops_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    int result = ops_open_inode(daemon, request, inode, file);
    if (result == -ENOENT || result == -ESTALE)
        result = gone(daemon, request, inode);
    else
        ops_could_open(request);
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_open(request, file) < 0) /* nobody has it open: no RELEASE will come */
        view_of(inode)->release(daemon, request, inode, file);
}

void ops_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
              struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    view_of(inode_from_id(&daemon->inodes, id))->read(daemon, request, size, offset, file);
}

void ops_write(fuse_req_t request, fuse_ino_t id, const char *bytes, size_t size, off_t offset,
               struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    const struct view *view = view_of(inode);
    if (view->write)
        view->write(daemon, request, inode, bytes, size, offset, file);
    else
        ops_reply_result(request, -EBADF);
}

/* Only opens for writing get here: those for reading are opened without flush. */
void ops_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    const struct view *view = view_of(inode);
    ops_reply_result(request, view->flush ? view->flush(daemon, request, inode, file) : 0);
}

void ops_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    view_of(inode)->release(daemon, request, inode, file);
    ops_reply_result(request, 0);
}

/* Shared memory has nothing behind it, but a writer's size and text are looked at. */
void ops_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *file)
{
    (void)datasync;
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    const struct view *view = view_of(inode);
    ops_reply_result(request, view->sync ? view->sync(daemon, request, inode, file) : 0);
}

void ops_fallocate(fuse_req_t request, fuse_ino_t id, int mode, off_t offset, off_t length,
                   struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    const struct view *view = view_of(inode);
    int result = offset < 0 || length <= 0 ? -EINVAL : -EOPNOTSUPP;
    if (result == -EOPNOTSUPP && view->allocate)
        result =
            view->allocate(daemon, request, inode, mode, (uint64_t)offset, (uint64_t)length, file);
    ops_reply_result(request, result);
}

/*
 * SEEK_HOLE and SEEK_DATA; the kernel answers the others itself. The one byte of an empty array's
 * segment never counts: who could ask of it was let in beside the segment.
 */
void ops_lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence,
               struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    CSHM_AUTO_FD int fd = -1;
    int result = inode->kind == INODE_ARRAY ? backing_segment(daemon, inode, false, &fd) : -EINVAL;
    if (result == 0 && view_raw_is_empty(daemon, inode, file))
        result = -ENXIO;
    off_t found = result < 0 ? -1 : lseek(fd, offset, whence);
    if (found < 0)
        ops_reply_result(request, result < 0 ? result : -errno);
    else
        (void)fuse_reply_lseek(request, found);
}
