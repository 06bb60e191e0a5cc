/* SPDX-License-Identifier: MIT */
/* How long after a change beside the mount the mount shows it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

/* Between changes, as long as a daemon may need to settle; and when a change counts as never seen.
 */
static const struct timespec pause_between = {.tv_nsec = 2000000};
static const double longest = 5;

enum { GONE = -1 };

static off_t size_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0)
        return status.st_size;
    if (errno != ENOENT)
        probe_fail(path);
    return GONE;
}

/* Seconds until the size is that one (GONE: until the name is), or `longest`. */
static double await_size(const char *path, off_t size)
{
    double start = probe_now();
    bool seen;
    do
        seen = size_of(path) == size;
    while (!seen && probe_now() - start < longest);
    return seen ? probe_now() - start : longest;
}

static void settle(void)
{
    (void)nanosleep(&pause_between, NULL);
}

/* A window is printed, then the next change may come. */
static void report(double first, double second)
{
    (void)printf("%.9f %.9f\n", first, second);
    settle();
}

static void move(const char *from, const char *to)
{
    if (rename(from, to) < 0)
        probe_fail(to);
}

/* Until the array of a project is there, and until it is gone with it. */
int probe_appear(char **words)
{
    const char *manifest = words[0];
    const char *place = words[1];
    const char *watched = words[2];
    move(manifest, place);
    settle();
    off_t size = size_of(watched);
    move(place, manifest);
    if (await_size(watched, GONE) >= longest || size == GONE)
        probe_fail("the project was not shown or stayed");
    for (size_t i = probe_number(words[3]); i > 0; i--) {
        move(manifest, place);
        double came = await_size(watched, size);
        settle();
        move(place, manifest);
        report(came, await_size(watched, GONE));
    }
    return 0;
}

static char *content(const char *path, size_t *size)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        probe_fail(path);
    *size = (size_t)status.st_size;
    char *text = probe_memory(1, *size + 1);
    if (read(fd, text, *size) != (ssize_t)*size || close(fd) < 0)
        probe_fail(path);
    return text;
}

/* As everybody replaces a manifest: written beside, then renamed. */
static void publish(const char *place, const char *text, size_t size)
{
    char beside[4096];
    if (snprintf(beside, sizeof beside, "%s.new", place) >= (int)sizeof beside)
        probe_fail("the length of the path");
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || close(fd) < 0)
        probe_fail(beside);
    move(beside, place);
}

/* Two manifests of one project take turns; until the array has the other one's size. */
int probe_replace(char **words)
{
    const char *place = words[2];
    const char *watched = words[3];
    size_t lengths[2];
    off_t sizes[2];
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        texts[i] = content(words[i], &lengths[i]);
        publish(place, texts[i], lengths[i]);
        double start = probe_now();
        do
            sizes[i] = size_of(watched);
        while ((sizes[i] == GONE || (i && sizes[1] == sizes[0])) && probe_now() - start < longest);
        settle();
    }
    if (sizes[0] == GONE || sizes[1] == GONE || sizes[0] == sizes[1])
        probe_fail("the new manifest was never shown");
    for (size_t i = probe_number(words[4]); i > 0; i--) {
        publish(place, texts[0], lengths[0]);
        double first = await_size(watched, sizes[0]);
        settle();
        publish(place, texts[1], lengths[1]);
        report(first, await_size(watched, sizes[1]));
    }
    free(texts[0]);
    free(texts[1]);
    return 0;
}

static void make_segment(const char *path, off_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, size) != 0 || close(fd) < 0)
        probe_fail(path);
}

/* Until an array whose segment somebody removes is gone, and until it is back when the segment is.
 */
int probe_segment(char **words)
{
    const char *segment = words[0];
    const char *watched = words[1];
    off_t size = size_of(segment);
    if (size <= 0 || await_size(watched, size) >= longest)
        probe_fail("the array is not shown");
    for (size_t i = probe_number(words[2]); i > 0; i--) {
        if (unlink(segment) < 0)
            probe_fail(segment);
        double went = await_size(watched, GONE);
        settle();
        make_segment(segment, size);
        report(went, await_size(watched, size));
    }
    return 0;
}
