/* SPDX-License-Identifier: MIT */
/* Callbacks: what changes a project. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/scope.h"
#include "log.h"
#include "ops.h"
#include "sight.h"
#include "store/segment.h"

/* Somebody else may publish another manifest while a change is on its way; then it begins again. */
enum { ATTEMPTS = 8 };

/* --- Removing -----------------------------------------------------------------------------------
 */

/* Why something failed is in the log; the kernel has room for a number only. */
static int told(const struct picture *picture, int result, const struct cshm_error *error)
{
    bool expected = result == -ENOENT || result == -ENOTEMPTY || result == -ESTALE;
    if (result < 0)
        log_line(expected ? LOG_DEBUG : LOG_ERR, "project %s: %s", picture->name,
                 error->text[0] ? error->text : strerror(-result));
    return result;
}

/*
 * Removes an array's data. Its sidecar goes along and leaves a ghost: `*ghost` is what that looks
 * like, and `*haunted` whether there was a sidecar at all.
 */
static int remove_data(const struct inode *directory, struct picture *picture,
                       const struct entry *entry, bool *haunted, struct stat *ghost)
{
    const struct stat *segment = &entry->looks.segment;
    struct entry sidecar = *entry;
    sidecar.kind = ENTRY_SIDECAR;
    *haunted = entry->looks.sidecar;
    *ghost = (struct stat){.st_ino = sight_number(directory, picture, &sidecar),
                           .st_mode = S_IFREG | (segment->st_mode & 0666),
                           .st_nlink = 1,
                           .st_uid = segment->st_uid,
                           .st_gid = segment->st_gid,
                           .st_mtim = picture->project.changed,
                           .st_ctim = picture->project.changed};
    struct cshm_error error = {0};
    return told(picture, picture_change(picture, CSHM_REMOVE_ARRAY, entry->node, &error), &error);
}

/* Removing a sidecar drops what it says; of what has no data it is all there is. */
static int remove_sidecar(struct picture *picture, const struct entry *entry)
{
    struct cshm_error error = {0};
    if (!entry->looks.data)
        return told(picture, picture_change(picture, CSHM_REMOVE_ARRAY, entry->node, &error),
                    &error);
    if (!entry->node->attributes)
        return 0;
    return told(picture, picture_change(picture, CSHM_REMOVE_ATTRIBUTES, entry->node, &error),
                &error);
}

/* What stays of a `.meta` (kind, where it came from, why it is broken) is not the user's to remove.
 */
static int remove_meta(struct picture *picture, const struct cshm_node *group)
{
    struct cshm_error error = {0};
    if (!group->attributes)
        return 0;
    return told(picture, picture_change(picture, CSHM_REMOVE_ATTRIBUTES, group, &error), &error);
}

static int unlink_found(const struct inode *directory, struct picture *picture,
                        const struct entry *entry, bool *haunted, struct stat *ghost)
{
    switch (entry->kind) {
    case ENTRY_DATA:
        return remove_data(directory, picture, entry, haunted, ghost);
    case ENTRY_SIDECAR:
        return remove_sidecar(picture, entry);
    case ENTRY_META:
        return remove_meta(picture, entry->node);
    case ENTRY_GROUP:
        return -EISDIR;
    default:
        return -ENOENT;
    }
}

/* The name of the array in front of ".meta"; empty where there is none. */
static struct cshm_text stem_of(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = strlen(ENTRIES_META);
    bool ends = length > suffix && strcmp(name + length - suffix, ENTRIES_META) == 0;
    return (struct cshm_text){name, ends ? length - suffix : 0};
}

static void leave_ghost(struct daemon *daemon, struct inode *directory, const char *name, pid_t pid,
                        const struct stat *attributes)
{
    char key[CSHM_FSNAME_MAX + 1];
    size_t length = 0;
    ghost_leave(&daemon->ghosts, directory, cshm_text(name), pid, attributes);
    if (strlen(name) > CSHM_FSNAME_MAX || cshm_fsname_decode(name, key, &length) < 0)
        length = 0; /* a long name, known by its hash: then without the inode */
    struct inode *sidecar =
        inode_find(&daemon->inodes, INODE_SIDECAR, directory, (struct cshm_text){key, length});
    if (sidecar || length == 0) /* the kernel may know it */
        herald_sidecar_gone(&daemon->herald, directory, name, sidecar);
    if (sidecar)
        inode_drop(&daemon->inodes, sidecar, 1);
}

static int try_unlink(struct inode *directory, const char *name, bool *haunted, struct stat *ghost)
{
    struct picture *picture = inode_directory(directory)->picture;
    int result = picture_write(picture);
    if (result < 0)
        return result;
    struct cshm_node *group = sight_directory_node(directory);
    struct entry entry = {0};
    *haunted = false;
    if (group)
        entry_find(picture, group, name, &entry);
    result = unlink_found(directory, picture, &entry, haunted, ghost);
    picture_write_end(picture);
    return result;
}

static int unlink_in(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                     const char *name)
{
    pid_t pid = fuse_req_ctx(request)->pid;
    bool haunted = false;
    struct stat ghost;
    int result;
    unsigned attempt = 0;
    do
        result = try_unlink(directory, name, &haunted, &ghost);
    while (result == -ESTALE && attempt++ < ATTEMPTS);
    struct cshm_text stem = stem_of(name);
    if (result == 0 && haunted)
        leave_ghost(daemon, directory, name, pid, &ghost);
    else if (result == -ENOENT && stem.length > 0 &&
             ghost_lay(&daemon->ghosts, directory, stem, pid))
        result = 0;
    return result;
}

void ops_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    /* At the top there are only directories, and the kernel knows. */
    int result =
        directory->kind == INODE_ROOT ? -EISDIR : unlink_in(daemon, request, directory, name);
    ops_reply_result(request, result);
}

static int try_remove_project(struct daemon *daemon, const char *name)
{
    struct picture *picture = picture_get(&daemon->pictures, name);
    if (!picture)
        return -ENOMEM;
    struct cshm_error error = {0};
    int result = picture_write(picture);
    if (result == 0) {
        result = told(picture, picture_remove_project(picture, &error), &error);
        if (result == 0)
            inode_retire(&daemon->inodes, &daemon->inodes.root, cshm_text(name));
        picture_write_end(picture);
    }
    picture_put(picture);
    return result;
}

/* With the picture locked for a change. */
static int remove_found_group(struct daemon *daemon, struct inode *directory,
                              struct picture *picture, const struct cshm_node *group)
{
    if (group->first)
        return -ENOTEMPTY;
    /* The change may read the project again, and the node is gone then. */
    CSHM_AUTO_FREE char *key = malloc(group->key.length + 1);
    size_t length = group->key.length;
    if (!key)
        return -ENOMEM;
    if (length > 0)
        memcpy(key, group->key.bytes, length);
    struct cshm_error error = {0};
    int result = picture_change(picture, CSHM_REMOVE_GROUP, group, &error);
    if (result == 0)
        inode_retire(&daemon->inodes, directory, (struct cshm_text){key, length});
    return told(picture, result, &error);
}

static int try_remove_group(struct daemon *daemon, struct inode *directory, const char *name)
{
    struct picture *picture = inode_directory(directory)->picture;
    int result = picture_write(picture);
    if (result < 0)
        return result;
    struct cshm_node *group = sight_directory_node(directory);
    struct entry entry = {0};
    if (group)
        entry_find(picture, group, name, &entry);
    if (entry.kind == ENTRY_GROUP)
        result = remove_found_group(daemon, directory, picture, entry.node);
    else
        result = entry.kind == ENTRY_NONE ? -ENOENT : -ENOTDIR;
    picture_write_end(picture);
    return result;
}

static int remove_directory(struct daemon *daemon, struct inode *directory, const char *name)
{
    bool at_top = directory->kind == INODE_ROOT;
    int result;
    unsigned attempt = 0;
    if (at_top && cshm_project_name_check(name) < 0)
        return -ENOENT;
    do
        result =
            at_top ? try_remove_project(daemon, name) : try_remove_group(daemon, directory, name);
    while (result == -ESTALE && attempt++ < ATTEMPTS);
    return result;
}

void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    ops_reply_result(request, remove_directory(daemon, directory, name));
}

/* --- Attributes ---------------------------------------------------------------------------------
 */

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
 * Of an array: the segment's. The kernel has checked who asks against what we last told it; the
 * owner is checked again here on the opened segment itself, for the daemon may be root.
 */
static int set_array(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                     const struct stat *wanted, int which)
{
    const struct inode_array *array = inode_array(inode);
    uid_t caller = fuse_req_ctx(request)->uid;
    CSHM_AUTO_FD int fd = -1;
    int result = cshm_segment_open(daemon->store, array->segment, array->owner, O_RDONLY,
                                   array->number, &fd);
    struct stat now;
    if (result == 0 && fstat(fd, &now) < 0)
        result = -errno;
    if (result < 0)
        return result;
    bool is_owner = caller == 0 || caller == now.st_uid;
    bool touches = (which & (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)) != 0;
    if ((which & FUSE_SET_ATTR_MODE || (which & WHICH_TIMES && !touches)) && !is_owner)
        return -EPERM;
    /* A project has one owner, root's projects aside: its directory takes all along. */
    bool gives = changes_owner(&now, wanted, which);
    if (gives && (array->owner != 0 || caller != 0))
        return -EPERM;
    if (gives && fchown(fd, which & FUSE_SET_ATTR_UID ? wanted->st_uid : (uid_t)-1,
                        which & FUSE_SET_ATTR_GID ? wanted->st_gid : (gid_t)-1) < 0)
        return -errno;
    bool is_link = atomic_load(&daemon->access.mode) == ACCESS_SYMLINK; /* links have no mode */
    if (which & FUSE_SET_ATTR_MODE && !is_link && fchmod(fd, wanted->st_mode & 0777) < 0)
        return -errno;
    return set_times(fd, wanted, which);
}

/* Of a project's directory: its manifest's, which needs a change of the store. Times are nobody's.
 */
static int set_project(const struct stat *now, const struct stat *wanted, int which)
{
    bool mode = which & FUSE_SET_ATTR_MODE && (wanted->st_mode & 0777) != (now->st_mode & 0777);
    return mode || changes_owner(now, wanted, which) ? -EOPNOTSUPP : 0;
}

static int set_attributes(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                          const struct stat *wanted, int which)
{
    struct stat now;
    double belief;
    int result = ops_attributes(daemon, request, inode, &now, &belief);
    if (result < 0)
        return result;
    if (which & FUSE_SET_ATTR_SIZE)
        return -EOPNOTSUPP;
    if (inode->kind == INODE_ROOT)
        return which & (FUSE_SET_ATTR_MODE | WHICH_OWNER) ? -EPERM : 0;
    if (inode->kind == INODE_ARRAY)
        return set_array(daemon, request, inode, wanted, which);
    if (inode->kind == INODE_DIRECTORY && inode->parent->kind == INODE_ROOT)
        return set_project(&now, wanted, which);
    return 0; /* groups and sidecars: success without effect, tar and cp do it */
}

void ops_setattr(fuse_req_t request, fuse_ino_t id, struct stat *attributes, int which,
                 struct fuse_file_info *file)
{
    (void)file;
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    struct stat st;
    double belief;
    int result = set_attributes(daemon, request, inode, attributes, which);
    if (result == 0)
        result = ops_attributes(daemon, request, inode, &st, &belief);
    if (result < 0)
        ops_reply_result(request, result);
    else
        (void)fuse_reply_attr(request, &st, belief);
}

/* --- What a tree of arrays does not have, or not yet --------------------------------------------
 */

/* Plain files at the top are refused for good; making arrays and groups is not built yet. */
static int refuse_new(fuse_ino_t parent, bool directory)
{
    return parent == FUSE_ROOT_ID && !directory ? -EPERM : -EOPNOTSUPP;
}

void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)name, (void)mode;
    ops_reply_result(request, refuse_new(parent, true));
}

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                struct fuse_file_info *file)
{
    (void)name, (void)mode, (void)file;
    ops_reply_result(request, refuse_new(parent, false));
}

void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)name, (void)device;
    ops_reply_result(request, S_ISREG(mode) ? refuse_new(parent, false) : -EPERM);
}

void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}

void ops_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
    (void)id, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                const char *new_name, unsigned flags)
{
    (void)parent, (void)name, (void)new_parent, (void)new_name, (void)flags;
    ops_reply_result(request, -EOPNOTSUPP);
}
