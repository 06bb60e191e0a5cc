/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "base/scope.h"
#include "daemon.h"
#include "difference.h"
#include "log.h"
#include "sight.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/registry.h"
#include "watch_batch.h"

/*
 * Not IN_CREATE: what is new is not believed to be absent, and publishing 100,000 segments would
 * overflow the kernel's queue of 16,384 events. A manifest counts when its writer has closed it or
 * moved it here; IN_MODIFY is for journals.
 */
enum {
    REGISTRY_EVENTS = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |
                      IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
    MEMORY_EVENTS = IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR,
    PARENT_EVENTS = IN_DELETE | IN_ONLYDIR,
    SELF_EVENTS = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT,

    /* A passthrough write is an event each; between two readings a writer's run into one. */
    PAUSE_NANOSECONDS = 2 * 1000 * 1000,
    LOST_MILLISECONDS = 50,      /* how often a registry that is gone is looked for */
    SETTLED_MILLISECONDS = 2100, /* when a manifest that does not parse is damaged */
    ARRAYS_OF_SEGMENT = 16,
};

/* --- Beginning ----------------------------------------------------------------------------------
 */

static int watch_directory(const struct watch *watch, int fd, uint32_t events)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int descriptor = inotify_add_watch(watch->fd, path, events | IN_MASK_ADD);
    return descriptor < 0 ? -errno : descriptor;
}

/* 0 or negative errno. */
static int watch_registry(struct watch *watch)
{
    const struct cshm_store *store = watch->daemon->store;
    cshm_store_revive(store);
    struct stat st;
    if (fstat(store->root_fd, &st) < 0 || st.st_nlink == 0)
        return -ENOENT;
    int result = watch_directory(watch, store->root_fd, REGISTRY_EVENTS);
    if (result < 0)
        return result;
    watch->registry = result;
    /* It may have gone before that, and then nothing will be heard of it. */
    return fstat(store->root_fd, &st) < 0 || st.st_nlink == 0 ? -ENOENT : 0;
}

static int watch_parent(struct watch *watch)
{
    char *path = strdup(watch->daemon->store->root);
    int descriptor =
        path ? inotify_add_watch(watch->fd, dirname(path), PARENT_EVENTS | IN_MASK_ADD) : -1;
    int code = -errno;
    free(path);
    watch->parent = descriptor;
    return descriptor < 0 ? code : 0;
}

static int begin(struct watch *watch)
{
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0 || pipe2(watch->end, O_CLOEXEC) < 0)
        return -errno;
    watch->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->call < 0)
        return -errno;
    int result = watch_directory(watch, watch->daemon->store->shm_fd, MEMORY_EVENTS);
    if (result < 0)
        return result;
    watch->memory = result;
    result = watch_registry(watch);
    if (result == 0 || result == -ENOENT)
        result = watch_parent(watch);
    return result;
}

void watch_init(struct watch *watch, struct daemon *daemon)
{
    *watch = (struct watch){
        .daemon = daemon, .fd = -1, .end = {-1, -1}, .registry = -1, .parent = -1, .call = -1};
    int result = begin(watch);
    if (result < 0) {
        log_line(LOG_WARNING, "changes by others cannot be watched (inotify: %s): %s",
                 strerror(-result), "the kernel will ask about each file again and again");
        cshm_close_fd(&watch->fd);
        daemon->store->recovers_each_time = true; /* of who dies there is no word */
        return;
    }
    atomic_store(&watch->on, watch->registry >= 0);
}

void watch_finish(struct watch *watch)
{
    if (!watch->daemon)
        return;
    cshm_close_fd(&watch->fd);
    cshm_close_fd(&watch->end[0]);
    cshm_close_fd(&watch->end[1]);
    cshm_close_fd(&watch->call);
    waiting_finish(&watch->waiting);
}

/* --- The registry -------------------------------------------------------------------------------
 */

static void look_at_project(struct watch *watch, const char *name)
{
    struct pictures *pictures = &watch->daemon->pictures;
    struct picture *picture =
        atomic_load(&watch->wide) ? picture_get(pictures, name) : picture_find(pictures, name);
    if (!picture)
        return;
    if (picture_look_again(picture))
        waiting_add(&watch->waiting, name, SETTLED_MILLISECONDS);
    picture_put(picture);
}

static void look_at_all_projects(struct watch *watch)
{
    struct picture **pictures;
    size_t count;
    if (pictures_all(&watch->daemon->pictures, &pictures, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        (void)picture_look_again(pictures[i]);
        picture_put(pictures[i]);
    }
    free(pictures);
    herald_attributes(&watch->daemon->herald, &watch->daemon->inodes.root);
}

/*
 * Journals, pending files and the like are open as long as their writer lives and has work to
 * finish; closed and still there, he is dead, and it is ours to finish.
 */
static void see_writer(const struct watch *watch, const struct batch_item *item)
{
    struct stat st;
    if (item->events & IN_CLOSE_WRITE &&
        fstatat(watch->daemon->store->root_fd, item->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        folder_recover(&watch->daemon->folder);
}

static void look_at_journal(struct watch *watch, const char *project, const struct batch_item *item)
{
    look_at_project(watch, project);
    see_writer(watch, item);
}

/* Something about this name in the registry. */
static void see_registry(struct watch *watch, const struct batch_item *item)
{
    char project[CSHM_PROJECT_NAME_MAX + 1];
    if (cshm_journal_project(item->name, project) == 0) {
        look_at_journal(watch, project, item);
        return;
    }
    if (cshm_manifest_project(item->name, project) < 0) {
        if (cshm_pending_concerns(item->name))
            see_writer(watch, item);
        return;
    }
    if (!(item->events & ~(uint32_t)IN_MODIFY)) /* its writer will close it */
        return;
    look_at_project(watch, project);
    /* The number of projects may be another one. */
    if (item->events & (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE))
        herald_attributes(&watch->daemon->herald, &watch->daemon->inodes.root);
}

/* The directory itself is gone, or is another one now. */
static void lose_registry(struct watch *watch)
{
    if (watch->registry >= 0)
        (void)inotify_rm_watch(watch->fd, watch->registry);
    watch->registry = -1;
    atomic_store(&watch->on, false);
}

/* Some directory entry beside the registry, or the registry itself, was removed. */
static void see_parent(struct watch *watch)
{
    struct stat st;
    if (fstat(watch->daemon->store->root_fd, &st) < 0 || st.st_nlink == 0)
        lose_registry(watch);
}

static void find_registry(struct watch *watch)
{
    if (watch_registry(watch) < 0) {
        lose_registry(watch);
        return;
    }
    atomic_store(&watch->on, true);
    log_debug("the registry is watched again");
    look_at_all_projects(watch);
    folder_recover(&watch->daemon->folder); /* from those who died meanwhile */
}

/* --- The shared memory --------------------------------------------------------------------------
 */

static void see_sidecar(struct daemon *daemon, struct inode *array)
{
    struct inode *parent;
    char key[CSHM_FSNAME_MAX + 1];
    (void)pthread_mutex_lock(&daemon->inodes.lock);
    struct cshm_text name = inode_name(array);
    size_t length = name.length < sizeof key ? name.length : 0;
    memcpy(key, name.bytes, length);
    parent = array->parent;
    parent->references++;
    (void)pthread_mutex_unlock(&daemon->inodes.lock);
    struct inode *sidecar =
        inode_find(&daemon->inodes, INODE_SIDECAR, parent, (struct cshm_text){key, length});
    if (sidecar) {
        herald_attributes(&daemon->herald, sidecar);
        inode_drop(&daemon->inodes, sidecar, 1);
    }
    inode_drop(&daemon->inodes, parent, 1);
}

static void forget_name(struct daemon *daemon, struct inode *inode)
{
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    struct inode *parent = inode_hold_parent(&daemon->inodes, inode);
    if (sight_spell(&daemon->inodes, inode, name))
        herald_entry(&daemon->herald, parent, name, inode);
    if (parent->kind == INODE_DIRECTORY)
        difference_entries(daemon, parent);
    inode_drop(&daemon->inodes, parent, 1);
}

/* An array that the kernel knows, whose segment was written, resized, removed, or given away. */
static void see_array(struct daemon *daemon, struct inode *inode, uint32_t events)
{
    struct sight sight;
    uint64_t told = atomic_load(&inode_array(inode)->length);
    bool resized = true;
    if (sight_begin(daemon, inode, &sight) == 0) {
        resized = told != (uint64_t)sight.looks.segment.st_size;
        sight_end(&sight);
        herald_attributes(&daemon->herald, inode);
    } else { /* it has no file any more, or another one */
        forget_name(daemon, inode);
    }
    if (resized || events & ~(uint32_t)IN_MODIFY)
        see_sidecar(daemon, inode);
}

/* The project that a segment was made for: "cute-shm.P." and ten more. */
static bool project_of_segment(const char *segment, char out[CSHM_PROJECT_NAME_MAX + 1])
{
    size_t length = strlen(segment);
    if (!cshm_segment_name_valid(segment, length))
        return false;
    size_t start = strlen("cute-shm.");
    length -= start + strlen(".0123456789");
    memcpy(out, segment + start, length);
    out[length] = '\0';
    return true;
}

/* The sidecars of all arrays that share the segment, in the project that it was made for. */
static void see_sidecars(struct daemon *daemon, const char *segment, uint32_t events)
{
    char project[CSHM_PROJECT_NAME_MAX + 1];
    struct picture *picture =
        project_of_segment(segment, project) ? picture_find(&daemon->pictures, project) : NULL;
    if (picture && picture_read(picture) == 0) {
        difference_segment(daemon, picture, segment, (events & ~(uint32_t)IN_ATTRIB) != 0);
        picture_unlock(picture);
    }
    picture_put(picture);
}

static bool is_of_project(struct daemon *daemon, const struct inode *array,
                          const struct picture *picture)
{
    struct inode *parent = inode_hold_parent(&daemon->inodes, array);
    bool same = inode_is_in(&daemon->inodes, parent, picture);
    inode_drop(&daemon->inodes, parent, 1);
    return same;
}

/*
 * A segment that went after its array, as with each removal of our own (an rm -r is many of them):
 * who changed the project has told all there is to tell.
 */
static bool was_told_of(struct daemon *daemon, const struct batch_item *item,
                        struct inode *const *arrays, size_t count)
{
    char project[CSHM_PROJECT_NAME_MAX + 1];
    if ((item->events & ~(uint32_t)IN_ATTRIB) != IN_DELETE ||
        !project_of_segment(item->name, project))
        return false;
    struct picture *picture = picture_find(&daemon->pictures, project);
    bool told = picture && picture_has_let_go(picture, item->name);
    for (size_t i = 0; i < count && told; i++)
        told = is_of_project(daemon, arrays[i], picture);
    picture_put(picture);
    return told;
}

/* What the kernel has cached of the views of a segment may be other now. */
static void see_views(struct daemon *daemon, const char *segment)
{
    struct inode *views[ARRAYS_OF_SEGMENT];
    size_t count = inode_find_views(&daemon->inodes, segment, views, ARRAYS_OF_SEGMENT);
    for (size_t i = 0; i < count; i++) {
        herald_attributes(&daemon->herald, views[i]);
        inode_drop(&daemon->inodes, views[i], 1);
    }
}

static void see_memory(struct watch *watch, const struct batch_item *item)
{
    struct daemon *daemon = watch->daemon;
    struct inode *arrays[ARRAYS_OF_SEGMENT];
    size_t count = inode_find_arrays(&daemon->inodes, item->name, arrays, ARRAYS_OF_SEGMENT);
    bool told = was_told_of(daemon, item, arrays, count);
    /* Writing changes no sidecar but by the length, and that is known of an array. */
    if (!told && (count == 0 || item->events & ~(uint32_t)IN_MODIFY))
        see_sidecars(daemon, item->name, item->events);
    see_views(daemon, item->name);
    for (size_t i = 0; i < count; i++) {
        if (!told)
            see_array(daemon, arrays[i], item->events);
        inode_drop(&daemon->inodes, arrays[i], 1);
    }
}

/* --- The thread ---------------------------------------------------------------------------------
 */

static void see_item(void *context, const struct batch_item *item)
{
    struct watch *watch = context;
    /* Two of the three may be the same directory, and then have one watch. */
    if (item->descriptor == watch->memory && item->name[0])
        see_memory(watch, item);
    if (item->descriptor == watch->parent && item->events & PARENT_EVENTS)
        see_parent(watch);
    if (item->descriptor == watch->registry && item->events & SELF_EVENTS)
        lose_registry(watch);
    else if (item->descriptor == watch->registry)
        see_registry(watch, item);
}

/* More happened than the queue holds. */
static void see_overflow(struct watch *watch)
{
    log_debug("too many changes at once: everything is looked at again");
    look_at_all_projects(watch);
    herald_everything(&watch->daemon->herald);
    folder_recover(&watch->daemon->folder);
}

/* What has piled up; somebody who goes on writing must not keep us here. */
static void see_events(struct watch *watch)
{
    struct batch batch;
    do {
        batch_read(&batch, watch->fd);
        if (batch.overflowed)
            see_overflow(watch);
        batch_each(&batch, see_item, watch);
    } while (batch.full);
}

static void see_waiting(struct watch *watch)
{
    char name[CSHM_PROJECT_NAME_MAX + 1];
    while (waiting_take(&watch->waiting, name))
        look_at_project(watch, name);
}

/* Once: what comes later there are events of. */
static void learn(struct watch *watch)
{
    struct pictures *pictures = &watch->daemon->pictures;
    struct cshm_names names;
    if (cshm_registry_list(watch->daemon->store, &names) < 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        struct picture *picture = picture_get(pictures, names.names[i]);
        if (picture)
            (void)picture_refresh(picture);
        picture_put(picture);
    }
    cshm_names_finish(&names);
}

void watch_learn(struct watch *watch)
{
    if (!atomic_exchange(&watch->wide, true))
        (void)eventfd_write(watch->call, 1);
}

static void see_call(struct watch *watch)
{
    eventfd_t value;
    if (eventfd_read(watch->call, &value) == 0)
        learn(watch);
}

/* Until there is an event, or something to look at again. False: it is to end. */
static bool wait_for_event(const struct watch *watch)
{
    struct pollfd fds[] = {{.fd = watch->fd, .events = POLLIN},
                           {.fd = watch->end[0]},
                           {.fd = watch->call, .events = POLLIN}};
    int timeout = watch->registry < 0 ? LOST_MILLISECONDS : waiting_timeout(watch->waiting);
    (void)poll(fds, sizeof fds / sizeof *fds, timeout);
    return fds[1].revents == 0;
}

static void *run(void *argument)
{
    struct watch *watch = argument;
    (void)pthread_setname_np(pthread_self(), "watch");
    while (wait_for_event(watch)) {
        see_events(watch);
        see_call(watch);
        if (watch->registry < 0)
            find_registry(watch);
        see_waiting(watch);
        (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
    }
    return NULL;
}

int watch_start(struct watch *watch)
{
    if (watch->fd < 0)
        return 0;
    int result = -pthread_create(&watch->thread, NULL, run, watch);
    watch->running = result == 0;
    return result;
}

void watch_stop(struct watch *watch)
{
    cshm_close_fd(&watch->end[1]);
    if (watch->running)
        (void)pthread_join(watch->thread, NULL);
    watch->running = false;
}
