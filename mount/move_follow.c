/* SPDX-License-Identifier: MIT */
/*
 * What follows a move. The kernel moves names and inodes itself; ours come after, before the answer
 * and under the pictures' locks, so that nobody finds the one without the other.
 */
#include <string.h>

#include "difference.h"
#include "move.h"

enum { INODES_OF_SEGMENT = 8 };

static struct cshm_text key_of(const struct move_side *side)
{
    return move_is_of_project(side) ? cshm_text(side->name) : side->path.keys[side->path.depth - 1];
}

static struct inode *find_directory(const struct move *move, const struct move_side *side)
{
    return inode_find(&move->daemon->inodes, INODE_DIRECTORY, side->directory, key_of(side));
}

static void announce(const struct move *move, const struct move_side *side)
{
    if (!side->node || side->node->type != CSHM_NODE_GROUP)
        return;
    struct inode *directory = find_directory(move, side);
    if (!directory)
        return;
    difference_moved(move->daemon, directory, side->node, true);
    inode_drop(&move->daemon->inodes, directory, 1);
}

void move_announce(const struct move *move)
{
    announce(move, &move->from);
    if (move_is_exchange(move))
        announce(move, &move->to);
}

/* An array is looked for by its last name: where another one was the last, it stays. */
static struct inode *find_array(const struct move *move, const struct move_side *side)
{
    struct inode_table *table = &move->daemon->inodes;
    struct inode *arrays[INODES_OF_SEGMENT];
    struct inode *found = NULL;
    size_t count = inode_find_arrays(table, side->segment, arrays, INODES_OF_SEGMENT);
    for (size_t i = 0; i < count; i++) {
        (void)pthread_mutex_lock(&table->lock);
        bool is_it = !found && arrays[i]->parent == side->directory &&
                     cshm_text_equal(inode_name(arrays[i]), key_of(side));
        (void)pthread_mutex_unlock(&table->lock);
        if (is_it)
            found = arrays[i];
        else
            inode_drop(table, arrays[i], 1);
    }
    return found;
}

/* Whose arrays they are now, be they obeyed on another word. */
static void give(const struct move *move, const struct move_side *from, const struct move_side *to)
{
    uid_t before = from->owner;
    if (!to->picture->shown || to->picture->project.uid == before)
        return;
    const struct cshm_node *top =
        cshm_tree_find(to->picture->project.tree, to->path.keys, to->path.depth);
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top)) {
        const char *segment = cshm_node_segment(node);
        if (segment)
            inode_give(&move->daemon->inodes, segment, before, to->picture->project.uid);
    }
}

static bool prepare(const struct move *move, const struct move_side *from,
                    const struct move_side *to, struct inode_movement *out)
{
    *out = (struct inode_movement){
        .inode =
            from->type == CSHM_NODE_GROUP ? find_directory(move, from) : find_array(move, from),
        .parent = to->directory,
        .key = key_of(to),
        .picture = to->picture,
    };
    return out->inode != NULL;
}

void move_follow(const struct move *move)
{
    struct inode_table *table = &move->daemon->inodes;
    struct inode_movement moves[2];
    size_t count = 0;
    if (prepare(move, &move->from, &move->to, &moves[count]))
        count++;
    else if (move->from.type == CSHM_NODE_GROUP) /* unknown, but what it replaced is dead */
        inode_retire(table, move->to.directory, key_of(&move->to));
    if (move_is_exchange(move) && prepare(move, &move->to, &move->from, &moves[count]))
        count++;
    if (inode_move(table, moves, count) < 0)
        herald_everything(&move->daemon->herald);
    for (size_t i = 0; i < count; i++)
        inode_drop(table, moves[i].inode, 1);
    if (move->from.picture == move->to.picture)
        return;
    give(move, &move->from, &move->to);
    if (move_is_exchange(move))
        give(move, &move->to, &move->from);
}
