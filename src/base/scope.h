/* SPDX-License-Identifier: MIT */
/* Resources that leave with the scope, and the two ways to take them out of it by name. */
#ifndef CSHM_BASE_SCOPE_H
#define CSHM_BASE_SCOPE_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cshm_free_pointer(void *pointer)
{
    free(*(void **)pointer);
}

/* Closing keeps errno, so that `return -errno;` after a failed call stays right. */
static inline void cshm_close_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
    *fd = -1;
}

static inline void cshm_close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static inline void cshm_close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

#define CSHM_CLEANUP(function) __attribute__((cleanup(function)))
#define CSHM_AUTO_FREE         CSHM_CLEANUP(cshm_free_pointer)
#define CSHM_AUTO_FD           CSHM_CLEANUP(cshm_close_fd)
#define CSHM_AUTO_DIR          CSHM_CLEANUP(cshm_close_dir)
#define CSHM_AUTO_FILE         CSHM_CLEANUP(cshm_close_file)

#define CSHM_STEAL(pointer)                                                                        \
    ({                                                                                             \
        __typeof__(pointer) stolen_ = (pointer);                                                   \
        (pointer) = NULL;                                                                          \
        stolen_;                                                                                   \
    })

static inline int cshm_steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

#endif
