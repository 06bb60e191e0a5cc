/* SPDX-License-Identifier: MIT */
/* The command line, and what mount(8) and the configuration file say, as one set of settings. */
#ifndef MOUNT_OPTIONS_H
#define MOUNT_OPTIONS_H

#include <stdbool.h>

#include "access.h"
#include "base/error.h"
#include "libfuse.h"
#include "store/settings.h"

struct options {
    struct cshm_settings settings; /* registry and shared memory directory */
    char *mountpoint;
    enum access_wish access;
    bool foreground;
    bool verbose;
    bool clone_fd;
    bool read_only; /* nothing is changed, neither by requests nor by the daemon itself */
    bool xattr;     /* attributes are extended attributes, too */
    bool io_uring;  /* asked for where libfuse knows it */
    unsigned max_threads;
    struct fuse_args fuse; /* the mount options, for libfuse and the kernel */
};

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_DONE,  /* --help or --version: said */
    OPTIONS_WRONG, /* said on stderr; exit status 2 */
};

/* Finish also after OPTIONS_WRONG. */
enum options_outcome options_parse(int argc, char **argv, struct options *out);
void options_finish(struct options *options);

#endif
