/* SPDX-License-Identifier: MIT */
/*
 * The herald tells the kernel what it must not believe any longer: names in directories, and
 * attributes. Whoever sees a change posts an order; one thread, which holds no lock, sends them.
 *
 * It has to be a thread of its own. The kernel holds a directory locked while it waits for the
 * answer to a LOOKUP, CREATE or UNLINK there, and the invalidation of a name waits for that lock:
 * sent by the thread that is to answer, or while a lock is held that one needs, it waits for ever.
 * The same waiting makes it exact: an answer from before the change that is still under way has
 * arrived when the name is dropped. Attributes have no such lock, so before those of a child are
 * dropped a name that cannot exist is dropped in its directory.
 */
#ifndef MOUNT_HERALD_H
#define MOUNT_HERALD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "ghost.h"
#include "inode.h"
#include "libfuse.h"

struct herald_order;

struct herald {
    pthread_mutex_t lock; /* taken alone: nothing inside */
    pthread_cond_t wake;
    struct herald_order *first;
    struct herald_order **last;
    size_t count;
    bool urgent; /* some order is not about a change of our own */
    bool everything;
    bool greeted;
    bool stopping;
    bool running;
    pthread_t thread;
    struct fuse_session *session;
    struct inode_table *inodes;
    struct ghosts *ghosts;
};

void herald_init(struct herald *herald, struct inode_table *inodes, struct ghosts *ghosts);

/* Sends from now on; orders are dropped before. 0 or negative errno. */
int herald_start(struct herald *herald, struct fuse_session *session);

/*
 * The kernel has asked for the root's attributes. Not before may they be dropped: it takes no
 * answer that is under way then, and a root it knows nothing of is closed to everybody.
 */
void herald_greet(struct herald *herald);

/* Waits for the thread: while requests are still answered, or after the unmount. */
void herald_stop(struct herald *herald);
void herald_finish(struct herald *herald);

/*
 * Each of these is short, keeps its own holds, and may be called under a picture's lock. Without
 * memory it falls back to everything.
 */

/* The name in `directory` is another one or gone, and the attributes of `inode` (or NULL) too. */
void herald_entry(struct herald *herald, struct inode *directory, const char *name,
                  struct inode *inode);

/* The attributes of `inode` are others. */
void herald_attributes(struct herald *herald, struct inode *inode);

/*
 * The sidecar of the array `stem` went with it, by a change of our own. Its remover, who has seen
 * both names, mostly goes on to remove it himself (ghost.h) and the kernel then knows: so it is
 * told a moment later, and only if need be.
 */
void herald_sidecar_gone(struct herald *herald, struct inode *directory, const char *stem,
                         struct inode *inode);

/* Attributes that a change of our own has moved; not so urgent either. */
void herald_attributes_later(struct herald *herald, struct inode *inode);

/*
 * The attributes of `inode`, told at once: only for what is being opened, or a sidecar whose array
 * is moved, which the kernel holds no lock of meanwhile.
 */
void herald_now(struct herald *herald, const struct inode *inode);

/*
 * What the kernel has read of `directory`, and its attributes, told at once: for one that was
 * moved, whose mtime is what it was.
 */
void herald_listing(struct herald *herald, const struct inode *directory);

/* Nothing it knows is to be believed: changes were missed. */
void herald_everything(struct herald *herald);

#endif
