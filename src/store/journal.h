/* SPDX-License-Identifier: MIT */
/*
 * The journal of a project as a file, `.journal.P` beside its manifest: what format/journal.h says,
 * appended under the registry's lock. It counts only if it is a regular file with one name whose
 * owner is the manifest's, and only for the manifest of its generation; else it is void, whoever
 * made it. Who writes it holds flock(LOCK_SH) on it until it is folded: a politeness, that others
 * leave the folding to him. Folding is right at any time under the lock.
 */
#ifndef CSHM_STORE_JOURNAL_H
#define CSHM_STORE_JOURNAL_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/names.h"
#include "store/store.h"

/* The file name of a checked project's journal, and back: -EINVAL where it is none. */
void cshm_journal_name(const char *project, char out[CSHM_SEGMENT_NAME_SIZE]);
int cshm_journal_project(const char *file_name, char out[CSHM_PROJECT_NAME_MAX + 1]);

/* Whether a journal is not void by what it is. */
bool cshm_journal_counts(const struct stat *st, uid_t owner);

/*
 * Opens it for reading. `owner` is the manifest's, (uid_t)-1: any. -ENOENT; -EPERM when it is void
 * by what it is; other negative errno.
 */
int cshm_journal_open_to_read(const struct cshm_store *store, const char *project, uid_t owner,
                              int *fd, struct stat *st);

/* What of it is there from offset `from` on, up to CSHM_JOURNAL_SIZE_MAX bytes. */
int cshm_journal_read_from(int fd, off_t from, struct cshm_buffer *text);

/*
 * Both: reads what is there from offset `from` on, up to CSHM_JOURNAL_SIZE_MAX bytes.
 * `st` is of the file read, taken before it was.
 */
int cshm_journal_read(const struct cshm_store *store, const char *project, uid_t owner, off_t from,
                      struct cshm_buffer *text, struct stat *st);

/*
 * Opens it for appending, makes it first if `make` (-EEXIST), and says to others that its writer
 * lives. -EPERM when it is void by what it is. The registry's lock is held.
 */
int cshm_journal_open(const struct cshm_store *store, const char *project, bool make, uid_t uid,
                      gid_t gid, mode_t mode, int *fd, struct stat *st);

/*
 * Removes a journal that does not count any more, after unlinking the segments that its lines free
 * and its writer may not have come to: those that belong to its owner (root: any) and that no
 * manifest and no other journal holds. 0 also when there is none; -EPERM and the like when it
 * cannot be removed. The registry's lock is held.
 */
int cshm_journal_retire(const struct cshm_store *store, const char *project);

/*
 * Folds the project's journal if its writer is dead, or retires it if it is void. What cannot be
 * done stays (of other users, mostly). 1: it is left, as its writer lives or is another user. The
 * registry's lock is held.
 */
int cshm_journal_recover(const struct cshm_store *store, const char *project);

#endif
