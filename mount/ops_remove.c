/* SPDX-License-Identifier: MIT */
/* Callbacks: unlink and rmdir. */
#include <errno.h>
#include <limits.h>
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

/* When the sidecar changed, as the kernel was told: rsync(1) removes no file that has changed. */
static struct timespec sidecar_time(const struct change *change, const struct cshm_node *node)
{
    struct inode_table *table = &change->daemon->inodes;
    int64_t changed = 0;
    struct inode *sidecar = inode_find(table, INODE_SIDECAR, change->directory, node->key);
    if (sidecar) {
        (void)pthread_mutex_lock(&table->lock);
        changed = inode_sidecar(sidecar)->changed;
        (void)pthread_mutex_unlock(&table->lock);
        inode_drop(table, sidecar, 1);
    }
    return changed != 0 ? sight_time(changed) : change->picture->project.changed;
}

/* Its text as far as there is memory for it. */
static void describe_ghost(const struct change *change, const struct entry *entry,
                           struct ghost_body *ghost)
{
    struct picture *picture = change->picture;
    struct inode_table *table = &change->daemon->inodes;
    const struct stat *segment = &entry->looks.segment;
    struct entry sidecar = *entry;
    sidecar.kind = ENTRY_SIDECAR;
    const struct sight sight = {.picture = picture,
                                .node = entry->node,
                                .looks = entry->looks,
                                .table = table,
                                .directory = change->directory};
    cshm_buffer_clear(&ghost->text);
    if (view_sidecar_render(change->daemon, &sight, &ghost->text) < 0)
        cshm_buffer_clear(&ghost->text);
    ghost->attributes =
        (struct stat){.st_ino = sight_number(table, change->directory, picture, &sidecar),
                      .st_mode = S_IFREG | (segment->st_mode & 0666),
                      .st_nlink = 1,
                      .st_size = (off_t)ghost->text.length,
                      .st_uid = segment->st_uid,
                      .st_gid = segment->st_gid,
                      .st_mtim = sidecar_time(change, entry->node),
                      .st_ctim = picture->project.changed};
}

/* Removes an array's data. Its sidecar goes along and leaves a ghost, if there was one at all. */
static int remove_data(const struct change *change, const struct entry *entry, bool *haunted,
                       struct ghost_body *ghost)
{
    struct picture *picture = change->picture;
    *haunted = entry->looks.sidecar;
    if (*haunted)
        describe_ghost(change, entry, ghost);
    struct cshm_error error = {0};
    return change_told(picture, picture_change(picture, CSHM_REMOVE_ARRAY, entry->node, &error),
                       &error);
}

struct unlinking {
    const char *name;
    bool haunted; /* a sidecar went along */
    struct ghost_body ghost;
};

static int unlink_found(struct change *change, void *context)
{
    struct unlinking *unlinking = context;
    struct entry entry;
    unlinking->haunted = false;
    int result = change_check_asker(change->picture, change->request);
    if (result < 0)
        return result;
    entry_find(change->picture, change->group, unlinking->name, &entry);
    switch (entry.kind) {
    case ENTRY_DATA:
        return remove_data(change, &entry, &unlinking->haunted, &unlinking->ghost);
    case ENTRY_SIDECAR:
        return sidecar_remove(change, &entry);
    case ENTRY_META:
        return sidecar_remove_meta(change);
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

static int unlink_in(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                     const char *name)
{
    struct unlinking unlinking = {.name = name, .ghost.text = CSHM_BUFFER_INIT};
    pid_t pid = fuse_req_ctx(request)->pid;
    int result = change_run(daemon, request, directory, unlink_found, &unlinking);
    struct cshm_text stem = stem_of(name);
    if (result == 0 && unlinking.haunted)
        change_leave_ghost(daemon, request, directory, name, &unlinking.ghost, NULL, NULL);
    else if (result == -ENOENT && stem.length > 0 &&
             ghost_lay(&daemon->ghosts, directory, stem, pid))
        result = 0;
    else if (result == -ENOENT && sidecar_remove_draft(daemon, directory, name))
        result = 0;
    cshm_buffer_finish(&unlinking.ghost.text);
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

/* The kernel asks only whose the directory is, as far as it was told. */
static int remove_found_project(struct daemon *daemon, fuse_req_t request, struct picture *picture)
{
    struct cshm_error error = {0};
    if (!change_may_take(picture, fuse_req_ctx(request)))
        return -EPERM;
    int result = change_told(picture, picture_remove_project(picture, &error), &error);
    if (result == 0)
        inode_retire(&daemon->inodes, &daemon->inodes.root, cshm_text(picture->name));
    return result;
}

static int try_remove_project(struct daemon *daemon, fuse_req_t request, const char *name)
{
    struct picture *picture = picture_get(&daemon->pictures, name);
    if (!picture)
        return -ENOMEM;
    int result = picture_write(picture);
    if (result == 0) {
        result = remove_found_project(daemon, request, picture);
        picture_write_end(picture);
    }
    picture_put(picture);
    return result;
}

static int remove_project(struct daemon *daemon, fuse_req_t request, const char *name)
{
    int result = -ESTALE;
    if (cshm_project_name_check(name) < 0)
        return -ENOENT;
    for (int attempts = 0; change_again(attempts, result); attempts++)
        result = try_remove_project(daemon, request, name);
    return result;
}

static int remove_group(struct change *change, void *context)
{
    struct picture *picture = change->picture;
    struct entry entry;
    int result = change_check_asker(picture, change->request);
    if (result < 0)
        return result;
    entry_find(picture, change->group, context, &entry);
    if (entry.kind != ENTRY_GROUP)
        return entry.kind == ENTRY_NONE ? -ENOENT : -ENOTDIR;
    if (entry.node->first)
        return -ENOTEMPTY;
    /* Copied: the change may free the tree it stands in. */
    CSHM_AUTO_PATH struct change_path path = {0};
    result = change_path_make(entry.node, NULL, &path);
    if (result < 0)
        return result;
    struct cshm_error error = {0};
    result = picture_change(picture, CSHM_REMOVE_GROUP, entry.node, &error);
    if (result == 0)
        inode_retire(&change->daemon->inodes, change->directory, path.keys[path.depth - 1]);
    return change_told(picture, result, &error);
}

void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    char copy[NAME_MAX + 1];
    int result = -ENAMETOOLONG;
    if (directory->kind == INODE_ROOT)
        result = remove_project(daemon, request, name);
    else if (strlen(name) < sizeof copy)
        result = change_run(daemon, request, directory, remove_group, strcpy(copy, name));
    ops_reply_result(request, result);
}
