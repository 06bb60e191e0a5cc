/* SPDX-License-Identifier: MIT */
#include "store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/scope.h"

static FILE *open_below(const char *top, const char *path)
{
    CSHM_AUTO_FREE char *whole = NULL;
    if (asprintf(&whole, "%s%s", top, path) < 0) {
        whole = NULL;
        return NULL;
    }
    return fopen(whole, "re");
}

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
static bool find_cgroup_mount(const char *top, bool v2, char *out, size_t size)
{
    CSHM_AUTO_FILE FILE *file = open_below(top, "/proc/self/mountinfo");
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
            return (size_t)snprintf(out, size, "%s%s", top, point) < size;
    }
    return false;
}

/* Lines of /proc/self/cgroup are ID:CONTROLLERS:PATH; v2's is "0::PATH" (cgroups(7)). */
static uint64_t cgroups_room(const char *top)
{
    CSHM_AUTO_FILE FILE *file = open_below(top, "/proc/self/cgroup");
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
        if ((!v2 && !strstr(controllers, "memory")) ||
            !find_cgroup_mount(top, v2, mount, sizeof mount))
            continue;
        uint64_t here = cgroup_room(mount, path, v2);
        least = here < least ? here : least;
    }
    return least;
}

uint64_t cshm_room_available(const char *top)
{
    CSHM_AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/proc/meminfo", top) < 0) {
        path = NULL;
        return UINT64_MAX;
    }
    return read_number(path, "MemAvailable", 1024);
}

uint64_t cshm_room_cgroup(const char *top)
{
    return cgroups_room(top);
}

int cshm_room_measure(int shm_fd, struct cshm_room *out)
{
    struct statvfs fs;
    if (fstatvfs(shm_fd, &fs) < 0)
        return -errno;
    /* f_blocks is 0 for a tmpfs without a size limit. */
    out->shm_free = fs.f_blocks ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
    out->shm_size = fs.f_blocks ? (uint64_t)fs.f_blocks * fs.f_frsize : UINT64_MAX;
    out->available = cshm_room_available("");
    out->cgroup = cshm_room_cgroup("");
    out->limit = CSHM_LIMIT_SHM;
    out->bytes = out->shm_free;
    if (out->available < out->bytes) {
        out->bytes = out->available;
        out->limit = CSHM_LIMIT_MACHINE;
    }
    if (out->cgroup < out->bytes) {
        out->bytes = out->cgroup;
        out->limit = CSHM_LIMIT_CGROUP;
    }
    out->bytes -= out->bytes / 20;
    return 0;
}

/* --- What a person can do about it -------------------------------------------------------------
 */

/* The directory that the file system of `path` is mounted on. */
static bool find_mount_point(const char *path, char out[PATH_MAX])
{
    struct stat here;
    struct stat above;
    if (!realpath(path, out) || stat(out, &here) < 0)
        return false;
    for (char *slash; (slash = strrchr(out, '/')) && slash[1] != '\0';) {
        char *cut = slash == out ? slash + 1 : slash;
        char kept = *cut;
        *cut = '\0';
        if (stat(out, &above) < 0)
            return false;
        if (above.st_dev != here.st_dev) {
            *cut = kept; /* one too far */
            return true;
        }
    }
    return true;
}

/* "; or mount -o remount,size=...", where that is what it takes and the memory is there. */
static void advise_remount(const struct cshm_store *store, const struct cshm_room *room,
                           uint64_t bytes, char *out, size_t size)
{
    const uint64_t mebibyte = (uint64_t)1 << 20;
    char point[PATH_MAX];
    struct statfs fs;
    uint64_t whole;
    out[0] = '\0';
    if (room->limit != CSHM_LIMIT_SHM || bytes > room->available - room->available / 20 ||
        bytes > room->cgroup - room->cgroup / 20 || fstatfs(store->shm_fd, &fs) < 0 ||
        fs.f_type != TMPFS_MAGIC || !find_mount_point(store->shm_dir, point))
        return;
    /* What is used, and so much that `bytes` are 95 % of what is free then. */
    if (__builtin_add_overflow(room->shm_size - room->shm_free, bytes, &whole) ||
        __builtin_add_overflow(whole, bytes / 19 + 2 * mebibyte, &whole))
        return;
    (void)snprintf(out, size, ", or mount -o remount,size=%lluM %s",
                   (unsigned long long)(whole / mebibyte), point);
}

static const char *describe_limit(const struct cshm_store *store, const struct cshm_room *room,
                                  char *out, size_t size)
{
    char human[32];
    switch (room->limit) {
    case CSHM_LIMIT_SHM:
        (void)snprintf(out, size, "%s are free in %s", cshm_bytes_to_human(room->shm_free, human),
                       store->shm_dir);
        break;
    case CSHM_LIMIT_MACHINE:
        (void)snprintf(out, size, "this machine has %s of memory available",
                       cshm_bytes_to_human(room->available, human));
        break;
    case CSHM_LIMIT_CGROUP:
        (void)snprintf(out, size, "the memory limit of its control group leaves %s",
                       cshm_bytes_to_human(room->cgroup, human));
        break;
    }
    return out;
}

int cshm_room_check(const struct cshm_store *store, uint64_t bytes, const char *advice,
                    struct cshm_error *error)
{
    struct cshm_room room;
    int result = cshm_room_measure(store->shm_fd, &room);
    if (result < 0)
        return cshm_fail_errno(error, result, "cannot measure the shared memory directory");
    if (bytes <= room.bytes)
        return 0;
    char wanted[32];
    char left[32];
    char limit[256];
    char remount[512];
    advise_remount(store, &room, bytes, remount, sizeof remount);
    return cshm_fail(error, -ENOSPC,
                     "needs %s, but only %s may be used: %s, and 5 %% stay free; what helps: "
                     "%scute-shm-unlink of another project%s",
                     cshm_bytes_to_human(bytes, wanted), cshm_bytes_to_human(room.bytes, left),
                     describe_limit(store, &room, limit, sizeof limit), advice ? advice : "",
                     remount);
}
