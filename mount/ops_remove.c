/* SPDX-License-Identifier: MIT */
/* Callbacks: unlink and rmdir. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/scope.h"
#include "change.h"
#include "ops.h"
#include "sidecar_remove.h"
#include "sight.h"
#include "view.h"

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
    return change_told(picture, picture_change(picture, CSHM_REMOVE_ARRAY, entry->node, &error),
                       &error);
}

static int unlink_found(struct daemon *daemon, struct inode *directory, struct picture *picture,
                        const struct entry *entry, bool *haunted, struct stat *ghost)
{
    struct change change = {.daemon = daemon,
                            .directory = directory,
                            .picture = picture,
                            .group = sight_directory_node(directory)};
    switch (entry->kind) {
    case ENTRY_DATA:
        return remove_data(directory, picture, entry, haunted, ghost);
    case ENTRY_SIDECAR:
        return sidecar_remove(&change, entry);
    case ENTRY_META:
        return sidecar_remove_meta(&change);
    case ENTRY_NPY: /* it is always there, the array is what can be removed */
        return -EPERM;
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

static int try_unlink(struct daemon *daemon, struct inode *directory, const char *name,
                      bool *haunted, struct stat *ghost)
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
    result = unlink_found(daemon, directory, picture, &entry, haunted, ghost);
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
        result = try_unlink(daemon, directory, name, &haunted, &ghost);
    while (result == -ESTALE && attempt++ < CHANGE_ATTEMPTS);
    struct cshm_text stem = stem_of(name);
    if (result == 0 && haunted)
        leave_ghost(daemon, directory, name, pid, &ghost);
    else if (result == -ENOENT && stem.length > 0 &&
             ghost_lay(&daemon->ghosts, directory, stem, pid))
        result = 0;
    else if (result == -ENOENT && sidecar_remove_draft(daemon, directory, name))
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
        result = change_told(picture, picture_remove_project(picture, &error), &error);
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
    return change_told(picture, result, &error);
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
    while (result == -ESTALE && attempt++ < CHANGE_ATTEMPTS);
    return result;
}

void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    ops_reply_result(request, remove_directory(daemon, directory, name));
}
