/* SPDX-License-Identifier: MIT */
/*
 * Remarks: why the last write of a sidecar was refused, to be shown at its end until the next good
 * one. A small table, so that nobody fills the memory with bad documents: a newer remark may push
 * out an older one. An array's is of its name and segment, so that another array by that name does
 * not inherit it.
 */
#ifndef MOUNT_REMARK_H
#define MOUNT_REMARK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/tree.h"

enum { REMARK_SLOTS = 512 };

struct remark {
    uint64_t node; /* 0: free */
    char *text;
};

struct remarks {
    pthread_mutex_t lock; /* innermost: nothing is taken inside */
    atomic_uint count;
    atomic_ullong changes; /* how often one was set or taken away */
    struct remark slots[REMARK_SLOTS];
};

/* Room for any remark. */
#define REMARK_SIZE sizeof((struct cshm_error *)NULL)->text

void remarks_init(struct remarks *remarks);
void remarks_finish(struct remarks *remarks);

/* Whose remark it is. Under the picture's lock. */
uint64_t remark_node(const char *project, const struct cshm_node *node);

/* Sets it; NULL: takes it away. */
void remark_set(struct remarks *remarks, uint64_t node, const char *text);

/* Copies it to `out`; false when there is none. Next to nothing while there are none at all. */
bool remark_get(struct remarks *remarks, const char *project, const struct cshm_node *node,
                char out[REMARK_SIZE]);

#endif
