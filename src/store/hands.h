/* SPDX-License-Identifier: MIT */
/* What project.c and change.c share: replaying a journal, and the descriptors a writer keeps. */
#ifndef CSHM_STORE_HANDS_H
#define CSHM_STORE_HANDS_H

#include "base/buffer.h"
#include "store/project.h"
#include "store/registry.h"

/* As long as a project has a journal that is not folded; then the writer of 10,000 has none open.
 */
struct cshm_hands {
    struct cshm_lock lock;
    int journal_fd;      /* -1: none; open for appending and reading, flock(LOCK_SH) */
    ino_t journal_inode; /* of that */
    int reading_fd;      /* -1: none; of who only follows: what is left in a journal that is gone */
    ino_t reading_inode;
    int pinned_fd;  /* -1: none; O_PATH, of one that is void */
    off_t own_bytes; /* what this process appended; less than there is: others did, too */
};

/*
 * A file that is removed gives its inode number to the next one. So whatever journal the stamp names
 * is kept open, by one of these descriptors, or another journal of the same size would pass for it.
 */

/* NULL: out of memory. */
struct cshm_hands *cshm_hands_of(struct cshm_project *project);
void cshm_hands_let_go_of_journal(struct cshm_project *project);

/*
 * Applies the lines that `text`, the journal from project->journal_bytes on, begins with. 0 or
 * -ENOMEM, after which the tree is of no use.
 */
int cshm_project_replay(struct cshm_project *project, const struct cshm_buffer *text);

/* Applies one operation, its place found already, and tells the observer. */
int cshm_project_apply(struct cshm_project *project, const struct cshm_operation *operation,
                       struct cshm_operation_place *place);

/* For a caller who holds the registry's lock and has just read the project. */
int cshm_project_fold_locked(const struct cshm_store *store, const char *name,
                             struct cshm_project *project, struct cshm_error *error);

/*
 * Puts the journal that is there now into the stamp as one that is void. -EAGAIN where, by what it
 * is, it counts after all, unless `locked`: then it could not be removed.
 */
int cshm_hands_pin(const struct cshm_store *store, const char *name, struct cshm_project *project,
                   bool locked);

void cshm_hands_finish(struct cshm_project *project);

#endif
