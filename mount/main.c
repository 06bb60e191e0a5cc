/* SPDX-License-Identifier: MIT */
/* What the daemon is made of, and its beginning and end; between them: service.c. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "daemon.h"
#include "difference.h"
#include "life.h"
#include "log.h"
#include "mountpoint.h"
#include "options.h"
#include "service.h"
#include "sizing.h"

/* --- The daemon's state -------------------------------------------------------------------------
 */

static void see_replaced(void *context, struct picture *picture, const struct cshm_project *before,
                         const struct cshm_project *after)
{
    struct daemon *daemon = context;
    difference_replaced(daemon, picture, before, after);
    if (!before && after && !daemon->read_only)
        sizing_mend(daemon, after);
}

static void see_changing(void *context, struct picture *picture,
                         const struct cshm_operation *operation,
                         const struct cshm_operation_place *place, bool own)
{
    difference_change(context, picture, operation, place, own);
}

static void see_unfolded(void *context, struct picture *picture)
{
    struct daemon *daemon = context;
    folder_add(&daemon->folder, picture);
}

static void see_linked(void *context, const char *segment)
{
    struct daemon *daemon = context;
    difference_arrays(daemon, segment);
    watch_learn(&daemon->watch);
}

static int daemon_init(struct daemon *daemon, const struct options *options,
                       struct cshm_error *error)
{
    const struct pictures_observer observer = {.context = daemon,
                                               .replaced = see_replaced,
                                               .changing = see_changing,
                                               .unfolded = see_unfolded,
                                               .linked = see_linked};
    int result = cshm_store_open(&options->settings, !options->read_only, &daemon->store, error);
    if (result < 0)
        return result;
    daemon->store->log = log_for_library();
    daemon->read_only = options->read_only;
    daemon->shm_path = realpath(daemon->store->shm_dir, NULL);
    if (!daemon->shm_path)
        return cshm_fail_errno(error, -errno, "%s", daemon->store->shm_dir);
    access_init(&daemon->access, options->access, daemon->store->shm_fd);
    herald_init(&daemon->herald, &daemon->inodes, &daemon->ghosts);
    (void)pthread_mutex_init(&daemon->root.lock, NULL);
    ghosts_init(&daemon->ghosts, &daemon->inodes);
    ghosts_init(&daemon->newcomers, &daemon->inodes);
    handles_init(&daemon->handles);
    remarks_init(&daemon->remarks);
    pristine_init(&daemon->pristine);
    if (inode_table_init(&daemon->inodes) < 0 ||
        pictures_init(&daemon->pictures, daemon->store, &observer) < 0)
        return cshm_fail(error, -ENOMEM, "out of memory");
    daemon->pictures.read_only = options->read_only;
    folder_init(&daemon->folder, daemon->store);
    watch_init(&daemon->watch, daemon);
    return 0;
}

static void daemon_finish(struct daemon *daemon)
{
    watch_finish(&daemon->watch);
    folder_finish(&daemon->folder);
    if (daemon->shm_path)
        herald_finish(&daemon->herald);
    if (daemon->inodes.buckets) {
        ghosts_finish(&daemon->ghosts);
        ghosts_finish(&daemon->newcomers);
        inode_table_finish(&daemon->inodes);
    }
    if (daemon->pictures.buckets)
        pictures_finish(&daemon->pictures);
    if (daemon->shm_path) {
        handles_finish(&daemon->handles);
        remarks_finish(&daemon->remarks);
        pristine_finish(&daemon->pristine);
        (void)pthread_mutex_destroy(&daemon->root.lock);
        access_finish(&daemon->access);
    }
    free(daemon->shm_path);
    cshm_store_close(daemon->store);
}

/* --- main ---------------------------------------------------------------------------------------
 */

/* One descriptor per open array for a moment, and per directory: not to stop at 1,024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/*
 * By default each thread would get memory of its own to leave holes in, and what a listing of
 * 100,000 entries took would not be given back. Of any but the first arena glibc's malloc_trim()
 * leaves the top alone: 14 MB after 100,000 arrays were parsed.
 */
static void limit_memory(void)
{
    enum { ARENAS = 1, LARGE_BYTES = 64 * 1024 };
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

static int fail(const struct cshm_error *error)
{
    log_line(LOG_ERR, "%s", error->text);
    return 1;
}

static int run(struct options *options)
{
    struct cshm_error error = {0};
    struct daemon daemon = {0};
    struct life life;
    CSHM_AUTO_FREE char *mountpoint = NULL;
    int status = 0;
    if (mountpoint_prepare(options->mountpoint, &mountpoint, &error) < 0 ||
        daemon_init(&daemon, options, &error) < 0)
        status = fail(&error);
    if (status == 0) {
        (void)umask(0); /* modes are what they are set to */
        raise_file_limit();
        int result = life_begin(&life, options->foreground);
        if (result < 0)
            status = fail((cshm_fail_errno(&error, result, "cannot become a daemon"), &error));
    }
    if (status == 0) {
        (void)!chdir("/");
        status = service_run(&daemon, options, mountpoint, &life);
    }
    daemon_finish(&daemon);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    enum options_outcome outcome = options_parse(argc, argv, &options);
    int status = outcome == OPTIONS_WRONG ? 2 : 0;
    if (outcome == OPTIONS_RUN) {
        log_begin(options.verbose);
        limit_memory();
        status = run(&options);
    }
    options_finish(&options);
    return status;
}
