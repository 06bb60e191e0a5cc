/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"

#define CONNECTIONS "/sys/fs/fuse/connections"

/* SIGUSR1 is what the daemon's own threads are woken with; this one nobody else sends. */
enum { DEATH_SIGNAL = SIGUSR2 };

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

/* With everything but the abort file closed: above all not /dev/fuse, which must not live on. */
static _Noreturn void keep_watch(int abort_fd, pid_t daemon)
{
    (void)prctl(PR_SET_NAME, "cuteshmfs-guard");
    (void)setsid(); /* who kills the daemon's group must not take this one along */
    (void)dup2(abort_fd, STDIN_FILENO);
    (void)close_range(STDIN_FILENO + 1, ~0U, 0);
    sigset_t all;
    sigset_t death;
    int number;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)sigemptyset(&death);
    (void)sigaddset(&death, DEATH_SIGNAL);
    (void)prctl(PR_SET_PDEATHSIG, DEATH_SIGNAL);
    while (getppid() == daemon) /* whoever else may send that signal must not end the mount */
        (void)sigwait(&death, &number);
    (void)!write(STDIN_FILENO, "1", 1);
    _exit(0);
}

pid_t guard_start(const char *mountpoint)
{
    pid_t daemon = getpid();
    CSHM_AUTO_FD int abort_fd = open_abort(mountpoint);
    if (abort_fd < 0)
        return abort_fd;
    pid_t guard = fork();
    if (guard == 0)
        keep_watch(abort_fd, daemon);
    return guard < 0 ? -errno : guard;
}

void guard_stop(pid_t guard)
{
    if (guard <= 0)
        return;
    (void)kill(guard, SIGKILL);
    while (waitpid(guard, NULL, 0) < 0 && errno == EINTR)
        ;
}
