/* SPDX-License-Identifier: MIT */
/*
 * Judging: a text that somebody wrote as a sidecar is parsed, under no lock, and what it says
 * becomes one commit: of an array, a group, or an array that is made by it. A bad text changes
 * nothing; why stands in the log and at the end of the sidecar (remark.h).
 */
#ifndef MOUNT_SIDECAR_JUDGE_H
#define MOUNT_SIDECAR_JUDGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "change.h"
#include "inode.h"
#include "right.h"

/* Who began to write, and what he may do. */
struct sidecar_author {
    struct fuse_ctx who;
    mode_t mode;        /* of an array that is made */
    ino_t segment;      /* of an undeclared array that he may write; 0: none */
    struct right right; /* by which he was let in */
};

struct sidecar_text {
    struct inode *directory;
    struct cshm_text key; /* of the child; not looked at for `.meta` */
    bool is_meta;
    struct cshm_text text;
    const struct sidecar_author *author;
    bool is_new; /* it may make an array; else one that has gone has taken its sidecar along */
    /*
     * An array in the same project whose bytes the text is, to be removed in the same commit; its
     * directory's keys and its own. NULL: none.
     */
    const struct change_path *source;
    const char *source_segment;
};

/*
 * 0; -EINVAL: a bad text; -EISDIR: there is a group by that name; -EACCES: the array is another
 * user's; -ESTALE: the source is not what it was; other negative errno of a commit.
 */
int sidecar_judge(struct daemon *daemon, const struct sidecar_text *text);

/* Whether the user may write (`mask` 02) or read (04) a file. `groups` he is in besides. */
bool sidecar_may(const struct fuse_ctx *who, const gid_t *groups, int group_count,
                 const struct stat *st, mode_t mask);

#endif
