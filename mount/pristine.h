/* SPDX-License-Identifier: MIT */
/*
 * Pristine arrays: made by their sidecars and not written since, so that another size loses
 * nothing. Segments are known by name, inode and a time of last change that no writer leaves behind
 * (it is set to the nanosecond; a write, or the first store into a mapping, sets the clock's last
 * tick), so writers that the daemon does not see count as well. What is not in the table counts as
 * written: it is small, of this daemon's life, and newer arrays push older ones out.
 */
#ifndef MOUNT_PRISTINE_H
#define MOUNT_PRISTINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { PRISTINE_SLOTS = 4096 };

struct pristine_slot {
    uint64_t name; /* hash; 0: free */
    ino_t number;
    int64_t changed; /* mtime, nanoseconds */
};

struct pristine {
    pthread_mutex_t lock; /* innermost: nothing is taken inside */
    struct pristine_slot slots[PRISTINE_SLOTS];
};

void pristine_init(struct pristine *pristine);
void pristine_finish(struct pristine *pristine);

/* `fd` is a segment just made, of zeros, that is to be named `segment`. Without success it counts
 * as written. */
void pristine_note(struct pristine *pristine, const char *segment, int fd);

/* Somebody opens it for writing. */
void pristine_end(struct pristine *pristine, const char *segment);

/* Whether nobody has written it: `st` is of the segment now. */
bool pristine_holds(struct pristine *pristine, const char *segment, const struct stat *st);

#endif
