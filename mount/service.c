/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "log.h"
#include "mountpoint.h"
#include "ops.h"

struct service {
    struct daemon *daemon;
    struct fuse_session *fuse;
    const char *mountpoint;
    struct life *life;
    bool wants_ring;
    pthread_t main_thread;
    struct guard guard;
    _Atomic bool stopping; /* the loop has ended: what fails from now on is no failure to start */
    _Atomic bool failed;
};

/* --- Ending -------------------------------------------------------------------------------------
 */

enum { WAKE_SIGNAL = SIGUSR1, WAKE_NANOSECONDS = 20 * 1000 * 1000 };

static void fill_ending_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

/*
 * Those that end the daemon are held in all threads, and waited for in one. libfuse mounts and
 * unmounts for a user with a helper program, and gives up when a signal interrupts its waiting.
 */
static void hold_signals(void)
{
    sigset_t set;
    fill_ending_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void wake(int number)
{
    (void)number; /* it is for the call that it interrupts */
}

static void set_up_signals(void)
{
    struct sigaction waking = {.sa_handler = wake};
    (void)sigaction(WAKE_SIGNAL, &waking, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGIO, SIG_IGN); /* somebody opens a manifest that is just looked at (picture.c) */
}

/* Ends the loop. libfuse forgets what it is told before it runs, and looks only when it is woken.
 */
static void end_loop(struct service *service)
{
    while (!atomic_load(&service->stopping)) {
        fuse_session_exit(service->fuse);
        (void)pthread_kill(service->main_thread, WAKE_SIGNAL);
        (void)nanosleep(&(struct timespec){.tv_nsec = WAKE_NANOSECONDS}, NULL);
    }
}

static void stop_threads(struct daemon *daemon)
{
    watch_stop(&daemon->watch);
    herald_stop(&daemon->herald);
    folder_stop(&daemon->folder);
}

/*
 * The herald first, while requests are answered: it may be waiting in the kernel for one of them,
 * and what waits there cannot be ended.
 */
static void *wait_for_signal(void *argument)
{
    struct service *service = argument;
    sigset_t set;
    int number;
    fill_ending_signals(&set);
    while (sigwait(&set, &number) != 0)
        ;
    if (!atomic_load(&service->stopping)) {
        stop_threads(service->daemon);
        end_loop(service);
    }
    return NULL;
}

/* --- The first answer ---------------------------------------------------------------------------
 */

static void say_ready(const struct service *service, enum access_mode mode)
{
    char status[512];
    (void)snprintf(status, sizeof status, "%s: access by %s (%s)", service->mountpoint,
                   access_name(mode), service->daemon->access.why);
    log_line(LOG_INFO, "%s", status);
    bool was_starting = service->life->parent >= 0;
    life_ready(service->life, status);
    if (was_starting) /* once for who started it, once for the log */
        log_line(LOG_INFO, "%s", status);
}

/* With -v: whether requests come the fast way, and if not what to do about it. */
static void say_transport(const struct service *service)
{
    if (atomic_load(&service->daemon->access.by_ring))
        log_debug("requests come through io_uring");
    else if (!LIBFUSE_HAS_IO_URING)
        log_debug("requests come through /dev/fuse: io_uring needs libfuse 3.18");
    else if (!service->wants_ring)
        log_debug("requests come through /dev/fuse: no_io_uring");
    else
        log_debug("requests come through /dev/fuse; faster, with Linux 6.14 or newer, after: "
                  "echo Y > /sys/module/fuse/parameters/enable_uring");
}

/*
 * Asks the mount a question, from a thread beside those that answer it. When that is done the
 * access mode is decided, and whoever waits for the mount may be told.
 */
static void *start_up(void *argument)
{
    struct service *service = argument;
    struct statvfs space;
    int asked = statvfs(service->mountpoint, &space) < 0 ? -errno : 0;
    struct stat root;
    (void)stat(service->mountpoint, &root);
    herald_greet(&service->daemon->herald);
    enum access_mode mode = atomic_load(&service->daemon->access.mode);
    bool decided = mode == ACCESS_PASSTHROUGH || mode == ACCESS_SYMLINK;
    if (decided && asked == 0) {
        say_ready(service, mode);
        say_transport(service);
        return NULL;
    }
    /* Unmounted or told to end already. libfuse 3.17 forgets that it was when its loop ends. */
    if (atomic_load(&service->stopping) || fuse_session_exited(service->fuse))
        return NULL;
    if (mode == ACCESS_FAILED)
        log_line(LOG_ERR, "--access=passthrough: %s", service->daemon->access.why);
    else
        log_line(LOG_ERR, "%s: mounted, but it does not answer: %s", service->mountpoint,
                 strerror(asked < 0 ? -asked : EIO));
    atomic_store(&service->failed, true);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

/* --- Serving ------------------------------------------------------------------------------------
 */

/* Requests until unmounted or ended (0 or more), or an error (negative errno). */
static int loop(struct fuse_session *fuse, const struct options *options)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, options->clone_fd);
    fuse_loop_cfg_set_max_threads(config, options->max_threads);
    int result = fuse_session_loop_mt(fuse, config);
    fuse_loop_cfg_destroy(config);
    return result;
}

/* What others left in journals, or left undone, stays so where nothing is to be changed. */
static int start_folder(struct daemon *daemon)
{
    return daemon->read_only ? 0 : folder_start(&daemon->folder);
}

/* The threads that are there as long as requests are answered. 0 or negative errno. */
static int start_threads(struct service *service, pthread_t *signals, pthread_t *starter)
{
    int result = herald_start(&service->daemon->herald, service->fuse);
    if (result == 0)
        result = watch_start(&service->daemon->watch);
    if (result == 0)
        result = start_folder(service->daemon);
    if (result == 0)
        result = -pthread_create(signals, NULL, wait_for_signal, service);
    if (result < 0)
        return result;
    result = -pthread_create(starter, NULL, start_up, service);
    if (result < 0) {
        atomic_store(&service->stopping, true);
        (void)pthread_kill(*signals, SIGTERM);
        (void)pthread_join(*signals, NULL);
    }
    return result;
}

static int serve(struct service *service, const struct options *options)
{
    pthread_t signals;
    pthread_t starter;
    if (start_threads(service, &signals, &starter) < 0) {
        log_line(LOG_ERR, "cannot make a thread");
        guard_stop(&service->guard);
        fuse_session_unmount(service->fuse);
        return 1;
    }
    int result = loop(service->fuse, options);
    atomic_store(&service->stopping, true);
    life_stopping();
    guard_stop(&service->guard);
    /* What was asked and not answered yet fails with this, also the starter's own question. */
    fuse_session_unmount(service->fuse);
    (void)pthread_kill(signals, SIGTERM);
    (void)pthread_join(signals, NULL);
    (void)pthread_join(starter, NULL);
    if (result < 0)
        log_line(LOG_ERR, "%s: %s", service->mountpoint, strerror(-result));
    else
        log_debug("%s: unmounted", service->mountpoint);
    return result < 0 || atomic_load(&service->failed) ? 1 : 0;
}

static int serve_guarded(struct service *service, const struct options *options)
{
    int result = guard_start(&service->guard, service->mountpoint, fuse_session_fd(service->fuse));
    if (result < 0)
        log_debug("%s: nobody will abort the connection if this process is killed: %s",
                  service->mountpoint, strerror(-result));
    int status = serve(service, options);
    guard_stop(&service->guard);
    return status;
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

int service_run(struct daemon *daemon, struct options *options, const char *mountpoint,
                struct life *life)
{
    const struct fuse_lowlevel_ops table = ops_choose(options->read_only, options->xattr);
    struct fuse_session *fuse = fuse_session_new(&options->fuse, &table, sizeof table, daemon);
    if (!fuse)
        return 2; /* an option it does not know; it has said which */
    struct service service = {.daemon = daemon,
                              .fuse = fuse,
                              .mountpoint = mountpoint,
                              .life = life,
                              .wants_ring = options->io_uring,
                              .main_thread = pthread_self()};
    hold_signals();
    set_up_signals();
    int status = fuse_session_mount(fuse, mountpoint) == 0 ? serve_guarded(&service, options)
                                                           : cannot_mount(mountpoint);
    stop_threads(daemon);
    fuse_session_destroy(fuse);
    mountpoint_leave(mountpoint);
    return status;
}
