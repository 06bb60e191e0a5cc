/* SPDX-License-Identifier: MIT */
#include "watch_batch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

_Static_assert(BATCH_ITEMS < UINT16_MAX, "an index has to fit into a slot");

/* --- Batches ------------------------------------------------------------------------------------
 */

static struct batch_item *item_of(struct batch *batch, int descriptor, const char *name)
{
    size_t at = (size_t)(cshm_hash(name, strlen(name)) + (uint64_t)descriptor) % BATCH_SLOTS;
    for (; batch->slots[at]; at = (at + 1) % BATCH_SLOTS) {
        struct batch_item *item = &batch->items[batch->slots[at] - 1];
        if (item->descriptor == descriptor && strcmp(item->name, name) == 0)
            return item;
    }
    struct batch_item *item = &batch->items[batch->count++];
    *item = (struct batch_item){.name = name, .descriptor = descriptor};
    batch->slots[at] = (uint16_t)batch->count;
    return item;
}

void batch_read(struct batch *batch, int fd)
{
    ssize_t length = read(fd, batch->bytes, sizeof batch->bytes);
    batch->full = length > BATCH_BYTES / 2;
    batch->overflowed = false;
    batch->count = 0;
    memset(batch->slots, 0, sizeof batch->slots);
    for (const char *at = batch->bytes; at < batch->bytes + length;) {
        const struct inotify_event *event = (const void *)at;
        const char *name = event->len > 0 ? event->name : "";
        if (event->mask & IN_Q_OVERFLOW)
            batch->overflowed = true;
        else
            item_of(batch, event->wd, name)->events |= event->mask;
        at += sizeof *event + event->len;
    }
}

void batch_each(const struct batch *batch,
                void (*function)(void *context, const struct batch_item *item), void *context)
{
    for (size_t i = 0; i < batch->count; i++)
        function(context, &batch->items[i]);
}

/* --- Waiting ------------------------------------------------------------------------------------
 */

struct waiting {
    struct waiting *next;
    int64_t due; /* milliseconds */
    char name[];
};

static int64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

void waiting_add(struct waiting **list, const char *name, int milliseconds)
{
    struct waiting *entry = *list;
    while (entry && strcmp(entry->name, name) != 0)
        entry = entry->next;
    if (!entry) {
        entry = calloc(1, sizeof *entry + strlen(name) + 1);
        if (!entry)
            return;
        memcpy(entry->name, name, strlen(name));
        entry->next = *list;
        *list = entry;
    }
    entry->due = now() + milliseconds;
}

bool waiting_take(struct waiting **list, char *name)
{
    int64_t time = *list ? now() : 0;
    for (struct waiting **link = list; *link; link = &(*link)->next) {
        struct waiting *entry = *link;
        if (entry->due > time)
            continue;
        *link = entry->next;
        memcpy(name, entry->name, strlen(entry->name) + 1);
        free(entry);
        return true;
    }
    return false;
}

int waiting_timeout(const struct waiting *list)
{
    int64_t least = INT64_MAX;
    for (; list; list = list->next)
        least = list->due < least ? list->due : least;
    if (least == INT64_MAX)
        return -1;
    int64_t left = least - now();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void waiting_finish(struct waiting **list)
{
    while (*list) {
        struct waiting *entry = *list;
        *list = entry->next;
        free(entry);
    }
}
