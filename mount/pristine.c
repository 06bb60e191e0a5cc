/* SPDX-License-Identifier: MIT */
#include "pristine.h"

#include <string.h>
#include <time.h>

#include "base/text.h"
#include "sight.h"

void pristine_init(struct pristine *pristine)
{
    memset(pristine->slots, 0, sizeof pristine->slots);
    (void)pthread_mutex_init(&pristine->lock, NULL);
}

void pristine_finish(struct pristine *pristine)
{
    (void)pthread_mutex_destroy(&pristine->lock);
}

static uint64_t hash_of(const char *segment)
{
    return cshm_hash(segment, strlen(segment)) | 1;
}

static struct pristine_slot *slot_of(struct pristine *pristine, uint64_t name)
{
    return &pristine->slots[(name >> 1) % PRISTINE_SLOTS];
}

void pristine_note(struct pristine *pristine, const char *segment, int fd)
{
    struct timespec now;
    struct stat st;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, now};
    if (futimens(fd, times) < 0 || fstat(fd, &st) < 0)
        return;
    uint64_t name = hash_of(segment);
    (void)pthread_mutex_lock(&pristine->lock);
    *slot_of(pristine, name) =
        (struct pristine_slot){name, st.st_ino, sight_nanoseconds(st.st_mtim)};
    (void)pthread_mutex_unlock(&pristine->lock);
}

void pristine_end(struct pristine *pristine, const char *segment)
{
    uint64_t name = hash_of(segment);
    (void)pthread_mutex_lock(&pristine->lock);
    struct pristine_slot *slot = slot_of(pristine, name);
    if (slot->name == name)
        *slot = (struct pristine_slot){0};
    (void)pthread_mutex_unlock(&pristine->lock);
}

bool pristine_holds(struct pristine *pristine, const char *segment, const struct stat *st)
{
    uint64_t name = hash_of(segment);
    (void)pthread_mutex_lock(&pristine->lock);
    const struct pristine_slot *slot = slot_of(pristine, name);
    bool holds = slot->name == name && slot->number == st->st_ino &&
                 slot->changed == sight_nanoseconds(st->st_mtim);
    (void)pthread_mutex_unlock(&pristine->lock);
    return holds;
}
