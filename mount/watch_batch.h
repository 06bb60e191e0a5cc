/* SPDX-License-Identifier: MIT */
/*
 * Events as the watch takes them: those of one name in one, in the order the names came first. And
 * names to come back to after a while.
 */
#ifndef MOUNT_WATCH_BATCH_H
#define MOUNT_WATCH_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

enum {
    BATCH_BYTES = 32 * 1024,
    /* An event has a name, but for those of a directory itself and of an overflow. */
    BATCH_ITEMS = BATCH_BYTES / sizeof(struct inotify_event),
    BATCH_SLOTS = 2 * BATCH_ITEMS,
};

struct batch_item {
    const char *name; /* in the buffer; "" for the directory itself */
    int descriptor;
    uint32_t events; /* all that happened to it */
};

struct batch {
    bool overflowed; /* the kernel's queue, some time ago: events are missing */
    bool full;       /* there is probably more */
    size_t count;
    struct batch_item items[BATCH_ITEMS];
    uint16_t slots[BATCH_SLOTS]; /* hash table: index of an item, plus 1 */
    _Alignas(struct inotify_event) char bytes[BATCH_BYTES];
};

/* Reads what there is, as far as it fits; without waiting. */
void batch_read(struct batch *batch, int fd);
void batch_each(const struct batch *batch,
                void (*function)(void *context, const struct batch_item *item), void *context);

struct waiting;

/* Once each; a second time puts it off. Without memory it is forgotten. */
void waiting_add(struct waiting **list, const char *name, int milliseconds);

/* Whether the time of one has come; takes it out. */
bool waiting_take(struct waiting **list, char *name);

/* For poll(2): until the next; -1 when there is none. */
int waiting_timeout(const struct waiting *list);
void waiting_finish(struct waiting **list);

#endif
