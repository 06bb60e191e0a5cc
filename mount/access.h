/* SPDX-License-Identifier: MIT */
/*
 * How arrays are reached: by kernel passthrough (regular files whose pages are the segment's own)
 * or by symbolic links to the segments. A third way, reading and writing through the daemon's page
 * cache, would cost the memory twice and lose coherence with mappings (measured), so there is none.
 *
 * Passthrough is negotiated at INIT as if all were well even where the kernel then refuses to
 * register a file (no CAP_SYS_ADMIN in the first user namespace). So the decision waits for the
 * first request after INIT and tries it for real on a nameless file.
 */
#ifndef MOUNT_ACCESS_H
#define MOUNT_ACCESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "libfuse.h"

enum access_wish {
    ACCESS_AUTO,
    ACCESS_WANT_PASSTHROUGH,
    ACCESS_WANT_SYMLINK,
};

enum access_mode {
    ACCESS_UNDECIDED,
    ACCESS_PASSTHROUGH,
    ACCESS_SYMLINK,
    ACCESS_FAILED, /* passthrough was insisted on and cannot be had */
};

struct access {
    pthread_mutex_t lock; /* the decision; nothing is taken inside */
    enum access_wish wish;
    int shm_fd;   /* the shared memory directory, to try passthrough in; borrowed */
    bool offered; /* INIT: the kernel has passthrough */
    _Atomic(enum access_mode) mode;
    _Atomic bool by_ring; /* some request came through io_uring */
    char why[200];        /* one clause; fixed once decided */
};

void access_init(struct access *access, enum access_wish wish, int shm_fd);
void access_finish(struct access *access);

/* At INIT: switches the connection's features on and off (design: fuse-facts). */
void access_negotiate(struct access *access, struct fuse_conn_info *connection);

/* Decides at the first call, which must come from a request after INIT. */
enum access_mode access_decide(struct access *access, fuse_req_t request);

/* "passthrough" or "symlink", for people. */
const char *access_name(enum access_mode mode);

#endif
