/* SPDX-License-Identifier: MIT */
/* The life of the daemon: start, serve, stop. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/scope.h"
#include "daemon.h"
#include "life.h"
#include "log.h"
#include "mountpoint.h"
#include "ops.h"
#include "options.h"

/* --- The daemon's state -------------------------------------------------------------------------
 */

static int daemon_init(struct daemon *daemon, const struct options *options,
                       struct cshm_error *error)
{
    int result = cshm_store_open(&options->settings, true, &daemon->store, error);
    if (result < 0)
        return result;
    daemon->store->log = log_for_library();
    daemon->shm_path = realpath(daemon->store->shm_dir, NULL);
    if (!daemon->shm_path)
        return cshm_fail_errno(error, -errno, "%s", daemon->store->shm_dir);
    access_init(&daemon->access, options->access, daemon->store->shm_fd);
    (void)pthread_mutex_init(&daemon->root.lock, NULL);
    ghosts_init(&daemon->ghosts, &daemon->inodes);
    handles_init(&daemon->handles);
    if (inode_table_init(&daemon->inodes) < 0 ||
        pictures_init(&daemon->pictures, daemon->store) < 0)
        return cshm_fail(error, -ENOMEM, "out of memory");
    return 0;
}

static void daemon_finish(struct daemon *daemon)
{
    if (daemon->inodes.buckets) {
        ghosts_finish(&daemon->ghosts);
        inode_table_finish(&daemon->inodes);
    }
    if (daemon->pictures.buckets)
        pictures_finish(&daemon->pictures);
    if (daemon->shm_path) {
        handles_finish(&daemon->handles);
        (void)pthread_mutex_destroy(&daemon->root.lock);
        access_finish(&daemon->access);
    }
    free(daemon->shm_path);
    cshm_store_close(daemon->store);
}

/* --- Signals ------------------------------------------------------------------------------------
 */

/*
 * They end the loop, and only that: libfuse mounts and unmounts for a user with a helper program,
 * and gives up when a signal interrupts its waiting for it.
 */
static void hold_signals(sigset_t *before)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, before);
}

static void let_signals(const sigset_t *before)
{
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* --- The first answer ---------------------------------------------------------------------------
 */

struct starter {
    struct daemon *daemon;
    struct fuse_session *session;
    const char *mountpoint;
    struct life *life;
    pthread_t main_thread;
    _Atomic bool stopping; /* the loop has ended: what fails from now on is no failure to start */
    bool failed;
};

static void say_ready(const struct starter *starter, enum access_mode mode)
{
    char status[512];
    (void)snprintf(status, sizeof status, "%s: access by %s (%s)", starter->mountpoint,
                   access_name(mode), starter->daemon->access.why);
    log_line(LOG_INFO, "%s", status);
    bool was_starting = starter->life->parent >= 0;
    life_ready(starter->life, status);
    if (was_starting) /* once for who started it, once for the log */
        log_line(LOG_INFO, "%s", status);
}

/*
 * Asks the mount a question, from a thread beside those that answer it. When that is done the
 * access mode is decided, and whoever waits for the mount may be told.
 */
static void *start_up(void *argument)
{
    struct starter *starter = argument;
    struct statvfs space;
    int asked = statvfs(starter->mountpoint, &space) < 0 ? -errno : 0;
    enum access_mode mode = atomic_load(&starter->daemon->access.mode);
    bool decided = mode == ACCESS_PASSTHROUGH || mode == ACCESS_SYMLINK;
    if (decided && asked == 0) {
        say_ready(starter, mode);
        return NULL;
    }
    /* Unmounted or told to end already. libfuse 3.17 forgets that it was when its loop ends. */
    if (atomic_load(&starter->stopping) || fuse_session_exited(starter->session))
        return NULL;
    if (mode == ACCESS_FAILED)
        log_line(LOG_ERR, "--access=passthrough: %s", starter->daemon->access.why);
    else
        log_line(LOG_ERR, "%s: mounted, but it does not answer: %s", starter->mountpoint,
                 strerror(asked < 0 ? -asked : EIO));
    starter->failed = true;
    /* libfuse notices the end of a session when a signal wakes its main thread. */
    (void)pthread_kill(starter->main_thread, SIGTERM);
    return NULL;
}

/* Signals are for the main thread. */
static int run_beside(pthread_t *thread, struct starter *starter)
{
    sigset_t before;
    hold_signals(&before);
    int result = pthread_create(thread, NULL, start_up, starter);
    let_signals(&before);
    return -result;
}

/* --- The session --------------------------------------------------------------------------------
 */

/* Requests until unmounted (0), or a signal (its number), or an error (negative errno). */
static int loop(struct fuse_session *session, const struct options *options)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, options->clone_fd);
    fuse_loop_cfg_set_max_threads(config, options->max_threads);
    int result = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return result;
}

/* With signals held at both ends of the loop. The exit status. */
static int serve(struct starter *starter, const struct options *options, const sigset_t *before)
{
    sigset_t held;
    pthread_t thread;
    if (run_beside(&thread, starter) < 0) {
        log_line(LOG_ERR, "cannot make a thread");
        fuse_session_unmount(starter->session);
        return 1;
    }
    let_signals(before);
    int result = loop(starter->session, options);
    hold_signals(&held);
    atomic_store(&starter->stopping, true);
    life_stopping();
    /* What was asked and not answered yet fails with this, also the starter's own question. */
    fuse_session_unmount(starter->session);
    (void)pthread_join(thread, NULL);
    if (result < 0)
        log_line(LOG_ERR, "%s: %s", starter->mountpoint, strerror(-result));
    else
        log_debug("%s: unmounted", starter->mountpoint);
    return result < 0 || starter->failed ? 1 : 0;
}

static int cannot_mount(const char *mountpoint)
{
    bool usable = access("/dev/fuse", R_OK | W_OK) == 0;
    log_line(LOG_ERR, "%s: cannot mount%s", mountpoint,
             usable ? ""
                    : ": /dev/fuse is not there or not for this user (modprobe fuse; chmod 666 "
                      "/dev/fuse)");
    return 1;
}

static int run_session(struct daemon *daemon, struct options *options, const char *mountpoint,
                       struct life *life)
{
    struct fuse_session *session =
        fuse_session_new(&options->fuse, &ops_table, sizeof ops_table, daemon);
    if (!session)
        return 2; /* an option it does not know; it has said which */
    struct starter starter = {.daemon = daemon,
                              .session = session,
                              .mountpoint = mountpoint,
                              .life = life,
                              .main_thread = pthread_self()};
    int status = 1;
    sigset_t before;
    hold_signals(&before);
    if (fuse_set_signal_handlers(session) == 0) {
        status = fuse_session_mount(session, mountpoint) == 0 ? serve(&starter, options, &before)
                                                              : cannot_mount(mountpoint);
        fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
    return status;
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
        status = run_session(&daemon, options, mountpoint, &life);
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
        status = run(&options);
    }
    options_finish(&options);
    return status;
}
