/* SPDX-License-Identifier: MIT */
/* How long reads, writes, mappings, opens, stats and unlinks of given files take. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe.h"

static int open_file(const char *path, int flags, size_t *size)
{
    struct stat status;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        probe_fail(path);
    *size = (size_t)status.st_size;
    return fd;
}

/* Places that no read-ahead guesses, the same in every run. */
static uint64_t scatter(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

/* A line of /proc/self/status, in bytes. */
static long resident(const char *name)
{
    char line[256];
    long kibibytes = 0;
    FILE *status = fopen("/proc/self/status", "re");
    if (!status)
        probe_fail("/proc/self/status");
    while (fgets(line, sizeof line, status))
        if (strncmp(line, name, strlen(name)) == 0)
            kibibytes = strtol(line + strlen(name) + 1, NULL, 10);
    (void)fclose(status);
    return kibibytes * 1024;
}

static uint64_t sum(const uint64_t *words, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += words[i];
    return total;
}

/*
 * Seconds for mapping and reading all of it (page faults included), and the bytes of memory that
 * this process got which are not the segment's own pages: those count as RssShmem, copies in the
 * page cache as RssFile.
 */
int probe_scan(char **words)
{
    size_t size;
    int fd = open_file(words[0], O_RDONLY, &size);
    long before = resident("RssFile:") + resident("RssAnon:");
    double start = probe_now();
    void *mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        probe_fail(words[0]);
    volatile uint64_t total = sum(mapped, size / sizeof(uint64_t));
    double seconds = probe_now() - start;
    (void)total;
    (void)printf("%.9f %ld\n", seconds, resident("RssFile:") + resident("RssAnon:") - before);
    return munmap(mapped, size) < 0 || close(fd) < 0;
}

/* Seconds for one pass of read(). */
int probe_read(char **words)
{
    size_t size;
    size_t block = probe_number(words[1]);
    int fd = open_file(words[0], O_RDONLY, &size);
    char *buffer = probe_memory(1, block);
    memset(buffer, 1, block);
    ssize_t got;
    double start = probe_now();
    while ((got = read(fd, buffer, block)) > 0)
        continue;
    if (got < 0)
        probe_fail(words[0]);
    (void)printf("%.9f\n", probe_now() - start);
    free(buffer);
    return close(fd) < 0;
}

/* Seconds for one pread or pwrite, on average: single ones are too short for the clock. */
static int scattered(char **words, int flags)
{
    size_t size;
    size_t count = probe_number(words[1]);
    size_t block = probe_number(words[2]);
    int fd = open_file(words[0], flags, &size);
    char *buffer = probe_memory(1, block);
    uint64_t state = 1;
    if (size < block)
        probe_fail("a file that small");
    double start = probe_now();
    for (size_t i = 0; i < count; i++) {
        off_t at = (off_t)(scatter(&state) % (size / block) * block);
        ssize_t done =
            flags == O_RDONLY ? pread(fd, buffer, block, at) : pwrite(fd, buffer, block, at);
        if (done != (ssize_t)block)
            probe_fail(words[0]);
    }
    (void)printf("%.9f\n", (probe_now() - start) / (double)count);
    free(buffer);
    return close(fd) < 0;
}

int probe_pread(char **words)
{
    return scattered(words, O_RDONLY);
}

int probe_write(char **words)
{
    return scattered(words, O_WRONLY);
}

/* Seconds for one open and close, the median. */
int probe_open(char **words)
{
    size_t count = probe_number(words[1]);
    double *seconds = probe_memory(count, sizeof *seconds);
    for (size_t i = 0; i < count; i++) {
        double start = probe_now();
        int fd = open(words[0], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || close(fd) < 0)
            probe_fail(words[0]);
        seconds[i] = probe_now() - start;
    }
    (void)printf("%.9f\n", probe_median(seconds, count));
    free(seconds);
    return 0;
}

/* Seconds for one stat of each file of a list (a path a line), on average: the first time, and
 * again. */
int probe_stat(char **words)
{
    size_t size;
    size_t count = 0;
    int fd = open_file(words[0], O_RDONLY, &size);
    char *list = probe_memory(1, size + 1);
    if (read(fd, list, size) != (ssize_t)size || close(fd) < 0)
        probe_fail(words[0]);
    for (char *end = list; (end = strchr(end, '\n')); end++, count++)
        *end = '\0';
    for (int pass = 0; pass < 2 && count; pass++) {
        char *path = list;
        double start = probe_now();
        for (size_t i = 0; i < count; i++, path += strlen(path) + 1) {
            struct stat status;
            if (lstat(path, &status) < 0)
                probe_fail(path);
        }
        (void)printf("%.9f\n", (probe_now() - start) / (double)count);
    }
    free(list);
    return 0;
}

/* Seconds for each file given. */
int probe_unlink(char **words)
{
    for (; *words; words++) {
        double start = probe_now();
        if (unlink(*words) < 0)
            probe_fail(*words);
        (void)printf("%.9f\n", probe_now() - start);
    }
    return 0;
}
