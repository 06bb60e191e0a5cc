/* SPDX-License-Identifier: MIT */
/*
 * Ghosts: removing or moving an array takes its sidecar along, but tools that listed both names
 * before (rm -r, find -delete, a shell's glob) go on to remove or move the sidecar and must not
 * fail. So for two seconds, and for the process that did it only, the sidecar's name still resolves
 * and may be removed once more, or renamed to where it is now, without effect. It is never listed.
 * mv(1) to another file system copies one name after the other and removes each at once: so of an
 * array that was removed the text is kept for that time and can be read. Otherwise it cannot be
 * opened.
 */
#ifndef MOUNT_GHOST_H
#define MOUNT_GHOST_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/buffer.h"
#include "inode.h"

enum { GHOST_BUCKETS = 1024 };

struct ghost;

struct ghosts {
    pthread_mutex_t lock; /* before the inode table's */
    struct inode_table *inodes;
    struct ghost *buckets[GHOST_BUCKETS];
    struct ghost *oldest; /* all live equally long, so this is the order they end in */
    struct ghost *newest;
    size_t text_bytes; /* of all */
};

/* What goes and leaves a ghost. */
struct ghost_body {
    struct stat attributes;
    struct cshm_buffer text; /* empty: not to be read */
};

void ghosts_init(struct ghosts *ghosts, struct inode_table *inodes);
void ghosts_finish(struct ghosts *ghosts);

/*
 * The sidecar of the array shown as `name` in `directory` is gone with it; thread `pid` removed the
 * array, or moved it to be `to_name` in `to` (else NULL). The text of `body` is taken, if there is
 * room for it.
 */
void ghost_leave(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                 struct ghost_body *body, struct inode *to, struct cshm_text to_name);

/* Whether thread `pid` sees that ghost; `attributes` may be NULL. */
bool ghost_seen(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                struct stat *attributes);

/* A copy of its text, and what it is like, for thread `pid`. 0; -ENOENT: there is none; -ENOMEM. */
int ghost_read(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
               struct stat *attributes, struct cshm_buffer *out);

/* Whether it is there, whoever sees it. */
bool ghost_walks(struct ghosts *ghosts, struct inode *directory, struct cshm_text name);

/* Ends it if its array went there. Else false, also when `pid` sees none. */
bool ghost_follow(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                  const struct inode *to, struct cshm_text to_name);

/* Ends it. False when `pid` sees none. */
bool ghost_lay(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid);

#endif
