/* SPDX-License-Identifier: MIT */
/* Reading published projects and removing them whole; draft.c makes them, change.c changes them. */
#include "store/project.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/manifest.h"
#include "store/hands.h"
#include "store/holders.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/registry.h"
#include "store/release.h"
#include "store/segment.h"

enum {
    SETTLED_SECONDS = 2, /* after its last change a manifest that does not parse is damaged */
    READ_ATTEMPTS = 1000,
    BLOAT_LEAST = 4 << 20,
};

struct cshm_stamp cshm_stamp_of(const struct stat *st)
{
    return (struct cshm_stamp){.device = st->st_dev,
                               .inode = st->st_ino,
                               .size = st->st_size,
                               .changed = st->st_mtim,
                               .status = st->st_ctim};
}

static bool is_settled(const struct timespec *changed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age =
        (double)(now.tv_sec - changed->tv_sec) + (double)(now.tv_nsec - changed->tv_nsec) / 1e9;
    return age >= SETTLED_SECONDS || age < -SETTLED_SECONDS; /* a clock that was set back */
}

static int take_damaged(const char *project, struct cshm_project *out, struct cshm_error *why,
                        struct cshm_error *error)
{
    if (!is_settled(&out->changed))
        return cshm_fail(error, -EAGAIN, "%s: the manifest is being written: %s", project,
                         why->text);
    out->tree = cshm_tree_create();
    if (!out->tree)
        return cshm_fail(error, -ENOMEM, "%s: out of memory", project);
    out->damaged = true;
    out->why = *why;
    return 0;
}

/* Manifest and journal as they were at one moment. */
struct reading {
    struct cshm_buffer manifest;
    struct cshm_buffer journal;
    struct stat st;
    struct cshm_stamp stamp;
    struct timespec changed;
    int journal_fd; /* -1: none that counts */
    bool is_void;   /* there is one that does not count by what it is */
};

/* Its stamp is taken before it is read: what comes later is a change. */
static int read_journal(const struct cshm_store *store, const char *project,
                        struct reading *reading)
{
    struct stat st;
    cshm_close_fd(&reading->journal_fd);
    cshm_buffer_clear(&reading->journal);
    reading->stamp = cshm_stamp_of(&reading->st);
    reading->changed = reading->st.st_mtim;
    int result =
        cshm_journal_open_to_read(store, project, reading->st.st_uid, &reading->journal_fd, &st);
    reading->is_void = result == -EPERM;
    if (result == -ENOENT || result == -EPERM)
        return 0;
    if (result < 0)
        return result;
    reading->stamp.journal_inode = st.st_ino;
    reading->stamp.journal_size = st.st_size;
    reading->changed = st.st_mtim;
    return cshm_journal_read_from(reading->journal_fd, 0, &reading->journal);
}

/*
 * A journal is folded by putting a new manifest in place and removing it. So when the manifest is
 * still there after the journal was read, that was its journal.
 */
static int read_both(const struct cshm_store *store, const char *project, struct reading *reading)
{
    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        int result = cshm_registry_read(store, project, &reading->manifest, &reading->st);
        if (result < 0)
            return result;
        result = read_journal(store, project, reading);
        if (result < 0 && result != -ENOENT)
            return result;
        struct cshm_stamp now;
        if (cshm_project_look(store, project, &now, NULL) == 0 &&
            cshm_stamp_same_manifest(&now, &reading->stamp))
            return 0;
    }
    return -EAGAIN;
}

static int take_journal(const struct cshm_store *store, const char *project,
                        struct reading *reading, struct cshm_project *out)
{
    if (reading->is_void)
        return cshm_hands_pin(store, project, out, false);
    if (reading->journal_fd < 0)
        return 0;
    struct cshm_hands *hands = cshm_hands_of(out);
    if (!hands)
        return -ENOMEM;
    hands->reading_inode = reading->stamp.journal_inode;
    hands->reading_fd = cshm_steal_fd(&reading->journal_fd);
    return 0;
}

static void take_stat(struct cshm_project *out, const struct reading *reading)
{
    out->stamp = reading->stamp;
    if (out->stamp.inode == 0)
        out->stamp = cshm_stamp_of(&reading->st);
    out->changed = reading->st.st_mtim;
    out->uid = reading->st.st_uid;
    out->gid = reading->st.st_gid;
    out->mode = reading->st.st_mode & 07777;
}

static int read_and_take(const struct cshm_store *store, const char *project,
                         struct reading *reading, struct cshm_project *out)
{
    int result = -EAGAIN;
    for (int attempt = 0; attempt < READ_ATTEMPTS && result == -EAGAIN; attempt++) {
        result = read_both(store, project, reading);
        if (result < 0 && result != -EFBIG)
            return result;
        take_stat(out, reading);
        if (result == 0)
            result = take_journal(store, project, reading, out);
    }
    return result;
}

static int parse_both(const char *project, const struct reading *reading, struct cshm_project *out,
                      struct cshm_error *error)
{
    struct cshm_error why = {0};
    const struct cshm_buffer *text = &reading->manifest;
    /* The peer truncates before it writes: nothing at all is an empty project only if it stays so.
     */
    if (text->length == 0 && !is_settled(&out->changed))
        return cshm_fail(error, -EAGAIN, "%s: the manifest is being written", project);
    int result =
        cshm_manifest_parse(text->bytes ? text->bytes : "", text->length, &out->tree, &why);
    if (result < 0 && result != -ENOMEM)
        return take_damaged(project, out, &why, error);
    if (result == 0)
        result = cshm_tree_index_segments(out->tree);
    if (result == 0)
        result = cshm_project_replay(out, &reading->journal);
    if (result < 0)
        return cshm_fail(error, result, "%s: out of memory", project);
    if (out->journal_bytes > 0)
        out->changed = reading->changed;
    out->memory = out->tree->arena.used;
    return 0;
}

static int load(const struct cshm_store *store, const char *project, struct reading *reading,
                struct cshm_project *out, struct cshm_error *error)
{
    int result = read_and_take(store, project, reading, out);
    if (result == -ENOENT)
        return cshm_fail(error, result, "%s: no such project in %s", project, store->root);
    if (result < 0 && result != -EFBIG)
        return cshm_fail_errno(error, result, "%s: cannot read the manifest", project);
    struct cshm_error why = {0};
    if (result == -EFBIG)
        return take_damaged(project, out, (cshm_fail(&why, result, "too large"), &why), error);
    return parse_both(project, reading, out, error);
}

int cshm_project_load(const struct cshm_store *store, const char *project, struct cshm_project *out,
                      struct cshm_error *error)
{
    *out = (struct cshm_project){0};
    if (cshm_project_name_check(project) < 0)
        return cshm_fail(error, -ENOENT, "%s: not the name of a project", project);
    struct reading reading = {.journal_fd = -1};
    int result = load(store, project, &reading, out, error);
    cshm_buffer_finish(&reading.manifest);
    cshm_buffer_finish(&reading.journal);
    cshm_close_fd(&reading.journal_fd);
    return result;
}

void cshm_project_finish(struct cshm_project *project)
{
    cshm_tree_destroy(project->tree);
    project->tree = NULL;
    cshm_hands_finish(project);
}

/*
 * The journal first: no manifest comes back, so if the manifest is the same afterwards, it was when
 * the journal was looked at. The other way round a fold in between would pass for "nothing new".
 */
int cshm_project_look(const struct cshm_store *store, const char *project, struct cshm_stamp *stamp,
                      struct stat *st)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    struct stat own;
    struct stat journal = {0};
    *stamp = (struct cshm_stamp){0};
    if (cshm_project_name_check(project) < 0)
        return -ENOENT;
    st = st ? st : &own;
    cshm_journal_name(project, name);
    if (fstatat(store->root_fd, name, &journal, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
        return -errno;
    cshm_manifest_name(project, name);
    if (fstatat(store->root_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
        int code = -errno;
        if (code == -ENOENT)
            cshm_store_revive(store); /* for the next look */
        return code;
    }
    *stamp = cshm_stamp_of(st);
    stamp->journal_inode = journal.st_ino;
    stamp->journal_size = journal.st_size;
    return 0;
}

int cshm_project_check(const struct cshm_store *store, const char *project,
                       const struct cshm_stamp *stamp)
{
    struct cshm_stamp now;
    int result = cshm_project_look(store, project, &now, NULL);
    if (result < 0)
        return result;
    return cshm_stamp_equal(&now, stamp) ? 0 : -ESTALE;
}

bool cshm_project_is_bloated(const struct cshm_project *project)
{
    size_t spare = project->memory > BLOAT_LEAST ? project->memory : BLOAT_LEAST;
    return project->tree && project->tree->arena.used - project->memory > spare;
}

enum cshm_array_state cshm_project_inspect(const struct cshm_store *store,
                                           const struct cshm_project *project,
                                           const struct cshm_node *array, struct stat *st,
                                           const char **reason)
{
    if (array->problem) {
        if (reason)
            *reason = array->problem;
        return CSHM_ARRAY_BROKEN;
    }
    enum cshm_segment_state state = cshm_segment_inspect(
        store, array->described->segment, project->uid, array->described->bytes, st, reason);
    return state == CSHM_SEGMENT_FINE      ? CSHM_ARRAY_FINE
           : state == CSHM_SEGMENT_MISSING ? CSHM_ARRAY_MISSING
                                           : CSHM_ARRAY_BROKEN;
}

/* --- Removing one whole
 * ---------------------------------------------------------------------------- */

/* The manifest goes first: from then on nobody finds the segments, and a kill leaves the rest to
 * whoever next cleans up after the dead. */
static int remove_with(const struct cshm_store *store, const char *name,
                       const struct cshm_project *project, const struct cshm_release *release,
                       struct cshm_error *error)
{
    struct cshm_pending pending = CSHM_PENDING_NONE;
    int result = cshm_pending_add(store, &pending, release->names, release->count);
    if (result < 0)
        (void)cshm_fail_errno(error, result, "%s: cannot write to the registry %s", name,
                              store->root);
    if (result == 0) {
        result = cshm_registry_remove(store, name);
        if (result < 0)
            (void)cshm_fail_errno(error, result, "%s: cannot remove the manifest", name);
    }
    if (result == 0) {
        result = cshm_release_unlink(store, name, project->uid, release);
        if (result < 0)
            (void)cshm_fail_errno(error, result, "%s: cannot remove all segments", name);
    }
    if (result == 0)
        (void)cshm_journal_retire(store, name); /* without a manifest it is void anyway */
    cshm_pending_finish(store, &pending);
    return result;
}

int cshm_project_remove_locked(const struct cshm_store *store, const char *name,
                               const struct cshm_project *project, struct cshm_error *error)
{
    struct cshm_release release;
    struct cshm_names found = {0};
    int result = project->damaged
                     ? cshm_damaged_collect(store, name, project->uid, &found, &release)
                     : cshm_release_collect(project->tree, &project->tree->root, &release);
    if (result < 0)
        (void)cshm_fail_errno(error, result, "%s: cannot find its segments", name);
    else
        result = remove_with(store, name, project, &release, error);
    cshm_release_finish(&release);
    cshm_names_finish(&found);
    return result;
}

/*
 * A damaged project is what its manifest is: whatever else has the name by now may be another
 * user's, and even the same file may have been mended.
 */
static int check_same(const struct cshm_store *store, const char *name,
                      const struct cshm_project *project)
{
    struct cshm_stamp now;
    struct stat st;
    int result = cshm_project_look(store, name, &now, &st);
    if (result < 0)
        return result;
    bool same = project->damaged ? cshm_stamp_same_manifest(&now, &project->stamp)
                                 : cshm_stamp_equal(&now, &project->stamp);
    return same && st.st_uid == project->uid ? 0 : -ESTALE;
}

int cshm_project_remove_loaded(struct cshm_store *store, const char *name,
                               const struct cshm_project *project, struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(store);
    result = check_same(store, name, project);
    return result < 0 ? cshm_fail_errno(error, result, "%s", name)
                      : cshm_project_remove_locked(store, name, project, error);
}

int cshm_project_remove(struct cshm_store *store, const char *project, struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(store);
    struct cshm_project loaded;
    result = cshm_project_load(store, project, &loaded, error);
    if (result == 0)
        result = cshm_project_remove_locked(store, project, &loaded, error);
    cshm_project_finish(&loaded);
    return result;
}
