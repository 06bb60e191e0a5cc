/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "store/holders.h"

static bool is_shared_place(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (!slash || length >= sizeof parent)
        return false;
    memcpy(parent, path, length);
    parent[length] = '\0';
    struct stat st;
    return stat(length ? parent : "/", &st) == 0 && (st.st_mode & S_ISVTX) &&
           (st.st_mode & S_IWOTH);
}

/* mkdir -p; the last directory gets the registry's mode whatever the umask. */
static int make_registry(const char *path)
{
    char partial[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= sizeof partial)
        return -ENAMETOOLONG;
    memcpy(partial, path, length);
    partial[length] = '\0';
    for (size_t i = 1; i < length; i++) {
        if (partial[i] != '/')
            continue;
        partial[i] = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            return -errno;
        partial[i] = '/';
    }
    if (mkdir(partial, 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    bool shared = geteuid() == 0 || is_shared_place(partial);
    return shared && chmod(partial, 01777) < 0 ? -errno : 0;
}

static int open_directory(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_registry(struct cshm_store *store, bool create, struct cshm_error *error)
{
    int fd = open_directory(store->root);
    if (fd == -ENOENT && create) {
        int result = make_registry(store->root);
        if (result < 0)
            return cshm_fail_errno(error, result, "cannot make the registry %s", store->root);
        fd = open_directory(store->root);
    }
    if (fd < 0)
        return cshm_fail_errno(error, fd, "cannot open the registry %s", store->root);
    store->root_fd = fd;
    return 0;
}

int cshm_store_open(const struct cshm_settings *settings, bool create, struct cshm_store **out,
                    struct cshm_error *error)
{
    struct cshm_store *store = calloc(1, sizeof *store);
    if (!store)
        return cshm_fail(error, -ENOMEM, "out of memory");
    store->root_fd = store->shm_fd = -1;
    store->mode = settings->mode;
    store->group = settings->group;
    store->root = strdup(settings->root);
    store->shm_dir = strdup(settings->shm_dir);
    store->known = cshm_known_create();
    int result = store->root && store->shm_dir && store->known
                     ? 0
                     : cshm_fail(error, -ENOMEM, "out of memory");
    if (result == 0) {
        store->shm_fd = open_directory(store->shm_dir);
        if (store->shm_fd < 0)
            result = cshm_fail_errno(error, store->shm_fd,
                                     "cannot open the shared memory directory %s", store->shm_dir);
    }
    if (result == 0)
        result = open_registry(store, create, error);
    if (result < 0) {
        cshm_store_close(store);
        return result;
    }
    *out = store;
    return 0;
}

void cshm_store_revive(const struct cshm_store *store)
{
    struct stat st;
    if (fstat(store->root_fd, &st) < 0 || st.st_nlink > 0)
        return;
    CSHM_AUTO_FD int fd = open_directory(store->root);
    if (fd >= 0) /* in one step, so that other threads never see a closed descriptor */
        (void)dup3(fd, store->root_fd, O_CLOEXEC);
}

void cshm_store_close(struct cshm_store *store)
{
    if (!store)
        return;
    cshm_close_fd(&store->root_fd);
    cshm_close_fd(&store->shm_fd);
    cshm_known_destroy(store->known);
    free(store->root);
    free(store->shm_dir);
    free(store);
}
