/* SPDX-License-Identifier: MIT */
/* The most private memory that a command and the processes it starts have at one time. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

enum { INTERVAL_NS = 5000000, DEEPEST = 8 };

/* Of one process, in bytes; 0 of one that has ended. Segments and mapped files are not private. */
static size_t private_memory(pid_t pid)
{
    char line[256];
    size_t kibibytes = 0;
    (void)snprintf(line, sizeof line, "/proc/%d/status", (int)pid);
    FILE *status = fopen(line, "re");
    if (!status)
        return 0;
    while (fgets(line, sizeof line, status))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kibibytes = strtoul(line + 8, NULL, 10);
    (void)fclose(status);
    return kibibytes * 1024;
}

/* With what it has started: the loader parses in a child. Any of its threads may have forked. */
static size_t family_memory(pid_t pid, int depth)
{
    char path[300];
    size_t total = private_memory(pid);
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = depth < DEEPEST ? opendir(path) : NULL;
    for (struct dirent *thread; threads && (thread = readdir(threads));) {
        int child;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread->d_name);
        FILE *children = thread->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (children && fscanf(children, "%d", &child) == 1)
            total += family_memory((pid_t)child, depth + 1);
        if (children)
            (void)fclose(children);
    }
    if (threads)
        (void)closedir(threads);
    return total;
}

/* Prints the peak in bytes and the seconds it ran. The command's own words go to stderr. */
int probe_peak(char **words)
{
    const struct timespec interval = {.tv_nsec = INTERVAL_NS};
    size_t peak = 0;
    int status = 0;
    double start = probe_now();
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
        (void)execv(words[0], words);
        _exit(127);
    }
    if (child < 0)
        probe_fail("fork");
    while (waitpid(child, &status, WNOHANG) == 0) {
        size_t now = family_memory(child, 0);
        peak = now > peak ? now : peak;
        (void)nanosleep(&interval, NULL);
    }
    (void)printf("%zu %.9f\n", peak, probe_now() - start);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
