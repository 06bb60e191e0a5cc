/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

#define CONNECTIONS "/sys/fs/fuse/connections"

/*
 * The file system of FUSE's connections is not mounted everywhere (containers), and a mount of
 * one's own that nobody sees does as well.
 */
static int open_connections(void)
{
    CSHM_AUTO_FD int mounted = open(CONNECTIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mounted >= 0 && faccessat(mounted, ".", X_OK, 0) == 0) {
        struct stat own;
        struct stat parent;
        if (fstat(mounted, &own) == 0 && fstatat(mounted, "..", &parent, 0) == 0 &&
            own.st_dev != parent.st_dev)
            return cshm_steal_fd(&mounted);
    }
    CSHM_AUTO_FD int context = fsopen("fusectl", FSOPEN_CLOEXEC);
    if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    int made = fsmount(context, FSMOUNT_CLOEXEC, 0);
    return made < 0 ? -errno : made;
}

/* Opened now: of a connection that has ended, writing into it does nothing, whoever has its number.
 */
static int open_abort(const char *mountpoint)
{
    struct statx mount;
    /* Asks for nothing and syncs nothing: nobody answers requests yet. */
    if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, 0, &mount) < 0)
        return -errno;
    CSHM_AUTO_FD int connections = open_connections();
    if (connections < 0)
        return connections;
    char path[32];
    (void)snprintf(path, sizeof path, "%u/abort", mount.stx_dev_minor);
    int fd = openat(connections, path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* --- Hearing of a death --------------------------------------------------------------------------
 * The main thread holds this lock as long as it lives, and the guard waits for it: of the robust
 * locks of a thread that dies the kernel wakes who waits for them. Everything else that tells of a
 * death waits for all threads, above all for the one that is deaf: a parent's end, which passes its
 * children to another of its threads; a pidfd; a pipe, which closes with the last one.
 */

/* Shared with the child that is about to be made. NULL without memory. */
static pthread_mutex_t *hold_lock(void)
{
    pthread_mutexattr_t kind;
    pthread_mutex_t *lock =
        mmap(NULL, sizeof *lock, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lock == MAP_FAILED)
        return NULL;
    (void)pthread_mutexattr_init(&kind);
    (void)pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(lock, &kind);
    (void)pthread_mutexattr_destroy(&kind);
    (void)pthread_mutex_lock(lock);
    return lock;
}

/* By who holds it, when nobody waits for it. */
static void drop_lock(pthread_mutex_t *lock)
{
    (void)pthread_mutex_unlock(lock);
    (void)pthread_mutex_destroy(lock);
    (void)munmap(lock, sizeof *lock);
}

/* --- Answering in a dead one's place ------------------------------------------------------------
 * For who may not abort: what the daemon took and did not answer is asked again (Linux 6.9), and
 * fails, until all its threads are gone. Then this was the last who had the connection open.
 */

enum {
    NOTIFY_RESEND = 7,   /* FUSE_NOTIFY_RESEND of newer headers */
    READ_SIZE = 2 << 20, /* not less than the daemon's */
    AGAIN_MILLISECONDS = 20,
};

static void say(int fd, int error, uint64_t unique)
{
    const struct fuse_out_header header = {sizeof header, error, unique};
    (void)!write(fd, &header, sizeof header);
}

static void refuse_all(int fd, char *request)
{
    for (ssize_t got; (got = read(fd, request, READ_SIZE)) > 0;) {
        struct fuse_in_header header;
        memcpy(&header, request, sizeof header);
        if (header.opcode != FUSE_FORGET && header.opcode != FUSE_BATCH_FORGET)
            say(fd, -ENOTCONN, header.unique);
    }
}

static void answer_for(int fd, int daemon)
{
    char *request =
        mmap(NULL, READ_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct pollfd wait[] = {{.fd = daemon, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (request == MAP_FAILED || daemon < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return;
    do {
        say(fd, NOTIFY_RESEND, 0);
        refuse_all(fd, request);
    } while (poll(wait, 2, AGAIN_MILLISECONDS) >= 0 && !wait[0].revents &&
             !(wait[1].revents & POLLERR));
}

/*
 * With everything closed but what it needs: not /dev/fuse where there is an abort file, as it must
 * not live on.
 */
static _Noreturn void keep_watch(int fd, bool aborts, int daemon, pthread_mutex_t *life)
{
    sigset_t all;
    int kept = fcntl(daemon, F_DUPFD, STDERR_FILENO + 1);
    (void)prctl(PR_SET_NAME, "cuteshmfs-guard");
    (void)setsid(); /* who kills the daemon's group must not take this one along */
    (void)dup2(fd, STDIN_FILENO);
    (void)dup2(kept, STDOUT_FILENO);
    (void)close_range(STDOUT_FILENO + 1, ~0U, 0);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    bool died = pthread_mutex_lock(life) == EOWNERDEAD;
    if (died && aborts)
        (void)!write(STDIN_FILENO, "1", 1);
    else if (died)
        answer_for(STDIN_FILENO, STDOUT_FILENO);
    _exit(0);
}

/* --- Its life -----------------------------------------------------------------------------------
 */

int guard_start(struct guard *guard, const char *mountpoint, int connection)
{
    *guard = (struct guard){0};
    CSHM_AUTO_FD int abort_fd = open_abort(mountpoint);
    bool aborts = abort_fd >= 0;
    CSHM_AUTO_FD int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return -errno;
    pthread_mutex_t *life = hold_lock();
    if (!life)
        return -ENOMEM;
    pid_t process = fork();
    if (process == 0)
        keep_watch(aborts ? abort_fd : connection, aborts, self, life);
    int result = process < 0 ? -errno : 0;
    if (result == 0)
        *guard = (struct guard){.process = process, .life = life};
    else
        drop_lock(life);
    return result;
}

void guard_stop(struct guard *guard)
{
    if (guard->process <= 0)
        return;
    (void)kill(guard->process, SIGKILL);
    while (waitpid(guard->process, NULL, 0) < 0 && errno == EINTR)
        ;
    drop_lock(guard->life);
    *guard = (struct guard){0};
}
