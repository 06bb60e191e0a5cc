/* SPDX-License-Identifier: MIT */
/* Callbacks: create, mkdir, mknod and symlink. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change.h"
#include "log.h"
#include "ops.h"
#include "view.h"

/* Each kind of file is made by its view. Plain files at the top are refused for good. */
static int make_file(struct daemon *daemon, fuse_req_t request, fuse_ino_t parent, const char *name,
                     mode_t mode, struct fuse_file_info *file, struct fuse_entry_param *entry)
{
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    memset(entry, 0, sizeof *entry);
    if (directory->kind == INODE_ROOT)
        return -EPERM;
    if (entries_names_sidecar(name))
        return sidecar_create(daemon, request, directory, name, mode, file, entry);
    if (entries_names_npy(name))
        return npy_create(daemon, request, directory, name, mode, file, entry);
    return array_create(daemon, request, directory, name, mode, file, entry);
}

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result = make_file(daemon, request, parent, name, mode, file, &entry);
    if (result == 0)
        ops_could_open(request);
    if (result < 0) {
        ops_reply_result(request, result);
    } else if (fuse_reply_create(request, &entry, file) < 0) { /* nobody heard of it */
        struct inode *inode = inode_from_id(&daemon->inodes, entry.ino);
        view_of(inode)->release(daemon, request, inode, file);
        inode_drop(&daemon->inodes, inode, 1);
    }
}

void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)device;
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result =
        S_ISREG(mode) ? make_file(daemon, request, parent, name, mode, NULL, &entry) : -EPERM;
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_entry(request, &entry) < 0)
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, entry.ino), 1);
}

/* --- Directories --------------------------------------------------------------------------------
 */

struct making {
    const char *name;
    struct cshm_text key;
    struct fuse_entry_param *entry;
};

/* Somebody else may have made something by that name. */
static int is_still_absent(void *context, struct cshm_project *project)
{
    const struct change_path *path = context;
    return cshm_tree_find(project->tree, path->keys, path->depth) ? -EEXIST : 0;
}

/* What a sidecar waits for is there, though it does not show. */
static int make_group(struct change *change, void *context)
{
    const struct making *making = context;
    CSHM_AUTO_PATH struct change_path path = {0};
    int result = change_check_asker(change->picture, change->request);
    if (result < 0)
        return result;
    if (cshm_node_child_by_fsname(change->group, making->name))
        return -EEXIST;
    result = change_path_make(change->group, &making->key, &path);
    if (result < 0)
        return result;
    const struct cshm_node group = {.type = CSHM_NODE_GROUP};
    const struct cshm_operation put = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = &group};
    const struct cshm_commit commit = {
        .operations = &put, .count = 1, .check = is_still_absent, .context = &path};
    result = change_commit(change, &commit);
    return result < 0 ? result : change_resolve(change, making->name, making->entry);
}

static int make_project(struct daemon *daemon, fuse_req_t request, const char *name, mode_t mode,
                        struct fuse_entry_param *entry)
{
    const struct fuse_ctx *who = fuse_req_ctx(request);
    bool is_root = geteuid() == 0;
    struct cshm_error error = {0};
    int result = cshm_project_name_check(name);
    if (result == 0)
        result = cshm_project_make(daemon->store, name, is_root ? who->uid : geteuid(),
                                   is_root ? who->gid : getegid(), mode & 0666, &error);
    if (result < 0 && result != -EEXIST && error.text[0])
        log_line(LOG_ERR, "project %s: %s", name, error.text);
    return result < 0 ? result : ops_resolve(daemon, request, &daemon->inodes.root, name, entry);
}

static int make_directory(struct daemon *daemon, fuse_req_t request, fuse_ino_t parent,
                          const char *name, mode_t mode, struct fuse_entry_param *entry)
{
    struct inode *directory = inode_from_id(&daemon->inodes, parent);
    char key[CSHM_FSNAME_MAX + 1];
    struct making making = {.name = name, .entry = entry};
    if (directory->kind == INODE_ROOT)
        return make_project(daemon, request, name, mode, entry);
    if (entries_names_sidecar(name) || entries_names_npy(name))
        return -EINVAL;
    int result = change_new_key(name, key, &making.key);
    return result < 0 ? result : change_run(daemon, request, directory, make_group, &making);
}

void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result = make_directory(daemon, request, parent, name, mode, &entry);
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_entry(request, &entry) < 0)
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, entry.ino), 1);
}

void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    ops_reply_result(request, -EPERM);
}
