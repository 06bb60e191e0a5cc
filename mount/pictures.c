/* SPDX-License-Identifier: MIT */
/* The table of pictures; what is in one: picture.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "picture_internal.h"

enum { FIRST_BUCKETS = 64 };

int pictures_init(struct pictures *pictures, struct cshm_store *store,
                  const struct pictures_observer *observer)
{
    *pictures =
        (struct pictures){.store = store, .observer = *observer, .bucket_count = FIRST_BUCKETS};
    (void)pthread_mutex_init(&pictures->lock, NULL);
    pictures->buckets = calloc(FIRST_BUCKETS, sizeof(struct picture *));
    int result = links_init(&pictures->links, observer->linked, observer->context);
    return pictures->buckets ? result : -ENOMEM;
}

static void picture_destroy(struct picture *picture)
{
    if (!picture)
        return;
    bool fold = picture->project.journal_bytes > 0 && !picture->all->read_only;
    if (picture->shown && fold)
        (void)cshm_project_fold(picture->all->store, picture->name, &picture->project, NULL);
    if (picture->shown)
        cshm_project_finish(&picture->project);
    census_finish(&picture->census);
    (void)pthread_rwlock_destroy(&picture->lock);
    (void)pthread_mutex_destroy(&picture->loading);
    free(picture->name);
    free(picture);
}

void pictures_finish(struct pictures *pictures)
{
    links_stop(&pictures->links); /* who is told may be gone already */
    for (size_t i = 0; pictures->buckets && i < pictures->bucket_count; i++) {
        while (pictures->buckets[i]) {
            struct picture *picture = pictures->buckets[i];
            pictures->buckets[i] = picture->next;
            picture_destroy(picture);
        }
    }
    free(pictures->buckets);
    links_finish(&pictures->links);
    (void)pthread_mutex_destroy(&pictures->lock);
}

static struct picture *picture_create(struct pictures *pictures, const char *name)
{
    struct picture *picture = calloc(1, sizeof *picture);
    if (!picture)
        return NULL;
    picture->all = pictures;
    picture_age(picture);
    picture->name = strdup(name);
    (void)pthread_mutex_init(&picture->loading, NULL);
    /* glibc lets readers starve a writer unless told otherwise; no thread reads twice at a time. */
    pthread_rwlockattr_t attributes;
    (void)pthread_rwlockattr_init(&attributes);
    (void)pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&picture->lock, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
    if (!picture->name) {
        picture_destroy(picture);
        return NULL;
    }
    return picture;
}

static struct picture **bucket_of(const struct pictures *pictures, const char *name)
{
    uint64_t hash = cshm_hash(name, strlen(name));
    return &pictures->buckets[hash & (pictures->bucket_count - 1)];
}

/* Keeps chains short. Without memory they get longer, nothing worse. */
static void grow(struct pictures *pictures)
{
    size_t old_count = pictures->bucket_count;
    struct picture **old = pictures->buckets;
    struct picture **buckets = calloc(old_count * 2, sizeof(struct picture *));
    if (!buckets)
        return;
    pictures->buckets = buckets;
    pictures->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct picture *picture = old[i];
            old[i] = picture->next;
            struct picture **bucket = bucket_of(pictures, picture->name);
            picture->next = *bucket;
            *bucket = picture;
        }
    }
    free(old);
}

struct picture *picture_get(struct pictures *pictures, const char *name)
{
    (void)pthread_mutex_lock(&pictures->lock);
    struct picture *picture = *bucket_of(pictures, name);
    while (picture && strcmp(picture->name, name) != 0)
        picture = picture->next;
    if (!picture && (picture = picture_create(pictures, name))) {
        if (pictures->count++ > pictures->bucket_count)
            grow(pictures);
        struct picture **bucket = bucket_of(pictures, name);
        picture->next = *bucket;
        *bucket = picture;
    }
    if (picture)
        picture->references++;
    (void)pthread_mutex_unlock(&pictures->lock);
    return picture;
}

struct picture *picture_find(struct pictures *pictures, const char *name)
{
    (void)pthread_mutex_lock(&pictures->lock);
    struct picture *picture = *bucket_of(pictures, name);
    while (picture && strcmp(picture->name, name) != 0)
        picture = picture->next;
    if (picture)
        picture->references++;
    (void)pthread_mutex_unlock(&pictures->lock);
    return picture;
}

int pictures_all(struct pictures *pictures, struct picture ***out, size_t *count)
{
    *count = 0;
    (void)pthread_mutex_lock(&pictures->lock);
    *out = malloc((pictures->count + 1) * sizeof **out);
    for (size_t i = 0; *out && i < pictures->bucket_count; i++) {
        for (struct picture *picture = pictures->buckets[i]; picture; picture = picture->next) {
            picture->references++;
            (*out)[(*count)++] = picture;
        }
    }
    (void)pthread_mutex_unlock(&pictures->lock);
    return *out ? 0 : -ENOMEM;
}

void picture_hold(struct picture *picture)
{
    (void)pthread_mutex_lock(&picture->all->lock);
    picture->references++;
    (void)pthread_mutex_unlock(&picture->all->lock);
}

/* The table's lock is held and nobody has the picture: its own locks are not needed. */
static void take_out(struct pictures *pictures, struct picture *picture)
{
    struct picture **link = bucket_of(pictures, picture->name);
    while (*link != picture)
        link = &(*link)->next;
    *link = picture->next;
    pictures->count--;
}

void picture_put(struct picture *picture)
{
    if (!picture)
        return;
    struct pictures *pictures = picture->all;
    (void)pthread_mutex_lock(&pictures->lock);
    /* What is shown is kept for the next look, and so is what was tried in vain. */
    bool last = --picture->references == 0 && !picture->shown && !picture->tried;
    if (last)
        take_out(pictures, picture);
    (void)pthread_mutex_unlock(&pictures->lock);
    if (last)
        picture_destroy(picture);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pictures_sweep(struct pictures *pictures, char *const *present, size_t count)
{
    struct picture *gone = NULL;
    (void)pthread_mutex_lock(&pictures->lock);
    for (size_t i = 0; i < pictures->bucket_count; i++) {
        for (struct picture **link = &pictures->buckets[i]; *link;) {
            struct picture *picture = *link;
            if (picture->references > 0 || (count > 0 && bsearch(&picture->name, present, count,
                                                                 sizeof *present, compare_names))) {
                link = &picture->next;
                continue;
            }
            *link = picture->next;
            pictures->count--;
            picture->next = gone;
            gone = picture;
        }
    }
    (void)pthread_mutex_unlock(&pictures->lock);
    while (gone) {
        struct picture *picture = gone;
        gone = picture->next;
        picture_destroy(picture);
    }
}
