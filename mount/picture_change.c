/* SPDX-License-Identifier: MIT */
/* Changing: our own changes of a picture and of what it shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* What is shown may be half-changed, with both locks held: the next look reads it again. */
static void distrust(struct picture *picture)
{
    picture->unsure = true;
    picture->tried = false;
    picture->generation++;
    if (!picture->project.tree) { /* nothing to compare with */
        picture->shown = false;
        picture->all->observer.missed(picture->all->observer.context);
    }
}

/* Nothing is shown any more, with both locks held. */
static void forget(struct picture *picture)
{
    if (picture->shown)
        cshm_project_finish(&picture->project);
    census_finish(&picture->census);
    picture->project = (struct cshm_project){0};
    picture->shown = picture->closed = picture->unsure = false;
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
    const struct cshm_tree *before = picture->project.tree;
    size_t expected = before->node_count - (kind != CSHM_REMOVE_ATTRIBUTES);
    const struct pictures_observer *observer = &picture->all->observer;
    observer->changing(observer->context, picture, kind, node, true);
    if (kind != CSHM_REMOVE_ATTRIBUTES)
        census_leave(&picture->census, node);
    struct cshm_change change = {.kind = kind, .path = path, .depth = depth};
    result =
        cshm_project_change(picture->all->store, picture->name, &picture->project, &change, error);
    free(path);
    if (result < 0) {
        distrust(picture);
        return result;
    }
    picture->generation++;
    /* It was read again on the way because somebody else had changed it: count again. */
    if (picture->project.tree != before || picture->project.tree->node_count != expected) {
        observer->missed(observer->context);
        census_finish(&picture->census);
        if (census_take(&picture->census, picture->project.tree) < 0)
            distrust(picture);
    }
    return 0;
}

int picture_remove_project(struct picture *picture, struct cshm_error *error)
{
    if (picture->closed)
        return cshm_fail(error, -EACCES, "the manifest may not be read");
    struct cshm_store *store = picture->all->store;
    struct cshm_change change = {.kind = CSHM_REMOVE_GROUP};
    int result = picture->project.damaged
                     ? cshm_project_remove(store, picture->name, error)
                     : cshm_project_change(store, picture->name, &picture->project, &change, error);
    forget(picture);
    return result;
}
