/* SPDX-License-Identifier: MIT */
/*
 * Changes of a published project, each one a commit of its own under the registry's lock: applied
 * to the tree in memory, then one line in the journal, or the manifest anew. A commit that fails
 * after it was applied leaves the tree ahead of the disk, and the stamp says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "format/journal.h"
#include "format/manifest.h"
#include "format/toml.h"
#include "store/change.h"
#include "store/hands.h"
#include "store/intent.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/release.h"
#include "store/segment.h"

enum {
    SMALL_MANIFEST = 64 << 10, /* bytes: written anew at every change, so that the peer sees it */
    JOURNAL_ALWAYS = 1 << 20,  /* bytes a journal may have ... */
    JOURNAL_SHARE = 8, /* ... and this part of its manifest: replaying is a part of loading */
    JOURNAL_MOST = 16 << 20,
};

struct commit {
    const struct cshm_store *store;
    const char *name;
    struct cshm_project *project;
    const struct cshm_commit *what; /* NULL: folding */
    struct cshm_release release;
    struct cshm_error *error;
};

/* --- Descriptors ------------------------------------------------------------------------------ */

struct cshm_hands *cshm_hands_of(struct cshm_project *project)
{
    if (project->hands)
        return project->hands;
    project->hands = calloc(1, sizeof *project->hands);
    if (project->hands)
        *project->hands = (struct cshm_hands){
            .lock = CSHM_LOCK_NONE, .journal_fd = -1, .reading_fd = -1, .pinned_fd = -1};
    return project->hands;
}

void cshm_hands_let_go_of_journal(struct cshm_project *project)
{
    if (!project->hands)
        return;
    cshm_close_fd(&project->hands->journal_fd);
    cshm_close_fd(&project->hands->reading_fd);
    cshm_close_fd(&project->hands->pinned_fd);
    project->hands->own_bytes = 0;
}

void cshm_hands_finish(struct cshm_project *project)
{
    cshm_hands_let_go_of_journal(project);
    if (project->hands)
        cshm_lock_finish(&project->hands->lock);
    free(project->hands);
    project->hands = NULL;
}

int cshm_hands_pin(const struct cshm_store *store, const char *name, struct cshm_project *project,
                   bool locked)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    cshm_journal_name(name, file);
    project->stamp.journal_inode = 0;
    project->stamp.journal_size = 0;
    CSHM_AUTO_FD int fd = openat(store->root_fd, file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    struct cshm_hands *hands = cshm_hands_of(project);
    if (!hands)
        return -ENOMEM;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!locked && (st.st_nlink == 0 || cshm_journal_counts(&st, project->uid)))
        return -EAGAIN;
    cshm_close_fd(&hands->pinned_fd);
    hands->pinned_fd = cshm_steal_fd(&fd);
    project->stamp.journal_inode = st.st_ino;
    project->stamp.journal_size = st.st_size;
    return 0;
}

int cshm_change_begin(const struct cshm_store *store, const char *name,
                      struct cshm_project *project, struct cshm_error *error)
{
    struct cshm_hands *hands = cshm_hands_of(project);
    if (!hands)
        return cshm_fail(error, -ENOMEM, "out of memory");
    int result = cshm_lock_take(store, &hands->lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_transfer(store);
    return cshm_project_follow(store, name, project, error);
}

/* Descriptors are kept only while there is a journal to write on. */
void cshm_change_end(struct cshm_project *project)
{
    if (!project->hands)
        return;
    if (project->hands->journal_fd >= 0)
        cshm_lock_release(&project->hands->lock);
    else if (project->hands->reading_fd >= 0 || project->hands->pinned_fd >= 0)
        cshm_lock_finish(&project->hands->lock);
    else
        cshm_hands_finish(project);
}

/* --- The manifest anew ------------------------------------------------------------------------ */

static int replace(const struct commit *commit, struct stat *st)
{
    struct cshm_project *project = commit->project;
    struct cshm_project_facts *facts = &project->tree->facts;
    const struct cshm_project_facts before = *facts;
    uint64_t generation;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        return -EIO;
    /* Who folds, adds nothing: who followed the journal to its end has no need to read it all. */
    facts->folded_generation = commit->what ? 0 : before.generation;
    facts->folded_bytes = commit->what ? 0 : (uint64_t)project->journal_bytes;
    facts->generation = (generation & INT64_MAX) | 1; /* TOML integers are signed */
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = cshm_manifest_render(project->tree, &text);
    if (result == 0)
        result = cshm_registry_replace(commit->store, commit->name, &text, project->uid,
                                       project->gid, project->mode, st);
    if (result < 0)
        *facts = before;
    return result;
}

/* The journal is void from here on. What dead writers freed in it is seen to; this one's own is. */
static void retire(const struct commit *commit)
{
    struct cshm_project *project = commit->project;
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_journal_name(commit->name, name);
    if (project->stamp.journal_inode != 0) {
        bool own = project->hands && project->hands->own_bytes == project->stamp.journal_size;
        if (!own)
            (void)cshm_journal_retire(commit->store, commit->name);
        else
            (void)unlinkat(commit->store->root_fd, name, 0);
    }
    cshm_hands_let_go_of_journal(project);
    project->journal_bytes = 0;
    project->journal_ended = false;
}

static int rewrite(const struct commit *commit)
{
    struct cshm_project *project = commit->project;
    struct cshm_pending pending = CSHM_PENDING_NONE;
    struct stat st;
    int result =
        cshm_pending_add(commit->store, &pending, commit->release.names, commit->release.count);
    if (result == 0)
        result = replace(commit, &st);
    if (result == 0) {
        (void)cshm_release_unlink(commit->store, commit->name, project->uid, &commit->release);
        retire(commit);
        project->stamp = cshm_stamp_of(&st);
        project->changed = st.st_mtim;
        result = cshm_hands_pin(commit->store, commit->name, project, true);
    }
    cshm_pending_finish(commit->store, &pending);
    return result < 0 ? cshm_fail_errno(commit->error, result, "%s: cannot replace the manifest",
                                        commit->name)
                      : 0;
}

/* --- A line in the journal ---------------------------------------------------------------------
 */

static off_t journal_limit(const struct cshm_project *project)
{
    off_t share = project->stamp.size / JOURNAL_SHARE;
    if (share < JOURNAL_ALWAYS)
        return JOURNAL_ALWAYS;
    return share > JOURNAL_MOST ? JOURNAL_MOST : share;
}

/* Whether the journal, if there is one, is right up to its end: behind a torn line nothing counts.
 */
static bool can_append(const struct cshm_project *project)
{
    return project->tree->facts.generation != 0 &&
           (project->deferred || project->stamp.size > SMALL_MANIFEST) && !project->journal_ended &&
           project->journal_bytes == project->stamp.journal_size;
}

static int open_journal(const struct commit *commit)
{
    struct cshm_project *project = commit->project;
    struct cshm_hands *hands = project->hands;
    ino_t there = project->stamp.journal_inode;
    if (hands->journal_fd >= 0 && hands->journal_inode == there)
        return 0;
    cshm_hands_let_go_of_journal(project);
    struct stat st;
    int result = cshm_journal_open(commit->store, commit->name, there == 0, project->uid,
                                   project->gid, project->mode, &hands->journal_fd, &st);
    if (result == 0)
        hands->journal_inode = project->stamp.journal_inode = st.st_ino;
    return result;
}

static int append(const struct commit *commit, const struct cshm_buffer *line)
{
    struct cshm_project *project = commit->project;
    struct cshm_hands *hands = project->hands;
    ssize_t written = write(hands->journal_fd, line->bytes, line->length);
    /* What was written of it is a torn line, which whoever writes next folds away. */
    if (written < 0 || (size_t)written != line->length)
        return cshm_fail_errno(commit->error, written < 0 ? -errno : -ENOSPC,
                               "%s: cannot write its journal", commit->name);
    project->journal_bytes += written;
    project->stamp.journal_size += written;
    hands->own_bytes += written;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &project->changed);
    return 0;
}

/* A journal that no manifest has room for could never be folded: so that is found out before. */
static bool is_nearly_too_large(const struct cshm_project *project, size_t line)
{
    uint64_t journal = (uint64_t)project->journal_bytes + line;
    return (uint64_t)project->stamp.size + 2 * journal > CSHM_TOML_SIZE_MAX;
}

static int write_down(const struct commit *commit)
{
    struct cshm_project *project = commit->project;
    if (!can_append(project))
        return rewrite(commit);
    CSHM_AUTO_BUFFER struct cshm_buffer line = CSHM_BUFFER_INIT;
    int result = cshm_journal_render(project->tree->facts.generation, commit->what->operations,
                                     commit->what->count, commit->release.names,
                                     commit->release.count, &line);
    if (result == -ENOMEM)
        return cshm_fail(commit->error, result, "out of memory");
    if (result < 0 || is_nearly_too_large(project, line.length) || open_journal(commit) < 0)
        return rewrite(commit);
    result = append(commit, &line);
    if (result < 0)
        return result;
    (void)cshm_release_unlink(commit->store, commit->name, project->uid, &commit->release);
    if (project->journal_bytes > journal_limit(project)) /* what fails here can be done later */
        (void)cshm_project_fold_locked(commit->store, commit->name, project, NULL);
    return 0;
}

/* --- Commits ------------------------------------------------------------------------------------
 */

/* The segments of what an operation takes out or replaces. */
static int collect(struct commit *commit, const struct cshm_operation *operation,
                   const struct cshm_operation_place *place)
{
    if (commit->what->keep_segments)
        return 0;
    switch (operation->kind) {
    case CSHM_OPERATION_REMOVE:
        return cshm_release_add(&commit->release, place->node);
    case CSHM_OPERATION_PUT:
        return place->node && cshm_node_segment(place->node)
                   ? cshm_release_add(&commit->release, place->node)
                   : 0;
    default:
        return place->there && place->there != place->node && !operation->exchange
                   ? cshm_release_add(&commit->release, place->there)
                   : 0;
    }
}

static int apply_all(struct commit *commit, struct cshm_operation_place *place)
{
    const struct cshm_commit *what = commit->what;
    int result = 0;
    for (size_t i = 0; i < what->count && result == 0; i++) {
        if (i > 0)
            result = cshm_operation_find(commit->project->tree, &what->operations[i], place);
        if (result == 0)
            result = collect(commit, &what->operations[i], place);
        if (result == 0)
            result = cshm_project_apply(commit->project, &what->operations[i], place);
    }
    return result == 0 ? cshm_release_settle(&commit->release, commit->project->tree) : result;
}

/* Names what is made, with the names in a pending file until the commit is done. */
static int name_made(const struct commit *commit, struct cshm_pending *pending)
{
    const struct cshm_commit *what = commit->what;
    int result = 0;
    for (size_t i = 0; i < what->made_count && result == 0; i++)
        result = cshm_pending_add(commit->store, pending, &what->made[i].name, 1);
    for (size_t i = 0; i < what->made_count && result == 0; i++)
        result = cshm_segment_link(commit->store, what->made[i].fd, what->made[i].name);
    return result < 0
               ? cshm_fail_errno(commit->error, result, "%s: cannot name a segment", commit->name)
               : 0;
}

static int apply_and_write(struct commit *commit, struct cshm_operation_place *place)
{
    int result = apply_all(commit, place);
    if (result < 0)
        (void)cshm_fail_errno(commit->error, result, "%s", commit->name);
    else
        result = write_down(commit);
    if (result < 0) {
        commit->project->stamp = (struct cshm_stamp){0};
        cshm_hands_let_go_of_journal(commit->project);
    }
    cshm_release_finish(&commit->release);
    return result;
}

static int commit_locked(struct commit *commit, struct cshm_operation_place *place)
{
    struct cshm_pending pending = CSHM_PENDING_NONE;
    int result = name_made(commit, &pending);
    if (result == 0)
        result = apply_and_write(commit, place);
    if (result < 0) /* it may be in the manifest and still have failed */
        cshm_pending_abandon(commit->store, &pending);
    cshm_pending_finish(commit->store, &pending);
    return result;
}

/* After the check of a project that is up to date and locked. */
static int find_first(const struct commit *commit, struct cshm_operation_place *place)
{
    if (commit->project->damaged)
        return cshm_fail(commit->error, -EINVAL, "project %s is damaged: %s", commit->name,
                         commit->project->why.text);
    int result = commit->what->count == 0
                     ? -EINVAL
                     : cshm_operation_find(commit->project->tree, commit->what->operations, place);
    return result < 0 ? cshm_fail_errno(commit->error, result, "%s", commit->name) : 0;
}

int cshm_project_commit_locked(const struct cshm_store *store, const char *name,
                               struct cshm_project *project, const struct cshm_commit *what,
                               struct cshm_error *error)
{
    struct commit commit = {store, name, project, what, {0}, error};
    struct cshm_operation_place place;
    int result = what->check ? what->check(what->context, project) : 0;
    if (result == 0)
        result = find_first(&commit, &place);
    return result < 0 ? result : commit_locked(&commit, &place);
}

/*
 * Operations that nobody checks are made for the tree as it was: what others have put there since
 * would be lost, with its memory.
 */
static int check_unmoved(const struct cshm_project *project, const struct cshm_moment *before,
                         const struct cshm_commit *what)
{
    return what->check || cshm_moment_is_now(before, project) ? 0 : -ESTALE;
}

int cshm_project_commit(struct cshm_store *store, const char *name, struct cshm_project *project,
                        const struct cshm_commit *what, struct cshm_error *error)
{
    const struct cshm_moment before = cshm_moment_of(name, project);
    int result = cshm_change_begin(store, name, project, error);
    if (result == 0)
        result = check_unmoved(project, &before, what);
    if (result == 0)
        result = cshm_project_commit_locked(store, name, project, what, error);
    cshm_change_end(project);
    return result;
}

int cshm_project_fold_locked(const struct cshm_store *store, const char *name,
                             struct cshm_project *project, struct cshm_error *error)
{
    struct commit commit = {store, name, project, NULL, {0}, error};
    return rewrite(&commit);
}

int cshm_project_fold(struct cshm_store *store, const char *name, struct cshm_project *project,
                      struct cshm_error *error)
{
    int result = cshm_change_begin(store, name, project, error);
    if (result == 0 && project->journal_bytes > 0)
        result = cshm_project_fold_locked(store, name, project, error);
    cshm_change_end(project);
    return result;
}

/* --- Removing -----------------------------------------------------------------------------------
 */

static int check(const struct cshm_change *change, const struct cshm_node *node)
{
    if (!node)
        return -ENOENT;
    if (change->kind == CSHM_REMOVE_ARRAY && node->type == CSHM_NODE_GROUP)
        return -EISDIR;
    if (change->kind == CSHM_REMOVE_GROUP && node->type != CSHM_NODE_GROUP)
        return -ENOTDIR;
    if (change->kind == CSHM_REMOVE_GROUP && node->first)
        return -ENOTEMPTY;
    return 0;
}

static int change_locked(struct commit *commit, const struct cshm_change *change)
{
    struct cshm_node *node = cshm_tree_find(commit->project->tree, change->path, change->depth);
    int result = check(change, node);
    if (result < 0)
        return cshm_fail_errno(commit->error, result, "%s", commit->name);
    if (change->kind == CSHM_REMOVE_GROUP && !node->parent)
        return cshm_project_remove_locked(commit->store, commit->name, commit->project,
                                          commit->error);
    struct cshm_node bare = *node; /* the same without its attributes */
    bare.attributes = NULL;
    bool strip = change->kind == CSHM_REMOVE_ATTRIBUTES && node->type != CSHM_NODE_BARE;
    const struct cshm_operation operation = {
        .kind = strip ? CSHM_OPERATION_PUT : CSHM_OPERATION_REMOVE,
        .path = change->path,
        .depth = change->depth,
        .node = &bare,
    };
    const struct cshm_commit what = {.operations = &operation, .count = 1};
    struct cshm_operation_place place;
    commit->what = &what;
    result = find_first(commit, &place);
    return result < 0 ? result : commit_locked(commit, &place);
}

int cshm_project_change(struct cshm_store *store, const char *name, struct cshm_project *project,
                        const struct cshm_change *change, struct cshm_error *error)
{
    struct commit commit = {store, name, project, NULL, {0}, error};
    int result = cshm_change_begin(store, name, project, error);
    if (result == 0)
        result = change_locked(&commit, change);
    cshm_change_end(project);
    return result;
}
