/* SPDX-License-Identifier: MIT */
/*
 * Links: how many names a segment has that several projects name. In one project that is counted in
 * its tree; over all of them here, for st_nlink. A picture says how many there are in it when it is
 * shown, and what comes and goes (model/tree.h). When there is any at all, the watch reads every
 * project of the registry.
 */
#ifndef MOUNT_LINKS_H
#define MOUNT_LINKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "model/tree.h"

struct link;
struct picture;
struct cshm_names;

/* Told, under a picture's lock, that a segment has more names or fewer. */
typedef void links_told(void *context, const char *segment);

struct links {
    pthread_mutex_t lock; /* innermost: nothing is taken inside */
    struct link **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    links_told *told; /* fixed until links_stop() */
    void *context;
};

/* 0 or -ENOMEM. */
int links_init(struct links *links, links_told *told, void *context);
void links_finish(struct links *links);

/* Nobody is told any more. */
void links_stop(struct links *links);

/* What a picture's tree tells. `owner`: the manifest's. */
struct cshm_linked_observer links_observer(struct picture *picture, uid_t owner);

/*
 * Names of a segment of this owner's: in manifests that may name it, his and root's. Without memory
 * it may be too few.
 */
size_t links_names(struct links *links, const char *segment, uid_t owner);

/* The projects that these names are in. 0 or -ENOMEM. Release with cshm_names_finish(). */
int links_projects(struct links *links, const char *segment, uid_t owner, struct cshm_names *out);

#endif
