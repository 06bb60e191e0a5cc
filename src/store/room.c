/* SPDX-License-Identifier: MIT */
#include "store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/scope.h"

/* The first line "KEY: N kB" or "KEY N" of a small file of /proc or a cgroup; UINT64_MAX: none. */
static uint64_t read_number(const char *path, const char *key, uint64_t unit)
{
    CSHM_AUTO_FILE FILE *file = fopen(path, "re");
    char line[256];
    size_t size = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, size) != 0)
            continue;
        char *end;
        const char *digits = line + size + strspn(line + size, ": \t");
        errno = 0;
        unsigned long long number = strtoull(digits, &end, 10);
        if (end == digits || errno || number > UINT64_MAX / unit)
            return UINT64_MAX; /* "max" */
        return number * unit;
    }
    return UINT64_MAX;
}

static uint64_t room_below(uint64_t limit, uint64_t used, uint64_t reclaimable)
{
    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    if (reclaimable != UINT64_MAX)
        used = used > reclaimable ? used - reclaimable : 0;
    return limit > used ? limit - used : 0;
}

static uint64_t read_file_number(const char *directory, const char *file, const char *key)
{
    CSHM_AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, file) < 0) {
        path = NULL;
        return UINT64_MAX;
    }
    return read_number(path, key, 1);
}

static uint64_t cgroup_room_at(const char *directory, bool v2)
{
    const char *limit = v2 ? "memory.max" : "memory.limit_in_bytes";
    const char *used = v2 ? "memory.current" : "memory.usage_in_bytes";
    /* File cache, which the kernel takes back before it kills anybody. */
    const char *cache = v2 ? "inactive_file" : "total_inactive_file";
    return room_below(read_file_number(directory, limit, ""), read_file_number(directory, used, ""),
                      read_file_number(directory, "memory.stat", cache));
}

/* The least room of the cgroup and all above it, from `mount` down to `mount` + `path`. */
static uint64_t cgroup_room(const char *mount, const char *path, bool v2)
{
    char directory[PATH_MAX - 64];
    if ((size_t)snprintf(directory, sizeof directory, "%s%s", mount, path) >= sizeof directory)
        return UINT64_MAX;
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t here = cgroup_room_at(directory, v2);
        least = here < least ? here : least;
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < strlen(mount))
            return least;
        *slash = '\0';
    }
}

/* Where the hierarchy is mounted, from /proc/self/mountinfo: "cgroup2", or "cgroup" with memory. */
static bool find_cgroup_mount(bool v2, char *out, size_t size)
{
    CSHM_AUTO_FILE FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[PATH_MAX + 512];
    while (file && fgets(line, sizeof line, file)) {
        char point[PATH_MAX];
        char type[64];
        char options[512];
        const char *rest = strstr(line, " - ");
        if (!rest || sscanf(rest, " - %63s %*s %511s", type, options) != 2 ||
            sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
            continue;
        bool wanted = v2 ? strcmp(type, "cgroup2") == 0
                         : strcmp(type, "cgroup") == 0 && strstr(options, "memory");
        if (wanted)
            return (size_t)snprintf(out, size, "%s", point) < size;
    }
    return false;
}

/* Lines of /proc/self/cgroup are ID:CONTROLLERS:PATH; v2's is "0::PATH" (cgroups(7)). */
static uint64_t cgroups_room(void)
{
    CSHM_AUTO_FILE FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX + 128];
    uint64_t least = UINT64_MAX;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        bool v2 = controllers[0] == '\0';
        char mount[PATH_MAX];
        if ((!v2 && !strstr(controllers, "memory")) || !find_cgroup_mount(v2, mount, sizeof mount))
            continue;
        uint64_t here = cgroup_room(mount, path, v2);
        least = here < least ? here : least;
    }
    return least;
}

int cshm_room_measure(int shm_fd, struct cshm_room *out)
{
    struct statvfs fs;
    if (fstatvfs(shm_fd, &fs) < 0)
        return -errno;
    /* f_blocks is 0 for a tmpfs without a size limit. */
    out->shm_free = fs.f_blocks ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
    out->shm_size = fs.f_blocks ? (uint64_t)fs.f_blocks * fs.f_frsize : UINT64_MAX;
    out->available = read_number("/proc/meminfo", "MemAvailable", 1024);
    out->cgroup = cgroups_room();
    out->bytes = out->shm_free;
    out->limited = "free in the shared memory directory";
    if (out->available < out->bytes) {
        out->bytes = out->available;
        out->limited = "available memory of this machine (MemAvailable)";
    }
    if (out->cgroup < out->bytes) {
        out->bytes = out->cgroup;
        out->limited = "left below the memory limit of this process's control group";
    }
    out->bytes -= out->bytes / 20;
    return 0;
}

int cshm_room_check(int shm_fd, uint64_t bytes, struct cshm_error *error)
{
    struct cshm_room room;
    int result = cshm_room_measure(shm_fd, &room);
    if (result < 0)
        return cshm_fail_errno(error, result, "cannot measure the shared memory directory");
    if (bytes <= room.bytes)
        return 0;
    char wanted[32];
    char left[32];
    return cshm_fail(error, -ENOSPC,
                     "needs %s, but only %s may be used: %s, less 5 %%; free a project with "
                     "cute-shm-unlink, or enlarge the shared memory directory",
                     cshm_bytes_to_human(bytes, wanted), cshm_bytes_to_human(room.bytes, left),
                     room.limited);
}
