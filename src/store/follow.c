/* SPDX-License-Identifier: MIT */
/* Journal lines to the tree of a loaded project: all of them at first, then what is new. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "format/journal.h"
#include "format/manifest.h"
#include "store/hands.h"
#include "store/journal.h"

enum {
    PEEK_SIZE = 64 << 10, /* the longest path of a source, all of it escaped, fits */
    ATTEMPTS = 100,
};

int cshm_project_apply(struct cshm_project *project, const struct cshm_operation *operation,
                       struct cshm_operation_place *place)
{
    const struct cshm_observer *observer = &project->observer;
    if (observer->before)
        observer->before(observer->context, operation, place);
    int result = cshm_operation_apply(project->tree, operation, place);
    if (result == 0 && observer->after)
        observer->after(observer->context, operation, place);
    return result;
}

static int apply_line(struct cshm_project *project, const struct cshm_journal_line *line)
{
    int result = 0;
    for (size_t i = 0; i < line->count && result == 0; i++) {
        struct cshm_operation_place place;
        result = cshm_operation_find(project->tree, &line->operations[i], &place);
        if (result == 0)
            result = cshm_project_apply(project, &line->operations[i], &place);
    }
    return result;
}

int cshm_project_replay(struct cshm_project *project, const struct cshm_buffer *text)
{
    uint64_t generation = project->tree->facts.generation;
    if (generation == 0 || text->length == 0 || project->journal_ended)
        return 0;
    struct cshm_journal journal;
    off_t begin = project->journal_bytes;
    int result = cshm_journal_parse(text->bytes, text->length, generation, &journal);
    for (size_t i = 0; i < journal.count && result == 0; i++) {
        result = apply_line(project, &journal.lines[i]);
        if (result == 0)
            project->journal_bytes = begin + (off_t)journal.lines[i].end;
    }
    cshm_journal_finish(&journal);
    /* Who loads the project comes to the same place with the same tree, and to the same end. */
    if (result < 0 && result != -ENOMEM) {
        project->journal_ended = true;
        result = 0;
    }
    return result;
}

/* Descriptor of the journal that was followed or written so far, or -1. */
static int own_journal(const struct cshm_project *project, ino_t inode)
{
    const struct cshm_hands *hands = project->hands;
    if (hands && hands->journal_fd >= 0 && (!inode || hands->journal_inode == inode))
        return hands->journal_fd;
    if (hands && hands->reading_fd >= 0 && (!inode || hands->reading_inode == inode))
        return hands->reading_fd;
    return -1;
}

/*
 * The same, opened and kept if need be. -EPERM where it is void by what it is; -EAGAIN where
 * another one is there this moment.
 */
static int open_journal(const struct cshm_store *store, const char *name,
                        struct cshm_project *project, ino_t inode)
{
    if (own_journal(project, inode) >= 0)
        return 0;
    struct cshm_hands *hands = cshm_hands_of(project);
    struct stat st;
    if (!hands)
        return -ENOMEM;
    cshm_close_fd(&hands->reading_fd);
    int result = cshm_journal_open_to_read(store, name, project->uid, &hands->reading_fd, &st);
    if (result < 0)
        return result == -ENOENT ? -EAGAIN : result;
    hands->reading_inode = st.st_ino;
    /* The same number may be another file's by now, of a manifest that came later. */
    struct cshm_stamp now;
    result = cshm_project_look(store, name, &now, NULL);
    if (result == 0 && st.st_ino == inode && cshm_stamp_same_manifest(&now, &project->stamp))
        return 0;
    cshm_close_fd(&hands->reading_fd);
    return -EAGAIN;
}

/* Applies what is new in the journal that is there now. */
static int read_news(const struct cshm_store *store, const char *name, struct cshm_project *project,
                     const struct cshm_stamp *now)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = open_journal(store, name, project, now->journal_inode);
    if (result == -EPERM && project->journal_bytes == 0)
        return cshm_hands_pin(store, name, project, false);
    if (result < 0)
        return result == -EPERM ? -ESTALE : result;
    int fd = own_journal(project, now->journal_inode);
    struct stat st; /* of this file, before it is read: `now` may be of one that is gone */
    if (fstat(fd, &st) < 0)
        return -errno;
    project->stamp.journal_inode = st.st_ino;
    project->stamp.journal_size = st.st_size;
    result = cshm_journal_read_from(fd, project->journal_bytes, &text);
    off_t before = project->journal_bytes;
    if (result == 0)
        result = cshm_project_replay(project, &text);
    if (project->journal_bytes != before)
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &project->changed);
    return result;
}

/* --- A journal that was folded ------------------------------------------------------------------
 */

/* What a manifest says of its history; its stamp and owner. */
static int peek(const struct cshm_store *store, const char *name, struct cshm_project_facts *facts,
                struct stat *st)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    char head[PEEK_SIZE];
    cshm_manifest_name(name, file);
    CSHM_AUTO_FD int fd =
        openat(store->root_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
        return -ESTALE;
    ssize_t got = pread(fd, head, sizeof head, 0);
    return got <= 0 ? -ESTALE : cshm_manifest_peek(head, (size_t)got, facts);
}

/* Applies what is left in the journal that was folded, which is gone but still open here. */
static int read_rest(struct cshm_project *project, uint64_t folded)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int fd = own_journal(project, 0);
    if ((uint64_t)project->journal_bytes == folded)
        return 0;
    if (fd < 0 || (uint64_t)project->journal_bytes > folded)
        return -ESTALE;
    int result = cshm_journal_read_from(fd, project->journal_bytes, &text);
    if (result == 0)
        result = cshm_project_replay(project, &text);
    return result == 0 && (uint64_t)project->journal_bytes != folded ? -ESTALE : result;
}

/*
 * Another manifest is there. If it is the one that is known with its journal folded in, then it is
 * known too. It may be replaced by the next one meanwhile: then the stamp is not that one's.
 */
static int adopt(const struct cshm_store *store, const char *name, struct cshm_project *project)
{
    struct cshm_project_facts facts;
    struct cshm_project_facts *known = &project->tree->facts;
    struct stat st;
    if (project->damaged || project->journal_ended || known->generation == 0 ||
        peek(store, name, &facts, &st) < 0 || facts.folded_generation != known->generation ||
        st.st_uid != project->uid)
        return -ESTALE;
    int result = read_rest(project, facts.folded_bytes);
    if (result < 0)
        return result;
    cshm_hands_let_go_of_journal(project);
    known->generation = facts.generation;
    known->folded_generation = facts.folded_generation;
    known->folded_bytes = facts.folded_bytes;
    project->journal_bytes = 0;
    project->stamp = cshm_stamp_of(&st);
    project->changed = st.st_mtim;
    project->gid = st.st_gid;
    project->mode = st.st_mode & 07777;
    return 0;
}

/* --- Following
 * ------------------------------------------------------------------------------------ */

static int follow(const struct cshm_store *store, const char *name, struct cshm_project *project,
                  const struct cshm_stamp *now)
{
    const struct cshm_stamp *before = &project->stamp;
    if (!project->tree)
        return -ESTALE;
    if (!cshm_stamp_same_manifest(now, before)) {
        int result = adopt(store, name, project);
        if (result < 0 || !cshm_stamp_same_manifest(now, before))
            return result < 0 ? result : -EAGAIN;
    }
    if (project->journal_bytes > 0 &&
        (now->journal_inode != before->journal_inode || now->journal_size < project->journal_bytes))
        return -ESTALE;
    project->stamp.journal_inode = 0;
    project->stamp.journal_size = 0;
    return now->journal_inode ? read_news(store, name, project, now) : 0;
}

int cshm_project_follow(const struct cshm_store *store, const char *name,
                        struct cshm_project *project, struct cshm_error *error)
{
    int result = -EAGAIN;
    for (int attempt = 0; attempt < ATTEMPTS && result == -EAGAIN; attempt++) {
        struct cshm_stamp now;
        result = cshm_project_look(store, name, &now, NULL);
        if (result < 0)
            return cshm_fail_errno(error, result, "%s", name);
        if (project->tree && cshm_stamp_equal(&now, &project->stamp))
            return 0;
        result = follow(store, name, project, &now);
    }
    if (result == -EAGAIN)
        result = -ESTALE;
    if (result < 0) /* the tree may be half-way: only loading makes it right */
        project->stamp = (struct cshm_stamp){0};
    return result < 0 ? cshm_fail_errno(error, result, "%s", name) : 0;
}
