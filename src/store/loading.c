/* SPDX-License-Identifier: MIT */
#include "store/loading.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/scope.h"

static int make_file(const struct cshm_store *store, const char *name)
{
    int fd = openat(store->root_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    (void)fchmod(fd, 0644); /* whatever the umask: everybody must be able to wait for it */
    return fd;
}

/* First without O_CREAT, with which fs.protected_regular refuses another user's file even to root.
 */
static int open_file(const struct cshm_store *store, const char *name)
{
    static const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    for (int attempt = 0; attempt < 8; attempt++) {
        int fd = openat(store->root_fd, name, O_RDWR | flags);
        if (fd < 0 && errno == EACCES) /* another user's */
            fd = openat(store->root_fd, name, O_RDONLY | flags);
        if (fd >= 0)
            return fd;
        if (errno != ENOENT)
            return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EPERM : -errno;
        cshm_store_revive(store);
        fd = make_file(store, name);
        if (fd != -EEXIST)
            return fd;
    }
    return -EBUSY; /* somebody keeps making and removing it */
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_named(const struct cshm_store *store, const char *name, int fd)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 &&
           fstatat(store->root_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/*
 * For those who wait; where it cannot be written they are told less. Never into what may be another
 * file by a second name, put here by somebody who may not write to it himself.
 */
static void sign(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || st.st_nlink != 1)
        return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) < 0)
        return;
}

bool cshm_loading_got(struct cshm_loading *loading)
{
    loading->is_held = is_named(loading->store, loading->name, loading->fd);
    if (loading->is_held)
        sign(loading->fd);
    return loading->is_held;
}

int cshm_loading_try(const struct cshm_store *store, const char *project, struct cshm_loading *out)
{
    *out = CSHM_LOADING_NONE;
    if (cshm_project_name_check(project) < 0)
        return -EINVAL;
    out->store = store;
    (void)snprintf(out->name, sizeof out->name, CSHM_LOADING_PREFIX "%s", project);
    for (;;) {
        int fd = open_file(store, out->name);
        if (fd < 0)
            return fd;
        out->fd = fd;
        if (!is_regular(out->fd))
            return -EPERM;
        if (flock(out->fd, LOCK_EX | LOCK_NB) < 0)
            return -errno;
        if (cshm_loading_got(out))
            return 0;
        cshm_close_fd(&out->fd);
    }
}

static const char *user_name(uid_t uid, char *buffer, size_t size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, buffer, size, &found) == 0 && found)
        return entry.pw_name;
    (void)snprintf(buffer, size, "%lu", (unsigned long)uid);
    return buffer;
}

const char *cshm_loading_holder(const struct cshm_loading *loading, char *out, size_t size)
{
    char text[32] = "";
    char buffer[1024];
    struct stat st;
    long pid = 0;
    if (pread(loading->fd, text, sizeof text - 1, 0) > 0)
        pid = strtol(text, NULL, 10);
    if (fstat(loading->fd, &st) < 0)
        st.st_uid = geteuid();
    const char *user = user_name(st.st_uid, buffer, sizeof buffer);
    if (pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM))
        (void)snprintf(out, size, "process %ld of user %s", pid, user);
    else
        (void)snprintf(out, size, "another process");
    return out;
}

void cshm_loading_end(struct cshm_loading *loading)
{
    if (loading->is_held && is_named(loading->store, loading->name, loading->fd))
        (void)unlinkat(loading->store->root_fd, loading->name, 0);
    loading->is_held = false;
    cshm_close_fd(&loading->fd);
}

void cshm_loading_clean(const struct cshm_store *store, const char *name)
{
    CSHM_AUTO_FD int fd =
        openat(store->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && is_regular(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(store, name, fd))
        (void)unlinkat(store->root_fd, name, 0);
}
