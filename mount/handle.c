/* SPDX-License-Identifier: MIT */
#include "handle.h"

#include <errno.h>

void handles_init(struct handles *handles)
{
    *handles = (struct handles){0};
    (void)pthread_mutex_init(&handles->lock, NULL);
}

void handles_finish(struct handles *handles)
{
    while (handles->first)
        handle_end(handles, handles->first);
    (void)pthread_mutex_destroy(&handles->lock);
}

/* The list's lock is held. */
static bool resize(struct handles *handles, size_t before, size_t after)
{
    size_t others = handles->bytes - before;
    if (after > before && (after > HANDLE_BYTES_MAX || others > HANDLE_BYTES_MAX - after))
        return false;
    handles->bytes = others + after;
    return true;
}

int handle_add(struct handles *handles, struct handle *handle, size_t bytes,
               void (*destroy)(struct handle *handle))
{
    (void)pthread_mutex_lock(&handles->lock);
    bool fits = resize(handles, 0, bytes);
    if (fits) {
        *handle = (struct handle){.next = handles->first, .bytes = bytes, .destroy = destroy};
        if (handles->first)
            handles->first->previous = handle;
        handles->first = handle;
    }
    (void)pthread_mutex_unlock(&handles->lock);
    return fits ? 0 : -ENFILE;
}

int handle_resize(struct handles *handles, struct handle *handle, size_t bytes)
{
    (void)pthread_mutex_lock(&handles->lock);
    bool fits = resize(handles, handle->bytes, bytes);
    if (fits)
        handle->bytes = bytes;
    (void)pthread_mutex_unlock(&handles->lock);
    return fits ? 0 : -ENFILE;
}

bool handle_find(struct handles *handles, bool (*take)(struct handle *handle, void *context),
                 void *context)
{
    bool found = false;
    (void)pthread_mutex_lock(&handles->lock);
    for (struct handle *handle = handles->first; handle && !found; handle = handle->next)
        found = take(handle, context);
    (void)pthread_mutex_unlock(&handles->lock);
    return found;
}

void handle_end(struct handles *handles, struct handle *handle)
{
    (void)pthread_mutex_lock(&handles->lock);
    (void)resize(handles, handle->bytes, 0);
    if (handle->next)
        handle->next->previous = handle->previous;
    *(handle->previous ? &handle->previous->next : &handles->first) = handle->next;
    (void)pthread_mutex_unlock(&handles->lock);
    handle->destroy(handle);
}
