/* SPDX-License-Identifier: MIT */
/* Callbacks: rename and link. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "move.h"
#include "ops.h"
#include "view.h"

/* --- Rename -------------------------------------------------------------------------------------
 */

/* The name in front of ".meta" or ".npy"; empty where that is all. */
static struct cshm_text stem_of(const char *name, const char *suffix)
{
    return (struct cshm_text){name, strlen(name) - strlen(suffix)};
}

/* What is there by that name, no ghost; and whether it is bytes that nobody has declared. */
static enum entry_kind look(struct daemon *daemon, struct inode *directory, const char *name,
                            bool *undeclared)
{
    struct sight sight;
    struct entry entry;
    *undeclared = false;
    if (sight_begin(daemon, directory, &sight) < 0)
        return ENTRY_NONE;
    entry_find(sight.picture, sight.node, name, &entry);
    if (entry.kind == ENTRY_DATA)
        *undeclared = entry.node->described->undeclared;
    sight_end(&sight);
    return entry.kind;
}

/*
 * Who names an array and its sidecar moves the sidecar after it has gone along (ghost.h). The
 * kernel then has its inode in the place of the real one.
 */
static int rename_sidecar(struct move *move)
{
    struct daemon *daemon = move->daemon;
    const struct move_side *from = &move->from;
    const struct move_side *to = &move->to;
    if (to->directory->kind == INODE_ROOT)
        return -EPERM;
    bool undeclared;
    if (entries_names_sidecar(to->name) &&
        look(daemon, from->directory, from->name, &undeclared) == ENTRY_NONE &&
        ghost_follow(&daemon->ghosts, from->directory, stem_of(from->name, ENTRIES_META),
                     fuse_req_ctx(move->request)->pid, to->directory,
                     stem_of(to->name, ENTRIES_META))) {
        herald_entry(&daemon->herald, to->directory, to->name, NULL);
        return 0;
    }
    return sidecar_rename(daemon, move->request, from->directory, from->name, to->directory,
                          to->name, move->flags);
}

/* The array is written into a sidecar or a view, and ends. */
static int rename_onto_form(struct move *move)
{
    const struct move_side *from = &move->from;
    const struct move_side *to = &move->to;
    if (from->directory->kind == INODE_ROOT)
        return -EINVAL;
    bool undeclared;
    if (look(move->daemon, from->directory, from->name, &undeclared) == ENTRY_NONE)
        return -ENOENT;
    if (!undeclared) /* what is declared is no text of anything */
        return -EINVAL;
    return (entries_names_sidecar(to->name) ? sidecar_take : npy_take)(
        move->daemon, move->request, from->directory, from->name, to->directory, to->name,
        move->flags);
}

static int rename_any(struct move *move)
{
    const struct move_side *from = &move->from;
    const struct move_side *to = &move->to;
    bool is_form = entries_names_sidecar(to->name) || entries_names_npy(to->name);
    if (move->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    if (from->directory->kind != INODE_ROOT && entries_names_sidecar(from->name))
        return rename_sidecar(move);
    if (from->directory->kind != INODE_ROOT && entries_names_npy(from->name))
        return -EPERM;
    if (to->directory->kind != INODE_ROOT && is_form)
        return rename_onto_form(move);
    int result = move_run(move);
    if (result == 0 && move->haunted)
        change_leave_ghost(move->daemon, move->request, from->directory, from->name, &move->ghost,
                           to->directory, to->name);
    return result;
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                const char *new_name, unsigned flags)
{
    struct daemon *daemon = ops_daemon(request);
    struct move move = {
        .daemon = daemon,
        .request = request,
        .from = {.directory = inode_from_id(&daemon->inodes, parent), .name = name},
        .to = {.directory = inode_from_id(&daemon->inodes, new_parent), .name = new_name},
        .flags = flags,
    };
    ops_reply_result(request, rename_any(&move));
}

/* --- Link ---------------------------------------------------------------------------------------
 */

/* The array's last name is as good as any other it has. */
static int link_array(struct move *move, struct inode *array, struct fuse_entry_param *entry)
{
    struct daemon *daemon = move->daemon;
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    struct inode *parent = inode_hold_parent(&daemon->inodes, array);
    int result = -ENOENT;
    if (sight_spell(&daemon->inodes, array, name)) {
        move->from.directory = parent;
        move->from.name = name;
        result = move_run(move);
    }
    if (result == 0)
        result = ops_resolve(daemon, move->request, move->to.directory, move->to.name, entry);
    inode_drop(&daemon->inodes, parent, 1);
    return result;
}

void ops_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    struct fuse_entry_param entry;
    struct move move = {
        .daemon = daemon,
        .request = request,
        .to = {.directory = inode_from_id(&daemon->inodes, parent), .name = name},
        .link = true,
    };
    bool may = inode->kind == INODE_ARRAY && move.to.directory->kind != INODE_ROOT;
    int result = may ? link_array(&move, inode, &entry) : -EPERM;
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_entry(request, &entry) < 0)
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, entry.ino), 1);
}
