/* SPDX-License-Identifier: MIT */
/* Changing: our own changes of a picture and of what it shows. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "picture.h"
#include "picture_internal.h"

int picture_write(struct picture *picture)
{
    (void)pthread_mutex_lock(&picture->loading);
    int result = picture_refresh_loading(picture);
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

/* Nothing is shown any more, with both locks held. */
static void forget(struct picture *picture)
{
    if (picture->shown)
        cshm_project_finish(&picture->project);
    census_finish(&picture->census);
    picture->project = (struct cshm_project){0};
    picture->shown = picture->closed = picture->unsure = picture->counting = false;
    picture->tried = false;
    picture_age(picture);
}

/* --- Operations ---------------------------------------------------------------------------------
 */

static void before_operation(void *context, const struct cshm_operation *operation,
                             const struct cshm_operation_place *place)
{
    struct picture *picture = context;
    const struct pictures_observer *observer = &picture->all->observer;
    const struct cshm_commit *commit = picture->own_commit;
    bool own = picture->own_transfer || (place->node && place->node == picture->own) ||
               (commit && operation >= commit->operations &&
                operation < commit->operations + commit->count);
    observer->changing(observer->context, picture, operation, place, own);
    picture->counting = true;
    census_before(&picture->census, operation, place);
}

static void after_operation(void *context, const struct cshm_operation *operation,
                            const struct cshm_operation_place *place)
{
    struct picture *picture = context;
    picture->counting = census_after(&picture->census, operation, place) < 0;
}

void picture_observe(struct picture *picture)
{
    picture->project.observer = (struct cshm_observer){
        .before = before_operation, .after = after_operation, .context = picture};
}

/* --- Requests -----------------------------------------------------------------------------------
 */

/* After a change, good or bad; both locks are held. */
static void settle(struct picture *picture, int result)
{
    const struct cshm_project *project = &picture->project;
    const struct pictures_observer *observer = &picture->all->observer;
    picture->own = NULL;
    picture->own_commit = NULL;
    picture->own_transfer = false;
    picture_age(picture);
    if (result < 0 && result != -ESTALE)
        picture->unsure =
            cshm_project_check(picture->all->store, picture->name, &project->stamp) < 0;
    else if (cshm_project_is_bloated(project))
        picture->unsure = true;
    picture->unsure |= picture->counting; /* counted again when it is read again */
    if (project->journal_bytes > 0)
        observer->unfolded(observer->context, picture);
}

int picture_change(struct picture *picture, enum cshm_change_kind kind,
                   const struct cshm_node *node, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    /* Copied: the change may free the tree they stand in. */
    CSHM_AUTO_PATH struct change_path path = {0};
    int result = change_path_make(node, NULL, &path);
    if (result < 0)
        return cshm_fail(error, result, "out of memory");
    struct cshm_change change = {.kind = kind, .path = path.keys, .depth = path.depth};
    picture->own = node;
    result =
        cshm_project_change(picture->all->store, picture->name, &picture->project, &change, error);
    settle(picture, result);
    return result;
}

int picture_commit(struct picture *picture, const struct cshm_commit *commit,
                   struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    picture->own_commit = commit;
    int result =
        cshm_project_commit(picture->all->store, picture->name, &picture->project, commit, error);
    settle(picture, result);
    return result;
}

int picture_remove_project(struct picture *picture, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    struct cshm_store *store = picture->all->store;
    struct cshm_project *project = &picture->project;
    struct cshm_change change = {.kind = CSHM_REMOVE_GROUP};
    int result = project->damaged
                     ? cshm_project_remove_loaded(store, picture->name, project, error)
                     : cshm_project_change(store, picture->name, project, &change, error);
    if (result == 0)
        forget(picture);
    else
        settle(picture, result);
    return result;
}

int picture_give(struct picture *picture, const struct cshm_gift *gift, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    struct cshm_project *project = &picture->project;
    const struct cshm_project before = *project;
    int result = cshm_project_give(picture->all->store, picture->name, project, gift, error);
    settle(picture, result);
    if (result < 0)
        return result;
    /* Whose it was stays until it is read again: by that it is known what the kernel is to be told.
     */
    project->uid = before.uid;
    project->gid = before.gid;
    project->mode = before.mode;
    picture->unsure = true;
    return 0;
}

/* --- Two of them --------------------------------------------------------------------------------
 */

/* The one that is locked first, the other one, or NULL if they are one. */
static void order(struct picture **first, struct picture **second)
{
    struct picture *other = *second;
    if (other == *first) {
        *second = NULL;
    } else if (strcmp(other->name, (*first)->name) < 0) {
        *second = *first;
        *first = other;
    }
}

static int refresh_both(struct picture *first, struct picture *second, bool may_lack)
{
    int result = picture_refresh_loading(first);
    if (result < 0 || first == second)
        return result;
    result = picture_refresh_loading(second);
    return may_lack && result == -ENOENT ? 0 : result;
}

static void let_go(struct picture *first, struct picture *second)
{
    if (second)
        (void)pthread_mutex_unlock(&second->loading);
    (void)pthread_mutex_unlock(&first->loading);
}

int pictures_write_both(struct picture *a, struct picture *b, bool may_lack)
{
    struct picture *first = a;
    struct picture *second = b;
    order(&first, &second);
    (void)pthread_mutex_lock(&first->loading);
    if (second)
        (void)pthread_mutex_lock(&second->loading);
    int result = refresh_both(a, b, may_lack);
    if (result < 0) {
        let_go(first, second);
        return result;
    }
    (void)pthread_rwlock_wrlock(&first->lock);
    if (second)
        (void)pthread_rwlock_wrlock(&second->lock);
    return 0;
}

void pictures_write_both_end(struct picture *first, struct picture *second)
{
    order(&first, &second);
    if (second)
        (void)pthread_rwlock_unlock(&second->lock);
    (void)pthread_rwlock_unlock(&first->lock);
    let_go(first, second);
}

struct transfer {
    struct picture *source;
    struct picture *target;
    const struct cshm_passage *passage;
};

/* What came before, out of the journals, is others' doing; what comes now is our own. */
static int check_transfer(void *context, const struct cshm_project *from,
                          const struct cshm_project *to)
{
    const struct transfer *transfer = context;
    const struct cshm_passage *passage = transfer->passage;
    int result = passage->check(passage->context, from, to);
    transfer->source->own_transfer = transfer->target->own_transfer = result == 0;
    return result;
}

int pictures_transfer(struct picture *source, struct picture *target,
                      const struct cshm_passage *passage, struct cshm_error *error)
{
    if (source->closed || target->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    bool ends = passage->from_depth == 0 && !passage->exchange;
    struct transfer transfer = {source, target, passage};
    struct cshm_passage checked = *passage;
    checked.check = check_transfer;
    checked.context = &transfer;
    int result = cshm_project_transfer(source->all->store, source->name, &source->project,
                                       target->name, &target->project, &checked, error);
    settle(target, result);
    settle(source, result);
    if (result == 0 && ends)
        forget(source);
    return result;
}

static int fold_shown(struct picture *picture, struct cshm_error *error)
{
    if (!picture->shown || picture->project.journal_bytes == 0)
        return 0;
    int result = cshm_project_fold(picture->all->store, picture->name, &picture->project, error);
    settle(picture, result);
    return result;
}

static struct cshm_named named(const struct picture *picture)
{
    return (struct cshm_named){picture->name, picture->shown ? &picture->project : NULL};
}

int pictures_rename(struct picture *from, struct picture *to, enum cshm_rename how,
                    struct cshm_error *error)
{
    int result = fold_shown(from, error);
    if (result == 0)
        result = fold_shown(to, error);
    const struct cshm_named here = named(from);
    const struct cshm_named there = named(to);
    if (result == 0)
        result = cshm_project_rename(from->all->store, &here, &there, how, error);
    if (result < 0 && result != -ESTALE) {
        from->unsure = to->unsure = true;
    } else if (result == 0) {
        forget(from);
        forget(to);
    }
    return result;
}

int picture_fold(struct picture *picture, struct cshm_error *error)
{
    int result = 0;
    (void)pthread_mutex_lock(&picture->loading);
    if (picture->shown && picture->project.journal_bytes > 0) {
        (void)pthread_rwlock_wrlock(&picture->lock);
        result = cshm_project_fold(picture->all->store, picture->name, &picture->project, error);
        picture_age(picture);
        if (result < 0)
            picture->unsure = true;
        (void)pthread_rwlock_unlock(&picture->lock);
    }
    (void)pthread_mutex_unlock(&picture->loading);
    return result;
}
