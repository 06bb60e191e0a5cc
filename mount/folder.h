/* SPDX-License-Identifier: MIT */
/*
 * The folder writes journals into their manifests, within a second of the first change, and sees to
 * what dead writers left. A thread of its own: it waits for the registry's lock.
 */
#ifndef MOUNT_FOLDER_H
#define MOUNT_FOLDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "picture.h"

struct folder_entry;

struct folder {
    pthread_mutex_t lock; /* before that of the table of pictures; taken under a picture's */
    pthread_cond_t wake;
    struct folder_entry *first; /* by when they are due */
    struct folder_entry **last;
    unsigned recoveries; /* how often to look yet, as somebody who was writing may be dead */
    struct timespec recovery_due;
    bool stopping;
    bool running;
    pthread_t thread;
    struct cshm_store *store;
};

void folder_init(struct folder *folder, struct cshm_store *store);

/* Begins with what is left from before. 0 or negative errno. */
int folder_start(struct folder *folder);

/* What it has not come to is folded when the pictures go. */
void folder_stop(struct folder *folder);
void folder_finish(struct folder *folder);

/* The journal of this picture is to be folded soon. */
void folder_add(struct folder *folder, struct picture *picture);

/* Somebody closed a file that only the living keep open. */
void folder_recover(struct folder *folder);

#endif
