/* SPDX-License-Identifier: MIT */
/* Loading: how a picture is kept up to date with its manifest. */
#include "picture.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/names.h"
#include "base/scope.h"
#include "log.h"
#include "picture_internal.h"

enum { SETTLED_SECONDS = 2, MANY_NODES = 10000 };

static int look_at_manifest(const struct pictures *pictures, const char *name, struct stat *st)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(name, file);
    if (fstatat(pictures->store->root_fd, file, st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISREG(st->st_mode) ? 0 : -ENOENT;
}

/* Whether what is shown is still what the registry says: 0, -ENOENT, -ESTALE. */
static int check(const struct picture *picture)
{
    struct cshm_stamp stamp;
    struct stat st;
    if (picture->unsure)
        return -ESTALE;
    int result = cshm_project_look(picture->all->store, picture->name, &stamp, &st);
    if (result < 0)
        return result;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    return cshm_stamp_equal(&stamp, &picture->project.stamp) ? 0 : -ESTALE;
}

bool picture_is_current(const struct picture *picture)
{
    return check(picture) == 0;
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

static bool is_large(const struct cshm_project *project)
{
    return project->tree && project->tree->node_count > MANY_NODES;
}

static void observe_links(struct picture *picture)
{
    const struct cshm_linked_observer observer = links_observer(picture, picture->project.uid);
    if (picture->project.tree)
        cshm_tree_observe_linked(picture->project.tree, &observer);
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
    picture->unsure = picture->counting = false;
    picture->project = fresh ? *fresh : (struct cshm_project){0};
    picture->census = census ? *census : (struct census){0};
    picture_age(picture);
    picture_observe(picture);
    observe_links(picture);
    (void)pthread_rwlock_unlock(&picture->lock);
    const struct pictures_observer *observer = &picture->all->observer;
    if (had || fresh)
        observer->replaced(observer->context, picture, had ? &old : NULL,
                           fresh ? &picture->project : NULL);
    census_finish(&old_census);
    bool large = is_large(&old) || (fresh && is_large(&picture->project));
    if (had)
        cshm_project_finish(&old);
    if (large) /* so was what was needed to read it */
        (void)malloc_trim(0);
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

/*
 * Whether somebody has the manifest open for writing: the peer writes in place, and half of what it
 * writes may parse well. The kernel knows, and says so to whoever asks for a read lease (the owner,
 * or root); others have to judge by the text.
 */
static bool is_being_written(const struct picture *picture)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(picture->name, file);
    CSHM_AUTO_FD int fd =
        openat(picture->all->store->root_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

static bool failed_before(const struct picture *picture)
{
    struct stat st;
    if (!picture->tried || look_at_manifest(picture->all, picture->name, &st) < 0)
        return false;
    if (picture->busy)
        return is_being_written(picture);
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

static int read_manifest(struct picture *picture, struct cshm_project *out,
                         struct cshm_error *error)
{
    picture->busy = is_being_written(picture);
    int result = picture->busy ? -EAGAIN : 0;
    if (result == 0)
        result = cshm_project_load(picture->all->store, picture->name, out, error);
    if (result == 0 && is_being_written(picture)) {
        picture->busy = true;
        result = -EAGAIN;
    }
    if (result < 0)
        cshm_project_finish(out);
    return result;
}

/* Reads the manifest and decides what becomes of it; `loading` is held. */
static int load(struct picture *picture)
{
    struct cshm_project fresh = {0};
    struct cshm_error error = {0};
    struct stat looked = {0};
    picture->tried = picture->busy = false;
    int result = look_at_manifest(picture->all, picture->name, &looked);
    if (result == 0)
        result = read_manifest(picture, &fresh, &error);
    bool closed = result == -EACCES;
    if (closed)
        result = make_closed(picture, &fresh);
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

/* Only the journal grew, mostly. `loading` is held. 0, or what picture_refresh_loading() goes on
 * by. */
static int follow(struct picture *picture)
{
    if (picture->unsure || picture->closed || picture->project.damaged)
        return -ESTALE;
    struct cshm_error error = {0};
    (void)pthread_rwlock_wrlock(&picture->lock);
    int result = cshm_project_follow(picture->all->store, picture->name, &picture->project, &error);
    picture_age(picture);
    if ((result < 0 && result != -ENOENT && result != -ESTALE) || picture->counting)
        picture->unsure = true; /* and counted again when it is read again */
    (void)pthread_rwlock_unlock(&picture->lock);
    return result == -ENOENT || result == 0 ? result : -ESTALE;
}

/* With `loading` held nobody else changes what is shown, so the lock is not needed to look. */
int picture_refresh_loading(struct picture *picture)
{
    int state = -ESTALE;
    if (picture->shown)
        state = check(picture);
    if (state == -ESTALE && picture->shown)
        state = follow(picture);
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
    int result = picture_refresh_loading(picture);
    (void)pthread_mutex_unlock(&picture->loading);
    return result;
}

bool picture_look_again(struct picture *picture)
{
    (void)pthread_mutex_lock(&picture->loading);
    picture->tried = false;
    (void)picture_refresh_loading(picture);
    bool later = picture->tried && picture->retry_later;
    (void)pthread_mutex_unlock(&picture->loading);
    return later;
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

bool picture_has_let_go(struct picture *picture, const char *segment)
{
    (void)pthread_rwlock_rdlock(&picture->lock);
    bool known = picture->shown && !picture->closed && !picture->unsure;
    bool gone = known && !cshm_tree_find_segment(picture->project.tree, segment);
    (void)pthread_rwlock_unlock(&picture->lock);
    return gone;
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
