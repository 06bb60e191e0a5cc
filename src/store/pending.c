/* SPDX-License-Identifier: MIT */
#include "store/pending.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/names.h"
#include "base/scope.h"
#include "store/holders.h"
#include "store/intent.h"
#include "store/journal.h"
#include "store/loading.h"
#include "store/registry.h"
#include "store/segment.h"

#define PENDING_PREFIX   ".pending."
#define TEMPORARY_PREFIX ".new." /* registry.c: made and renamed under the lock */
#define TRANSFER_NAME    PENDING_PREFIX "transfer"

/*
 * What is read under the registry's lock, which everybody waits for. Of another user it is enough
 * for the segments of 100,000 arrays and takes milliseconds, once, as the file goes then; a larger
 * one anybody makes with one system call. What is left, its owner's next command sees to.
 */
#define OWN_SIZE_MAX     ((off_t)512 << 20)
#define FOREIGN_SIZE_MAX ((off_t)4 << 20)

static void random_name(uint64_t random, char out[CSHM_PENDING_NAME_SIZE])
{
    (void)snprintf(out, CSHM_PENDING_NAME_SIZE, PENDING_PREFIX "%016llx",
                   (unsigned long long)random);
}

/* `first`, if not NULL, is the name to try first. */
static int make_file(const struct cshm_store *store, const char *first,
                     struct cshm_pending *pending)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return -EIO;
        random_name(random, pending->name);
        if (first && attempt == 0)
            (void)snprintf(pending->name, sizeof pending->name, "%s", first);
        CSHM_AUTO_FD int fd = openat(store->root_fd, pending->name,
                                     O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return -errno;
        /* Between open and flock somebody who recovers may take it for a dead one's and remove it.
         */
        struct stat st;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
            pending->fd = cshm_steal_fd(&fd);
            return 0;
        }
    }
    return -EAGAIN;
}

int cshm_pending_add(const struct cshm_store *store, struct cshm_pending *pending,
                     const char *const *names, size_t count)
{
    if (count == 0)
        return 0;
    int result = pending->fd >= 0 ? 0 : make_file(store, NULL, pending);
    if (result < 0)
        return result;
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    for (size_t i = 0; i < count; i++) {
        cshm_buffer_add_string(&lines, names[i]);
        cshm_buffer_add_char(&lines, '\n');
    }
    return lines.error ? lines.error : cshm_file_write(pending->fd, lines.bytes, lines.length);
}

static int write_lines(const struct cshm_store *store, const char *first,
                       struct cshm_pending *pending, const struct cshm_buffer *lines)
{
    int result = lines->error ? lines->error : make_file(store, first, pending);
    return result < 0 ? result : cshm_file_write(pending->fd, lines->bytes, lines->length);
}

int cshm_pending_declare(const struct cshm_store *store, struct cshm_pending *pending,
                         const struct cshm_buffer *lines)
{
    return write_lines(store, TRANSFER_NAME, pending, lines);
}

int cshm_pending_note(const struct cshm_store *store, struct cshm_pending *pending,
                      const struct cshm_buffer *lines)
{
    return write_lines(store, NULL, pending, lines);
}

void cshm_pending_finish(const struct cshm_store *store, struct cshm_pending *pending)
{
    if (pending->fd >= 0)
        (void)unlinkat(store->root_fd, pending->name, 0);
    cshm_close_fd(&pending->fd);
}

/* --- Cleaning up after the dead
 * ------------------------------------------------------------------- */

struct recovery {
    const struct cshm_store *store;
    struct cshm_holders holders;
    bool collected;
};

static int remove_if_orphan(struct recovery *recovery, const char *name, uid_t owner)
{
    struct stat st;
    if (cshm_segment_inspect(recovery->store, name, owner, 0, &st, NULL) != CSHM_SEGMENT_FINE)
        return 0;
    if (!recovery->collected) {
        int result = cshm_holders_collect(recovery->store, NULL, NULL, &recovery->holders);
        if (result < 0)
            return result;
        recovery->collected = true;
    }
    if (cshm_holders_have(&recovery->holders, name, st.st_uid))
        return 0;
    return cshm_segment_unlink(recovery->store, name);
}

static int recover_names(struct recovery *recovery, struct cshm_buffer *text, uid_t owner)
{
    int result = 0;
    char *line = text->bytes;
    while (result == 0 && line) {
        char *end = strchr(line, '\n');
        if (!end)
            break; /* torn: its segment was never linked */
        *end = '\0';
        result = remove_if_orphan(recovery, line, owner);
        line = end + 1;
    }
    return result;
}

static int recover_lines(struct recovery *recovery, int fd, const struct stat *st)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = cshm_file_read(fd, (size_t)st->st_size, &text);
    if (result == 0)
        result = cshm_intent_recover(recovery->store, &text, st);
    return result != 0 ? result : recover_names(recovery, &text, st->st_uid);
}

static bool is_ours(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool is_too_large(const struct stat *st)
{
    return st->st_size > (is_ours(st) ? OWN_SIZE_MAX : FOREIGN_SIZE_MAX);
}

enum { DONE, LATER, UNTOUCHED };

/*
 * LATER: it cannot be done now; UNTOUCHED: its writer lives, and it is his, or it is too large.
 * Whatever may be wrong with it is no error of ours: that is -ENOMEM only.
 */
static int recover_file(struct recovery *recovery, const char *name)
{
    int root = recovery->store->root_fd;
    CSHM_AUTO_FD int fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return DONE; /* not ours to read, or gone already */
    if (is_too_large(&st) || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return UNTOUCHED;
    int result = recover_lines(recovery, fd, &st);
    if (result == 0)
        (void)unlinkat(root, name, 0);
    return result < 0 && result != -ENOMEM ? LATER : result;
}

void cshm_pending_abandon(const struct cshm_store *store, struct cshm_pending *pending)
{
    if (pending->fd < 0)
        return;
    cshm_close_fd(&pending->fd); /* with its lock */
    struct recovery recovery = {.store = store};
    (void)recover_file(&recovery, pending->name); /* what fails is left to whoever comes next */
    cshm_holders_finish(&recovery.holders);
}

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool cshm_pending_concerns(const char *name)
{
    char project[CSHM_PROJECT_NAME_MAX + 1];
    return starts_with(name, PENDING_PREFIX) || starts_with(name, TEMPORARY_PREFIX) ||
           starts_with(name, CSHM_LOADING_PREFIX) || cshm_journal_project(name, project) == 0;
}

/* What there is to see to: nearly always nothing, among any number of manifests. */
static int list(const struct cshm_store *store, struct cshm_names *out)
{
    CSHM_AUTO_DIR DIR *directory = NULL;
    int result = cshm_file_open_directory(store->root_fd, &directory);
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(directory)))
        if (entry->d_name[0] == '.' && cshm_pending_concerns(entry->d_name))
            result = cshm_names_add(out, entry->d_name);
    return result;
}

static int recover_one(struct recovery *recovery, const char *name)
{
    const struct cshm_store *store = recovery->store;
    if (starts_with(name, PENDING_PREFIX))
        return recover_file(recovery, name);
    if (starts_with(name, TEMPORARY_PREFIX))
        (void)unlinkat(store->root_fd, name, 0); /* its maker held the lock: dead */
    else if (starts_with(name, CSHM_LOADING_PREFIX))
        cshm_loading_clean(store, name);
    return 0;
}

/*
 * The name is his who has the lock, and what has it is finished first. So what is no file goes, and
 * another user's that is not to be finished here gets a name like any other.
 */
static void set_aside(const struct cshm_store *store, const struct stat *st)
{
    char name[CSHM_PENDING_NAME_SIZE];
    uint64_t random;
    if (geteuid() != 0 || st->st_uid == 0)
        return;
    if (!S_ISREG(st->st_mode)) {
        (void)unlinkat(store->root_fd, TRANSFER_NAME, 0);
    } else if (getrandom(&random, sizeof random, 0) == sizeof random) {
        random_name(random, name);
        (void)renameat2(store->root_fd, TRANSFER_NAME, store->root_fd, name, RENAME_NOREPLACE);
    }
}

void cshm_pending_recover_transfer(const struct cshm_store *store)
{
    struct stat st;
    if (fstatat(store->root_fd, TRANSFER_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    struct recovery recovery = {.store = store};
    /* What fails is left to whoever comes next. */
    if (recover_file(&recovery, TRANSFER_NAME) == UNTOUCHED || !S_ISREG(st.st_mode))
        set_aside(store, &st);
    cshm_holders_finish(&recovery.holders);
}

static int recover_all(const struct cshm_store *store, const struct cshm_names *names)
{
    int left = 0;
    cshm_pending_recover_transfer(store); /* before anything else is another than it left it */
    int result = 0;
    char project[CSHM_PROJECT_NAME_MAX + 1];
    for (size_t i = 0; i < names->count; i++) /* first: what they hold stands in manifests then */
        if (cshm_journal_project(names->names[i], project) == 0)
            left |= cshm_journal_recover(store, project);
    struct recovery recovery = {.store = store};
    for (size_t i = 0; i < names->count && result != -ENOMEM; i++) {
        result = recover_one(&recovery, names->names[i]);
        left |= result != 0;
    }
    cshm_holders_finish(&recovery.holders);
    return result == -ENOMEM ? result : left;
}

int cshm_pending_recover(const struct cshm_store *store)
{
    struct cshm_names names = {0};
    int result = list(store, &names);
    if (result == 0)
        result = recover_all(store, &names);
    cshm_names_finish(&names);
    return result;
}

void cshm_pending_recover_once(struct cshm_store *store)
{
    if (store->recovers_each_time || !atomic_exchange(&store->recovered, true))
        (void)cshm_pending_recover(store);
    else
        cshm_pending_recover_transfer(store);
}
