/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "log.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/registry.h"

/* A second in all, of which the fold itself takes a part. */
enum { DELAY_NANOSECONDS = 700 * 1000 * 1000, SECOND = 1000 * 1000 * 1000 };

struct folder_entry {
    struct folder_entry *next;
    struct picture *picture; /* held */
    struct timespec due;     /* CLOCK_REALTIME, as condition variables have it */
};

void folder_init(struct folder *folder, struct cshm_store *store)
{
    *folder = (struct folder){.store = store};
    folder->last = &folder->first;
    (void)pthread_mutex_init(&folder->lock, NULL);
    (void)pthread_cond_init(&folder->wake, NULL);
}

void folder_add(struct folder *folder, struct picture *picture)
{
    struct folder_entry *entry = NULL;
    (void)pthread_mutex_lock(&folder->lock);
    if (folder->running && !picture->to_be_folded && (entry = calloc(1, sizeof *entry))) {
        picture->to_be_folded = true;
        picture_hold(picture);
        entry->picture = picture;
        (void)clock_gettime(CLOCK_REALTIME, &entry->due);
        entry->due.tv_nsec += DELAY_NANOSECONDS;
        entry->due.tv_sec += entry->due.tv_nsec / SECOND;
        entry->due.tv_nsec %= SECOND;
        *folder->last = entry;
        folder->last = &entry->next;
        (void)pthread_cond_signal(&folder->wake);
    }
    (void)pthread_mutex_unlock(&folder->lock);
}

void folder_recover(struct folder *folder)
{
    (void)pthread_mutex_lock(&folder->lock);
    folder->recover = true;
    (void)pthread_cond_signal(&folder->wake);
    (void)pthread_mutex_unlock(&folder->lock);
}

/* --- Its thread ---------------------------------------------------------------------------------
 */

static void recover(const struct folder *folder)
{
    struct cshm_error error = {0};
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(folder->store, &lock, &error);
    if (result == 0)
        result = cshm_pending_recover(folder->store);
    if (result == 0)
        result = cshm_journal_recover(folder->store);
    if (result < 0)
        log_line(LOG_WARNING, "what others left undone is left: %s",
                 error.text[0] ? error.text : strerror(-result));
}

static void fold(struct picture *picture)
{
    struct cshm_error error = {0};
    int result = picture_fold(picture, &error);
    if (result < 0) /* it is safe where it is */
        log_line(LOG_WARNING, "project %s: its journal is not folded: %s", picture->name,
                 error.text[0] ? error.text : strerror(-result));
    picture_put(picture);
}

/* Takes the first one out, if its time has come, else waits; the lock is held. */
static struct picture *take(struct folder *folder)
{
    struct folder_entry *entry = folder->first;
    if (!entry) {
        (void)pthread_cond_wait(&folder->wake, &folder->lock);
        return NULL;
    }
    if (pthread_cond_timedwait(&folder->wake, &folder->lock, &entry->due) != ETIMEDOUT)
        return NULL;
    folder->first = entry->next;
    if (!folder->first)
        folder->last = &folder->first;
    struct picture *picture = entry->picture;
    picture->to_be_folded = false;
    free(entry);
    return picture;
}

static void *run(void *argument)
{
    struct folder *folder = argument;
    (void)pthread_setname_np(pthread_self(), "folder");
    (void)pthread_mutex_lock(&folder->lock);
    while (!folder->stopping) {
        bool recovering = folder->recover;
        folder->recover = false;
        struct picture *picture = recovering ? NULL : take(folder);
        (void)pthread_mutex_unlock(&folder->lock);
        if (recovering)
            recover(folder);
        if (picture)
            fold(picture);
        (void)pthread_mutex_lock(&folder->lock);
    }
    (void)pthread_mutex_unlock(&folder->lock);
    return NULL;
}

int folder_start(struct folder *folder)
{
    folder->running = folder->recover = true;
    int result = -pthread_create(&folder->thread, NULL, run, folder);
    folder->running = result == 0;
    return result;
}

void folder_stop(struct folder *folder)
{
    (void)pthread_mutex_lock(&folder->lock);
    bool running = folder->running;
    folder->running = false;
    folder->stopping = true;
    (void)pthread_cond_signal(&folder->wake);
    (void)pthread_mutex_unlock(&folder->lock);
    if (running)
        (void)pthread_join(folder->thread, NULL);
}

void folder_finish(struct folder *folder)
{
    if (!folder->store)
        return;
    while (folder->first) {
        struct folder_entry *entry = folder->first;
        folder->first = entry->next;
        picture_put(entry->picture);
        free(entry);
    }
    (void)pthread_cond_destroy(&folder->wake);
    (void)pthread_mutex_destroy(&folder->lock);
}
