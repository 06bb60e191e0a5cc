/* SPDX-License-Identifier: MIT */
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/scope.h"

int cshm_segment_begin(const struct cshm_store *store, int *fd)
{
    CSHM_AUTO_FD int made = openat(store->shm_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made < 0)
        return -errno;
    if (fchmod(made, store->mode) < 0)
        return -errno;
    if (store->group != (gid_t)-1 && fchown(made, (uid_t)-1, store->group) < 0)
        return -errno;
    *fd = cshm_steal_fd(&made);
    return 0;
}

int cshm_segment_reserve(int fd, uint64_t offset, uint64_t bytes)
{
    if (offset > INT64_MAX || bytes > INT64_MAX - offset)
        return -EOVERFLOW;
    int result;
    do {
        result = fallocate(fd, 0, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
    } while (result == -EINTR);
    return result;
}

int cshm_segment_create(const struct cshm_store *store, uint64_t bytes, int *fd)
{
    CSHM_AUTO_FD int made = -1;
    int result = cshm_segment_begin(store, &made);
    /* fallocate, never a bare ftruncate: a full /dev/shm is ENOSPC now instead of SIGBUS later. */
    if (result == 0)
        result = cshm_segment_reserve(made, 0, bytes ? bytes : 1);
    if (result == 0)
        *fd = cshm_steal_fd(&made);
    return result;
}

int cshm_segment_link(const struct cshm_store *store, int fd, const char *name)
{
    /* Through /proc, because AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH before Linux 6.10. */
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, store->shm_fd, name, AT_SYMLINK_FOLLOW) == 0) {
        cshm_log(&store->log, "segment %s made", name);
        return 0;
    }
    if (errno != ENOENT) /* ENOENT: no /proc */
        return -errno;
    return linkat(fd, "", store->shm_fd, name, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int cshm_segment_unlink(const struct cshm_store *store, const char *name)
{
    if (unlinkat(store->shm_fd, name, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    cshm_log(&store->log, "segment %s removed", name);
    return 0;
}

bool cshm_segment_is_of(const char *segment, const char *project)
{
    size_t length = strlen(project);
    size_t prefix = strlen(CSHM_PREFIX);
    return cshm_segment_name_valid(segment, strlen(segment)) &&
           strlen(segment) == prefix + length + 1 + CSHM_SEGMENT_SUFFIX_SIZE &&
           memcmp(segment + prefix, project, length) == 0;
}

int cshm_segment_each(const struct cshm_store *store, const char *project,
                      int (*found)(void *context, const char *name), void *context)
{
    CSHM_AUTO_DIR DIR *directory = NULL;
    int result = cshm_file_open_directory(store->shm_fd, &directory);
    if (result < 0)
        return result;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(directory)))
        if (cshm_segment_is_of(entry->d_name, project))
            result = found(context, entry->d_name);
    return result;
}

/* Why a file must not be used for a manifest of `owner`, or NULL. */
static const char *objection(const struct stat *st, uid_t owner)
{
    if (!S_ISREG(st->st_mode))
        return "the segment is not a regular file";
    if (owner != 0 && st->st_uid != owner)
        return "the segment belongs to another user than the manifest";
    return NULL;
}

enum cshm_segment_state cshm_segment_inspect(const struct cshm_store *store, const char *name,
                                             uid_t owner, uint64_t bytes, struct stat *st,
                                             const char **reason)
{
    struct stat own_st;
    const char *own_reason;
    st = st ? st : &own_st;
    reason = reason ? reason : &own_reason;
    *reason = NULL;
    if (!name || !cshm_segment_name_valid(name, strlen(name))) {
        *reason = "shm_name is not of the form cute-shm.PROJECT.XXXXXXXXXX";
        return CSHM_SEGMENT_BROKEN;
    }
    if (fstatat(store->shm_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
        *reason = errno == ENOENT ? "the segment is gone" : "the segment cannot be looked at";
        return errno == ENOENT ? CSHM_SEGMENT_MISSING : CSHM_SEGMENT_BROKEN;
    }
    *reason = objection(st, owner);
    if (!*reason && (uint64_t)st->st_size < bytes)
        *reason = "the segment is shorter than the array";
    return *reason ? CSHM_SEGMENT_BROKEN : CSHM_SEGMENT_FINE;
}

int cshm_segment_open(const struct cshm_store *store, const char *name, uid_t owner, int flags,
                      ino_t inode, int *fd)
{
    if (!cshm_segment_name_valid(name, strlen(name)))
        return -EINVAL;
    /* O_NONBLOCK: somebody may have put a fifo there. */
    CSHM_AUTO_FD int opened =
        openat(store->shm_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (opened < 0)
        return errno == ENOENT || errno == ELOOP ? -ESTALE : -errno;
    struct stat st;
    if (fstat(opened, &st) < 0)
        return -errno;
    if (inode != 0 && st.st_ino != inode)
        return -ESTALE;
    if (objection(&st, owner))
        return -EPERM;
    *fd = cshm_steal_fd(&opened);
    return 0;
}
