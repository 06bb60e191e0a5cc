/* SPDX-License-Identifier: MIT */
/* bench-probe MEASUREMENT WORD...: one measurement of scripts/bench, which interleaves and repeats.
 */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct probe {
    const char *name;
    int (*run)(char **words);
    int words; /* at least */
    const char *usage;
};

static const struct probe probes[] = {
    {"scan", probe_scan, 1, "FILE"},
    {"read", probe_read, 2, "FILE BLOCK"},
    {"pread", probe_pread, 3, "FILE COUNT BLOCK"},
    {"write", probe_write, 3, "FILE COUNT BLOCK"},
    {"open", probe_open, 2, "FILE COUNT"},
    {"stat", probe_stat, 1, "LIST"},
    {"unlink", probe_unlink, 1, "FILE..."},
    {"peak", probe_peak, 1, "COMMAND..."},
    {"appear", probe_appear, 4, "MANIFEST PLACE WATCHED COUNT"},
    {"replace", probe_replace, 5, "MANIFEST MANIFEST PLACE WATCHED COUNT"},
    {"segment", probe_segment, 3, "SEGMENT WATCHED COUNT"},
};

double probe_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        probe_fail("clock");
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

noreturn void probe_fail(const char *what)
{
    (void)fprintf(stderr, "bench-probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

size_t probe_number(const char *word)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (errno == 0 && (*end || end == word || value == 0))
        errno = EINVAL;
    if (errno)
        probe_fail(word);
    return (size_t)value;
}

void *probe_memory(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (!made)
        probe_fail("memory");
    return made;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double probe_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof probes / sizeof *probes; i++) {
        if (strcmp(argv[1], probes[i].name) != 0)
            continue;
        if (argc - 2 >= probes[i].words)
            return probes[i].run(argv + 2);
        (void)fprintf(stderr, "usage: bench-probe %s %s\n", argv[1], probes[i].usage);
        return 2;
    }
    (void)fprintf(stderr, "usage: bench-probe MEASUREMENT WORD...\n");
    return 2;
}
