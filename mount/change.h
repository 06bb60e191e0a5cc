/* SPDX-License-Identifier: MIT */
/*
 * Changes: the one way in which a request changes a project. The directory's project is brought up
 * to date and locked, its group is found, a commit is made of operations (model/operation.h) and
 * handed to the store; when somebody else's manifest came in between, all of it begins again.
 */
#ifndef MOUNT_CHANGE_H
#define MOUNT_CHANGE_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon.h"
#include "entries.h"
#include "inode.h"
#include "sight.h"

/* How often one begins again. */
enum { CHANGE_ATTEMPTS = 40 };

/*
 * Whether to begin again after so many attempts that ended with `result`: another daemon's or
 * command's changes came first (-ESTALE). After some it waits for a moment, of a few milliseconds
 * at most, so that two who are always equally fast do not keep each other from it. Under no lock.
 */
bool change_again(int attempts, int result);

struct change {
    struct daemon *daemon;
    const struct fuse_ctx *who; /* user, group, thread and umask of who asks */
    fuse_req_t request;         /* NULL: he is not asking this moment */
    struct inode *directory;    /* not the root */
    struct picture *picture;    /* up to date and locked for a change */
    struct cshm_node *group;    /* the directory's node */
};

/* -ESTALE: begin again. */
typedef int change_function(struct change *change, void *context);

/*
 * Calls `function` under the lock of the directory's picture. 0; -ENOENT when the directory is no
 * more; -EACCES where the manifest may not be read; or what `function` says. Nothing is held after.
 */
int change_run(struct daemon *daemon, fuse_req_t request, struct inode *directory,
               change_function *function, void *context);

/* The same on behalf of somebody who is not asking this moment. */
int change_run_for(struct daemon *daemon, const struct fuse_ctx *who, struct inode *directory,
                   change_function *function, void *context);

/*
 * Commits (store/project.h). Between change_run()'s lock and its end, any number of times: each is
 * a commit of its own. Afterwards nodes found before may be out of the tree (their memory stays). A
 * failure is in the log.
 */
int change_commit(struct change *change, const struct cshm_commit *commit);

/* Why a change failed goes to the log: the kernel has room for a number only. Returns `result`. */
int change_told(const struct picture *picture, int result, const struct cshm_error *error);

/* Keys from the root, in memory of their own. */
struct change_path {
    struct cshm_text *keys;
    size_t depth;
};

/* Of `node` itself; or, with `key`, of the child of that name it has or may get. 0 or -ENOMEM. */
int change_path_make(const struct cshm_node *node, const struct cshm_text *key,
                     struct change_path *out);
void change_path_finish(struct change_path *path); /* for CSHM_AUTO_PATH, too */
#define CSHM_AUTO_PATH __attribute__((cleanup(change_path_finish)))

/*
 * The key that a new entry `name` is to have; `key` has room for CSHM_FSNAME_MAX bytes. -EILSEQ
 * (not UTF-8), -ENAMETOOLONG, -EINVAL (a name that no key has or only a hash stands for). Names of
 * sidecars and views are not looked for.
 */
int change_new_key(const char *name, char *key, struct cshm_text *out);

/*
 * Whose a new segment in this project is: a project has one owner, except that in root's everybody
 * has his own.
 */
void change_owner(const struct change *change, uid_t *uid, gid_t *gid);

/* A segment in the making: nameless, to be named by a commit (cshm_made). */
struct change_segment {
    int fd;
    char name[CSHM_SEGMENT_NAME_SIZE];
};

/*
 * One for a new array in this project: zeros, `bytes` long (1 for an empty array), its memory
 * reserved (-ENOSPC), its owner as change_owner() says, with the permissions in `mode` (umask
 * applied already: with default_permissions the kernel does that).
 */
int change_segment_make(const struct change *change, uint64_t bytes, mode_t mode,
                        struct change_segment *out);
void change_segment_finish(struct change_segment *segment);
#define CSHM_AUTO_SEGMENT __attribute__((cleanup(change_segment_finish)))

/*
 * Whether somebody may take away (remove, rename, replace) a whole project: its owner may, the
 * owner of the directory they are in, and root. Under the picture's lock.
 */
bool change_may_take(const struct picture *picture, const struct fuse_ctx *who);

/*
 * Whether who asks may change what is in the project's directories. The kernel has looked at what
 * it was told last: the project may be another one since, of another user. Under the picture's
 * lock. 0 or -EACCES.
 */
int change_check_asker(const struct picture *picture, fuse_req_t request);

/* Whether who asks may read an array, and so what is declared of it; `looks` as entries_of() says.
 */
bool change_asker_reads(const struct entries *looks, fuse_req_t request);

/*
 * The array `name` has left `directory` with its sidecar, which was like `body` (whose text is
 * taken); it is `to_name` in `to` now (NULL: nowhere). Under no picture's lock.
 */
void change_leave_ghost(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                        const char *name, struct ghost_body *body, struct inode *to,
                        const char *to_name);

/*
 * What `name` is now, in the directory being changed, for the answer to the kernel; out->ino counts
 * as a lookup. 0, -ENOENT, -ENOMEM.
 */
int change_resolve(const struct change *change, const char *name, struct fuse_entry_param *out);

#endif
