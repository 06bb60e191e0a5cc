/* SPDX-License-Identifier: MIT */
/* Callbacks: rename and link. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "move.h"
#include "newcomer.h"
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
    bool is_sidecar = entries_names_sidecar(to->name);
    if (look(move->daemon, from->directory, from->name, &undeclared) == ENTRY_NONE)
        return -ENOENT;
    /* What is declared is no text; whether bytes are a npy file, they say themselves. */
    if (is_sidecar && !undeclared)
        return -EINVAL;
    /* Two commits, which a kill could come between: for mv(1) it is as if from another disk. */
    if (!inode_same_project(&move->daemon->inodes, from->directory, to->directory))
        return -EXDEV;
    return (is_sidecar ? sidecar_take : npy_take)(move->daemon, move->request, from->directory,
                                                  from->name, to->directory, to->name, move->flags);
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

/*
 * A directory's listing that the kernel has kept is of another project's or of a group, which say
 * other things in their `.meta`: it has to be told before anybody can look, so not by the herald's
 * thread. No lock of the kernel's is in the way, as there is for names.
 */
static void tell_listing(struct daemon *daemon, const struct move_side *side)
{
    char key[CSHM_FSNAME_MAX + 1];
    size_t length = strlen(side->name);
    if (length > CSHM_FSNAME_MAX)
        return;
    memcpy(key, side->name, length);
    if (!move_is_of_project(side) && cshm_fsname_decode(side->name, key, &length) < 0)
        return; /* a long name, known by its hash: the herald tells in a moment */
    struct inode *directory = inode_find(&daemon->inodes, INODE_DIRECTORY, side->directory,
                                         (struct cshm_text){key, length});
    if (!directory)
        return;
    herald_listing(&daemon->herald, directory);
    inode_drop(&daemon->inodes, directory, 1);
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
    int result = rename_any(&move);
    if (result == 0 && move.from.type == CSHM_NODE_GROUP)
        tell_listing(daemon, &move.to);
    if (result == 0 && move_is_exchange(&move) && move.to.type == CSHM_NODE_GROUP)
        tell_listing(daemon, &move.from);
    ops_reply_result(request, result);
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
    if (result == 0)
        newcomer_note(daemon, move->request, move->to.directory, move->to.name);
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
