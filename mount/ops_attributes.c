/* SPDX-License-Identifier: MIT */
/* Callbacks: setattr, which is chmod, chown, utimens and truncate. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "backing.h"
#include "base/scope.h"
#include "change.h"
#include "ops.h"
#include "sight.h"
#include "view.h"

enum {
    WHICH_OWNER = FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID,
    WHICH_TIMES = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME,
};

static bool changes_owner(const struct stat *now, const struct stat *wanted, int which)
{
    return ((which & FUSE_SET_ATTR_UID) && wanted->st_uid != now->st_uid) ||
           ((which & FUSE_SET_ATTR_GID) && wanted->st_gid != now->st_gid);
}

static struct timespec time_for(int which, int set, int set_now, struct timespec wanted)
{
    if (which & set_now)
        wanted.tv_nsec = UTIME_NOW;
    else if (!(which & set))
        wanted.tv_nsec = UTIME_OMIT;
    return wanted;
}

static int set_times(int fd, const struct stat *wanted, int which)
{
    if (!(which & WHICH_TIMES))
        return 0;
    struct timespec times[2] = {
        time_for(which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, wanted->st_atim),
        time_for(which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, wanted->st_mtim),
    };
    return futimens(fd, times) < 0 ? -errno : 0;
}

/*
 * A project has one owner, and its directory takes all along; in root's everybody has his own
 * arrays, and may give them to a group of his (the kernel has looked whether it is one).
 */
static bool may_give(const struct inode_array *array, uid_t caller, const struct stat *now,
                     const struct stat *wanted, int which)
{
    bool keeps_user = !(which & FUSE_SET_ATTR_UID) || wanted->st_uid == now->st_uid;
    return array->owner == 0 && (caller == 0 || (caller == now->st_uid && keeps_user));
}

/*
 * Of an array: the segment's. The kernel has checked who asks against what we last told it; the
 * owner is checked again here on the opened segment itself, for the daemon may be root.
 */
static int set_array(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                     const struct stat *wanted, int which)
{
    const struct inode_array *array = inode_array(inode);
    uid_t caller = fuse_req_ctx(request)->uid;
    CSHM_AUTO_FD int fd = -1;
    int result = backing_segment(daemon, inode, false, &fd);
    struct stat now;
    if (result == 0 && fstat(fd, &now) < 0)
        result = -errno;
    if (result < 0)
        return result;
    bool is_owner = caller == 0 || caller == now.st_uid;
    bool touches = (which & (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)) != 0;
    if ((which & FUSE_SET_ATTR_MODE || (which & WHICH_TIMES && !touches)) && !is_owner)
        return -EPERM;
    bool gives = changes_owner(&now, wanted, which);
    if (gives && !may_give(array, caller, &now, wanted, which))
        return -EPERM;
    if (gives && fchown(fd, which & FUSE_SET_ATTR_UID ? wanted->st_uid : (uid_t)-1,
                        which & FUSE_SET_ATTR_GID ? wanted->st_gid : (gid_t)-1) < 0)
        return -errno;
    bool is_link = atomic_load(&daemon->access.mode) == ACCESS_SYMLINK; /* links have no mode */
    if (which & FUSE_SET_ATTR_MODE && !is_link && fchmod(fd, wanted->st_mode & 0777) < 0)
        return -errno;
    return set_times(fd, wanted, which);
}

/* What is left to change; the directory has `x` wherever there is `r`. */
static struct cshm_gift gift_of(const struct cshm_project *project, const struct stat *wanted,
                                int which)
{
    struct cshm_gift gift = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (which & FUSE_SET_ATTR_UID && wanted->st_uid != project->uid)
        gift.uid = wanted->st_uid;
    if (which & FUSE_SET_ATTR_GID && wanted->st_gid != project->gid)
        gift.gid = wanted->st_gid;
    gift.mode = wanted->st_mode & 0666;
    gift.has_mode = which & FUSE_SET_ATTR_MODE && gift.mode != (project->mode & 0777);
    return gift;
}

struct giving {
    const struct stat *wanted;
    int which;
};

static int give_project(struct change *change, void *context)
{
    const struct giving *giving = context;
    const struct cshm_project *project = &change->picture->project;
    struct cshm_gift gift = gift_of(project, giving->wanted, giving->which);
    uid_t caller = change->who->uid;
    bool gives = gift.uid != (uid_t)-1 || gift.gid != (gid_t)-1;
    if (!gives && !gift.has_mode)
        return 0;
    if (caller != 0 && (caller != project->uid || gift.uid != (uid_t)-1))
        return -EPERM;
    struct cshm_error error = {0};
    return change_told(change->picture, picture_give(change->picture, &gift, &error), &error);
}

/* Of a project's directory: its manifest's, and its owner all its segments'. Times are nobody's. */
static int set_project(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                       const struct stat *wanted, int which)
{
    struct giving giving = {wanted, which};
    return which & (FUSE_SET_ATTR_MODE | WHICH_OWNER)
               ? change_run(daemon, request, inode, give_project, &giving)
               : 0;
}

static bool is_project(struct daemon *daemon, const struct inode *inode)
{
    if (inode->kind != INODE_DIRECTORY)
        return false;
    struct inode *parent = inode_hold_parent(&daemon->inodes, inode);
    bool at_top = parent->kind == INODE_ROOT;
    inode_drop(&daemon->inodes, parent, 1);
    return at_top;
}

static int set_size(struct daemon *daemon, fuse_req_t request, struct inode *inode, off_t size,
                    const struct fuse_file_info *file)
{
    if (inode->kind == INODE_ROOT || inode->kind == INODE_DIRECTORY)
        return -EISDIR;
    const struct view *view = view_of(inode);
    return view->resize ? view->resize(daemon, request, inode, (uint64_t)size, file) : -EINVAL;
}

static int set_attributes(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                          const struct stat *wanted, int which, const struct fuse_file_info *file)
{
    struct stat now;
    double belief;
    int result = ops_attributes(daemon, request, inode, &now, &belief);
    if (result < 0)
        return result;
    if (which & FUSE_SET_ATTR_SIZE)
        result = set_size(daemon, request, inode, wanted->st_size, file);
    if (result < 0)
        return result;
    if (inode->kind == INODE_ROOT)
        return which & (FUSE_SET_ATTR_MODE | WHICH_OWNER) ? -EPERM : 0;
    if (inode->kind == INODE_ARRAY)
        return set_array(daemon, request, inode, wanted, which);
    if (is_project(daemon, inode))
        return set_project(daemon, request, inode, wanted, which);
    return 0; /* groups and sidecars: success without effect, tar and cp do it */
}

void ops_setattr(fuse_req_t request, fuse_ino_t id, struct stat *attributes, int which,
                 struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    struct stat st;
    double belief;
    int result = set_attributes(daemon, request, inode, attributes, which, file);
    if (result == 0)
        result = ops_attributes(daemon, request, inode, &st, &belief);
    if (result < 0)
        ops_reply_result(request, result);
    else
        (void)fuse_reply_attr(request, &st, belief);
}
