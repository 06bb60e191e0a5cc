/* SPDX-License-Identifier: MIT */
/*
 * Intents: what somebody is about to do in several steps, of which one decides, written into a
 * pending file (pending.h) before the first. Whoever finds the file of a dead one looks whether the
 * deciding step was done and does what is to follow it, or takes back what went before. Lines of
 * fields with tabs between them (no name holds one), the last one "!end": without it nothing was
 * begun.
 *
 *   !commit PROJECT GENERATION BYTES          the deciding step is a commit to this project, which
 *                                             is in this state before it: its manifest's generation
 *                                             and so much of its journal
 *   !then PROJECT GENERATION BYTES change     then this one, if in this state, is changed ...
 *   !line JOURNAL-LINE                        ... by these operations (format/journal.h)
 *   !then PROJECT GENERATION BYTES remove     or it ends to be a project; segments stay
 *   !owner PROJECT UID GID MODE               the deciding step is the manifest's new owner and
 *                                             group; then it has that mode
 *   !give SEGMENT UID GID UID GID             before it segments went from these to those
 *   !made PROJECT GENERATION BYTES            alone: this project was made, empty and in this
 *                                             state, for what did not come if it is so still
 *   !end
 *
 * What is written may be forged. A project is changed only if its owner is the file's, and the
 * segments it is to lose are named by the other one; owners are changed only by who made the file,
 * or root's file and root.
 */
#ifndef CSHM_STORE_INTENT_H
#define CSHM_STORE_INTENT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "format/journal.h"
#include "store/project.h"

#define CSHM_INTENT_SIZE_MAX ((size_t)256 << 20) /* of some two million segments */

/* A segment that gets another owner, and its group. */
struct cshm_grant {
    const char *segment;
    uid_t uid;
    gid_t gid;
    uid_t new_uid;
    gid_t new_gid;
};

/* Which state of a project is meant. */
struct cshm_moment {
    const char *project; /* NULL: none */
    uint64_t generation;
    uint64_t bytes; /* of its journal */
};

/* Nothing in it is owned. */
struct cshm_intent {
    struct cshm_moment first; /* of the commit that decides */
    struct cshm_moment then;
    bool removes;                            /* `then` ends to be a project */
    const struct cshm_operation *operations; /* else these are done to it */
    size_t operation_count;
    struct cshm_moment made; /* instead of all that: goes again if nothing came into it */
    const char *owned;       /* instead: the project that gets another owner; NULL: none does */
    uid_t uid;
    gid_t gid;
    mode_t mode;
    struct cshm_grant *grants;
    size_t grant_count;
};

struct cshm_moment cshm_moment_of(const char *name, const struct cshm_project *project);

/* Whether the project says what it said then; folding changes nothing. */
bool cshm_moment_is_now(const struct cshm_moment *moment, const struct cshm_project *project);

/* Appends the lines. 0; -EFBIG (an operation too long for a line, or all of it), -ENOMEM. */
int cshm_intent_render(const struct cshm_intent *intent, struct cshm_buffer *out);

/* An intent that was read; it points into the rest. */
struct cshm_intent_text {
    struct cshm_intent intent;
    struct cshm_arena arena;
    struct cshm_journal journal;
};

/*
 * 1: read, and it was whole; 0: there is none, or not a whole one; -ENOMEM. Believes nothing: names
 * are valid ones and numbers in their ranges, what they name may be anything. Finish it in every
 * case.
 */
int cshm_intent_parse(const char *text, size_t length, struct cshm_intent_text *out);
void cshm_intent_text_finish(struct cshm_intent_text *text);

/* Gives the segments their new owners. Stops at the first error. */
int cshm_intent_grant(const struct cshm_store *store, const struct cshm_intent *intent);

/* `then`, after the first commit, in this process. `project` is up to date. */
int cshm_intent_follow(const struct cshm_store *store, const struct cshm_intent *intent,
                       struct cshm_project *project, struct cshm_error *error);

/*
 * Finishes or takes back what the lines in `text` (of a dead one's file) say; text without such
 * lines says nothing. 0: done, or nothing can or is to be done; 1: not now, or by another user;
 * -ENOMEM. The registry's lock is held.
 */
int cshm_intent_recover(const struct cshm_store *store, const struct cshm_buffer *text,
                        const struct stat *st);

/* Owner, group and mode of a manifest or segment, by an O_PATH descriptor. */
int cshm_intent_own(int fd, uid_t uid, gid_t gid);
int cshm_intent_permit(int fd, mode_t mode);

#endif
