/* SPDX-License-Identifier: MIT */
#include "sizing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backing.h"
#include "base/scope.h"
#include "claim.h"
#include "leaves.h"
#include "model/fit.h"
#include "reserve.h"
#include "store/segment.h"
#include "view.h"

enum { CLAIM_MILLISECONDS = 100 };

struct sizing {
    struct inode *inode;
    fuse_req_t request;
    bool last;                   /* of sizing_follow() */
    uint64_t size;               /* that is asked for */
    bool grow_only;              /* by fallocate(2), which has reserved its part */
    struct fuse_file_info *file; /* of sizing_open() */
    int fd;                      /* of the segment, O_RDWR */
    bool alone;                  /* has claimed it: no other daemon has a writer there */
    bool is_gone;                /* no array of the project has the segment */
    /* What the arrays have followed, for those in other projects. */
    bool followed;
    uint64_t length;
    bool held;
};

/* --- The byte of an empty array -----------------------------------------------------------------
 */

/* A length that comes or goes without anybody having written: the times are those of before. */
static int set_length_quietly(int fd, const struct stat *before, off_t length)
{
    struct timespec times[2] = {before->st_atim, before->st_mtim};
    int result = length > before->st_size ? cshm_segment_reserve(fd, 0, (uint64_t)length) : 0;
    if (length < before->st_size && ftruncate(fd, length) < 0)
        result = -errno;
    if (result == 0)
        (void)futimens(fd, times);
    return result;
}

/* --- Running ------------------------------------------------------------------------------------
 */

/*
 * Runs `function` on the directory that the array is in. One that is moved in between is looked for
 * again where it is then.
 */
static int run(struct daemon *daemon, struct sizing *sizing, change_function *function)
{
    for (int attempt = 0;; attempt++) {
        struct inode *parent = inode_hold_parent(&daemon->inodes, sizing->inode);
        sizing->is_gone = false;
        int result = change_run(daemon, sizing->request, parent, function, sizing);
        struct inode *now = inode_hold_parent(&daemon->inodes, sizing->inode);
        bool moved = now != parent;
        inode_drop(&daemon->inodes, parent, 1);
        inode_drop(&daemon->inodes, now, 1);
        if (result == -ENOENT) /* the directory is gone, with all that was in it */
            sizing->is_gone = true;
        else if (!sizing->is_gone)
            return result;
        if (!moved || attempt >= CHANGE_ATTEMPTS)
            return 0;
    }
}

/* The first array of the segment, and the segment's attributes; notes where there is none. */
static struct cshm_node *look(const struct change *change, struct sizing *sizing, struct stat *st,
                              int *result)
{
    struct cshm_node *node = leaves_first(change->picture, sizing->inode);
    *result = 0;
    if (!node)
        sizing->is_gone = true;
    else if (fstat(sizing->fd, st) < 0)
        *result = -errno;
    return *result == 0 ? node : NULL;
}

/* Whether somebody is through to the segment, of whatever daemon. */
static bool is_held(const struct sizing *sizing)
{
    return !sizing->alone || backing_is_through(sizing->inode);
}

static int follow(struct change *change, struct sizing *sizing, uint64_t length, bool held)
{
    sizing->followed = true;
    sizing->length = length;
    sizing->held = held;
    return leaves_follow(change, sizing->inode, length, held);
}

/* Links in other projects. 0 or -ETIMEDOUT. */
static int follow_everywhere(struct daemon *daemon, const struct sizing *sizing, uint64_t length,
                             bool held)
{
    struct stat st;
    return fstat(sizing->fd, &st) < 0
               ? 0
               : leaves_follow_everywhere(daemon, inode_array(sizing->inode)->segment, st.st_uid,
                                          length, held);
}

/* The same after a failure, when they may have been told of what did not come. */
static void follow_as_it_is(struct daemon *daemon, const struct sizing *sizing)
{
    struct stat st;
    /* A single byte may be that of an empty array. */
    if (fstat(sizing->fd, &st) == 0 && st.st_size > 1)
        (void)follow_everywhere(daemon, sizing, (uint64_t)st.st_size, is_held(sizing));
}

/* The array's own sidecar: who has waited for this may look at it next. */
static void tell_sidecar(struct daemon *daemon, struct inode *inode)
{
    struct inode_table *table = &daemon->inodes;
    char key[CSHM_FSNAME_MAX + 1];
    struct inode *parent = inode_hold_parent(table, inode);
    (void)pthread_mutex_lock(&table->lock);
    struct cshm_text name = inode_name(inode);
    size_t length = name.length < sizeof key && inode->parent == parent ? name.length : 0;
    memcpy(key, name.bytes, length);
    (void)pthread_mutex_unlock(&table->lock);
    struct inode *sidecar =
        inode_find(table, INODE_SIDECAR, parent, (struct cshm_text){key, length});
    if (sidecar) {
        herald_now(&daemon->herald, sidecar);
        inode_drop(table, sidecar, 1);
    }
    inode_drop(table, parent, 1);
}

/* --- Following ----------------------------------------------------------------------------------
 */

/* The last one through to an empty array has gone: the manifest first, for then it is shown so. */
static int give_filler_back(struct change *change, struct sizing *sizing, const struct stat *st)
{
    int result = follow(change, sizing, 0, false);
    const struct cshm_node *node = leaves_first(change->picture, sizing->inode);
    if (result == 0 && node) /* (never shortens it) */
        result = set_length_quietly(sizing->fd, st, (off_t)cshm_fit_segment(node->described, 0));
    return result;
}

/*
 * A dead daemon's claim goes with the last reference to its file, and the kernel lets go of those
 * of a dead mount a moment later. Who is about to write has a claim, too, and says so in the
 * manifest next.
 */
static bool claim_in_the_end(int fd)
{
    for (int i = 0; i < CLAIM_MILLISECONDS; i++) {
        if (claim_alone(fd))
            return true;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    return false;
}

static void mend(struct daemon *daemon, uid_t owner, const char *segment)
{
    struct stat st;
    CSHM_AUTO_FD int fd = -1;
    if (cshm_segment_inspect(daemon->store, segment, owner, 0, &st, NULL) != CSHM_SEGMENT_FINE ||
        st.st_size != 0 ||
        cshm_segment_open(daemon->store, segment, owner, O_RDWR, st.st_ino, &fd) < 0)
        return;
    if (claim_in_the_end(fd) && fstat(fd, &st) == 0 && st.st_size == 0)
        (void)set_length_quietly(fd, &st, 1);
}

void sizing_mend(struct daemon *daemon, const struct cshm_project *project)
{
    const struct cshm_node *root = &project->tree->root;
    for (const struct cshm_node *node = root; node; node = cshm_node_walk(node, root))
        if (cshm_node_segment(node) && cshm_node_is_empty_array(node) &&
            !node->described->empty_rest)
            mend(daemon, project->uid, node->described->segment);
}

static int follow_locked(struct change *change, void *context)
{
    struct sizing *sizing = context;
    struct stat st;
    int result;
    const struct cshm_node *node = look(change, sizing, &st, &result);
    if (!node)
        return result;
    bool held = is_held(sizing);
    if (sizing->last)
        (void)backing_pass_on(sizing->inode);
    if (leaves_have_filler(node, &st))
        return 0;
    if (sizing->last && !held && st.st_size == 0)
        return give_filler_back(change, sizing, &st);
    return follow(change, sizing, (uint64_t)st.st_size, held);
}

/* Whether there is nothing to do, without keeping anybody from reading. */
static bool needs_nothing(struct daemon *daemon, struct inode *inode, bool last)
{
    struct sight sight;
    if (sight_begin(daemon, inode, &sight) < 0)
        return false;
    const struct stat *st = &sight.looks.segment;
    bool through = last ? backing_pass_on(inode) : backing_is_through(inode);
    bool settled = leaves_are_settled(leaves_first(sight.picture, inode), st, through) &&
                   !(last && !through && st->st_size == 0) && !sight.node->described->linked;
    sight_end(&sight);
    return settled;
}

int sizing_follow(struct daemon *daemon, fuse_req_t request, struct inode *inode, bool last)
{
    CSHM_AUTO_FD int fd = -1;
    if (needs_nothing(daemon, inode, last))
        return 0;
    int result = backing_segment(daemon, inode, true, &fd);
    if (result < 0)
        return result == -ESTALE ? 0 : result;
    struct sizing sizing = {
        .inode = inode, .request = request, .last = last, .fd = fd, .alone = claim_alone(fd)};
    result = run(daemon, &sizing, follow_locked);
    if (sizing.followed)
        (void)follow_everywhere(daemon, &sizing, sizing.length, sizing.held);
    tell_sidecar(daemon, inode);
    return result;
}

/* --- Resizing -----------------------------------------------------------------------------------
 */

static int set_length(int fd, uint64_t length)
{
    return ftruncate(fd, (off_t)length) < 0 ? -errno : 0;
}

static int shrink_locked(struct change *change, struct sizing *sizing)
{
    bool held = is_held(sizing);
    int result = follow(change, sizing, sizing->size, held);
    const struct cshm_node *node = leaves_first(change->picture, sizing->inode);
    if (result < 0)
        return result;
    backing_touch(sizing->inode);
    return set_length(sizing->fd, held || !node ? sizing->size
                                                : cshm_fit_segment(node->described, sizing->size));
}

/* The memory is reserved already. */
static int grow_locked(struct change *change, struct sizing *sizing, const struct stat *before,
                       bool filled)
{
    int result = filled ? set_length(sizing->fd, 0) : 0; /* that byte may be anything */
    if (result == 0)
        result = cshm_segment_reserve(sizing->fd, filled ? 0 : sizing->size - 1,
                                      filled ? sizing->size : 1);
    if (result == 0)
        result = follow(change, sizing, sizing->size, is_held(sizing));
    if (result < 0)
        (void)set_length(sizing->fd, (uint64_t)before->st_size);
    return result;
}

static int resize_locked(struct change *change, void *context)
{
    struct sizing *sizing = context;
    struct stat st;
    int result;
    const struct cshm_node *node = look(change, sizing, &st, &result);
    if (!node)
        return result;
    uint64_t length = entries_size(node, &st);
    if (sizing->size > length)
        return grow_locked(change, sizing, &st, leaves_have_filler(node, &st));
    if (sizing->size < length && !sizing->grow_only)
        return shrink_locked(change, sizing);
    return follow(change, sizing, length, is_held(sizing) && !leaves_have_filler(node, &st));
}

/* Of a file without a name there is nothing to be written down. */
static int resize_gone(int fd, uint64_t size, bool grow_only)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    uint64_t length = (uint64_t)st.st_size;
    if (size > length)
        return cshm_segment_reserve(fd, length, size - length);
    return grow_only ? 0 : set_length(fd, size);
}

/* Whether memory has to be reserved: what is sized without being written. */
static bool is_growth(const struct sizing *sizing, const struct stat *st)
{
    return sizing->size > (uint64_t)st->st_size && !sizing->grow_only;
}

/* What was reserved behind the end is given back. */
static void cut_reserve(int fd, const struct stat *before)
{
    struct timespec times[2] = {before->st_atim, before->st_mtim};
    struct stat now;
    if (fstat(fd, &now) == 0 && set_length(fd, (uint64_t)now.st_size) == 0)
        (void)futimens(fd, times);
}

/* Memory is reserved before it is shown and before anything is locked: it may take a while. */
static int resize(struct daemon *daemon, struct sizing *sizing)
{
    struct stat before;
    if (fstat(sizing->fd, &before) < 0)
        return -errno;
    bool grows = is_growth(sizing, &before);
    uint64_t length = (uint64_t)before.st_size;
    int result = grows ? reserve_part(daemon->store, sizing->fd, length, sizing->size - length) : 0;
    if (result < 0)
        return result;
    sizing->alone = claim_alone(sizing->fd);
    if (sizing->size < length && !sizing->grow_only) /* as here: before it is shorter */
        result = follow_everywhere(daemon, sizing, sizing->size, is_held(sizing));
    if (result == 0)
        result = run(daemon, sizing, resize_locked);
    if (result == 0 && sizing->is_gone)
        result = resize_gone(sizing->fd, sizing->size, sizing->grow_only);
    if (result < 0 && grows)
        cut_reserve(sizing->fd, &before);
    if (result == 0 && !sizing->is_gone && sizing->followed)
        (void)follow_everywhere(daemon, sizing, sizing->length, sizing->held);
    else if (result < 0 && result != -ETIMEDOUT)
        follow_as_it_is(daemon, sizing);
    tell_sidecar(daemon, sizing->inode);
    return result;
}

int sizing_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size)
{
    CSHM_AUTO_FD int fd = -1;
    if (size > INT64_MAX)
        return -EFBIG;
    int result = backing_segment(daemon, inode, true, &fd);
    struct sizing sizing = {.inode = inode, .request = request, .size = size, .fd = fd};
    return result < 0 ? result : resize(daemon, &sizing);
}

int sizing_allocate(struct daemon *daemon, fuse_req_t request, struct inode *inode, int mode,
                    uint64_t offset, uint64_t length)
{
    CSHM_AUTO_FD int fd = -1;
    if (length == 0 || offset > INT64_MAX || length > INT64_MAX - offset)
        return length == 0 ? -EINVAL : -EFBIG;
    int result = backing_segment(daemon, inode, true, &fd);
    if (result < 0)
        return result;
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE)
        return fallocate(fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
    result = reserve_part(daemon->store, fd, offset, length);
    if (result < 0 || mode == FALLOC_FL_KEEP_SIZE)
        return result;
    struct sizing sizing = {
        .inode = inode, .request = request, .size = offset + length, .grow_only = true, .fd = fd};
    return resize(daemon, &sizing);
}

/* --- Opening ------------------------------------------------------------------------------------
 */

static int empty_locked(struct change *change, struct sizing *sizing, const struct cshm_node *node,
                        const struct stat *st)
{
    if (entries_size(node, st) > 0 || sizing->file->flags & O_TRUNC) {
        int result = follow(change, sizing, 0, true);
        return result < 0 ? result : set_length(sizing->fd, 0);
    }
    int result = set_length_quietly(sizing->fd, st, 0);
    if (result == 0)
        result = follow(change, sizing, 0, true);
    if (result < 0)
        (void)set_length_quietly(sizing->fd, st, st->st_size);
    return result;
}

static int open_now(struct change *change, struct sizing *sizing, struct cshm_node *node)
{
    struct sight sight = {.picture = change->picture,
                          .node = node,
                          .table = &change->daemon->inodes,
                          .directory = change->directory};
    entries_of(change->picture, node, &sight.looks);
    if (!sight.looks.data)
        return -ESTALE;
    sizing->file->flags &= ~O_TRUNC; /* that is done */
    if (sizing->alone && claim_share(sizing->fd))
        sizing->alone = false;
    int result =
        view_raw_open(change->daemon, sizing->request, sizing->inode, &sight, sizing->file);
    if (result == 0)
        backing_touch(sizing->inode);
    return result;
}

static int open_locked(struct change *change, void *context)
{
    struct sizing *sizing = context;
    struct stat st;
    int result;
    struct cshm_node *node = look(change, sizing, &st, &result);
    if (!node)
        return result;
    if (sizing->file->flags & O_TRUNC || entries_size(node, &st) == 0)
        result = empty_locked(change, sizing, node, &st);
    if (result < 0)
        return result;
    /* Found again: the commit may have read the project anew. */
    node = leaves_first(change->picture, sizing->inode);
    result = node ? open_now(change, sizing, node) : -ESTALE;
    /* It failed, or was emptied by who only reads. */
    if (!backing_is_through(sizing->inode) && claim_alone(sizing->fd) &&
        fstat(sizing->fd, &st) == 0 && st.st_size == 0)
        (void)give_filler_back(change, sizing, &st);
    return result;
}

/*
 * Alone, or with others who are through already. Else the byte is coming back this moment, which
 * does not take long (and by whom it does not wait for us).
 */
static bool claim_to_open(int fd)
{
    for (int i = 0; i < CLAIM_MILLISECONDS; i++) {
        if (claim_alone(fd))
            return true;
        if (claim_share(fd))
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    return false;
}

int sizing_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                struct fuse_file_info *file)
{
    CSHM_AUTO_FD int fd = -1;
    const struct inode_array *array = inode_array(inode);
    int result =
        cshm_segment_open(daemon->store, array->segment, array->owner, O_RDWR, array->number, &fd);
    if (result < 0)
        return result;
    struct sizing sizing = {
        .inode = inode, .request = request, .file = file, .fd = fd, .alone = claim_to_open(fd)};
    if (file->flags & O_TRUNC) /* as here: before it is shorter */
        result = follow_everywhere(daemon, &sizing, 0, true);
    if (result == 0)
        result = run(daemon, &sizing, open_locked);
    if (result < 0 ? result != -ETIMEDOUT : sizing.is_gone) /* else that would wait as long again */
        follow_as_it_is(daemon, &sizing);
    else if (result == 0 && sizing.followed)
        (void)follow_everywhere(daemon, &sizing, sizing.length, sizing.held);
    tell_sidecar(daemon, inode);
    return result == 0 && sizing.is_gone ? -ESTALE : result;
}
