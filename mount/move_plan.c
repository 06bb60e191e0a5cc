/* SPDX-License-Identifier: MIT */
/* Whether a move can be done: what is there, and whose it is. */
#include <errno.h>

#include "model/fit.h"
#include "move.h"

/* Whether it has a name that is to be seen: what waits for its data has none. */
static bool is_shown(const struct move_side *side)
{
    struct entries looks;
    if (!side->node || side->node->type == CSHM_NODE_GROUP)
        return side->node != NULL;
    entries_of(side->picture, side->node, &looks);
    return looks.data;
}

static bool is_above(const struct cshm_node *upper, const struct cshm_node *node)
{
    while (node && node != upper)
        node = node->parent;
    return node != NULL;
}

/* Said of an array that is still to come: a sidecar that was copied first, or its data is lost. */
static bool waits(const struct cshm_node *node)
{
    bool is_null = node->described && node->described->rank == CSHM_SHAPE_NULL;
    return node->type != CSHM_NODE_GROUP && !is_null;
}

static int examine_target(const struct move *move)
{
    const struct cshm_node *node = move->from.node;
    const struct cshm_node *there = move->to.node;
    bool shown = is_shown(&move->to);
    if (move_is_exchange(move))
        return shown ? 0 : -ENOENT;
    if (shown && (move->link || move->flags & RENAME_NOREPLACE) && !move->made)
        return -EEXIST;
    if (!there)
        return 0;
    if (move->link && !waits(there))
        return -EEXIST;
    if (node->type == CSHM_NODE_GROUP && there->type != CSHM_NODE_GROUP)
        return shown ? -ENOTDIR : -EEXIST;
    if (node->type != CSHM_NODE_GROUP && there->type == CSHM_NODE_GROUP)
        return -EISDIR;
    return there->first ? -ENOTEMPTY : 0;
}

/* Sidecars and views are no names of what is moved. */
static int examine_names(const struct move *move)
{
    const struct move_side *to = &move->to;
    if (move_is_of_project(to))
        return move->from.node->type == CSHM_NODE_GROUP ? 0 : -EPERM;
    return entries_names_sidecar(to->name) || entries_names_npy(to->name) ? -EINVAL : 0;
}

/* In the sticky directory at the top. */
static int examine_rights(const struct move *move)
{
    const struct fuse_ctx *who = fuse_req_ctx(move->request);
    if (!move->link && !move_is_of_project(&move->from) &&
        change_check_asker(move->from.picture, move->request) < 0)
        return -EACCES;
    if (!move_is_of_project(&move->to) && change_check_asker(move->to.picture, move->request) < 0)
        return -EACCES;
    if (move_is_of_project(&move->from) && !change_may_take(move->from.picture, who))
        return -EPERM;
    bool replaces = move_is_of_project(&move->to) && move->to.node && !move->made;
    return replaces && !change_may_take(move->to.picture, who) ? -EPERM : 0;
}

int move_examine(struct move *move)
{
    const struct move_side *from = &move->from;
    bool one_top = move_is_of_project(from) != move_is_of_project(&move->to);
    if (!is_shown(from))
        return -ENOENT;
    if (from->node->type != CSHM_NODE_GROUP)
        entries_of(from->picture, from->node, &move->looks);
    if (move_is_exchange(move) && one_top)
        return -EINVAL;
    if (from->picture == move->to.picture && move->to.group && is_above(from->node, move->to.group))
        return -EINVAL;
    int result = examine_names(move);
    if (result == 0)
        result = examine_rights(move);
    return result < 0 ? result : examine_target(move);
}

/* --- Owners -------------------------------------------------------------------------------------
 */

static int check_array(const struct move *move, const struct picture *picture,
                       const struct cshm_node *array, uid_t to)
{
    struct stat st = {.st_uid = (uid_t)-1};
    const char *reason;
    enum cshm_array_state state =
        cshm_project_inspect(move->daemon->store, &picture->project, array, &st, &reason);
    uid_t mover = fuse_req_ctx(move->request)->uid;
    return state == CSHM_ARRAY_MISSING || st.st_uid == to || st.st_uid == mover ? 0 : -EPERM;
}

/* All that goes with `side`, to the project of `to`. In root's everybody keeps his own. */
static int check_given(const struct move *move, const struct move_side *side,
                       const struct move_side *to)
{
    uid_t owner = to->picture->project.uid;
    if (owner == 0 || owner == side->picture->project.uid)
        return 0;
    int result = 0;
    for (const struct cshm_node *node = side->node; node && result == 0;
         node = cshm_node_walk(node, side->node))
        if (node->type == CSHM_NODE_ARRAY)
            result = check_array(move, side->picture, node, owner);
    return result;
}

int move_check_owners(const struct move *move)
{
    bool renames = move_is_of_project(&move->from) && move_is_of_project(&move->to);
    if (renames || fuse_req_ctx(move->request)->uid == 0)
        return 0;
    int result = check_given(move, &move->from, &move->to);
    if (result == 0 && move_is_exchange(move))
        result = check_given(move, &move->to, &move->from);
    return result;
}

/* --- Taking over --------------------------------------------------------------------------------
 */

static bool is_declared(const struct cshm_node *node)
{
    bool said = node->described && !node->described->undeclared;
    return node->type == CSHM_NODE_BARE || (node->type == CSHM_NODE_ARRAY && said);
}

/* The dtype that is said, or bytes. */
static int fit(struct cshm_tree *tree, struct cshm_node *node, uint64_t length, bool held)
{
    static const struct cshm_dtype bytes = {.itemsize = 1, .kind = 'u', .byte_order = '|'};
    struct cshm_description *described = node->described;
    if (described->dtype->kind && described->rank >= 0)
        return cshm_tree_fit(tree, node, length, held);
    const struct cshm_dtype dtype = described->dtype->kind ? *described->dtype : bytes;
    if (!described->dtype->kind)
        described->detail = &cshm_no_detail;
    return cshm_tree_fit_vector(tree, node, &dtype, length);
}

int move_take_over(const struct move *move, struct cshm_tree *scratch, struct cshm_node **as)
{
    const struct cshm_node *node = move->from.node;
    const struct cshm_node *there = move->to.node;
    const struct stat *segment = &move->looks.segment;
    *as = NULL;
    if (move_is_exchange(move) || node->type != CSHM_NODE_ARRAY || !there || !is_declared(there))
        return 0;
    if (is_declared(node) && !move->link)
        return 0;
    struct entries looks;
    entries_of(move->to.picture, there, &looks);
    if (!change_asker_reads(&looks, move->request)) /* it would tell him what he may not know */
        return 0;
    struct cshm_node *said;
    int result = cshm_tree_add(scratch, &scratch->root, there->key, CSHM_NODE_BARE, &said);
    if (result == 0)
        result = cshm_tree_say(scratch, said, there);
    struct cshm_description *described = result == 0 ? cshm_tree_describe(scratch, said) : NULL;
    if (result == 0 && !described)
        result = -ENOMEM;
    if (result < 0)
        return result;
    said->type = CSHM_NODE_ARRAY;
    said->problem = NULL;
    described->segment = NULL;
    described->linked = false;
    described->undeclared = false;
    result = fit(scratch, said, entries_size(node, segment), segment->st_size == 0);
    if (result == 0)
        result = cshm_tree_set_segment(scratch, said, node->described->segment);
    *as = result == 0 ? said : NULL;
    return result;
}
