/* SPDX-License-Identifier: MIT */
/* The measurements of bench-probe. Each takes the words after its name, prints numbers, and ends
 * the program with a line on stderr when something fails. Times are in seconds. */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stddef.h>
#include <stdnoreturn.h>

/* A file's own time: how its bytes are reached. */
int probe_scan(char **words);
int probe_read(char **words);
int probe_pread(char **words);
int probe_write(char **words);
int probe_open(char **words);
int probe_stat(char **words);
int probe_unlink(char **words);

/* A command's memory. */
int probe_peak(char **words);

/* From a change outside until the mount shows it. */
int probe_appear(char **words);
int probe_replace(char **words);
int probe_segment(char **words);

/* --- What they share --- */

double probe_now(void);
size_t probe_number(const char *word);
noreturn void probe_fail(const char *what);
void *probe_memory(size_t count, size_t size);
/* The middle one of `count` values, which are sorted by this. */
double probe_median(double *values, size_t count);

#endif
