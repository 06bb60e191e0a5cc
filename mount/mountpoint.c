/* SPDX-License-Identifier: MIT */
#include "mountpoint.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "log.h"

extern char **environ;

enum { DEAD_MOUNTS_MAX = 64, FUSE_MAGIC = 0x65735546 };

/* stat is no use: the kernel may answer it from its cache for a mount whose daemon is dead. */
static bool is_dead(const char *path)
{
    struct statfs space;
    return statfs(path, &space) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* Only the set-uid helper may unmount for a user. */
static int run_fusermount(const char *path)
{
    static const char *const helpers[] = {"fusermount3", "fusermount"};
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        char *const arguments[] = {(char *)helpers[i], (char *)"-uz", (char *)"--", (char *)path,
                                   NULL};
        pid_t child;
        int status;
        if (posix_spawnp(&child, helpers[i], NULL, NULL, arguments, environ) == 0 &&
            waitpid(child, &status, 0) == child && status == 0)
            return 0;
    }
    return -EPERM;
}

/* Mounts stack, so there may be several. */
static int clear_dead(const char *path, struct cshm_error *error)
{
    for (int i = 0; is_dead(path); i++) {
        int result = umount2(path, MNT_DETACH) < 0 ? -errno : 0;
        if (result == -EPERM)
            result = run_fusermount(path);
        if (result < 0 || i == DEAD_MOUNTS_MAX)
            return cshm_fail(error, result < 0 ? result : -EBUSY,
                             "%s: a dead mount is there and cannot be removed: umount -l %s", path,
                             path);
        log_line(LOG_NOTICE, "%s: removed the mount of a daemon that is gone", path);
    }
    return 0;
}

void mountpoint_leave(const char *path)
{
    struct cshm_error error = {0};
    if (clear_dead(path, &error) < 0)
        log_line(LOG_WARNING, "%s", error.text);
}

/* Undoes the \ooo of /proc/self/mountinfo, in place. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in;) {
        if (in[0] == '\\' && in[1] && in[2] && in[3]) {
            *out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* Whether the line is of a cuteshmfs at `path`. Fields: 5 the place; after " - " the type. */
static bool line_is_ours(char *line, const char *path)
{
    const char *type = strstr(line, " - ");
    if (!type || strncmp(type, " - fuse.cuteshmfs ", strlen(" - fuse.cuteshmfs ")) != 0)
        return false;
    char *rest = line;
    const char *field = NULL;
    for (int i = 0; i < 5; i++)
        field = strsep(&rest, " ");
    if (!field)
        return false;
    char *place = strdup(field);
    if (!place)
        return false;
    unescape(place);
    bool ours = strcmp(place, path) == 0;
    free(place);
    return ours;
}

static bool is_living(const char *path)
{
    struct statfs space;
    if (statfs(path, &space) < 0 || space.f_type != FUSE_MAGIC)
        return false;
    CSHM_AUTO_FILE FILE *file = fopen("/proc/self/mountinfo", "re");
    CSHM_AUTO_FREE char *line = NULL;
    size_t size = 0;
    bool found = false;
    while (file && !found && getline(&line, &size, file) > 0)
        found = line_is_ours(line, path);
    return found;
}

int mountpoint_prepare(const char *path, char **absolute, struct cshm_error *error)
{
    int result = clear_dead(path, error);
    if (result < 0)
        return result;
    struct stat st;
    if (stat(path, &st) < 0) {
        int code = -errno;
        if (code == -ENOENT)
            return cshm_fail(error, code, "%s: no such directory: mkdir -p %s", path, path);
        return cshm_fail_errno(error, code, "%s", path);
    }
    if (!S_ISDIR(st.st_mode))
        return cshm_fail(error, -ENOTDIR, "%s: not a directory: name an empty one", path);
    CSHM_AUTO_FREE char *resolved = realpath(path, NULL);
    if (!resolved)
        return cshm_fail_errno(error, -errno, "%s", path);
    if (is_living(resolved))
        return cshm_fail(error, -EBUSY, "%s: already mounted here; to stop that one: umount %s",
                         path, path);
    *absolute = CSHM_STEAL(resolved);
    return 0;
}
