/* SPDX-License-Identifier: MIT */
#include "move.h"

#include <errno.h>
#include <string.h>

#include "base/names.h"
#include "base/scope.h"
#include "log.h"

/* --- Carrying out -------------------------------------------------------------------------------
 */

/*
 * Whether a side still is what it was when it was planned. An array that is said anew stays where
 * it is, and may have got another segment.
 */
static bool is_side_so(const struct move_side *side, const struct cshm_project *project)
{
    const struct cshm_node *node = cshm_tree_find(project->tree, side->path.keys, side->path.depth);
    const char *segment = node ? cshm_node_segment(node) : NULL;
    return node == side->node && (!node || node->type == side->type) &&
           strcmp(segment ? segment : "", side->segment) == 0;
}

static int is_still_so(void *context, struct cshm_project *project)
{
    const struct move *move = context;
    const struct move_side *from = &move->from;
    const struct move_side *to = &move->to;
    if (!is_side_so(from, project) || !is_side_so(to, project))
        return -ESTALE;
    bool replaces = to->node && to->node != from->node && !move_is_exchange(move);
    return replaces && to->node->first ? -ENOTEMPTY : 0;
}

/* The same between two projects. */
static int are_still_so(void *context, const struct cshm_project *from,
                        const struct cshm_project *to)
{
    const struct move *move = context;
    return is_side_so(&move->from, from) && is_side_so(&move->to, to) ? 0 : -ESTALE;
}

static int commit_within(struct move *move, const struct cshm_operation *operations, size_t count)
{
    struct change change = {.daemon = move->daemon, .picture = move->from.picture};
    const struct cshm_commit commit = {
        .operations = operations, .count = count, .check = is_still_so, .context = move};
    return change_commit(&change, &commit);
}

static int link_within(struct move *move, const struct cshm_node *as)
{
    struct cshm_node same = *(as ? as : move->from.node);
    const struct cshm_operation put = {.kind = CSHM_OPERATION_PUT,
                                       .path = move->to.path.keys,
                                       .depth = move->to.path.depth,
                                       .node = &same};
    return commit_within(move, &put, 1);
}

static int move_within(struct move *move, const struct cshm_node *as)
{
    const struct change_path *to = &move->to.path;
    const struct cshm_operation operations[] = {
        {.kind = CSHM_OPERATION_MOVE,
         .exchange = move_is_exchange(move),
         .path = move->from.path.keys,
         .depth = move->from.path.depth,
         .to = to->keys,
         .to_depth = to->depth},
        {.kind = CSHM_OPERATION_PUT, .path = to->keys, .depth = to->depth, .node = as},
    };
    return commit_within(move, operations, as ? 2 : 1);
}

static int move_across(struct move *move, const struct cshm_node *as)
{
    struct cshm_error error = {0};
    const struct cshm_passage passage = {.from = move->from.path.keys,
                                         .from_depth = move->from.path.depth,
                                         .to = move->to.path.keys,
                                         .to_depth = move->to.path.depth,
                                         .exchange = move_is_exchange(move),
                                         .link = move->link,
                                         .as = as,
                                         .check = are_still_so,
                                         .context = move,
                                         .mover = fuse_req_ctx(move->request)->uid};
    return change_told(move->from.picture,
                       pictures_transfer(move->from.picture, move->to.picture, &passage, &error),
                       &error);
}

static int rename_project(struct move *move)
{
    enum cshm_rename how = CSHM_RENAME_NEW;
    if (move_is_exchange(move))
        how = CSHM_RENAME_EXCHANGE;
    else if (move->to.node)
        how = CSHM_RENAME_REPLACE;
    struct cshm_error error = {0};
    return change_told(move->from.picture,
                       pictures_rename(move->from.picture, move->to.picture, how, &error), &error);
}

static int carry_out(struct move *move)
{
    CSHM_AUTO_TREE struct cshm_tree *scratch = cshm_tree_create();
    struct cshm_node *as = NULL;
    int result = scratch ? move_take_over(move, scratch, &as) : -ENOMEM;
    if (result < 0)
        return result;
    bool within = move->from.picture == move->to.picture;
    if (!within)
        move_announce(move);
    if (move_is_of_project(&move->from) && move_is_of_project(&move->to))
        return rename_project(move);
    if (!within)
        return move_across(move, as);
    return move->link ? link_within(move, as) : move_within(move, as);
}

static void remember(struct move_side *side)
{
    const char *segment = side->node ? cshm_node_segment(side->node) : NULL;
    side->type = side->node ? side->node->type : CSHM_NODE_BARE;
    side->owner = side->picture->project.uid;
    (void)snprintf(side->segment, sizeof side->segment, "%s", segment ? segment : "");
}

/* What its sidecar looks like to who has named it, too. */
static void note_ghost(struct move *move)
{
    const struct stat *segment = &move->looks.segment;
    struct timespec changed = move->from.picture->project.changed;
    move->haunted = move->looks.sidecar && !move->link && !move_is_exchange(move);
    /* Not the number it had: that is now where the sidecar is, and mv(1) would see one file. */
    move->ghost.attributes = (struct stat){
        .st_ino = inode_number_hashed(inode_number(move->from.directory), INODE_SIDECAR,
                                      cshm_text(move->from.name)),
        .st_mode = S_IFREG | (segment->st_mode & 0666),
        .st_nlink = 1,
        .st_uid = segment->st_uid,
        .st_gid = segment->st_gid,
        .st_mtim = changed,
        .st_ctim = changed,
    };
}

/* --- Finding ------------------------------------------------------------------------------------
 */

static bool is_in_place(const struct move *move, const struct move_side *side)
{
    return move_is_of_project(side) ||
           inode_is_in(&move->daemon->inodes, side->directory, side->picture);
}

/* The group, and what is there by the name. */
static int find(const struct move *move, struct move_side *side)
{
    struct picture *picture = side->picture;
    side->group = side->node = NULL;
    if (!is_in_place(move, side))
        return -ESTALE;
    if (picture->shown && picture->closed)
        return -EACCES;
    if (move_is_of_project(side)) {
        side->node = picture->shown ? &picture->project.tree->root : NULL;
        return 0;
    }
    side->group = sight_directory_node(side->directory);
    if (!side->group)
        return -ENOENT;
    side->node = cshm_node_child_by_fsname(side->group, side->name);
    return 0;
}

static int make_paths(struct move *move)
{
    struct cshm_text key = {0};
    int result = 0;
    if (move_is_of_project(&move->to))
        result = 0;
    else if (move->to.node)
        key = move->to.node->key;
    else
        result = change_new_key(move->to.name, move->new_key, &key);
    if (result == 0)
        result = change_path_make(move->from.node, NULL, &move->from.path);
    if (result == 0 && !move_is_of_project(&move->to))
        result = change_path_make(move->to.group, &key, &move->to.path);
    return result;
}

/* With both pictures locked. */
static int run_found(struct move *move)
{
    int result = find(move, &move->from);
    if (result == 0)
        result = find(move, &move->to);
    if (result == 0)
        result = move_examine(move);
    if (result == 0 && move->from.node == move->to.node)
        return 0;
    if (result == 0)
        result = make_paths(move);
    if (result == 0)
        result = move_check_owners(move);
    if (result < 0)
        return result;
    remember(&move->from);
    remember(&move->to);
    note_ghost(move);
    result = carry_out(move);
    if (result == 0 && !move->link)
        move_follow(move);
    return result;
}

/* --- Running ------------------------------------------------------------------------------------
 */

static struct picture *hold_picture(const struct move *move, const struct move_side *side)
{
    return move_is_of_project(side) ? picture_get(&move->daemon->pictures, side->name)
                                    : inode_hold_picture(&move->daemon->inodes, side->directory);
}

static int run_once(struct move *move)
{
    struct move_side *from = &move->from;
    struct move_side *to = &move->to;
    from->picture = hold_picture(move, from);
    to->picture = hold_picture(move, to);
    move->haunted = false;
    int result = -ENOMEM;
    if (from->picture && to->picture) {
        result = pictures_write_both(from->picture, to->picture, move_is_of_project(to));
        if (result == 0) {
            result = run_found(move);
            pictures_write_both_end(from->picture, to->picture);
        } else if (!is_in_place(move, from) || !is_in_place(move, to)) {
            result = -ESTALE;
        }
    }
    change_path_finish(&from->path);
    change_path_finish(&to->path);
    picture_put(from->picture);
    picture_put(to->picture);
    return result;
}

/* A group becomes a project: that is made first, empty and whose the group is. */
static int make_target(struct move *move)
{
    struct sight sight;
    struct cshm_error error = {0};
    struct entry entry;
    int result = sight_begin(move->daemon, move->from.directory, &sight);
    if (result < 0)
        return result;
    const struct cshm_project *project = &sight.picture->project;
    uid_t uid = project->uid;
    gid_t gid = project->gid;
    mode_t mode = project->mode;
    entry_find(sight.picture, sight.node, move->from.name, &entry);
    sight_end(&sight);
    if (entry.kind != ENTRY_GROUP) /* plain files are refused at the top */
        return entry.kind == ENTRY_NONE ? -ENOENT : -EPERM;
    if (move_is_exchange(move))
        return -EINVAL;
    result = cshm_project_begin(move->daemon->store, move->to.name, uid, gid, mode, &move->making,
                                &error);
    move->made = result == 0;
    move->made_for = uid;
    if (result < 0 && result != -EEXIST && error.text[0])
        log_line(LOG_ERR, "project %s: %s", move->to.name, error.text);
    return result == -EEXIST ? 0 : result;
}

/* If nothing has come into it meanwhile, and its owner has not left the name to somebody else. */
static void unmake_target(const struct move *move)
{
    struct picture *picture = picture_get(&move->daemon->pictures, move->to.name);
    struct cshm_error error = {0};
    if (picture && picture_write(picture) == 0) {
        if (!picture->project.damaged && picture->project.uid == move->made_for)
            (void)picture_remove_project(picture, &error);
        picture_write_end(picture);
    }
    picture_put(picture);
}

int move_run(struct move *move)
{
    move->making = CSHM_PENDING_NONE;
    bool to_top = move_is_of_project(&move->to);
    bool from_top = move_is_of_project(&move->from);
    if (from_top && cshm_project_name_check(move->from.name) < 0)
        return -ENOENT;
    int result = to_top ? cshm_project_name_check(move->to.name) : 0;
    if (result == 0 && to_top && !from_top)
        result = make_target(move);
    if (result < 0)
        return result;
    result = -ESTALE;
    for (int attempts = 0; change_again(attempts, result); attempts++)
        result = run_once(move);
    if (result < 0 && move->made)
        unmake_target(move);
    if (move->made)
        cshm_project_begun(move->daemon->store, &move->making);
    return result;
}
