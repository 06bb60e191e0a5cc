/* SPDX-License-Identifier: MIT */
#include "links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "store/registry.h"

enum { FIRST_BUCKETS = 64 };

/* The names of a segment in one picture. */
struct link {
    struct link *next;
    const struct picture *picture; /* lives longer */
    size_t names;
    uid_t owner; /* of its manifest */
    char segment[];
};

int links_init(struct links *links, links_told *told, void *context)
{
    *links = (struct links){.bucket_count = FIRST_BUCKETS, .told = told, .context = context};
    (void)pthread_mutex_init(&links->lock, NULL);
    links->buckets = calloc(FIRST_BUCKETS, sizeof(struct link *));
    return links->buckets ? 0 : -ENOMEM;
}

void links_stop(struct links *links)
{
    links->told = NULL;
}

void links_finish(struct links *links)
{
    for (size_t i = 0; links->buckets && i < links->bucket_count; i++) {
        while (links->buckets[i]) {
            struct link *link = links->buckets[i];
            links->buckets[i] = link->next;
            free(link);
        }
    }
    free(links->buckets);
    (void)pthread_mutex_destroy(&links->lock);
}

static struct link **bucket_of(const struct links *links, const char *segment)
{
    return &links->buckets[cshm_hash(segment, strlen(segment)) & (links->bucket_count - 1)];
}

/* While a picture is replaced there are both, and they may have other owners. */
static struct link **find(const struct links *links, const struct picture *picture, uid_t owner,
                          const char *segment)
{
    struct link **at = bucket_of(links, segment);
    while (*at && ((*at)->picture != picture || (*at)->owner != owner ||
                   strcmp((*at)->segment, segment) != 0))
        at = &(*at)->next;
    return at;
}

/* Keeps chains short. Without memory they get longer, nothing worse. */
static void grow(struct links *links)
{
    size_t old_count = links->bucket_count;
    struct link **old = links->buckets;
    struct link **buckets = calloc(old_count * 2, sizeof(struct link *));
    if (!buckets)
        return;
    links->buckets = buckets;
    links->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct link *link = old[i];
            old[i] = link->next;
            struct link **bucket = bucket_of(links, link->segment);
            link->next = *bucket;
            *bucket = link;
        }
    }
    free(old);
}

static void add(struct links *links, const struct picture *picture, uid_t owner,
                const char *segment)
{
    struct link **at = find(links, picture, owner, segment);
    if (*at) {
        (*at)->names++;
        return;
    }
    size_t length = strlen(segment) + 1;
    struct link *link = malloc(sizeof *link + length);
    if (!link)
        return;
    *link = (struct link){.picture = picture, .names = 1, .owner = owner};
    memcpy(link->segment, segment, length);
    *at = link;
    if (links->count++ > links->bucket_count)
        grow(links);
}

static void take(struct links *links, const struct picture *picture, uid_t owner,
                 const char *segment)
{
    struct link **at = find(links, picture, owner, segment);
    struct link *link = *at;
    if (!link || --link->names > 0)
        return;
    *at = link->next;
    links->count--;
    free(link);
}

static void changed(void *context, uid_t owner, const char *segment, int by)
{
    struct picture *picture = context;
    struct links *links = &picture->all->links;
    (void)pthread_mutex_lock(&links->lock);
    (by > 0 ? add : take)(links, picture, owner, segment);
    (void)pthread_mutex_unlock(&links->lock);
    if (links->told)
        links->told(links->context, segment);
}

struct cshm_linked_observer links_observer(struct picture *picture, uid_t owner)
{
    return (struct cshm_linked_observer){changed, picture, owner};
}

/* In a manifest that may name a segment of this owner's. */
static bool counts(const struct link *link, const char *segment, uid_t owner)
{
    return (link->owner == owner || link->owner == 0) && strcmp(link->segment, segment) == 0;
}

size_t links_names(struct links *links, const char *segment, uid_t owner)
{
    size_t names = 0;
    (void)pthread_mutex_lock(&links->lock);
    for (const struct link *link = *bucket_of(links, segment); link; link = link->next)
        names += counts(link, segment, owner) ? link->names : 0;
    (void)pthread_mutex_unlock(&links->lock);
    return names;
}

int links_projects(struct links *links, const char *segment, uid_t owner, struct cshm_names *out)
{
    int result = 0;
    *out = (struct cshm_names){0};
    (void)pthread_mutex_lock(&links->lock);
    for (const struct link *link = *bucket_of(links, segment); link && result == 0;
         link = link->next)
        if (counts(link, segment, owner))
            result = cshm_names_add(out, link->picture->name);
    (void)pthread_mutex_unlock(&links->lock);
    if (result < 0)
        cshm_names_finish(out);
    return result;
}
