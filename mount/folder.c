/* SPDX-License-Identifier: MIT */
#include "folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "log.h"
#include "store/pending.h"
#include "store/registry.h"

/* A second in all, of which the fold itself takes a part. */
enum { DELAY_NANOSECONDS = 700 * 1000 * 1000, SECOND = 1000 * 1000 * 1000 };

/* Files are said to be closed a moment before they are unlocked. */
enum { RECOVERIES = 2, AGAIN_NANOSECONDS = 500 * 1000 * 1000 };

struct folder_entry {
    struct folder_entry *next;
    struct picture *picture; /* held */
    struct timespec due;     /* CLOCK_REALTIME, as condition variables have it */
};

static struct timespec time_in(long nanoseconds)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += nanoseconds;
    time.tv_sec += time.tv_nsec / SECOND;
    time.tv_nsec %= SECOND;
    return time;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static bool has_passed(const struct timespec *time)
{
    struct timespec now = time_in(0);
    return !is_before(&now, time);
}

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
        entry->due = time_in(DELAY_NANOSECONDS);
        *folder->last = entry;
        folder->last = &entry->next;
        (void)pthread_cond_signal(&folder->wake);
    }
    (void)pthread_mutex_unlock(&folder->lock);
}

void folder_recover(struct folder *folder)
{
    (void)pthread_mutex_lock(&folder->lock);
    folder->recoveries = RECOVERIES;
    folder->recovery_due = (struct timespec){0};
    (void)pthread_cond_signal(&folder->wake);
    (void)pthread_mutex_unlock(&folder->lock);
}

/* --- Its thread ---------------------------------------------------------------------------------
 */

/* Whether somebody who was writing may be still at it. */
static bool recover(const struct folder *folder)
{
    struct cshm_error error = {0};
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(folder->store, &lock, &error);
    if (result == 0)
        result = cshm_pending_recover(folder->store);
    if (result < 0)
        log_line(LOG_WARNING, "what others left undone is left: %s",
                 error.text[0] ? error.text : strerror(-result));
    return result != 0;
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

/* The lock is held, but not while it waits for whatever comes next. */
static void wait_for_work(struct folder *folder)
{
    const struct timespec *until = folder->first ? &folder->first->due : NULL;
    const struct timespec *other = &folder->recovery_due;
    if (folder->recoveries > 0 && (!until || is_before(other, until)))
        until = other;
    if (until)
        (void)pthread_cond_timedwait(&folder->wake, &folder->lock, until);
    else
        (void)pthread_cond_wait(&folder->wake, &folder->lock);
}

/* Takes the first one out, if its time has come; the lock is held. */
static struct picture *take(struct folder *folder)
{
    struct folder_entry *entry = folder->first;
    if (!entry || !has_passed(&entry->due))
        return NULL;
    folder->first = entry->next;
    if (!folder->first)
        folder->last = &folder->first;
    struct picture *picture = entry->picture;
    picture->to_be_folded = false;
    free(entry);
    return picture;
}

/* The lock is held, but not while it works. */
static void recover_now(struct folder *folder)
{
    folder->recoveries--;
    folder->recovery_due = time_in(AGAIN_NANOSECONDS);
    (void)pthread_mutex_unlock(&folder->lock);
    bool done = !recover(folder);
    (void)pthread_mutex_lock(&folder->lock);
    bool is_asked_again = folder->recoveries == RECOVERIES;
    if (done && !is_asked_again)
        folder->recoveries = 0;
}

static void *run(void *argument)
{
    struct folder *folder = argument;
    (void)pthread_setname_np(pthread_self(), "folder");
    (void)pthread_mutex_lock(&folder->lock);
    while (!folder->stopping) {
        struct picture *picture = NULL;
        if (folder->recoveries > 0 && has_passed(&folder->recovery_due)) {
            recover_now(folder);
        } else if ((picture = take(folder))) {
            (void)pthread_mutex_unlock(&folder->lock);
            fold(picture);
            (void)pthread_mutex_lock(&folder->lock);
        } else {
            wait_for_work(folder);
        }
    }
    (void)pthread_mutex_unlock(&folder->lock);
    return NULL;
}

int folder_start(struct folder *folder)
{
    folder->running = true;
    folder->recoveries = RECOVERIES;
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
