/* SPDX-License-Identifier: MIT */
#include "store/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>

#include "base/file.h"
#include "base/names.h"
#include "base/scope.h"
#include "format/toml.h"

#define LOCK_NAME ".lock"

/* --- The lock
 * -------------------------------------------------------------------------------------- */

static int open_lock(const struct cshm_store *store)
{
    /* First without O_CREAT: with fs.protected_regular even root may not open another user's file
     * in a sticky directory with it (proc_sys_fs(5)). */
    for (int attempt = 0; attempt < 8; attempt++) {
        int fd = openat(store->root_fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
            return fd < 0 ? -errno : fd;
        cshm_store_revive(store);
        fd = openat(store->root_fd, LOCK_NAME, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0) {
            (void)fchmod(fd, 0644); /* whatever the umask: everybody must be able to wait for it */
            return fd;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EAGAIN;
}

static bool is_still_there(const struct cshm_store *store, const char *name, int fd)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 &&
           fstatat(store->root_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for_lock(int fd, int64_t deadline)
{
    long pause_us = 200;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (now_ms() >= deadline)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
        pause_us = pause_us < 10000 ? pause_us * 2 : pause_us;
    }
    return 0;
}

static int fail_to_lock(const struct cshm_store *store, int result, struct cshm_error *error)
{
    if (result == -ETIMEDOUT)
        return cshm_fail(error, result,
                         "somebody has held %s/" LOCK_NAME " for %d s: `fuser -v` it says who",
                         store->root, CSHM_LOCK_TIMEOUT_MS / 1000);
    return cshm_fail_errno(error, result, "cannot lock %s/" LOCK_NAME, store->root);
}

int cshm_registry_lock(const struct cshm_store *store, int *fd, struct cshm_error *error)
{
    int64_t deadline = now_ms() + CSHM_LOCK_TIMEOUT_MS;
    for (;;) {
        CSHM_AUTO_FD int lock = open_lock(store);
        if (lock < 0)
            return cshm_fail_errno(error, lock, "cannot open %s/" LOCK_NAME, store->root);
        struct stat st;
        if (fstat(lock, &st) < 0 || !S_ISREG(st.st_mode))
            return cshm_fail(error, -EPERM, "%s/" LOCK_NAME " is not a regular file: remove it",
                             store->root);
        int result = wait_for_lock(lock, deadline);
        if (result < 0)
            return fail_to_lock(store, result, error);
        if (is_still_there(store, LOCK_NAME, lock)) {
            *fd = cshm_steal_fd(&lock);
            return 0;
        }
    }
}

int cshm_lock_take(const struct cshm_store *store, struct cshm_lock *lock, struct cshm_error *error)
{
    struct stat st;
    if (lock->fd >= 0) {
        int result = wait_for_lock(lock->fd, now_ms() + CSHM_LOCK_TIMEOUT_MS);
        if (result < 0)
            return fail_to_lock(store, result, error);
        if (fstatat(store->root_fd, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_ino == lock->inode && st.st_dev == lock->device)
            return 0;
        cshm_close_fd(&lock->fd); /* somebody removed the file, or the registry */
    }
    int result = cshm_registry_lock(store, &lock->fd, error);
    if (result == 0 && fstat(lock->fd, &st) < 0) {
        result = -errno;
        cshm_close_fd(&lock->fd);
    }
    if (result < 0)
        return result;
    lock->device = st.st_dev;
    lock->inode = st.st_ino;
    return 0;
}

void cshm_lock_release(struct cshm_lock *lock)
{
    if (lock->fd >= 0 && flock(lock->fd, LOCK_UN) < 0)
        cshm_close_fd(&lock->fd);
}

void cshm_lock_finish(struct cshm_lock *lock)
{
    cshm_close_fd(&lock->fd);
}

/* --- Manifests
 * ------------------------------------------------------------------------------------- */

int cshm_names_add(struct cshm_names *names, const char *name)
{
    if ((names->count & (names->count - 1)) == 0) { /* full at every power of two */
        size_t capacity = names->count ? names->count * 2 : 1;
        char **grown = reallocarray(names->names, capacity, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        names->names = grown;
    }
    names->names[names->count] = strdup(name);
    if (!names->names[names->count])
        return -ENOMEM;
    names->count++;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int cshm_registry_list(const struct cshm_store *store, struct cshm_names *out)
{
    *out = (struct cshm_names){0};
    cshm_store_revive(store);
    CSHM_AUTO_DIR DIR *directory = NULL;
    int opened = cshm_file_open_directory(store->root_fd, &directory);
    if (opened < 0)
        return opened;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        int result = entry ? 0 : -errno;
        char project[CSHM_PROJECT_NAME_MAX + 1];
        if (entry && cshm_manifest_project(entry->d_name, project) == 0)
            result = cshm_names_add(out, project);
        if (result < 0) {
            cshm_names_finish(out);
            return result;
        }
        if (!entry)
            break;
    }
    if (out->count > 1)
        qsort(out->names, out->count, sizeof *out->names, compare_names);
    return 0;
}

void cshm_names_finish(struct cshm_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct cshm_names){0};
}

int cshm_registry_read(const struct cshm_store *store, const char *project,
                       struct cshm_buffer *text, struct stat *st)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(project, name);
    CSHM_AUTO_FD int fd =
        openat(store->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        int code = -errno;
        if (code == -ENOENT)
            cshm_store_revive(store); /* for the next look */
        return code == -ELOOP ? -EPERM : code;
    }
    if (fstat(fd, st) < 0)
        return -errno;
    if (!S_ISREG(st->st_mode))
        return -EPERM;
    return text ? cshm_file_read(fd, CSHM_TOML_SIZE_MAX, text) : 0;
}

/* A name that the peer's glob "cute-shm.*.toml" does not match. */
static int make_temporary(const struct cshm_store *store, char name[32])
{
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return -EIO;
        (void)snprintf(name, 32, ".new.%016llx", (unsigned long long)random);
        int fd = openat(store->root_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return -EEXIST;
}

int cshm_registry_give(int fd, uid_t uid, gid_t gid, mode_t mode)
{
    struct stat own;
    if (fstat(fd, &own) < 0)
        return -errno;
    if (own.st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0)
        return -errno;
    /* A group the process is not in stays as it may: the owner keeps his rights. */
    if (own.st_gid != gid && fchown(fd, (uid_t)-1, gid) < 0 && errno != EPERM)
        return -errno;
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int fill_temporary(int fd, const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode)
{
    int result = cshm_file_write(fd, text->bytes, text->length);
    if (result < 0)
        return result;
    /* A file may get the inode number of the last but one, and most file systems' own clocks stand
     * still for milliseconds: readers would take it for the one they know. */
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    if (clock_gettime(CLOCK_REALTIME, &times[1]) < 0 || futimens(fd, times) < 0)
        return -errno;
    return cshm_registry_give(fd, uid, gid, mode);
}

/*
 * A manifest that somebody has open for writing is one that the peer is at in place, for readers
 * who ask the kernel (picture.c); ours must not pass for that while this process comes to closing
 * it.
 */
static int stop_writing(const struct cshm_store *store, const char *temporary, int *fd)
{
    CSHM_AUTO_FD int other = openat(store->root_fd, temporary, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (other < 0)
        return -errno;
    cshm_close_fd(fd);
    *fd = cshm_steal_fd(&other);
    return 0;
}

static int put_in_place(const struct cshm_store *store, const char *temporary, const char *name,
                        bool replace)
{
    int root = store->root_fd;
    if (replace)
        return renameat(root, temporary, root, name) < 0 ? -errno : 0;
    if (renameat2(root, temporary, root, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL) /* a file system that cannot (NFS) */
        return -errno;
    if (linkat(root, temporary, root, name, 0) < 0)
        return -errno;
    (void)unlinkat(root, temporary, 0);
    return 0;
}

static int put_manifest(const struct cshm_store *store, const char *project,
                        const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode,
                        bool replace, struct stat *st)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    char temporary[32];
    if (text->length > CSHM_TOML_SIZE_MAX) /* nobody would read it again */
        return -EFBIG;
    cshm_manifest_name(project, name);
    CSHM_AUTO_FD int fd = make_temporary(store, temporary);
    if (fd < 0)
        return fd;
    /* No fsync: segments do not outlive the machine either. */
    int result = fill_temporary(fd, text, uid, gid, mode);
    if (result == 0)
        result = stop_writing(store, temporary, &fd);
    if (result == 0)
        result = put_in_place(store, temporary, name, replace);
    if (result < 0) {
        (void)unlinkat(store->root_fd, temporary, 0);
        return result;
    }
    return st && fstat(fd, st) < 0 ? -errno : 0; /* now, as renaming changes the ctime */
}

int cshm_registry_replace(const struct cshm_store *store, const char *project,
                          const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode,
                          struct stat *st)
{
    return put_manifest(store, project, text, uid, gid, mode, true, st);
}

int cshm_registry_make(const struct cshm_store *store, const char *project,
                       const struct cshm_buffer *text, uid_t uid, gid_t gid, mode_t mode)
{
    return put_manifest(store, project, text, uid, gid, mode, false, NULL);
}

int cshm_registry_remove(const struct cshm_store *store, const char *project)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(project, name);
    return unlinkat(store->root_fd, name, 0) < 0 ? -errno : 0;
}
