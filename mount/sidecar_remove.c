/* SPDX-License-Identifier: MIT */
#include "sidecar_remove.h"

#include <errno.h>

#include "manuscript.h"
#include "model/declare.h"

bool sidecar_detach(struct daemon *daemon, struct inode *directory, bool is_meta,
                    struct cshm_text key)
{
    static const struct cshm_text no_key = {"", 0};
    struct inode *inode = inode_find(&daemon->inodes, is_meta ? INODE_META : INODE_SIDECAR,
                                     directory, is_meta ? no_key : key);
    bool was_draft = inode && manuscript_detach(inode);
    if (inode)
        inode_drop(&daemon->inodes, inode, 1);
    return was_draft;
}

static int put(struct change *change, const struct cshm_node *at, const struct cshm_node *node)
{
    CSHM_AUTO_PATH struct change_path path = {0};
    int result = change_path_make(at, NULL, &path);
    if (result < 0)
        return result;
    const struct cshm_operation operation = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = node};
    const struct cshm_commit commit = {.operations = &operation, .count = 1};
    return change_commit(change, &commit);
}

static int strip(struct change *change, const struct cshm_node *array)
{
    struct cshm_description described = *array->described;
    described.undeclared = true;
    const struct cshm_node node = {
        .type = CSHM_NODE_ARRAY, .described = &described, .problem = array->problem};
    return put(change, array, &node);
}

int sidecar_remove(struct change *change, const struct entry *entry)
{
    struct cshm_error error = {0};
    struct picture *picture = change->picture;
    remark_set(&change->daemon->remarks, remark_node(picture->name, entry->node), NULL);
    (void)sidecar_detach(change->daemon, change->directory, false, entry->node->key);
    if (!entry->looks.data)
        return change_told(picture, picture_change(picture, CSHM_REMOVE_ARRAY, entry->node, &error),
                           &error);
    return strip(change, entry->node);
}

/*
 * Where the project came from and how long it lives stays, but is not shown until something is
 * declared again: as of an array, it is undeclared. Why it is broken is not the user's to remove.
 */
int sidecar_remove_meta(struct change *change)
{
    static const struct cshm_text no_key = {"", 0};
    const struct cshm_node *group = change->group;
    remark_set(&change->daemon->remarks, remark_node(change->picture->name, group), NULL);
    (void)sidecar_detach(change->daemon, change->directory, true, no_key);
    if (change->picture->project.damaged || !entries_has_meta(change->picture, group))
        return 0;
    struct cshm_description removed = {.dtype = &cshm_no_dtype,
                                       .detail = &cshm_no_detail,
                                       .rank = CSHM_NO_RANK,
                                       .undeclared = true};
    bool has_facts = !group->parent && change->picture->project.tree->facts.present;
    const struct cshm_node node = {.type = CSHM_NODE_GROUP,
                                   .described = has_facts ? &removed : NULL};
    return put(change, group, &node);
}
