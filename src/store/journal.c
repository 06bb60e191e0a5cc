/* SPDX-License-Identifier: MIT */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/scope.h"
#include "format/journal.h"
#include "store/holders.h"
#include "store/registry.h"
#include "store/segment.h"

static const char prefix[] = ".journal.";
enum { PREFIX_SIZE = sizeof prefix - 1 };

void cshm_journal_name(const char *project, char out[CSHM_SEGMENT_NAME_SIZE])
{
    memcpy(out, prefix, PREFIX_SIZE);
    size_t length = strnlen(project, CSHM_PROJECT_NAME_MAX);
    memcpy(out + PREFIX_SIZE, project, length);
    out[PREFIX_SIZE + length] = '\0';
}

int cshm_journal_project(const char *file_name, char out[CSHM_PROJECT_NAME_MAX + 1])
{
    if (strncmp(file_name, prefix, PREFIX_SIZE) != 0 ||
        cshm_project_name_check(file_name + PREFIX_SIZE) < 0)
        return -EINVAL;
    strcpy(out, file_name + PREFIX_SIZE);
    return 0;
}

bool cshm_journal_counts(const struct stat *st, uid_t owner)
{
    /* Another name would be of a file that somebody else has for something else. */
    return S_ISREG(st->st_mode) && st->st_nlink == 1 && (owner == (uid_t)-1 || st->st_uid == owner);
}

static int open_checked(const struct cshm_store *store, const char *project, uid_t owner, int flags,
                        int *fd, struct stat *st)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_journal_name(project, name);
    CSHM_AUTO_FD int opened =
        openat(store->root_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (opened < 0)
        return errno == ELOOP || errno == ENXIO || errno == EISDIR ? -EPERM : -errno;
    if (fstat(opened, st) < 0)
        return -errno;
    if (st->st_nlink == 0)
        return -ENOENT; /* folded this moment */
    if (!cshm_journal_counts(st, owner))
        return -EPERM;
    *fd = cshm_steal_fd(&opened);
    return 0;
}

int cshm_journal_open_to_read(const struct cshm_store *store, const char *project, uid_t owner,
                              int *fd, struct stat *st)
{
    return open_checked(store, project, owner, O_RDONLY, fd, st);
}

int cshm_journal_read_from(int fd, off_t from, struct cshm_buffer *out)
{
    char piece[16 * 1024];
    cshm_buffer_clear(out);
    while (out->length < CSHM_JOURNAL_SIZE_MAX) {
        ssize_t got = pread(fd, piece, sizeof piece, from + (off_t)out->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        cshm_buffer_add(out, piece, (size_t)got);
        if (out->error || (size_t)got < sizeof piece)
            break;
    }
    return out->error;
}

int cshm_journal_read(const struct cshm_store *store, const char *project, uid_t owner, off_t from,
                      struct cshm_buffer *text, struct stat *st)
{
    CSHM_AUTO_FD int fd = -1;
    int result = open_checked(store, project, owner, O_RDONLY, &fd, st);
    return result < 0 ? result : cshm_journal_read_from(fd, from, text);
}

int cshm_journal_open(const struct cshm_store *store, const char *project, bool make, uid_t uid,
                      gid_t gid, mode_t mode, int *fd, struct stat *st)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_journal_name(project, name);
    CSHM_AUTO_FD int opened = -1;
    int result = 0;
    if (!make) {
        result = open_checked(store, project, uid, O_RDWR | O_APPEND, &opened, st);
    } else {
        opened = openat(store->root_fd, name,
                        O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        result = opened < 0 ? -errno : cshm_registry_give(opened, uid, gid, mode);
        if (result == 0 && fstat(opened, st) < 0)
            result = -errno;
        if (result < 0 && opened >= 0)
            (void)unlinkat(store->root_fd, name, 0);
    }
    if (result < 0)
        return result;
    (void)flock(opened, LOCK_SH | LOCK_NB); /* a stranger's lock on it changes nothing */
    *fd = cshm_steal_fd(&opened);
    return 0;
}

/* --- Retiring ------------------------------------------------------------------------------- */

struct retirement {
    const struct cshm_store *store;
    const char *project;
    struct cshm_holders holders;
    bool collected;
};

static int free_segment(struct retirement *retirement, const char *name, uid_t owner)
{
    struct stat st;
    if (cshm_segment_inspect(retirement->store, name, owner, 0, &st, NULL) != CSHM_SEGMENT_FINE)
        return 0; /* nearly always: its writer was alive */
    if (!retirement->collected) {
        int result = cshm_holders_collect(retirement->store, NULL, retirement->project,
                                          &retirement->holders);
        if (result < 0)
            return result;
        retirement->collected = true;
    }
    if (cshm_holders_have(&retirement->holders, name, st.st_uid))
        return 0;
    return cshm_segment_unlink(retirement->store, name);
}

static int free_segments(const struct cshm_store *store, const char *project,
                         const struct cshm_buffer *text, uid_t owner)
{
    struct retirement retirement = {.store = store, .project = project};
    struct cshm_journal journal;
    int result = cshm_journal_parse(text->bytes, text->length, 0, &journal);
    for (size_t i = 0; i < journal.count && result == 0; i++)
        for (size_t j = 0; j < journal.lines[i].free_count && result == 0; j++)
            result = free_segment(&retirement, journal.lines[i].free[j], owner);
    cshm_journal_finish(&journal);
    cshm_holders_finish(&retirement.holders);
    return result;
}

int cshm_journal_retire(const struct cshm_store *store, const char *project)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    int result = cshm_journal_read(store, project, (uid_t)-1, 0, &text, &st);
    if (result == -ENOENT)
        return 0;
    if (result == 0)
        result = free_segments(store, project, &text, st.st_uid);
    if (result < 0 && result != -EPERM && result != -EACCES)
        return result;
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_journal_name(project, name);
    return unlinkat(store->root_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
