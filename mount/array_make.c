/* SPDX-License-Identifier: MIT */
/* Arrays that are made by creating their file. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "change.h"
#include "ghost.h"
#include "model/fit.h"
#include "ops.h"
#include "view.h"

struct creation {
    fuse_req_t request;
    const char *name;
    struct cshm_text key;
    mode_t mode;
    struct fuse_file_info *file; /* NULL: mknod */
    struct fuse_entry_param *entry;
    bool is_there; /* somebody else has made it; it is to be opened */
};

static const struct cshm_dtype raw_dtype = {.itemsize = 1, .kind = 'u', .byte_order = '|'};

static bool is_writing(const struct creation *creation)
{
    return creation->file && (creation->file->flags & O_ACCMODE) != O_RDONLY;
}

/* --- What it is ---------------------------------------------------------------------------------
 */

/* What was said of it before it had data. */
static int describe_as_said(struct cshm_tree *tree, struct cshm_node *node,
                            const struct cshm_node *said)
{
    int result = cshm_tree_say(tree, node, said);
    if (result < 0)
        return result;
    struct cshm_description *described = cshm_tree_describe(tree, node);
    if (!described)
        return -ENOMEM;
    node->type = CSHM_NODE_ARRAY;
    node->problem = NULL;
    described->segment = NULL;
    if (!described->dtype->kind) { /* nothing, or nothing that numpy knows */
        described->detail = &cshm_no_detail;
        return cshm_tree_fit_vector(tree, node, &raw_dtype, 0);
    }
    if (described->rank < 0) {
        const struct cshm_dtype dtype = *described->dtype;
        return cshm_tree_fit_vector(tree, node, &dtype, 0);
    }
    return 0;
}

/*
 * Of what `said` is (NULL: there is nothing): a sidecar that waits for it, or an array that has
 * lost its data. Else bytes that nobody has declared.
 */
static int describe(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_node *said)
{
    if (said)
        return describe_as_said(tree, node, said);
    int result = cshm_tree_fit_vector(tree, node, &raw_dtype, 0);
    if (result == 0)
        node->described->undeclared = true;
    return result;
}

/* --- Making it ----------------------------------------------------------------------------------
 */

/* A writer is through to the segment from the start, so that has no byte but what is written. */
static int make_segment(const struct change *change, const struct creation *creation,
                        struct change_segment *segment)
{
    int result = change_segment_make(change, 0, creation->mode, segment);
    if (result == 0 && is_writing(creation) && ftruncate(segment->fd, 0) < 0)
        result = -errno;
    return result;
}

static int put(struct change *change, const struct creation *creation, const struct cshm_node *said)
{
    CSHM_AUTO_SEGMENT struct change_segment segment = {.fd = -1};
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    CSHM_AUTO_PATH struct change_path path = {0};
    struct cshm_node *node;
    if (!tree)
        return -ENOMEM;
    int result = cshm_tree_add(tree, &tree->root, creation->key, CSHM_NODE_ARRAY, &node);
    if (result == 0)
        result = describe(tree, node, said);
    if (result == 0)
        result = cshm_tree_fit(tree, node, 0, is_writing(creation));
    if (result == 0)
        result = make_segment(change, creation, &segment);
    if (result == 0)
        result = cshm_tree_set_segment(tree, node, segment.name);
    if (result == 0)
        result = change_path_make(change->group, &creation->key, &path);
    if (result < 0)
        return result;
    struct cshm_operation operation = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = node};
    struct cshm_made made = {.fd = segment.fd, .name = segment.name};
    struct cshm_commit commit = {
        .operations = &operation, .count = 1, .made = &made, .made_count = 1};
    return change_commit(change, &commit);
}

/* It could not be opened: as if it had not been made. */
static void unmake(struct change *change, const struct creation *creation)
{
    CSHM_AUTO_PATH struct change_path path = {0};
    const struct cshm_node *group = sight_directory_node(change->directory);
    if (!group || change_path_make(group, &creation->key, &path) < 0)
        return;
    struct cshm_operation operation = {
        .kind = CSHM_OPERATION_REMOVE, .path = path.keys, .depth = path.depth};
    (void)change_commit(change, &(struct cshm_commit){.operations = &operation, .count = 1});
}

static int open_made(struct change *change, struct creation *creation)
{
    struct entry entry;
    struct inode *inode = inode_from_id(&change->daemon->inodes, creation->entry->ino);
    struct cshm_node *group = sight_directory_node(change->directory);
    if (!group)
        return -ESTALE;
    entry_find(change->picture, group, creation->name, &entry);
    if (entry.kind != ENTRY_DATA)
        return -ESTALE;
    struct sight sight = {.picture = change->picture,
                          .node = entry.node,
                          .looks = entry.looks,
                          .table = &change->daemon->inodes,
                          .directory = change->directory};
    creation->file->flags &= ~O_TRUNC; /* there is nothing in it */
    return view_raw_open(change->daemon, creation->request, inode, &sight, creation->file);
}

static int make(struct change *change, struct creation *creation, const struct cshm_node *said)
{
    int result = put(change, creation, said);
    if (result < 0)
        return result;
    result = change_resolve(change, creation->name, creation->entry);
    if (result < 0 || !creation->file)
        return result;
    result = open_made(change, creation);
    if (result == 0)
        return 0;
    inode_drop(&change->daemon->inodes,
               inode_from_id(&change->daemon->inodes, creation->entry->ino), 1);
    if (!said)
        unmake(change, creation);
    return result == -ESTALE ? -EIO : result; /* never begin again with what has been made */
}

static int create_locked(struct change *change, void *context)
{
    struct creation *creation = context;
    struct entry entry;
    bool may_be_there = creation->file && !(creation->file->flags & O_EXCL);
    int result = change_check_asker(change->picture, creation->request);
    if (result < 0)
        return result;
    entry_find(change->picture, change->group, creation->name, &entry);
    if (entry.kind == ENTRY_GROUP)
        return may_be_there ? -EISDIR : -EEXIST;
    creation->is_there = entry.kind == ENTRY_DATA;
    if (creation->is_there)
        return may_be_there ? 0 : -EEXIST;
    return make(change, creation, cshm_node_child(change->group, creation->key));
}

static int open_found(struct daemon *daemon, const struct creation *creation,
                      struct inode *directory)
{
    int result = ops_resolve(daemon, creation->request, directory, creation->name, creation->entry);
    if (result < 0)
        return result;
    struct inode *inode = inode_from_id(&daemon->inodes, creation->entry->ino);
    result = inode->kind == INODE_ARRAY
                 ? ops_open_inode(daemon, creation->request, inode, creation->file)
                 : -EISDIR;
    if (result < 0)
        inode_drop(&daemon->inodes, inode, 1);
    return result;
}

int array_create(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                 const char *name, mode_t mode, struct fuse_file_info *file,
                 struct fuse_entry_param *entry)
{
    char key[CSHM_FSNAME_MAX];
    struct creation creation = {
        .request = request, .name = name, .mode = mode, .file = file, .entry = entry};
    if (atomic_load(&daemon->access.mode) == ACCESS_SYMLINK)
        return -EOPNOTSUPP;
    int result = change_new_key(name, key, &creation.key);
    if (result == 0)
        result = change_run(daemon, request, directory, create_locked, &creation);
    if (result == 0 && creation.is_there)
        result = open_found(daemon, &creation, directory);
    if (result == 0) /* of the array that had the name before */
        (void)ghost_lay(&daemon->ghosts, directory, cshm_text(name), fuse_req_ctx(request)->pid);
    return result;
}
