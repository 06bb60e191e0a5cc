/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/names.h"
#include "log.h"

enum { FIRST_BUCKETS = 64, SETTLED_SECONDS = 2, MANY_NODES = 10000 };

/* --- The table ----------------------------------------------------------------------------------
 */

int pictures_init(struct pictures *pictures, struct cshm_store *store)
{
    *pictures = (struct pictures){.store = store, .bucket_count = FIRST_BUCKETS};
    (void)pthread_mutex_init(&pictures->lock, NULL);
    pictures->buckets = calloc(FIRST_BUCKETS, sizeof(struct picture *));
    return pictures->buckets ? 0 : -ENOMEM;
}

static void picture_destroy(struct picture *picture)
{
    if (!picture)
        return;
    if (picture->shown && picture->project.journal_bytes > 0)
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
    for (size_t i = 0; pictures->buckets && i < pictures->bucket_count; i++) {
        while (pictures->buckets[i]) {
            struct picture *picture = pictures->buckets[i];
            pictures->buckets[i] = picture->next;
            picture_destroy(picture);
        }
    }
    free(pictures->buckets);
    (void)pthread_mutex_destroy(&pictures->lock);
}

static struct picture *picture_create(struct pictures *pictures, const char *name)
{
    struct picture *picture = calloc(1, sizeof *picture);
    if (!picture)
        return NULL;
    picture->all = pictures;
    picture->generation = 1;
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

/* --- Loading ------------------------------------------------------------------------------------
 */

static int look_at_manifest(const struct pictures *pictures, const char *name, struct stat *st)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(name, file);
    if (fstatat(pictures->store->root_fd, file, st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISREG(st->st_mode) ? 0 : -ENOENT;
}

/*
 * Whether what is shown is still what the registry says: 0, -ENOENT, -ESTALE.
 */
static int check(const struct picture *picture)
{
    struct cshm_stamp stamp;
    struct stat st;
    int result = cshm_project_look(picture->all->store, picture->name, &stamp, &st);
    if (result < 0)
        return result;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    return cshm_stamp_equal(&stamp, &picture->project.stamp) ? 0 : -ESTALE;
}

static bool has_settled(const struct stat *st)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    /* A time in the future is nobody who is writing now. */
    time_t age = now.tv_sec - st->st_mtim.tv_sec;
    return age < 0 || age > SETTLED_SECONDS ||
           (age == SETTLED_SECONDS && now.tv_nsec >= st->st_mtim.tv_nsec);
}

/* Puts `fresh` (or nothing) in the place of what is shown; `loading` is held. */
static void show(struct picture *picture, const struct cshm_project *fresh,
                 const struct census *census, bool closed)
{
    bool had = picture->shown;
    struct cshm_project old = picture->project;
    struct census old_census = picture->census;
    (void)pthread_rwlock_wrlock(&picture->lock);
    picture->shown = fresh != NULL;
    picture->closed = closed;
    picture->project = fresh ? *fresh : (struct cshm_project){0};
    picture->census = census ? *census : (struct census){0};
    picture->generation++;
    (void)pthread_rwlock_unlock(&picture->lock);
    census_finish(&old_census);
    if (had) {
        bool large = old.tree && old.tree->node_count > MANY_NODES;
        cshm_project_finish(&old);
        if (large)
            (void)malloc_trim(0);
    }
}

/*
 * Remembers a manifest that is not to be shown, so that it is not parsed for every request.
 * `looked` was taken before it was read: a writer may have gone on since.
 */
static void remember_failure(struct picture *picture, const struct stat *looked, bool retry_later)
{
    picture->tried = true;
    picture->tried_stamp = cshm_stamp_of(looked);
    picture->retry_later = retry_later;
}

static bool failed_before(const struct picture *picture)
{
    struct stat st;
    if (!picture->tried || look_at_manifest(picture->all, picture->name, &st) < 0)
        return false;
    struct cshm_stamp stamp = cshm_stamp_of(&st);
    return cshm_stamp_equal(&stamp, &picture->tried_stamp) &&
           !(picture->retry_later && has_settled(&st));
}

/* Somebody else's project, of which this user may know that it is there and whose it is. */
static int make_closed(const struct picture *picture, struct cshm_project *out)
{
    struct stat st;
    int result = look_at_manifest(picture->all, picture->name, &st);
    if (result < 0)
        return result;
    *out = (struct cshm_project){.tree = cshm_tree_create(),
                                 .stamp = cshm_stamp_of(&st),
                                 .changed = st.st_mtim,
                                 .uid = st.st_uid,
                                 .gid = st.st_gid,
                                 .mode = st.st_mode & 0777};
    return out->tree ? 0 : -ENOMEM;
}

/* A manifest that could not be read, or is half-written: what was shown stays. */
static int keep_showing(struct picture *picture, int result, const struct stat *looked,
                        const struct cshm_error *error)
{
    log_debug("project %s: not read: %s", picture->name,
              error->text[0] ? error->text : strerror(-result));
    if (result == -EAGAIN)
        remember_failure(picture, looked, true);
    if (picture->shown)
        return 0;
    return result == -EAGAIN ? -ENOENT : result;
}

static int show_loaded(struct picture *picture, struct cshm_project *fresh, bool closed)
{
    struct census census;
    int result = census_take(&census, fresh->tree);
    if (result < 0) {
        cshm_project_finish(fresh);
        return result;
    }
    log_debug("project %s: read, %zu nodes", picture->name, fresh->tree->node_count);
    show(picture, fresh, &census, closed);
    return 0;
}

/* Reads the manifest and decides what becomes of it; `loading` is held. */
static int load(struct picture *picture)
{
    struct cshm_project fresh = {0};
    struct cshm_error error = {0};
    struct stat looked = {0};
    picture->tried = false;
    int result = look_at_manifest(picture->all, picture->name, &looked);
    if (result == 0)
        result = cshm_project_load(picture->all->store, picture->name, &fresh, &error);
    bool closed = result == -EACCES;
    if (closed)
        result = make_closed(picture, &fresh);
    if (result < 0)
        cshm_project_finish(&fresh);
    if (result == -ENOENT ||
        result == -EPERM) { /* -EPERM: a link or a device, which is no project */
        show(picture, NULL, NULL, false);
        return -ENOENT;
    }
    if (result < 0)
        return keep_showing(picture, result, &looked, &error);
    if (fresh.damaged)
        log_line(LOG_WARNING, "project %s: damaged manifest: %s", picture->name, fresh.why.text);
    if (fresh.damaged && picture->shown && !picture->project.damaged) {
        cshm_project_finish(&fresh);
        remember_failure(picture, &looked, false);
        return 0;
    }
    return show_loaded(picture, &fresh, closed);
}

/* With `loading` held nobody else changes what is shown, so the lock is not needed to look. */
static int refresh(struct picture *picture)
{
    int state = -ESTALE;
    if (picture->shown)
        state = check(picture);
    if (state == 0)
        return 0;
    if (state == -ENOENT) {
        picture->tried = false;
        show(picture, NULL, NULL, false);
        return -ENOENT;
    }
    if (failed_before(picture))
        return picture->shown ? 0 : -ENOENT;
    return load(picture);
}

int picture_refresh(struct picture *picture)
{
    (void)pthread_mutex_lock(&picture->loading);
    int result = refresh(picture);
    (void)pthread_mutex_unlock(&picture->loading);
    return result;
}

int picture_read(struct picture *picture)
{
    (void)pthread_rwlock_rdlock(&picture->lock);
    if (picture->shown && check(picture) == 0)
        return 0;
    (void)pthread_rwlock_unlock(&picture->lock);
    int result = picture_refresh(picture);
    if (result < 0)
        return result;
    (void)pthread_rwlock_rdlock(&picture->lock);
    if (picture->shown)
        return 0;
    (void)pthread_rwlock_unlock(&picture->lock);
    return -ENOENT;
}

void picture_unlock(struct picture *picture)
{
    (void)pthread_rwlock_unlock(&picture->lock);
}

bool picture_is_listed(struct pictures *pictures, const char *name)
{
    struct stat st;
    if (look_at_manifest(pictures, name, &st) < 0)
        return false;
    /* One that changed just now may be half-written, and then a look at it would fail. */
    if (has_settled(&st))
        return true;
    struct picture *picture = picture_get(pictures, name);
    bool listed = picture && picture_refresh(picture) == 0;
    picture_put(picture);
    return listed;
}

/* --- Changing -----------------------------------------------------------------------------------
 */

int picture_write(struct picture *picture)
{
    (void)pthread_mutex_lock(&picture->loading);
    int result = refresh(picture);
    if (result < 0) {
        (void)pthread_mutex_unlock(&picture->loading);
        return result;
    }
    (void)pthread_rwlock_wrlock(&picture->lock);
    return 0;
}

void picture_write_end(struct picture *picture)
{
    (void)pthread_rwlock_unlock(&picture->lock);
    (void)pthread_mutex_unlock(&picture->loading);
}

/* Forgets what is shown, with both locks held: the next look reads it again. */
static void forget(struct picture *picture)
{
    if (picture->shown)
        cshm_project_finish(&picture->project);
    census_finish(&picture->census);
    picture->project = (struct cshm_project){0};
    picture->shown = picture->closed = false;
    picture->tried = false;
    picture->generation++;
}

/*
 * The keys from the root to `node`, copied: the change may read the project again and free the tree
 * they stand in. `*path` is one piece of memory, the caller's to free.
 */
static int path_of(const struct cshm_node *node, struct cshm_text **path, size_t *depth)
{
    size_t bytes = 0;
    *depth = 0;
    for (const struct cshm_node *n = node; n->parent; n = n->parent) {
        ++*depth;
        bytes += n->key.length;
    }
    size_t size = (*depth + 1) * sizeof **path;
    *path = malloc(size + bytes);
    if (!*path)
        return -ENOMEM;
    char *copy = (char *)*path + size;
    size_t i = *depth;
    for (const struct cshm_node *n = node; n->parent; n = n->parent) {
        if (n->key.length > 0)
            memcpy(copy, n->key.bytes, n->key.length);
        (*path)[--i] = (struct cshm_text){copy, n->key.length};
        copy += n->key.length;
    }
    return 0;
}

/* Both locks are held. Whether the project was read again on the way: somebody else changed it. */
static int change_again(struct picture *picture, const struct cshm_change *change, bool *reread,
                        struct cshm_error *error)
{
    struct cshm_store *store = picture->all->store;
    int result = cshm_project_change(store, picture->name, &picture->project, change, error);
    *reread = result == -ESTALE;
    while (result == -ESTALE) {
        cshm_project_finish(&picture->project);
        result = cshm_project_load(store, picture->name, &picture->project, error);
        if (result == 0)
            result = cshm_project_change(store, picture->name, &picture->project, change, error);
    }
    return result;
}

int picture_change(struct picture *picture, enum cshm_change_kind kind,
                   const struct cshm_node *node, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    struct cshm_text *path;
    size_t depth;
    int result = path_of(node, &path, &depth);
    if (result < 0)
        return cshm_fail(error, result, "out of memory");
    size_t expected = picture->project.tree->node_count - (kind != CSHM_REMOVE_ATTRIBUTES);
    if (kind != CSHM_REMOVE_ATTRIBUTES)
        census_leave(&picture->census, node);
    struct cshm_change change = {.kind = kind, .path = path, .depth = depth};
    bool reread;
    result = change_again(picture, &change, &reread, error);
    free(path);
    if (result < 0) {
        forget(picture);
        return result;
    }
    picture->generation++;
    /* It was read again on the way because somebody else had changed it: count again. */
    if (reread || picture->project.tree->node_count != expected) {
        census_finish(&picture->census);
        if (census_take(&picture->census, picture->project.tree) < 0)
            forget(picture);
    }
    return 0;
}

int picture_remove_project(struct picture *picture, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    struct cshm_store *store = picture->all->store;
    struct cshm_change change = {.kind = CSHM_REMOVE_GROUP};
    bool reread;
    int result = picture->project.damaged
                     ? cshm_project_remove(store, picture->name, error)
                     : change_again(picture, &change, &reread, error);
    forget(picture);
    return result;
}
