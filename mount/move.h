/* SPDX-License-Identifier: MIT */
/*
 * Moves: rename and link of arrays, groups and projects, within a project and between two. Where a
 * whole project is one side, its directory is the root and its node the root of its tree.
 */
#ifndef MOUNT_MOVE_H
#define MOUNT_MOVE_H

#include <stdio.h>

#include "change.h"
#include "store/pending.h"

/* One end of a move. */
struct move_side {
    struct inode *directory; /* the root, of a project */
    const char *name;
    struct picture *picture; /* held, and locked for a change */
    struct cshm_node *group; /* the directory's; NULL of the root */
    struct cshm_node *node;  /* at the name, shown or not; NULL: nothing */
    struct change_path path; /* to it: depth 0 of a project */
    /* What it was, for when it has gone. */
    enum cshm_node_type type;
    char segment[CSHM_SEGMENT_NAME_SIZE];
    uid_t owner; /* of the project */
};

struct move {
    struct daemon *daemon;
    fuse_req_t request;
    struct move_side from;
    struct move_side to;
    unsigned flags; /* RENAME_NOREPLACE, RENAME_EXCHANGE */
    bool link;
    bool made;                  /* the target is a project that was made for this; */
    uid_t made_for;             /* whose it is; */
    struct cshm_pending making; /* that this is so, for whoever comes after a kill */
    struct entries looks;       /* of an array that is moved */
    char new_key[CSHM_FSNAME_MAX + 1];
    bool haunted;            /* its sidecar went along; */
    struct ghost_body ghost; /* without a text */
};

/* Does all of it. 0 or negative errno. */
int move_run(struct move *move);

/* move_plan.c: whether it can be done, of what was found. 0, or what rename(2) is to say. */
int move_examine(struct move *move);

/* Whether the mover may give away what goes to another owner's project. 0 or -EPERM. */
int move_check_owners(const struct move *move);

/*
 * What an array is that replaces another one: bytes nobody has declared take over what is said
 * there, and so does a new name of an array whose sidecar was there before it. In `*scratch`; NULL
 * where it stays what it is. 0 or negative errno.
 */
int move_take_over(const struct move *move, struct cshm_tree *scratch, struct cshm_node **as);

/*
 * move_follow.c: what is known below directories that are about to go to another project, and the
 * inodes of what has moved.
 */
void move_announce(const struct move *move);
void move_follow(const struct move *move);

static inline bool move_is_exchange(const struct move *move)
{
    return move->flags & RENAME_EXCHANGE;
}

static inline bool move_is_of_project(const struct move_side *side)
{
    return side->directory->kind == INODE_ROOT;
}

#endif
